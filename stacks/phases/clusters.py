"""Phase clusters: Kubernetes clusters with GPU nodes, each with the GPU Operator on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from pulumi_paif.enums import GpuMode
from pulumi_paif.gpu_cluster import GpuCluster, GpuClusterArgs, NodePoolArgs
from pulumi_paif.gpu_operator import GpuOperator, GpuOperatorArgs
from stacks import charts
from stacks.environment import storage_class
from stacks.environment.sections.clusters import Cluster
from stacks.phases.context import Context, Phase
from stacks.phases.foundation import Foundation


@dataclass(frozen=True)
class Clusters:
    """Clusters by their names in the environment, and the GPU Operators on those that have one."""

    clusters: Mapping[str, GpuCluster]
    operators: Mapping[str, GpuOperator]


def declare(context: Context, foundation: Foundation) -> Clusters:
    """Declare the phase."""
    phase, every = context.phase("clusters"), context.env.clusters
    contents = foundation.contents(
        context,
        "clusters",
        phase,
        [name for each in every for name in (each.control_plane.vm_class, *(pool.vm_class for pool in each.pools))],
        [each.storage_policy for each in every],
    )
    clusters: dict[str, GpuCluster] = {}
    operators: dict[str, GpuOperator] = {}
    for asked in every:
        clusters[asked.name] = made = _cluster(context, foundation, asked, phase, contents.namespace)
        if asked.gpu_operator.enabled:
            operators[asked.name] = _gpu_operator(context, asked, made)
    return Clusters(clusters, operators)


def _cluster(
    context: Context, foundation: Foundation, asked: Cluster, phase: Phase, namespace: pulumi.Output[str]
) -> GpuCluster:
    env, name, gallery = context.env, context.env.full_name(asked), context.connections.gallery
    cluster: GpuClusterArgs = {
        "namespace": namespace,
        "namespace_name": env.namespace.name,
        "storage_class": storage_class(env.storage_policy(asked.storage_policy)),
        "control_plane_class": foundation.classes[asked.control_plane.vm_class],
        "control_plane_replicas": asked.control_plane.replicas,
        "pools": _pools(context, foundation, asked),
        "pod_network": asked.pod_network,
        "service_network": asked.service_network,
        "release": asked.release,
        "os_version": asked.os_version,
        "cluster_class": asked.cluster_class,
        "ca_bundle": (gallery.ca or None) if gallery else None,
        "helm_registry_config": _registry_config(context, asked),
        "labels": env.labels(),
        "platform": env.platform,
        **context.wait("Cluster"),  # type: ignore[typeddict-item]
    }
    return GpuCluster(name, cluster, context.kept(phase))


def _pools(context: Context, foundation: Foundation, asked: Cluster) -> list[NodePoolArgs]:
    pools: list[NodePoolArgs] = []
    for pool in asked.pools:
        vm_class = context.env.vm_class(pool.vm_class)
        args: NodePoolArgs = {
            "name": pool.name,
            "vm_class": foundation.classes[pool.vm_class],
            "gpu_count": vm_class.gpu_count if vm_class.has_gpu else None,
            "capacity": {"cpu_count": vm_class.cpu_count, "memory_gib": vm_class.memory_gib},
        }
        if vm_class.has_gpu:
            args["container_storage_gib"] = pool.container_storage_gib
        if pool.min_replicas is not None and pool.max_replicas is not None:
            args["min_replicas"], args["max_replicas"] = pool.min_replicas, pool.max_replicas
        else:
            args["replicas"] = pool.replicas or 0
        pools.append(args)
    return pools


def _registry_config(context: Context, asked: Cluster) -> str | None:
    """File with the login of the chart's OCI registry, for a cluster that the chart is installed on."""
    helm = context.connections.helm
    if not asked.gpu_operator.enabled or not helm.repository.startswith("oci://") or not helm.username:
        return None
    return charts.login_file(context.env.name, helm.repository, helm.username, helm.password.get_secret_value())


def _gpu_operator(context: Context, asked: Cluster, cluster: GpuCluster) -> GpuOperator:
    env, name, helm = context.env, context.env.full_name(asked), context.connections.helm
    https_login = helm.username and not helm.repository.startswith("oci://")
    args: GpuOperatorArgs = {
        "kubeconfig": cluster.kubeconfig,
        "pools": cluster.gpu_pools,
        "gpu_mode": GpuMode(env.gpu.mode),
        "repository": {
            "url": helm.repository or None,
            "username": helm.username if https_login else None,
            "password": pulumi.Output.secret(helm.password.get_secret_value()) if https_login else None,
            "ca_file": charts.authority_file(env.name, helm.ca) if helm.ca else None,
        },
        "version": asked.gpu_operator.version,
        "driver_version": asked.gpu_operator.driver_version,
        "labels": env.labels(),
        "platform": env.platform,
        **context.license(env.gpu.mode),  # type: ignore[typeddict-item]
        **context.wait("ClusterPolicy"),
    }
    # It goes as a whole: from a cluster that is gone, or stays, nothing needs to be taken one by one.
    options = pulumi.ResourceOptions(parent=cluster, providers=[cluster.provider], deleted_with=cluster.cluster)
    return GpuOperator(f"{name}-gpu-operator", args, options)
