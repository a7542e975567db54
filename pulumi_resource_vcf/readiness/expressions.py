"""Wait conditions in the syntax of pulumi.com/waitFor: condition=TYPE[=STATUS] and jsonpath={PATH}[=VALUE]."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

_STEP: Final = re.compile(
    r"""\.(?P<name>(?:[\w/-]|\\\.)+)
      | \[(?P<index>\d+)\]
      | \[(?P<quote>['"])(?P<key>[^'"]+)(?P=quote)\]
      | \[\?\(@\.(?P<member>\w+)\s*==\s*(?P<mark>['"])(?P<value>[^'"]*)(?P=mark)\)\]""",
    re.VERBOSE,
)
_JSONPATH: Final = re.compile(r"jsonpath=(?:\{(?P<braced>.*?)\}|(?P<bare>[^{}=]+))(?:=(?P<wanted>[^=}]*))?")

Step = str | int | tuple[str, str]
"""A key, an index, or the member and value that choose one of a list."""


@dataclass(frozen=True)
class Expression:
    """One wait condition. `wanted` is None where any value will do but one that says: not yet (nothing, "" or 0)."""

    text: str
    steps: tuple[Step, ...]
    wanted: str | None = None
    condition: str = ""

    def holds(self, item: Mapping[str, Any]) -> bool:
        """Whether it is so in an object."""
        found = value_at(item, self.steps)
        if self.wanted is None:
            return bool(found)
        said = str(found).lower() if isinstance(found, bool) else str(found)
        return found is not None and said == self.wanted

    def said(self, item: Mapping[str, Any]) -> str:
        """What the object says there, for a person."""
        if self.condition:
            found = condition_of(item, self.condition)
            if found is None:
                return f"{self.condition} is not reported yet"
            words = [f"{self.condition}={found.get('status')}", str(found.get("reason") or "")]
            message = str(found.get("message") or "").strip()
            return " ".join(each for each in words if each) + (f": {message}" if message else "")
        found = value_at(item, self.steps)
        where = "".join(_shown(step) for step in self.steps).lstrip(".")
        if not found:
            return f"{where} is not there yet"
        return f"{where} is {found}, not yet {self.wanted}"


def _shown(step: Step) -> str:
    if isinstance(step, tuple):
        return f"[{step[1]}]"
    return f"[{step}]" if isinstance(step, int) else f".{step}"


@cache
def parse(text: str) -> Expression:
    """One wait condition. Raises ValueError, whose text is what was expected."""
    kind, _, rest = text.partition("=")
    if kind == "condition" and rest:
        name, _, status = rest.partition("=")
        steps: tuple[Step, ...] = ("status", "conditions", ("type", name), "status")
        return Expression(text, steps, status or "True", name)
    match = _JSONPATH.fullmatch(text)
    if match is None:
        raise ValueError("expected condition=TYPE, condition=TYPE=STATUS, jsonpath={.PATH} or jsonpath={.PATH}=VALUE")
    return Expression(text, path(match["braced"] or match["bare"] or ""), match["wanted"])


@cache
def path(text: str) -> tuple[Step, ...]:
    """The steps of a JSONPath such as `.status.conditions[?(@.type=="Ready")].status`. Raises ValueError.

    Of Kubernetes' JSONPath these are taken: names, indexes, quoted keys, and the choice by one member's value.
    """
    steps: list[Step] = []
    position = 0
    inner = text.removeprefix("{").removesuffix("}").removeprefix("$")
    while position < len(inner):
        match = _STEP.match(inner, position)
        if match is None:
            raise ValueError(
                f"expected a path of names, [0], ['key'] or [?(@.member==\"value\")], at {inner[position:]!r}"
            )
        if match["name"]:
            steps.append(match["name"].replace("\\.", "."))
        elif match["index"]:
            steps.append(int(match["index"]))
        elif match["key"]:
            steps.append(match["key"])
        else:
            steps.append((match["member"], match["value"]))
        position = match.end()
    if not steps:
        raise ValueError("expected a path such as .status.state")
    return tuple(steps)


def value_at(item: Any, steps: Sequence[Step]) -> Any:
    """What is at a path in an object; None where nothing is."""
    for step in steps:
        if isinstance(step, tuple):
            entries = item if isinstance(item, list) else []
            member, value = step
            item = next((each for each in entries if isinstance(each, dict) and str(each.get(member)) == value), None)
        elif isinstance(step, int):
            item = item[step] if isinstance(item, list) and len(item) > step else None
        else:
            item = item.get(step) if isinstance(item, Mapping) else None
    return item


def condition_of(item: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """A condition of an object, None when it is not reported."""
    found = value_at(item, ("status", "conditions", ("type", name)))
    return found if isinstance(found, dict) else None
