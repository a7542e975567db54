"""What is told of several resources and has one cause is told once, with the names that it concerns."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

_Item = TypeVar("_Item")
_FOLLOWS = re.compile(r"context canceled|code = Canceled|update canceled|resource plugin .* is shutting down")
"""What the engine says of everything that it was in the middle of when something else failed."""


def without_name(message: str) -> tuple[str, str]:
    """The resource that a pack's message begins with, "" when there is none, and the rest."""
    first, newline, rest = message.partition("\n")
    name, colon, problem = first.partition(": ")
    return (name, problem + newline + rest) if colon and not name.startswith("exempted ") else ("", message)


def by_cause(items: Iterable[_Item], cause: Callable[[_Item], Hashable]) -> list[list[_Item]]:
    """Those of the same cause together, in the order in which the first of each came."""
    groups: dict[Hashable, list[_Item]] = {}
    for each in items:
        groups.setdefault(cause(each), []).append(each)
    return list(groups.values())


def root_errors(errors: Iterable[str]) -> list[str]:
    """Errors without what only follows from them; all of them when there is nothing else."""
    all_errors = list(errors)
    return [each for each in all_errors if not _FOLLOWS.search(each)] or all_errors
