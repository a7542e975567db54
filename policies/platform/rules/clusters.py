"""Node pools and networks of clusters."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from policies.platform.configuration import Context, PlatformObservations, PlatformSettings
from policies.platform.sources import CAPI, OPERATOR, VKS
from policies.shared.clusters import is_vks_cluster
from policies.shared.machines import GpuClass, NodePool, class_or_undecided, node_pools
from policies.shared.model import (
    Findings,
    Resource,
    Rules,
    Severity,
    Undecided,
    UndecidedError,
    Unknown,
    Violation,
    list_of,
    mandatory_in,
    require_known,
    value_at,
)
from policies.shared.quantities import quantity
from policies.shared.types import CLUSTER

RULES: Rules[PlatformSettings, PlatformObservations] = Rules()


def _pools(resource: Resource) -> Iterator[NodePool]:
    """Node pools of a cluster of the Supervisor; of another's nothing is known here."""
    if is_vks_cluster(resource):
        yield from node_pools(resource)


def _classes(resource: Resource, run: Context) -> Iterator[tuple[NodePool, GpuClass | Undecided | None]]:
    for pool in _pools(resource):
        yield pool, class_or_undecided(pool.vm_class, run, run.observations.classes)


def _gpu_pools(resource: Resource, run: Context) -> Iterator[NodePool]:
    """Pools with GPUs. Raises UndecidedError behind the last one when nothing tells of another whether it has some."""
    undecided: list[Undecided] = []
    for pool, found in _classes(resource, run):
        if isinstance(found, Undecided):
            undecided.append(found)
        elif found is not None and found.has_gpu:
            yield pool
    for each in undecided:
        raise UndecidedError(each.path, each.declare, unnamed=each.unnamed)


@RULES.rule(
    "gpu-pool-image",
    CLUSTER,
    severity=Severity.HIGH,
    reason="the GPU Operator has drivers for Ubuntu only, and nodes are Photon by default",
    remedy="annotate the pool run.tanzu.vmware.com/resolve-os-image: os-name=ubuntu",
    source=OPERATOR,
)
def gpu_pool_image(resource: Resource, run: Context) -> Findings:
    annotation = run.platform.cluster_classes.os_image_annotation
    for pool in _gpu_pools(resource, run):
        if "os-name=ubuntu" not in str(pool.annotation(annotation) or ""):
            yield Violation(
                f"GPU pool {pool.name} does not ask for Ubuntu", f"{pool.path}.metadata.annotations.{annotation}"
            )


@RULES.rule(
    "gpu-pool-taint",
    CLUSTER,
    severity=Severity.MEDIUM,
    levels=mandatory_in("staging", "prod"),
    reason="without a taint ordinary pods take the GPU nodes' memory, and GPU pods wait",
    remedy="taint the pool nvidia.com/gpu=present:NoSchedule",
    source=OPERATOR,
)
def gpu_pool_taint(resource: Resource, run: Context) -> Findings:
    for pool in _gpu_pools(resource, run):
        path = f"{pool.path}.variables.overrides"
        taints = list_of(value_at(require_known(pool.variables.get("node")), "taints"), path)
        if not any(value_at(each, "key") == "nvidia.com/gpu" for each in taints):
            yield Violation(f"GPU pool {pool.name} has no taint nvidia.com/gpu", path)


@RULES.rule(
    "gpu-pool-storage",
    CLUSTER,
    severity=Severity.MEDIUM,
    reason="GPU images have tens of GiB; on the default disk nodes evict what they have just pulled",
    remedy="give the pool a volume at /var/lib/containerd of 200 GiB",
    source=VKS,
)
def gpu_pool_storage(resource: Resource, run: Context) -> Findings:
    minimum = run.settings.container_storage_gib
    for pool in _gpu_pools(resource, run):
        path = f"{pool.path}.variables.overrides"
        volumes = list_of(pool.variables.get("volumes"), path)
        sizes = [value_at(each, "capacity") for each in volumes if value_at(each, "mountPath") == "/var/lib/containerd"]
        quantities = [quantity(size) for size in sizes]
        for size, number in zip(sizes, quantities, strict=True):
            if number is None:
                yield Violation(f"GPU pool {pool.name} has a volume for images, and this is no size", path, size)
        gib = max((number for number in quantities if number is not None), default=0) / 2**30
        if None not in quantities and gib < minimum:
            yield Violation(f"GPU pool {pool.name} has {int(gib)} GiB for images, expected at least {minimum}", path)


