"""What the simulated VKS knows: ClusterClasses, their variables, operating systems, GPUs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab.simulated.vks.releases import minor_of


@dataclass(frozen=True)
class KnownClass:
    """A ClusterClass of VKS: the Kubernetes minors that it takes, and the set of variables that it has."""

    min: str
    max: str
    variables: str
    central: bool = False
    """Lives in the central namespace; the others are copied into every namespace."""

    def takes(self, minor: tuple[int, int]) -> bool:
        return minor_of(self.min) <= minor <= minor_of(self.max)

    def is_kin_of(self, other: KnownClass) -> bool:
        """Whether a Cluster can go from one to the other as it is."""
        return (self.variables, self.central) == (other.variables, other.central)


@dataclass(frozen=True)
class Knowledge:
    """The content of knowledge.yaml: ClusterClasses, variables, operating systems, GPUs."""

    central_namespace: str
    classes: dict[str, KnownClass]
    variables: dict[str, dict[str, dict[str, Any]]]
    """By the name of a set: variables, each with its schema and whether it must be given."""
    worker_class: str
    systems: dict[str, dict[str, str]]
    containerd: str
    gpus: dict[str, dict[str, Any]]

    @classmethod
    def load(cls) -> Knowledge:
        data = yaml.safe_load(Path(__file__).with_name("knowledge.yaml").read_text(encoding="utf-8"))
        return cls(
            data["centralNamespace"],
            {name: KnownClass(**each) for name, each in data["classes"].items()},
            data["variables"],
            data["workerClass"],
            data["systems"],
            data["containerd"],
            data["gpus"],
        )


KNOWLEDGE = Knowledge.load()
