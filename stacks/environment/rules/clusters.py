"""Clusters: releases, networks and pools that go together."""

from __future__ import annotations

from collections.abc import Iterator

import paif_catalog as catalog
from paif_catalog.nearest_names import nearest
from stacks.environment.findings import Findings
from stacks.environment.model import Environment
from stacks.environment.rules.vm_classes import may_have_gpu
from stacks.environment.sections.clusters import Cluster, NodePool
from stacks.environment.types import parsed_network
from stacks.problems import LocatedProblem, Path, join_names, located_problem


def check(env: Environment, findings: Findings) -> Iterator[LocatedProblem]:
    """Releases, networks, pools that do not go together, or that a cluster class does not take."""
    known, versions = env.baseline.cluster_classes, env.baseline.versions
    classes = known.classes
    for index, cluster in enumerate(env.clusters):
        path: Path = ("clusters", index)
        release = cluster.release or versions["kubernetes-release"].version
        if catalog.Release.parse(release) is None:
            yield located_problem((*path, "release"), "a release such as v1.32.0+vmware.6-fips-vkr.2", release)
        if cluster.os_version is not None and cluster.os_version not in known.ubuntu.versions:
            yield located_problem(
                (*path, "osVersion"), f"a version of Ubuntu: {join_names(known.ubuntu.versions)}", cluster.os_version
            )
        wanted = cluster.cluster_class or versions["cluster-class"].version
        if wanted not in classes:
            yield located_problem(
                (*path, "clusterClass"), f"one of {join_names(classes)}", wanted, nearest(wanted, classes)
            )
        elif not classes[wanted].takes(release) and not findings.unsure(*path, "clusterClass"):
            first, last = classes[wanted].kubernetes
            yield located_problem((*path, "release"), f"Kubernetes {first} to {last}, which {wanted} takes", release)
        elif cluster.os_version is None and known.ubuntu.is_choice(release) and not findings.unsure(*path, "osVersion"):
            expected = (
                f"a version of Ubuntu, in quotes ({join_names(known.ubuntu.versions)}): {release} has images of each"
            )
            yield located_problem((*path, "osVersion"), expected)
        yield from _check_networks(env, index, cluster, findings)
        for position, pool in enumerate(cluster.pools):
            if not any(findings.unsure(*path, "pools", position, key) for key in _POOL_SIZES):
                yield from _check_pool((*path, "pools", position), pool)
        sure = not findings.unsure(*path, "pools") and not findings.unsure(*path, "gpuOperator", "enabled")
        on_gpus = all(may_have_gpu(env, pool.vm_class, findings) for pool in cluster.pools)
        if sure and cluster.gpu_operator.enabled and on_gpus and _known(env, cluster):
            yield located_problem(
                (*path, "pools"), "also a pool without GPU: the GPU Operator itself runs on untainted nodes"
            )


_POOL_SIZES = ("replicas", "minReplicas", "maxReplicas")


def _known(env: Environment, cluster: Cluster) -> bool:
    """Whether all classes of a cluster's pools are there; one that is not has a problem already."""
    there = {own.name for own in env.vm_classes} | set(env.baseline.cluster_classes.default_vm_classes)
    return all(pool.vm_class in there for pool in cluster.pools)


def _check_networks(env: Environment, index: int, cluster: Cluster, findings: Findings) -> Iterator[LocatedProblem]:
    pods, services = parsed_network(cluster.pod_network), parsed_network(cluster.service_network)
    path: Path = ("clusters", index)
    unsure = {key for key in ("podNetwork", "serviceNetwork") if findings.unsure(*path, key)}
    if pods.overlaps(services) and not unsure:
        yield located_problem(
            (*path, "podNetwork"),
            f"a network that does not overlap serviceNetwork {cluster.service_network}",
            cluster.pod_network,
        )
    for key, network in (("podNetwork", pods), ("serviceNetwork", services)):
        for used in env.supervisor.networks:
            if network.overlaps(parsed_network(used)) and key not in unsure:
                yield located_problem(
                    (*path, key), f"a network that does not overlap the Supervisor's {used}", str(network)
                )


def _check_pool(path: Path, pool: NodePool) -> Iterator[LocatedProblem]:
    ranged = pool.min_replicas is not None or pool.max_replicas is not None
    if ranged == (pool.replicas is not None):
        yield located_problem((*path, "replicas"), "either replicas, or minReplicas and maxReplicas for the autoscaler")
    elif ranged and (pool.min_replicas is None or pool.max_replicas is None or pool.min_replicas > pool.max_replicas):
        yield located_problem((*path, "minReplicas"), "minReplicas and maxReplicas, the first not above the second")
