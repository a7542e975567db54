"""What the files of the catalog hold, typed."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from paif_catalog.version_ranges import numbers


class Grade(StrEnum):
    """How well a fact is known."""

    VENDOR = "vendor"
    """Read in a vendor's document, source code or CRD."""
    COMMUNITY = "community"
    """Read in a public text or tool without official weight."""
    INFERRED = "inferred"
    """Follows from code or samples; nobody states it."""
    MEMORY = "memory"
    """No source found: a hypothesis."""
    UNCONFIRMED = "unconfirmed"
    """Sources disagree or name only a pattern: look at the live system."""


class CatalogModel(BaseModel):
    """What a file of the catalog holds: camelCase keys, none unknown; built at first use."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, defer_build=True
    )


class Fact(CatalogModel):
    """Something known, how well, and from where."""

    grade: Grade
    source: str
    note: str = ""


class Version(Fact):
    """A version in use. `constraint` is the range a site may choose from, in the syntax of `satisfies`."""

    version: str
    constraint: str = ""
    repository: str = ""
    chart: str = ""
    image: str = ""


class Versions(CatalogModel):
    """Versions of what a platform consists of, and of what runs on it."""

    facts: dict[str, Version]

    def __getitem__(self, name: str) -> Version:
        return self.facts[name]


class ApiGroup(Fact):
    """The version of an API group that is used, and the kinds of it that are made or read."""

    version: str
    served: list[str] = []
    """Older versions that are served beside it, and not deprecated."""
    kinds: list[str] = []


class ApiVersions(CatalogModel):
    """API groups of the Supervisor and of clusters on it. A kind is in one of them only."""

    groups: dict[str, ApiGroup]

    def of_group(self, group: str) -> str:
        """Group and version, such as cluster.x-k8s.io/v1beta1. Raises KeyError for a group that is not catalogd."""
        return f"{group}/{self.groups[group].version}"

    def by_kind(self) -> dict[str, str]:
        """Group and version of every kind."""
        return {kind: self.of_group(group) for group, known in self.groups.items() for kind in known.kinds}

    def of_kind(self, kind: str) -> str:
        """Group and version of a kind such as Cluster. Raises KeyError for a kind that is not catalogd."""
        return self.by_kind()[kind]


class Gpu(Fact):
    """A GPU model. Memory in GiB; ids are lower-case hex without 0x, as the inventory of vSphere writes them."""

    name: str
    device_ids: list[str] = Field(min_length=1)
    framebuffer_gib: int = Field(gt=0)
    profile_prefixes: list[str] = Field(min_length=1)
    profile_sizes_gib: list[int] = Field(min_length=1)
    mmio_gib: int = Field(gt=0)
    gpus_per_card: int = Field(default=1, gt=0)
    nvaie_included: bool = False

    def profiles(self) -> list[str]:
        """Names of all time-sliced compute (C series) profiles, smallest first, the usual prefix before the others."""
        return [f"{prefix}-{size}c" for prefix in self.profile_prefixes for size in self.profile_sizes_gib]


class Gpus(CatalogModel):
    """GPU models by the name that a configuration uses."""

    vendor_id: str
    vendor_name: str
    gpus: dict[str, Gpu]

    def by_device(self, device_id: str) -> str | None:
        """Model name of a PCI device id, or None."""
        wanted = device_id.lower().removeprefix("0x")
        return next((model for model, gpu in self.gpus.items() if wanted in gpu.device_ids), None)


class DlvmProperty(Fact):
    """One OVF property of the Deep Learning VM image."""

    encoding: Literal["text", "base64"]
    secret: bool = False
    required_by: Literal["", "always", "vgpu", "password-login"] = ""
    since: str


class DlvmLogin(Fact):
    """How a person reaches a Deep Learning VM."""

    user: str
    ssh_port: int
    jupyter_port: int


class DlvmProperties(CatalogModel):
    """All OVF properties of the image, and its login."""

    properties: dict[str, DlvmProperty]
    login: DlvmLogin


class ClusterClass(Fact):
    """Kubernetes minors, first and last, that a ClusterClass takes. `central`: lives in the central namespace only."""

    kubernetes: tuple[str, str]
    central: bool = False

    def takes(self, release: str) -> bool:
        """Whether the class can run a Kubernetes release such as v1.32.0+vmware.6-fips-vkr.2."""
        minor = numbers(release)[:2]
        return numbers(self.kubernetes[0]) <= minor <= numbers(self.kubernetes[1])


class VmSize(CatalogModel):
    """vCPU and GiB of a VM class."""

    cpu_count: int
    memory_gib: int


class ClassReference(CatalogModel):
    """Where below spec.topology a Cluster names its class and the namespace of that, as dotted paths."""

    name: str
    namespace: str

    def of(self, cluster_class: str, namespace: str | None) -> dict[str, Any]:
        """What a topology says to have this class; without a namespace it is in the cluster's own."""
        found: dict[str, Any] = {}
        for path, value in ((self.name, cluster_class), (self.namespace, namespace)):
            if value is not None:
                first, *rest = path.split(".")
                found[first] = {**found.get(first, {}), rest[0]: value} if rest else value
        return found

    @property
    def properties(self) -> list[str]:
        """The properties of a topology that hold it, each once."""
        return list(dict.fromkeys(path.split(".")[0] for path in (self.name, self.namespace)))


