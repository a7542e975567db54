"""Settings of the pack `platform`, and what it remembers of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import Field, ValidationInfo, field_validator

from policies.shared.configuration import Model, unexpected
from policies.shared.machines import Classes, MachineSettings
from policies.shared.model import Run


class HostDriver(Model):
    """The vGPU driver on the GPU hosts."""

    branch: int = Field(description="driver branch, e.g. 550")
    nvaie_major: int = Field(gt=0, description="major release of NVIDIA AI Enterprise, e.g. 5")


TRUSTED_REGISTRIES = ("nvcr.io", "helm.ngc.nvidia.com", "registry.k8s.io", "projects.packages.broadcom.com")
"""Hosts that everything may come from unless a site trusts its own only."""


def _guard(name: str, example: object) -> str:
    place = f"kinds: {{prod: {{{name}: {example}}}}}"
    return f"it is a guard of a kind of environment, at the top of the file, as {place}"


class PlatformSettings(MachineSettings):
    """What a site may say about its platform and its guards."""

    direct_path_gpus_per_vm: int = Field(default=1, ge=1, le=16, description="whole GPUs that one machine may have")
    gpus: dict[str, int] = Field(
        default={}, description="GPUs of each model on all hosts, e.g. {A100: 4}, of which each takes one profile size"
    )
    mixed_profile_sizes: bool = Field(
        default=False,
        description="sizes of one GPU model may differ: there is a GPU for each, or GPUs are in mixed-size mode "
        "(vSphere 8.0 U3 and newer)",
    )
    host_driver: HostDriver | None = Field(default=None, description="the vGPU driver on the hosts")
    driver_branches: list[int] = Field(
        default=[525, 535, 550, 570], description="driver branches of AI Enterprise, oldest first"
    )
    only_trusted_registries: bool = Field(
        default=False, description="trustedRegistries are all that is trusted, and nothing is anyway"
    )
    trusted_registries: list[str] = Field(
        default=[],
        description="hosts of images, models and charts beside those that are trusted anyway: "
        f"{', '.join(TRUSTED_REGISTRIES)}; the gallery's must be among them",
    )
    library_hosts: list[str] = Field(
        default=["dl.broadcom.com", "packages.vmware.com", "wp-content.vmware.com"],
        description="hosts that content libraries may subscribe to",
    )
    backup_retention_days: int = Field(default=14, ge=1, description="days that those backups are kept at least")
    networks: list[str] = Field(default=[], description="networks in use around the clusters, in CIDR form")
    list_unjudged: bool = Field(
        default=False, description="every object that no rule knows is named, instead of the number of its kind"
    )
    container_storage_gib: int = Field(default=100, description="GiB for images on GPU nodes at least")

    moved: ClassVar[Mapping[str, str]] = {
        "personas": _guard("workstationPersonas", "[mlops-engineer]"),
        "endpointReplicas": _guard("endpointReplicas", 3),
        "controlPlaneReplicas": _guard("controlPlaneReplicas", 3),
        "highAvailability": _guard("highAvailability", "true"),
        "backups": _guard("backedUp", "true"),
        "protected": _guard("protected", "true"),
        "pinnedModels": _guard("pinnedModels", "true"),
    }

    @field_validator("trusted_registries")
    @classmethod
    def _adds_to_those_trusted_anyway(cls, value: list[str], info: ValidationInfo) -> list[str]:
        repeated = [each for each in value if each in TRUSTED_REGISTRIES]
        if repeated and not info.data.get("only_trusted_registries"):
            raise unexpected(
                f"a list without {', '.join(repeated)}: it adds to what is trusted anyway; where it is all that is "
                "trusted, say onlyTrustedRegistries: true beside it"
            )
        if any(not each.strip("*.:") for each in value):
            raise unexpected("hosts: one that is any host would trust everything, as enforcement can do in the open")
        return value

    @property
    def registries(self) -> tuple[str, ...]:
        """Hosts that images, models and charts may come from."""
        return (*(() if self.only_trusted_registries else TRUSTED_REGISTRIES), *self.trusted_registries)


@dataclass
class PlatformObservations:
    """What has been seen so far; every entry is owned by the URN that came first."""

    classes: Classes = field(default_factory=dict)
    devices: dict[tuple[str, str], str] = field(default_factory=dict)
    """(host, PCI device) -> URN of the machine."""
    operators: dict[tuple[str, str], str] = field(default_factory=dict)
    """URN of a cluster's provider, and the cluster that an object names itself -> URN of its GPU Operator."""
    operator_namespaces: dict[tuple[str, str], str] = field(default_factory=dict)
    """URN of a cluster's provider, and a namespace -> URN of the GPU Operator in it."""
    providers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """URN of a provider -> names of the cluster that it goes to."""
    pools: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Name of a cluster -> VM classes of its pools."""
    matters: dict[str, str] = field(default_factory=dict)
    """What makes the whole stack one of Private AI -> URN of the first resource that says so."""
    unjudged: dict[str, str] = field(default_factory=dict)
    """URN of an object that no rule knows -> its kind."""
    unread: dict[str, str] = field(default_factory=dict)
    """URN of a resource with a chart -> what of the chart's values cannot be read."""
    judged: tuple[str, ...] = ()
    """Types that rules look at for what they are."""
    sizes: dict[str, dict[int, str]] = field(default_factory=dict)
    """GPU -> its profile sizes in the order of registration, each with the URN of its first class."""
    pinned: dict[str, tuple[str, bool | None]] = field(default_factory=dict)
    """URN of a vSphere machine -> its name, and whether it has a fixed device; None while that is not known."""
    services: dict[str, str] = field(default_factory=dict)
    """Namespace -> URN of its PAISConfiguration."""


Context = Run[PlatformSettings, PlatformObservations]
"""What every rule of the pack gets beside the resource."""