@RULES.rule(
    "cpu-pool",
    CLUSTER,
    severity=Severity.HIGH,
    reason="the GPU Operator itself, ingress and add-ons run on nodes without GPU taint",
    remedy="add a pool of a class without GPU",
    source=OPERATOR,
)
def cpu_pool(resource: Resource, run: Context) -> Findings:
    found = [each for _, each in _classes(resource, run)]
    if any(each is None or not (isinstance(each, Undecided) or each.has_gpu) for each in found):
        return
    undecided = [each for each in found if isinstance(each, Undecided)]
    yield from undecided
    if found and not undecided:
        yield Violation("every pool has GPUs", "spec.topology.workers.machineDeployments")


@RULES.rule(
    "autoscaler",
    CLUSTER,
    severity=Severity.HIGH,
    reason="with a fixed number beside the autoscaler's range each run undoes what the autoscaler did",
    remedy="leave replicas out, and let the lower bound not exceed the upper",
    source=VKS,
)
def autoscaler(resource: Resource, run: Context) -> Findings:
    for pool in _pools(resource):
        low, high = pool.min_size, pool.max_size
        if low is None and high is None:
            continue
        if value_at(pool.data, "replicas") is not None:
            yield Violation(f"pool {pool.name} has replicas and a range", f"{pool.path}.replicas")
        if low is None or high is None or low > high:
            yield Violation(f"pool {pool.name} has the range {low} to {high}", f"{pool.path}.metadata.annotations")


def networks_in_use(run: Context) -> list[str]:
    """Networks around the clusters, of the settings and of the stack's configuration."""
    supervisor = run.environment.get("supervisor")
    configured = supervisor.get("networks") if isinstance(supervisor, dict) else None
    return [*run.settings.networks, *(configured or [])]


@RULES.rule(
    "network-overlap",
    CLUSTER,
    severity=Severity.HIGH,
    reason="overlapping networks make addresses unreachable from inside the cluster, first noticed as time-outs",
    remedy="use pod and service networks that nothing else uses; declare those in use in networks",
    source=CAPI,
)
def network_overlap(resource: Resource, run: Context) -> Findings:
    if not is_vks_cluster(resource):
        return
    used = networks_in_use(run)
    reserved = [(f"{each} (in use)", ipaddress.ip_network(each, strict=False)) for each in used]
    checked: list[tuple[str, Any]] = []
    for what in ("pods", "services"):
        for index, block in enumerate(resource.items(f"spec.clusterNetwork.{what}.cidrBlocks")):
            path = f"spec.clusterNetwork.{what}.cidrBlocks.{index}"
            if isinstance(block, Unknown):
                yield Undecided(block.path)
                continue
            try:
                network = ipaddress.ip_network(str(block), strict=False)
            except ValueError:
                yield Violation("this is no network", path, block)
                continue
            for name, other in reserved + checked:
                if network.version == other.version and network.overlaps(other):
                    yield Violation(f"it overlaps {name}", path, block)
            checked.append((f"{block} ({what})", network))


@RULES.rule(
    "service-network",
    CLUSTER,
    severity=Severity.MEDIUM,
    reason="VKS refuses a cluster without a service network",
    remedy="set spec.clusterNetwork.services.cidrBlocks",
    source=VKS,
)
def service_network(resource: Resource, run: Context) -> Findings:
    if is_vks_cluster(resource) and not resource.items("spec.clusterNetwork.services.cidrBlocks"):
        yield Violation("the service network is missing", "spec.clusterNetwork.services.cidrBlocks")
