"""`paif:clusters`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stacks.environment.sections.section import FullName, Section, StoragePolicy, VmClassName
from stacks.environment.types import Network, ShortName


class NodePool(Section):
    """A node pool: a fixed number of nodes, or a range for the autoscaler."""

    name: ShortName
    vm_class: VmClassName = Field(alias="class")
    replicas: int | None = Field(default=None, ge=0, le=150)
    min_replicas: int | None = Field(default=None, ge=0, le=150)
    max_replicas: int | None = Field(default=None, ge=1, le=150)
    container_storage_gib: int = Field(default=200, ge=20)

    @property
    def largest(self) -> int:
        """Most nodes that the pool may have."""
        return self.max_replicas if self.max_replicas is not None else self.replicas or 0


class ControlPlane(Section):
    """Control plane of a cluster: 1 machine in dev and qa, else 3."""

    vm_class: VmClassName = Field(default="guaranteed-medium", alias="class")
    replicas: Literal[1, 3] = 1


class GpuOperator(Section):
    """The NVIDIA GPU Operator on the cluster; versions are the catalogue's unless given."""

    enabled: bool = True
    version: str | None = None
    driver_version: str | None = Field(default=None, description="guest driver (vGPU mode)")


class Cluster(Section):
    """A Kubernetes cluster of VKS with GPU nodes."""

    name: Annotated[ShortName, FullName("cluster")]
    release: str | None = Field(
        default=None, description="Kubernetes release in any spelling; the catalogue's by default"
    )
    os_version: str | None = Field(default=None, description="version of Ubuntu, where the release has several")
    cluster_class: str | None = None
    control_plane: ControlPlane = ControlPlane()
    pools: list[NodePool] = Field(min_length=1)
    storage_policy: StoragePolicy = None
    pod_network: Network = "192.168.156.0/20"
    service_network: Network = "10.96.0.0/12"
    gpu_operator: GpuOperator = GpuOperator()
