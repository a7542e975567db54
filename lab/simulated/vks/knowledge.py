"""What the simulated VKS knows: the platform's ClusterClasses and older ones, their variables, systems, GPUs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab.platform import PLATFORM
from paif_catalog import ClusterClass

_OLDER, _OFFERED = "before-v3.2", "from-v3.2"
"""Sets of variables."""


@dataclass(frozen=True)
class KnownClass:
    """A ClusterClass of VKS: the Kubernetes minors that it takes, where it lives, and the set of variables it has."""

    catalogd: ClusterClass
    variables: str

    def is_kin_of(self, other: KnownClass) -> bool:
        """Whether a Cluster can go from one to the other as it is."""
        return (self.variables, self.catalogd.central) == (other.variables, other.catalogd.central)


@dataclass(frozen=True)
class Knowledge:
    """The platform's ClusterClasses, and the content of knowledge.yaml: variables, operating systems, GPUs."""

    classes: dict[str, KnownClass]
    variables: dict[str, dict[str, dict[str, Any]]]
    """By the name of a set: variables, each with its schema and whether it must be given."""
    systems: dict[str, dict[str, str]]
    containerd: str
    gpus: dict[str, dict[str, Any]]

    @classmethod
    def load(cls) -> Knowledge:
        data = yaml.safe_load(Path(__file__).with_name("knowledge.yaml").read_text(encoding="utf-8"))
        older = {name: ClusterClass.model_validate(each) for name, each in data["olderClasses"].items()}
        offered = PLATFORM.cluster_classes.classes
        return cls(
            {name: KnownClass(each, _OLDER if name in older else _OFFERED) for name, each in (older | offered).items()},
            data["variables"],
            data["systems"],
            data["containerd"],
            data["gpus"],
        )


KNOWLEDGE = Knowledge.load()
