"""`paif:clusters`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from paif_catalog import defaults
from stacks.environment.sections.section import FullName, Section, StoragePolicy, VmClassName
from stacks.environment.types import Network, ShortName


class NodePool(Section):
    """A node pool: a fixed number of nodes, or a range for the autoscaler."""

    name: ShortName
    vm_class: VmClassName = Field(alias="class")
    replicas: int | None = Field(default=None, ge=0, le=150, description="fixed number of nodes")
    min_replicas: int | None = Field(
        default=None, ge=0, le=150, description="least nodes, for the Cluster Autoscaler, instead of replicas"
    )
    max_replicas: int | None = Field(default=None, ge=1, le=150, description="most nodes, for the Cluster Autoscaler")
    container_storage_gib: int = Field(
        default=defaults.CLUSTER.container_storage_gib, ge=20, description="volume for images on a GPU node, in GiB"
    )

    @property
    def largest(self) -> int:
        """Most nodes that the pool may have."""
        return self.max_replicas if self.max_replicas is not None else self.replicas or 0


class ControlPlane(Section):
    """Control plane of a cluster: 1 machine in dev and qa, else 3."""

    vm_class: VmClassName = Field(default="guaranteed-medium", alias="class")
    replicas: Literal[1, 3] = Field(default=1, description="machines; 1 in dev and qa, 3 in staging and prod")


class GpuOperator(Section):
    """The NVIDIA GPU Operator on the cluster; versions are the catalog's unless given."""

    enabled: bool = Field(default=True, description="whether it is installed")
    version: str | None = Field(default=None, description="version of its Helm chart")
    driver_version: str | None = Field(default=None, description="guest driver (vGPU mode)")


class Cluster(Section):
    """A Kubernetes cluster of VKS with GPU nodes."""

    name: Annotated[ShortName, FullName("cluster")]
    release: str | None = Field(
        default=None, description="Kubernetes release in any spelling; the catalog's by default"
    )
    os_version: str | None = Field(default=None, description="version of Ubuntu, where the release has several")
    cluster_class: str | None = Field(default=None, description="ClusterClass; the catalog's by default")
    control_plane: ControlPlane = ControlPlane()
    pools: list[NodePool] = Field(min_length=1)
    storage_policy: StoragePolicy = None
    pod_network: Network = Field(default=defaults.CLUSTER.pod_network, description="network of pods, in CIDR form")
    service_network: Network = Field(
        default=defaults.CLUSTER.service_network, description="network of services, in CIDR form"
    )
    gpu_operator: GpuOperator = GpuOperator()
