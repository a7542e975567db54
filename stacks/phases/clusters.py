"""Phase clusters: Kubernetes clusters with GPU nodes, each with the GPU Operator on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from pulumi_paif.gpu_cluster import GpuCluster, GpuClusterArgs, NodePoolArgs
from pulumi_paif.gpu_operator import GpuOperator, GpuOperatorArgs
from stacks import charts
from stacks.environment import storage_class
from stacks.environment.sections.clusters import Cluster
from stacks.phases.context import Context, Phase, kubernetes_provider
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
    env, name = context.env, context.env.full_name(asked)
    cluster: GpuClusterArgs = {
        "cluster_name": name,
        "namespace": namespace,
        "namespace_name": env.namespace.name,
        "storage_class": storage_class(env.storage_policy(asked.storage_policy)),
        "control_plane_class": foundation.classes[asked.control_plane.vm_class],
        "control_plane_replicas": asked.control_plane.replicas,
        "pools": _pools(context, foundation, asked),
        "pod_network": asked.pod_network,
        "service_network": asked.service_network,
        "labels": env.labels(),
        "platform": env.platform,
        **context.wait("Cluster"),  # type: ignore[typeddict-item]
    }
    if asked.release is not None:
        cluster["release"] = asked.release
    if asked.os_version is not None:
        cluster["os_version"] = asked.os_version
    if asked.cluster_class is not None:
        cluster["cluster_class"] = asked.cluster_class
    if context.connections.gallery and context.connections.gallery.ca:
        cluster["trusted_ca"] = context.connections.gallery.ca
    return GpuCluster(name, cluster, context.kept(phase))


def _pools(context: Context, foundation: Foundation, asked: Cluster) -> list[NodePoolArgs]:
    pools: list[NodePoolArgs] = []
    for pool in asked.pools:
        vm_class = context.env.vm_class(pool.vm_class)
        args: NodePoolArgs = {
            "name": pool.name,
            "vm_class": foundation.classes[pool.vm_class],
            "gpu": vm_class.has_gpu,
            "capacity": {
                "cpu_count": vm_class.cpu_count,
                "memory_gib": vm_class.memory_gib,
                "gpus": vm_class.gpu_count,
            },
        }
        if vm_class.has_gpu:
            args["container_storage_gib"] = pool.container_storage_gib
        if pool.min_replicas is not None and pool.max_replicas is not None:
            args["min_replicas"], args["max_replicas"] = pool.min_replicas, pool.max_replicas
        else:
            args["replicas"] = pool.replicas or 0
        pools.append(args)
    return pools


def _gpu_operator(context: Context, asked: Cluster, cluster: GpuCluster) -> GpuOperator:
    env, name, helm = context.env, context.env.full_name(asked), context.connections.helm
    oci, password = helm.repository.startswith("oci://"), helm.password.get_secret_value()
    settings = None
    if oci and helm.username:
        file = charts.login_file(env.name, helm.repository, helm.username, password)
        settings = kubernetes.HelmReleaseSettingsArgs(registry_config_path=file)
    inside = pulumi.ResourceOptions(parent=cluster)
    guest = kubernetes_provider(f"{name}-guest", cluster.kubeconfig, name, settings, inside)
    args: GpuOperatorArgs = {
        "kubeconfig": cluster.kubeconfig,
        "pools": [
            {
                "name": pool.name,
                "gpus": env.vm_class(pool.vm_class).gpu_count,
                "min_replicas": pool.min_replicas if pool.min_replicas is not None else pool.replicas or 0,
                "max_replicas": pool.max_replicas if pool.max_replicas is not None else pool.replicas or 0,
            }
            for pool in asked.pools
            if env.vm_class(pool.vm_class).has_gpu
        ],
        "gpu_mode": env.gpu.mode,
        "labels": env.labels(),
        "platform": env.platform,
        **context.licence(env.gpu.mode),  # type: ignore[typeddict-item]
        **context.wait("ClusterPolicy"),
    }
    if helm.repository:
        args["repository"] = helm.repository
    if helm.username and not oci:
        args["repository_username"], args["repository_password"] = helm.username, pulumi.Output.secret(password)
    if helm.ca:
        args["repository_ca_file"] = charts.authority_file(env.name, helm.ca)
    if asked.gpu_operator.version is not None:
        args["version"] = asked.gpu_operator.version
    if asked.gpu_operator.driver_version is not None:
        args["driver_version"] = asked.gpu_operator.driver_version
    # It goes as a whole: from a cluster that is gone, or stays, nothing needs to be taken one by one.
    options = pulumi.ResourceOptions(parent=cluster, providers=[guest], deleted_with=cluster.cluster)
    return GpuOperator(f"{name}-gpu-operator", args, options)
