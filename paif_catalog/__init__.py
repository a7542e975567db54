"""Facts about the platform as typed data, and what follows from them alone.

The facts live in YAML files, each with its source and a grade. What belongs to one version of the platform is in a
folder of `baselines/` (versions, API versions, wait conditions, ClusterClasses, properties of the Deep Learning VM),
what is the same for all (GPUs, names, kinds of environment) beside this file. Code asks here and holds no versions,
device ids or condition names of its own. Every file is read once, when it is asked for first; importing reads nothing,
`predicates` excepted, which makes a type of the kinds of environment.

Raises `pydantic.ValidationError` when a file breaks its model, which the unit tests rule out for a committed tree.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from paif_catalog.baselines import Baseline, UnknownBaselineError, all_baselines, baseline
from paif_catalog.kubernetes_releases import Release
from paif_catalog.models import ClassReference, ClusterClass, ClusterClasses, Conditions, Fact, Gpu, Gpus, Grade, Naming
from paif_catalog.nearest_names import nearest
from paif_catalog.reading import YAML_LOADER, read
from paif_catalog.version_ranges import least, satisfies
from paif_catalog.vgpu_profiles import Profile, model_of_profile, names_gpu, parse_profile

__all__ = [
    "YAML_LOADER",
    "Baseline",
    "ClassReference",
    "ClusterClass",
    "ClusterClasses",
    "Conditions",
    "Fact",
    "Gpu",
    "Grade",
    "Profile",
    "Release",
    "UnknownBaselineError",
    "all_baselines",
    "baseline",
    "gpus",
    "least",
    "mmio_window_gib",
    "model_of_profile",
    "names_gpu",
    "naming",
    "nearest",
    "parse_profile",
    "satisfies",
]

_FOLDER = Path(__file__).parent


@cache
def gpus() -> Gpus:
    """All GPU models."""
    return read(_FOLDER / "gpus.yaml", Gpus)


@cache
def naming() -> Naming:
    """The naming convention."""
    return read(_FOLDER / "naming.yaml", Naming)


def mmio_window_gib(models: list[Gpu]) -> int:
    """64-bit MMIO window in GiB for these GPUs in one VM: the power of two that holds the windows of all of them."""
    return 1 << (sum(gpu.mmio_gib for gpu in models) - 1).bit_length()
