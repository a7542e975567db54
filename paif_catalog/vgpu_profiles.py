"""Names of vGPU profiles, taken apart."""

from __future__ import annotations

import re
from typing import Literal

from paif_catalog.models import CatalogModel


class Profile(CatalogModel):
    """A vGPU profile name taken apart. `slices` is set for MIG profiles only."""

    name: str
    prefix: str
    framebuffer_gib: int
    series: Literal["c", "q", "b", "a"]
    slices: int | None = None


# Both prefixes are in use, depending on the host driver's release; Blackwell's names hold several words, and MIG's
# profiles name their slices before the size.
_PROFILE = re.compile(
    r"(?P<prefix>(?:grid|nvidia)_[a-z0-9]+(?:_[a-z0-9]+)*)(?:-(?P<slices>\d))?-(?P<size>\d+)(?P<series>[cqba])"
    r"(?:me|gfx|(?<=b)4)?"
)


def parse_profile(name: str) -> Profile | None:
    """Take a vGPU profile name such as grid_a100-40c apart; None when it is none."""
    match = _PROFILE.fullmatch(name)
    if match is None:
        return None
    slices = match["slices"]
    return Profile(
        name=name,
        prefix=match["prefix"],
        framebuffer_gib=int(match["size"]),
        series=match["series"],  # type: ignore[arg-type]  # the pattern admits these four letters only
        slices=int(slices) if slices else None,
    )
