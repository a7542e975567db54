"""The phases of the program, one file each: a function that declares its resources and returns what others need of it.

What holds a value of an earlier phase waits for the resource that it comes from, and for nothing else.
"""

from __future__ import annotations

import pulumi

from paif_catalog.nearest_names import nearest
from stacks.run_options import UNTIL

PHASES: dict[str, tuple[str, ...]] = {
    "foundation": (),
    "data": ("foundation",),
    "ai-services": ("data",),
    "endpoints": ("ai-services",),
    "workstations": ("foundation",),
    "clusters": ("foundation",),
}
"""Phases, each with those it needs. A run may be told the last one that is wanted (`stacks.run_options`)."""


def wanted_phases(until: str | None) -> set[str]:
    """The phases that a run up to `until` builds: that one and all it needs; None or "" means all.

    Raises pulumi.RunError for one that does not exist, with the nearest.
    """
    if not until:
        return set(PHASES)
    if until not in PHASES:
        near = nearest(until, PHASES)
        hint = f" (did you mean {near!r}?)" if near else ""
        raise pulumi.RunError(f"{UNTIL} is {until!r}: expected one of {', '.join(PHASES)}{hint}")
    found = {until}
    for needed in PHASES[until]:
        found |= wanted_phases(needed)
    return found
