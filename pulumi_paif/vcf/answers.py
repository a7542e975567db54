"""What the vcf provider answers to look-ups."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence


@dataclasses.dataclass(frozen=True)
class Supervisor:
    """A Supervisor of the vCenter; statuses as vCenter words them."""

    id: str
    name: str
    config_status: str
    kubernetes_status: str


@dataclasses.dataclass(frozen=True)
class StoragePolicy:
    """A storage policy of the vCenter."""

    id: str
    name: str


@dataclasses.dataclass(frozen=True)
class LibraryItem:
    """An item of a content library; `type` is ovf, iso, vm-template, …."""

    id: str
    name: str
    type: str


@dataclasses.dataclass(frozen=True)
class Library:
    """A content library with its items, by name."""

    id: str
    name: str
    items: Sequence[LibraryItem]


@dataclasses.dataclass(frozen=True)
class GpuDevice:
    """A GPU of a host. `id` is its PCI address, `assigned_to` the the VMs that use it, where asked for."""

    id: str
    vendor_id: str
    device_id: str
    name: str
    passthrough_active: bool
    assigned_to: Sequence[str]


@dataclasses.dataclass(frozen=True)
class GpuHost:
    """A host of a compute cluster with the vGPU profiles it offers and its GPUs; memory in MiB."""

    name: str
    moid: str
    connected: bool
    memory_mib: int
    vgpu_profiles: Sequence[str]
    pci_devices: Sequence[GpuDevice]


@dataclasses.dataclass(frozen=True)
class GpuInventory:
    """The hosts of a compute cluster, by name."""

    hosts: Sequence[GpuHost]


@dataclasses.dataclass(frozen=True)
class MissingName:
    """A name that vCenter has nothing for, but `known`; or too much, of which `ids` name each."""

    kind: str
    name: str
    known: Sequence[str]
    ids: Sequence[str]


@dataclasses.dataclass(frozen=True)
class OsImage:
    """An OS image of a Kubernetes release, as a cluster selects it: ubuntu, 22.04, its content library."""

    os: str
    version: str
    library: str


@dataclasses.dataclass(frozen=True)
class KubernetesRelease:
    """A Kubernetes release of a Supervisor with the OS images that have come; `against` is "" when it can be used."""

    name: str
    version: str
    against: str
    images: Sequence[OsImage]


@dataclasses.dataclass(frozen=True)
class InfrastructurePolicy:
    """An infrastructure policy of DSM, with the VM classes and storage policies that it allows."""

    name: str
    vm_classes: Sequence[str]
    storage_policies: Sequence[str]


@dataclasses.dataclass(frozen=True)
class DatabaseOffer:
    """What DSM allows in a namespace, and the VM classes and storage classes that the namespace may use."""

    namespace: str
    infrastructure_policies: Sequence[InfrastructurePolicy]
    versions: Sequence[str]
    backup_locations: Sequence[str]
    replicas: Sequence[int]
    max_storage: str
    bound_classes: Sequence[str]
    bound_storage: Sequence[str]


@dataclasses.dataclass(frozen=True)
class StandingDatabase:
    """A PostgresCluster that is there, as its spec has it."""

    name: str
    version: str
    infrastructure_policy: str
    vm_class: str
    storage_policy: str
    backup_location: str
    replicas: int
    storage_space: str


@dataclasses.dataclass(frozen=True)
class Platform:
    """What a Supervisor offers, and what a namespace has already.

    `allowed` is of the namespace, or of others where DSM has told nothing of it; `standing` are its PostgresClusters,
    `clusters` the releases of its Clusters by name. `unanswered` has why something is not known: apis, releases,
    images, offers, databases.
    """

    served: Sequence[str]
    offered: Sequence[KubernetesRelease]
    allowed: Sequence[DatabaseOffer]
    standing: Sequence[StandingDatabase]
    clusters: Mapping[str, str]
    virtual_machines: Sequence[str]
    unanswered: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class PrincipalAnswer:
    """Whether a user or group is there; else the `domains` there are, or the subjects `known` in its domain."""

    found: bool
    domains: Sequence[str]
    known: Sequence[str]
    unanswered: str


@dataclasses.dataclass(frozen=True)
class ImageProperties:
    """Keys of the OVF properties that an image lets its user set, where vCenter told (`known`)."""

    known: bool
    properties: Sequence[str]
    unanswered: str


@dataclasses.dataclass(frozen=True)
class ModelAnswer:
    """Whether a model is in the gallery: `status` found, missing, denied, or "" for not known, with the reason."""

    status: str
    tags: Sequence[str]
    repositories: Sequence[str]
    reason: str


@dataclasses.dataclass(frozen=True)
class ChartAnswer:
    """Versions of a chart: `status` found, missing, or "" for not known, with the reason."""

    status: str
    versions: Sequence[str]
    reason: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoredCluster:
    """What the Supervisor has made of a cluster's class and Kubernetes release."""

    cluster_class: str
    release: str
