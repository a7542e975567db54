"""What is told of several resources and has one cause is told once, with the names that it concerns."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

_Told = TypeVar("_Told")
_FOLLOWS = re.compile(r"context canceled|code = Canceled|update canceled|resource plugin .* is shutting down")
"""What the engine says of everything that it was in the middle of when something else failed."""


def without_name(message: str) -> tuple[str, str]:
    """The resource that a pack's message begins with, "" when there is none, and the rest."""
    first, newline, rest = message.partition("\n")
    name, colon, problem = first.partition(": ")
    return (name, problem + newline + rest) if colon and not name.startswith("exempted ") else ("", message)


def by_cause(told: Iterable[_Told], cause: Callable[[_Told], Hashable]) -> list[list[_Told]]:
    """Those of the same cause together, in the order in which the first of each came."""
    groups: dict[Hashable, list[_Told]] = {}
    for each in told:
        groups.setdefault(cause(each), []).append(each)
    return list(groups.values())


def real_errors(errors: Iterable[str]) -> list[str]:
    """Errors without what only follows from them; all of them when there is nothing else."""
    every = list(errors)
    return [each for each in every if not _FOLLOWS.search(each)] or every
