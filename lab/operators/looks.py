"""When an object is looked at, and by whom: one look at a time, none after its end, fewer when all is done."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any


class Looks:
    """The looks at the objects of one kind.

    A look that is still under way when the object is deleted would make again what the deletion removes: they exclude
    each other. After a look that found nothing to do, the next one waits ``seconds``, unless the object or the lab's
    faults change before.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._settled: dict[str, tuple[tuple[str, float], float]] = {}
        self._gone: set[str] = set()

    @staticmethod
    def _mark(metadata: Mapping[str, Any]) -> tuple[str, float]:
        faults = Path(os.environ.get("PAIF_LAB_FAULTS", ""))
        return metadata["resourceVersion"], faults.stat().st_mtime if faults.is_file() else 0.0

    def take(self, metadata: Mapping[str, Any], look: Callable[[], bool]) -> None:
        """Call ``look``, which says whether nothing is left to do, if a look is due."""
        uid = metadata["uid"]
        with self._locks[uid]:
            mark, until = self._settled.get(uid, (("", 0.0), 0.0))
            waits = mark == self._mark(metadata) and time.monotonic() < until
            if waits or uid in self._gone or metadata.get("deletionTimestamp"):
                return
            self._settled.pop(uid, None)
            mark = self._mark(metadata)
            if look():
                self._settled[uid] = (mark, time.monotonic() + self._seconds)

    @contextlib.contextmanager
    def last(self, metadata: Mapping[str, Any]) -> Iterator[None]:
        """The removal of an object: waits for a look under way, and no look follows."""
        uid = metadata["uid"]
        with self._locks[uid]:
            self._gone.add(uid)
            self._settled.pop(uid, None)
            yield
