"""All operators of the lab in one process: ``python -m lab.operators [MODULE ...]`` (default: every module)."""

from __future__ import annotations

import asyncio
import concurrent.futures
import importlib
import importlib.util
import logging
import os
import sys
from typing import Any

import kopf

from lab.operators.common import PREFIX
from lab.process import die_with_parent

MODULES = ("wcp", "vm_service", "vm_admission", "dsm", "vks", "pais")
THREADS = 12


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
    """Not what kopf tries again by itself, nor each retry of a handler: common.reconciling says those once."""
    text = str(record.msg)
    return not (record.name.startswith("kopf") and ("failed temporarily" in text or "will retry" in text))


def main(names: list[str]) -> int:
    """Run the named modules' operators until told to stop."""
    die_with_parent()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    for noisy in ("kopf", "httpx", "httpcore", "aiohttp", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_worth_saying)
    unknown = sorted(set(names) - set(MODULES))
    if unknown:
        sys.stderr.write(f"unknown operator {', '.join(unknown)}; expected some of {', '.join(MODULES)}\n")
        return 2
    for name in names or MODULES:
        module = f"lab.operators.{name}"
        if names or importlib.util.find_spec(module):
            importlib.import_module(module)
    liveness = os.environ.get("PAIF_LAB_OPERATORS_LIVENESS")
    asyncio.run(kopf.operator(standalone=True, clusterwide=True, liveness_endpoint=liveness))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
