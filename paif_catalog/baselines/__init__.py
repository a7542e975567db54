"""Baselines: all that belongs to one version of the platform, each a folder of data beside this file.

A folder has versions.yaml, api_versions.yaml, conditions.yaml, cluster_classes.yaml and dlvm_properties.yaml. A new
version of the platform is a new folder, and no code. Each file is read when it is asked for first, and once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from paif_catalog.models import ApiVersions, ClusterClasses, Condition, Conditions, DlvmProperties, Versions
from paif_catalog.nearest_names import nearest
from paif_catalog.reading import read

FOLDER = Path(__file__).parent
"""Where the folders of the baselines are."""


class UnknownBaselineError(ValueError):
    """No baseline has the name that was given, or none was given and there are several."""


@dataclass(frozen=True)
class Baseline:
    """One version of the platform: what it consists of, what it serves, and when its objects are ready."""

    name: str
    """Such as vcf-9.0.1; the value of `paif:platform` in a stack file."""
    folder: Path

    @cached_property
    def versions(self) -> Versions:
        """Versions of its parts, and of what runs on it."""
        return read(self.folder / "versions.yaml", Versions)

    @cached_property
    def api_versions(self) -> ApiVersions:
        """API groups with the version of each that is used."""
        return read(self.folder / "api_versions.yaml", ApiVersions)

    @cached_property
    def conditions(self) -> Conditions:
        """Wait conditions, and Secrets that appear late."""
        return read(self.folder / "conditions.yaml", Conditions)

    @cached_property
    def cluster_classes(self) -> ClusterClasses:
        """ClusterClasses of VKS, and the VM classes that every Supervisor has."""
        return read(self.folder / "cluster_classes.yaml", ClusterClasses)

    @cached_property
    def dlvm_properties(self) -> DlvmProperties:
        """OVF properties of the Deep Learning VM image."""
        return read(self.folder / "dlvm_properties.yaml", DlvmProperties)

    def api_version(self, kind: str) -> str:
        """Group and version of a kind, such as cluster.x-k8s.io/v1beta1 of Cluster. Raises KeyError."""
        return self.api_versions.of_kind(kind)

    def condition_key(self, kind: str) -> str:
        """Under which a kind's wait conditions are kept here and in a stack file. Raises KeyError."""
        return f"{self.api_version(kind)}/{kind}"

    def awaited_kinds(self) -> list[str]:
        """Condition keys of the kinds that are waited for, of the API versions that are used."""
        used = {self.condition_key(kind) for group in self.api_versions.groups.values() for kind in group.kinds}
        return [key for key in self.conditions.conditions if key in used]

    def condition(self, kind: str) -> Condition:
        """When an object of a kind is ready. Raises KeyError for a kind that is not waited for."""
        return self.conditions.conditions[self.condition_key(kind)]


@cache
def _in(folder: Path) -> dict[str, Baseline]:
    found = sorted(each.parent for each in folder.glob("*/versions.yaml"))
    return {each.name: Baseline(each.name, each) for each in found}


def baselines() -> dict[str, Baseline]:
    """All baselines by their names."""
    return _in(FOLDER)


def baseline(name: str | None = None) -> Baseline:
    """The baseline of a name; without one the only one there is. Raises UnknownBaselineError with those there are."""
    known = baselines()
    if name is None and len(known) == 1:
        return next(iter(known.values()))
    if name in known:
        return known[name]
    if name is None:
        raise UnknownBaselineError(f"expected a platform by its name, since there are several: {', '.join(known)}")
    near = nearest(name, known)
    hint = f" (did you mean {near!r}?)" if near else ""
    raise UnknownBaselineError(f"{name!r}: expected one of {', '.join(known)}{hint}")
