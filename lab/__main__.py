"""The lab's daemon in the foreground: ``python -m lab``; what `./paif lab up` starts."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import sys

from lab.boot import ENDS_FIRST, ENDS_LAST, bring_up
from lab.state import lab_directory
from lab.supervision.control import OTHER_OWNER
from lab.supervision.daemon import Daemon

_log = logging.getLogger("lab.daemon")


def main() -> int:
    """Run the daemon; exit status 2 when another one already owns this lab."""
    directory = lab_directory()
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    lock = (directory / "daemon.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _log.error("another daemon owns %s; `./paif lab status` shows it", directory)
        return OTHER_OWNER
    asyncio.run(Daemon(directory, bring_up, ends_first=ENDS_FIRST, ends_last=ENDS_LAST).run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