class UbuntuVersions(Fact):
    """Versions of Ubuntu between which a cluster chooses, from the Kubernetes minor on that has more than one."""

    choice_from: str
    versions: list[str]

    def is_choice(self, release: str) -> bool:
        """Whether a release has several of them, so that a cluster has to say which."""
        return numbers(release)[:2] >= numbers(self.choice_from)


class ClusterClasses(CatalogModel):
    """ClusterClasses, the annotations around them, and the VM classes every Supervisor has."""

    worker_class: str
    os_image_annotation: str
    skip_rebase_annotation: str
    release_label: str
    central_namespace: str
    references: dict[str, ClassReference]
    """By version of the API of Clusters; a platform serves one of them, a program may ask for another."""
    ubuntu: UbuntuVersions
    classes: dict[str, ClusterClass]
    default_vm_classes: dict[str, VmSize]

    def is_newer(self, name: str, other: str) -> bool:
        """Whether a ClusterClass is a later one than another; one that is not in the catalog never is."""
        return name in self.classes and _number_of(name) > _number_of(other)


class Condition(Fact):
    """When an object is ready: expressions in the syntax of the annotation pulumi.com/waitFor, and the longest wait.

    `failed_by` are those of which none may hold. `settle_seconds` is how long a changed object must stay ready before
    it counts, of a kind whose status may be that of before. `patience` is how many seconds which reason of a condition
    or container may last, "*" any other; 0 means that it does not go away by waiting. `values` are paths (jsonpath) of
    what else is read of the object once it is ready, by what that is.
    """

    wait_for: list[str] = Field(min_length=1)
    failed_by: list[str] = []
    timeout_seconds: int = Field(gt=0)
    settle_seconds: int = Field(default=0, ge=0)
    patience: dict[str, int] = {}
    values: dict[str, str] = {}


class PublishedSecret(Fact):
    """A Secret that an operator writes after the object it belongs to is ready."""

    key: str
    timeout_seconds: int = Field(gt=0)
    suffix: str = ""


class Conditions(CatalogModel):
    """Wait conditions by `<apiVersion>/<kind>`, and Secrets that appear late."""

    conditions: dict[str, Condition]
    secrets: dict[str, PublishedSecret]


class NameKind(CatalogModel):
    """How one kind of thing is named: its code inside the name, and the longest whole name in characters."""

    code: str
    max_length: int
    resource: str
    reason: str


class Naming(CatalogModel):
    """Codes of the naming convention, and the keys of the labels that everything carries."""

    kinds: dict[str, NameKind]
    vsphere_max_length: int
    """Characters of a machine that is made through vSphere."""
    labels: dict[str, str]


def _number_of(cluster_class: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", cluster_class))
