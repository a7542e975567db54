"""Kubernetes releases and their node images, by the spellings in which a Cluster names them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lab.operators.resources import Object

RELEASE_LABEL = "run.tanzu.vmware.com/tkr"
"""Label of a Cluster with the object name of its release, in full: the version in its topology is the short one."""
BUILD = "-vkr."


@dataclass(frozen=True)
class OsImage:
    """A node image of a Kubernetes release: ``name`` ubuntu or photon, ``library`` the id of its content library."""

    name: str
    version: str
    library: str = ""

    @property
    def system(self) -> str:
        """Its entry in ``Knowledge.systems``."""
        return f"{self.name}-{self.version}"


@dataclass(frozen=True)
class Release:
    """A Kubernetes release, ``version`` with the plus sign."""

    version: str
    images: tuple[OsImage, ...]

    @property
    def object_name(self) -> str:
        """Its name as an object, where a plus sign is not allowed."""
        return self.version.replace("+", "---")

    @property
    def short(self) -> str:
        """Its version as a Cluster's topology has it: without the number of its build."""
        return short(self.version)

    @property
    def build(self) -> int:
        """The number after ``-vkr.``; 0 when it has none."""
        return int(self.version.partition(BUILD)[2] or 0)

    @property
    def minor(self) -> tuple[int, int]:
        return minor_of(self.version)


def minor_of(version: str) -> tuple[int, int]:
    """(1, 32) of ``v1.32.0+vmware.6-fips`` or ``1.32``. Raises ``ValueError`` when there is none."""
    found = re.match(r"v?(\d+)\.(\d+)", version)
    if found is None:
        raise ValueError(f"{version!r} is not a Kubernetes version; expected one like v1.32.0+vmware.6-fips")
    return int(found[1]), int(found[2])


def short(version: str) -> str:
    """A release as a Cluster's topology has it, of any of its spellings."""
    return version.replace("---", "+").partition(BUILD)[0]


def find_release(version: str, releases: Iterable[Release]) -> Release | None:
    """The release that ``version`` names, in full or as an object's name; of a short one or a prefix, the newest."""
    wanted = version.replace("---", "+")
    begins = (f"{wanted}.", f"{wanted}+") if re.fullmatch(r"v\d+\.\d+(\.\d+)?", wanted) else (f"{wanted}{BUILD}",)
    matching = [each for each in releases if each.version == wanted or each.version.startswith(begins)]
    return max(matching, key=lambda each: [int(part) for part in re.findall(r"\d+", each.version)], default=None)


def release_of(cluster: Object, releases: Iterable[Release]) -> Release | None:
    """The release of a stored Cluster: its label names it in full."""
    releases = tuple(releases)
    version = cluster["spec"]["topology"]["version"]
    label = (cluster["metadata"].get("labels") or {}).get(RELEASE_LABEL)
    named = next((each for each in releases if each.object_name == label), None)
    return named if named is not None and named.short == short(version) else find_release(version, releases)
