"""The conditions in an object's status."""

from __future__ import annotations

from collections.abc import Iterable

from lab.operators.pace import timestamp
from lab.operators.resources import Object


class Conditions:
    """The conditions of one object, in the order they were first set; an unchanged status keeps its transition time."""

    def __init__(self, existing: Iterable[Object] | None = None) -> None:
        self._by_type = {condition["type"]: dict(condition) for condition in existing or ()}

    def set(self, kind: str, status: bool | None, reason: str = "", message: str = "") -> None:
        """``status`` None is Unknown. An empty reason becomes the status word, since the API wants one."""
        word = "Unknown" if status is None else str(status)
        before = self._by_type.get(kind, {})
        since = before["lastTransitionTime"] if before.get("status") == word else timestamp()
        self._by_type[kind] = {
            "type": kind,
            "status": word,
            "reason": reason or word,
            "message": message,
            "lastTransitionTime": since,
        }

    def is_true(self, kind: str) -> bool:
        return self._by_type.get(kind, {}).get("status") == "True"

    def since(self, kind: str) -> str | None:
        """When the condition last changed its status."""
        found = self._by_type.get(kind)
        return found["lastTransitionTime"] if found else None

    def message(self, kind: str) -> str:
        """What the condition says; empty when it is not set."""
        return str(self._by_type.get(kind, {}).get("message", ""))

    def as_list(self) -> list[Object]:
        return list(self._by_type.values())
