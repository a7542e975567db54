"""Names of vGPU profiles, taken apart."""

from __future__ import annotations

import re
from typing import Literal

from paif_catalog.models import CatalogModel, Gpus


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
    r"(?P<prefix>(?:grid|nvidia)_[a-z0-9]+(?:_[a-z0-9]+)*)(?:-(?P<slices>\d))?-(?P<size>\d{1,4})(?P<series>[cqba])"
    r"(?:me|gfx|(?<=b)4)?"
)


def names_gpu(name: str, profile: Profile, gpus: Gpus) -> bool:
    """Whether a GPU's name, in any notation, is that of a profile's: the whole name, so that L40 is not L4."""
    own = _letters(profile.prefix.split("_", 1)[1])
    aliases = {own} | {
        _letters(each)
        for model, gpu in gpus.gpus.items()
        if profile.prefix in gpu.profile_prefixes
        for each in (model, *(prefix.split("_", 1)[1] for prefix in gpu.profile_prefixes))
    }
    return _letters(name) in aliases


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


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


def model_of_profile(profile: Profile, gpus: Gpus, expected: str = "") -> str | None:
    """Model of the GPUs that offer a vGPU profile, or None.

    Models of one name with other memory share a prefix: the expected one is taken where it may be, else the first that
    usually has the size.
    """
    fitting = [
        model
        for model, gpu in gpus.gpus.items()
        if profile.prefix in gpu.profile_prefixes and profile.framebuffer_gib <= gpu.framebuffer_gib
    ]
    usual = [each for each in fitting if profile.framebuffer_gib in gpus.gpus[each].profile_sizes_gib]
    return expected if expected in fitting else next(iter([*usual, *fitting]), None)
