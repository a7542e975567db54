"""What an object says of itself: whether its controller has seen what was asked for, and its wait conditions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .expressions import Expression, condition_of


@dataclass(frozen=True)
class Finding:
    """One thing that is not so yet. `reason` is the platform's own word for it, "" when it gives none.

    `surplus` is of something that is there beyond what was promised: it may be going, or be somebody else's.
    `told` is whether the platform says so of what is asked for now; else it has not looked, or did not answer.
    """

    text: str
    reason: str = ""
    told: bool = True
    surplus: bool = False


@dataclass
class Look:
    """What one look at an object found: what is waited for, nothing when it is ready."""

    waiting: list[Finding] = field(default_factory=list)

    def without_surplus(self) -> list[str]:
        """Where nothing else is waited for, forget what is there beyond what was promised; what was forgotten."""
        if not all(each.surplus for each in self.waiting):
            return []
        forgotten, self.waiting = self.texts, []
        return forgotten

    @property
    def texts(self) -> list[str]:
        """All of it, for a person: first what has a reason, which is what can be mended."""
        return list(dict.fromkeys(each.text for each in sorted(self.waiting, key=lambda each: not each.reason)))


def behind(item: Mapping[str, Any], conditions: Iterable[str]) -> bool:
    """Whether the status is that of an earlier form of the object.

    By `status.observedGeneration` where the kind has it; else by that of the conditions, where they have one: both are
    what the controller had read when it wrote them (Kubernetes API conventions). A kind with neither cannot be told.
    """
    generation = item["metadata"].get("generation") or 0
    observed = (item.get("status") or {}).get("observedGeneration")
    if observed is not None:
        return int(observed) < int(generation)
    found = [each for each in (condition_of(item, name) for name in conditions) if each]
    return any(0 < int(each.get("observedGeneration") or 0) < int(generation) for each in found)


def of(item: Mapping[str, Any], expressions: Iterable[Expression], failed_by: Iterable[Expression] = ()) -> Look:
    """What the object's own status lacks, and what it says has failed."""
    expressions = list(expressions)
    if item["metadata"].get("deletionTimestamp"):
        return Look([Finding("it is being deleted", "Deleting")])
    if behind(item, [each.condition for each in expressions if each.condition]):
        return Look([Finding("what was changed has not been taken up yet", told=False)])
    look = Look()
    for expression, wanted in [*((each, True) for each in expressions), *((each, False) for each in failed_by)]:
        if expression.holds(item) is not wanted:
            found = condition_of(item, expression.condition) if expression.condition else None
            look.waiting.append(Finding(expression.said(item), str((found or {}).get("reason") or "")))
    return look
