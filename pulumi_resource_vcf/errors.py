"""Errors a person reads: what is wrong, where, what was expected, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


class VcfError(Exception):
    """A failure with a message meant for people. Never holds a secret."""


class GoneError(VcfError):
    """The object asked for does not exist."""


class UnknownNameError(GoneError):
    """Nothing has the name (or id) that was asked for; `known` are the names that there are."""

    def __init__(self, where: str, what: str, wanted: str, known: Iterable[str]) -> None:
        self.known = sorted(set(known))
        super().__init__(
            f"{where} has no {what} {wanted!r}{nearest(wanted, self.known)}. There are: {listed(self.known)}."
        )


class AmbiguousNameError(VcfError):
    """Several objects have the name that was asked for; `ids` tell them apart."""

    def __init__(self, where: str, what: str, wanted: str, ids: Iterable[str]) -> None:
        self.ids = sorted(ids)
        super().__init__(f"{where} has several {what} objects named {wanted!r}: use one of the ids {listed(self.ids)}.")


class RefusedError(VcfError):
    """The other side was reached and does not take the login."""


class InitFailedError(VcfError):
    """The object exists, but did not become ready: the engine keeps it in the state and repairs it at the next `up`."""

    def __init__(self, message: str, resource_id: str, properties: dict[str, Any]) -> None:
        super().__init__(message)
        self.resource_id = resource_id
        self.properties = properties


@dataclass(frozen=True)
class Problem:
    """One wrong input: property path in Pulumi's spelling (`accessList[0].role`) and what to do about it."""

    path: str
    reason: str


class ProblemsError(VcfError):
    """Several wrong inputs found at once."""

    def __init__(self, subject: str, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        lines = [f"{p.path}: {p.reason}" for p in self.problems]
        super().__init__(lines[0] if len(lines) == 1 else f"{subject}:\n  " + "\n  ".join(lines))


def nearest(wanted: str, known: Iterable[str]) -> str:
    """`; the nearest is 'x'` for the known name closest to the wanted one, else an empty string."""
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(wanted.lower(), list(by_lower), n=1, cutoff=0.6)
    return f"; the nearest is {by_lower[close[0]]!r}" if close else ""


def listed(names: Iterable[str], limit: int = 12) -> str:
    """Names for a message, sorted, `none` when there are none, cut after `limit`."""
    every = sorted(set(names))
    more = f" and {len(every) - limit} more" if len(every) > limit else ""
    return ", ".join(every[:limit]) + more if every else "none"
