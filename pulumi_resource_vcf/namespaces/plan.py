"""What changes in a Supervisor namespace that is there."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import ownership
from ..ownership import Mark, Stored
from ..sharing import merge
from ..values import Props
from .lists import body, live_lists, wanted_lists


@dataclass(frozen=True)
class Plan:
    """What to send (nothing when all is as wanted), the mark as it will be, and what people should know."""

    spec: dict[str, Any]
    mark: Mark
    lines: list[str]
    loses: bool


def only_ours(state: Props, inputs: Mapping[str, Any]) -> bool:
    """Whether only entries of ours count: the namespace of this state is adopted, and these inputs leave the rest."""
    return ownership.adopted(state, None) and inputs.get("exclusive") is not True


def planned(
    info: dict[str, Any],
    stored: Stored,
    own: Mark | None,
    mark: Mark,
    inputs: Mapping[str, Any],
    ids: Mapping[str, str],
    before: Mapping[str, str],
    *,
    release: bool = False,
) -> Plan:
    """What changes in a namespace that is there, marked `own` until now, so that it is as `inputs` want it.

    `mark` is the one to write. `release`: nothing is wanted any more, and the mark goes too.
    """
    others, wanted = stored.others(own), dict(wanted_lists(inputs, ids))
    shared = mark.adopted and inputs.get("exclusive") is not True
    lists: dict[str, list[Any]] = {}
    lines: list[str] = []
    left: list[str] = []
    added: set[str] = set()
    was: dict[str, str] = {}
    loses = False
    for kind, found in live_lists(info):
        merged = merge(kind, found, wanted.get(kind), own=mark, others=others, before=before, whole=not shared)
        if merged.entries != found:
            lists[kind.prop] = merged.entries
        lines += merged.lines
        left += [f"{merged.left} of {kind.prop}"] if merged.left else []
        added |= merged.added
        was |= merged.was
        loses = loses or merged.loses
    mark = dataclasses.replace(mark, added=frozenset(added), was=was)
    text = stored.text
    if not shared and not release and inputs.get("description", text) != text:
        text = str(inputs["description"])
        lines.append("REPLACES the description" if mark.adopted else "changes the description")
        loses = loses or bool(stored.text)
    elif text:
        left.append(f"the description {text!r}")
    lines.append(f"leaves {'; '.join(left)}" if left else "there is nothing else in it")
    description = str(stored.worded(text).replacing(own, None if release else mark))
    spec = body(lists, info)
    if description != (info.get("description") or ""):
        spec["description"] = description
    return Plan(spec, mark, lines, loses)
