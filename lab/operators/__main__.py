"""All operators of the lab in one process: ``python -m lab.operators``.

A simulated system is a folder of ``lab/simulated``. One that has a module ``operator`` or ``webhooks`` registers its
handlers with kopf as that is imported; nothing else has to know of it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import importlib
import logging
import os
import pkgutil
import sys
from types import ModuleType
from typing import Any

import kopf

import lab.simulated
from lab.operators.resources import PREFIX
from lab.process import die_with_parent

THREADS = 12
_REGISTERING = ("operator", "webhooks")


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    """Marks under the lab's own prefix, no events from kopf itself, few threads, quick retries."""
    settings.persistence.finalizer = f"{PREFIX}/finalizer"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=PREFIX)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=PREFIX)
    settings.posting.enabled = False
    settings.execution.executor = concurrent.futures.ThreadPoolExecutor(THREADS, thread_name_prefix="operator")
    settings.execution.default_backoff = 2
    settings.queueing.error_delays = (1, 1, 2, 3, 5, 8, 13)
    settings.networking.error_backoffs = (0.5, 1, 2, 3, 5, 8, 13)
    settings.watching.reconnect_backoff = 0.5
    settings.process.ultimate_exiting_timeout = 10


def _worth_saying(record: logging.LogRecord) -> bool:
    """Not what kopf tries again by itself, nor each retry of a handler: ``reconciling`` says those once."""
    text = str(record.msg)
    return not (record.name.startswith("kopf") and ("failed temporarily" in text or "will retry" in text))


def modules(package: ModuleType) -> list[str]:
    """The modules below ``package`` that register handlers, by full name."""
    found = []
    for system in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if system.ispkg:
            inside = importlib.import_module(system.name)
            found += [
                each.name
                for each in pkgutil.iter_modules(inside.__path__, f"{system.name}.")
                if each.name.rpartition(".")[2] in _REGISTERING
            ]
    return found


def main() -> int:
    """Run the operators until told to stop."""
    die_with_parent()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    for noisy in ("kopf", "httpx", "httpcore", "aiohttp", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_worth_saying)
    for name in ("lab.operators.webhook_server", *modules(lab.simulated)):
        importlib.import_module(name)
    liveness = os.environ.get("PAIF_LAB_OPERATORS_LIVENESS")
    asyncio.run(kopf.operator(standalone=True, clusterwide=True, liveness_endpoint=liveness))
    return 0


if __name__ == "__main__":
    sys.exit(main())
