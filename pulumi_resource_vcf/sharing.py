"""Lists that an object shares with others: what is there stays, what is ours comes, changes and goes again.

vCenter only replaces such lists as a whole. What is ours of a list is known by the adopter's mark (`Mark.added`,
`Mark.was`), which is written together with the list, so that it also holds after a run that was cut off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .ownership import Mark, token


@dataclass(frozen=True)
class Kind:
    """One list of an object, with entries in the API's own form.

    `word` is what people call an entry, `key` what makes it the same entry, `value` what may change in it (as text,
    empty where nothing can), `valued` the entry with another value.
    """

    prop: str
    word: str
    key: Callable[[Any], str]
    value: Callable[[Any], str] = lambda _: ""
    valued: Callable[[Any, str], Any] = lambda entry, _: entry

    def token(self, entry: Any) -> str:
        """The entry as the mark names it."""
        return token(f"{self.prop} {self.key(entry)}")

    def tokens(self, entries: Sequence[Any] | None) -> dict[str, str]:
        """Values of entries by token."""
        return {self.token(entry): self.value(entry) for entry in entries or []}


@dataclass
class Merged:
    """A list as it should be, what the mark has to say of it, and what people should know.

    `left` counts what is foreign; `loses`: something foreign is taken away.
    """

    entries: list[Any] = field(default_factory=list)
    added: set[str] = field(default_factory=set)
    was: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    left: int = 0
    loses: bool = False


def merge(
    kind: Kind,
    live: Sequence[Any],
    wanted: Sequence[Any] | None,
    *,
    own: Mark,
    others: Sequence[Mark],
    before: Mapping[str, str],
    whole: bool,
) -> Merged:
    """`live` with what is `wanted` of it; None is not managed and leaves everything as it is.

    `before` has the values that were wanted until now: a value that somebody else has set since is not put back.
    `whole`: the list is ours (made here, or exclusive), foreign entries go; those of `others`, who adopted the object
    as well, stay in any case.
    """
    result = Merged()
    ours = {kind.token(entry): entry for entry in wanted or []}
    for entry in live:
        part = kind.token(entry)
        if wanted is None:
            result.entries.append(entry)
            result.added |= {part} & own.added
            result.was |= {part: own.was[part]} if part in own.was else {}
            result.left += not own.uses(part)
        elif part in ours:
            _take(result, kind, entry, kind.value(ours.pop(part)), own=own, others=others)
        else:
            _leave(result, kind, entry, own=own, others=others, before=before, whole=whole)
    for part, entry in ours.items():
        result.entries.append(entry)
        result.added.add(part)
        result.lines.append(f"adds {kind.word} {_shown(kind, entry)}")
    return result


def _take(result: Merged, kind: Kind, entry: Any, value: str, *, own: Mark, others: Sequence[Mark]) -> None:
    """An entry that is there and wanted."""
    part, found = kind.token(entry), kind.value(entry)
    result.entries.append(entry if found == value else kind.valued(entry, value))
    if part in own.added or (part not in own.was and any(part in other.added for other in others)):
        result.added.add(part)
    else:
        result.was[part] = next((mark.was[part] for mark in (own, *others) if part in mark.was), found)
    if found != value:
        back = "" if part in result.added else f", {_said(result.was[part])} again once it is released"
        result.lines.append(f"changes {kind.word} {kind.key(entry)}: {_said(found)} to {_said(value)}{back}")
    elif not own.uses(part):
        result.lines.append(f"has {kind.word} {_shown(kind, entry)} already")


def _leave(
    result: Merged,
    kind: Kind,
    entry: Any,
    *,
    own: Mark,
    others: Sequence[Mark],
    before: Mapping[str, str],
    whole: bool,
) -> None:
    """An entry that is there and not wanted, or not any more."""
    part, found = kind.token(entry), kind.value(entry)
    if any(other.uses(part) for other in others):
        result.entries.append(entry)
        result.left += 1
    elif part in own.added:
        result.lines.append(f"takes away {kind.word} {_shown(kind, entry)}, which this stack had added")
    elif whole:
        result.lines.append(f"REMOVES {kind.word} {_shown(kind, entry)}")
        result.loses = True
    elif own.was.get(part, found) != found and before.get(part) == found:
        result.entries.append(kind.valued(entry, own.was[part]))
        result.lines.append(f"gives {kind.word} {kind.key(entry)} its former value back: {_said(own.was[part])}")
    else:
        result.entries.append(entry)
        result.left += 1


def ours(
    kind: Kind, live: Sequence[Any], wanted: Mapping[str, str], *, others: Sequence[Mark], whole: bool
) -> Iterator[Any]:
    """The entries of a list that this resource answers for: what is `wanted`; of a `whole` one all but the others'."""
    for entry in live:
        part = kind.token(entry)
        if part in wanted or (whole and not any(other.uses(part) for other in others)):
            yield entry


def _shown(kind: Kind, entry: Any) -> str:
    value = kind.value(entry)
    return f"{kind.key(entry)} ({value})" if value else kind.key(entry)


def _said(value: str) -> str:
    return value or "no limit"
