"""Kubernetes releases of VKS, in any of their spellings."""

from __future__ import annotations

import re
from dataclasses import dataclass

from paif_catalog.version_ranges import numbers


@dataclass(frozen=True)
class Release:
    """A Kubernetes release of VKS in any of its spellings; what a spelling leaves out is open.

    Those are a prefix (v1.32), the short form that the server stores (v1.32.0+vmware.6-fips), the full one
    (v1.32.0+vmware.6-fips-vkr.2) and the name of its object (v1.32.0---vmware.6-fips-vkr.2).
    """

    kubernetes: tuple[int, ...]
    vmware: tuple[int, bool] | None = None
    """The number after +vmware. and whether it is the FIPS variant."""
    build: int | None = None
    """The number after -vkr., by which builds around the same Kubernetes differ."""

    @classmethod
    def parse(cls, text: str) -> Release | None:
        """The release that a text names, or None when it names none."""
        match = _RELEASE.fullmatch(text)
        if match is None:
            return None
        vmware = (int(match["vmware"]), match["fips"] is not None) if match["vmware"] else None
        return cls(numbers(match["kubernetes"]), vmware, int(match["build"]) if match["build"] else None)

    @classmethod
    def agree(cls, one: str, other: str) -> bool:
        """Whether two spellings may mean the same release; what names none agrees with nothing."""
        first, second = cls.parse(one), cls.parse(other)
        return first is not None and second is not None and first.is_(second)

    @property
    def short(self) -> str:
        """As the server stores it: without the number of its build, and with what is open left open."""
        number, fips = self.vmware or (None, False)
        variant = "" if number is None else f"+vmware.{number}{'-fips' if fips else ''}"
        return f"v{'.'.join(map(str, self.kubernetes))}{variant}"

    def is_(self, other: Release) -> bool:
        """Whether both may be the same release: they agree in all that both of them say."""
        said = min(len(self.kubernetes), len(other.kubernetes))
        same = self.kubernetes[:said] == other.kubernetes[:said]
        pairs = ((self.vmware, other.vmware), (self.build, other.build))
        return same and all(None in pair or pair[0] == pair[1] for pair in pairs)


_RELEASE = re.compile(
    r"v(?P<kubernetes>\d+\.\d+(?:\.\d+)?)"
    r"(?:(?:\+|---)vmware\.(?P<vmware>\d+)(?P<fips>-fips)?(?:-vkr\.(?P<build>\d+))?)?"
)
