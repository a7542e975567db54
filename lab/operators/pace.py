"""Waits, faults and timestamps of the simulated operators."""

from __future__ import annotations

import datetime
import os
from pathlib import Path

import kopf

from lab.operators.resources import Object
from lab.state import read_json


class Later(kopf.TemporaryError):
    """Not an error: the object waits for something, or for the pace of the lab; looked at again after ``delay`` s."""

    def __init__(self, message: str, delay: float = 1.0) -> None:
        super().__init__(message, delay=delay)


def fault(name: str, item: Object | None = None) -> Object | None:
    """The fault of that name when it is switched on, else None.

    A fault may be narrowed with ``namespace`` and ``name``: then it holds for that object only.
    """
    path = os.environ.get("PAIF_LAB_FAULTS")
    if not path:
        return None
    found = read_json(Path(path), {}).get(name)
    if found is None:
        return None
    found = found if isinstance(found, dict) else {}
    metadata = (item or {}).get("metadata", {})
    narrowed = (found.get(key) for key in ("namespace", "name") if found.get(key) not in (None, metadata.get(key)))
    return None if any(narrowed) else found


def pace(realistic: float, fast: float = 0.0) -> float:
    """Seconds that a step takes: ``realistic`` when the lab runs at the pace of a real site, else ``fast``."""
    return realistic if os.environ.get("PAIF_LAB_LATENCY") == "realistic" else fast


def seconds_since(since: str) -> float:
    """Seconds that have passed since a timestamp."""
    return (datetime.datetime.now(datetime.UTC) - parse_timestamp(since)).total_seconds()


def not_before(since: str, seconds: float, what: str) -> None:
    """Raise ``Later`` until ``seconds`` have passed since the timestamp ``since``: a wait that survives a restart."""
    left = seconds - seconds_since(since)
    if left > 0:
        raise Later(what, delay=left)


def timestamp() -> str:
    """Now, as Kubernetes writes it (UTC, whole seconds)."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_timestamp(text: str) -> datetime.datetime:
    """A Kubernetes timestamp."""
    return datetime.datetime.fromisoformat(text)


def backoff(attempt: int, first: float = 1.0, longest: float = 30.0) -> float:
    """Seconds to wait after the failed attempt number ``attempt`` (from 0): doubles up to ``longest``."""
    return min(longest, first * 2.0 ** min(attempt, 16))
