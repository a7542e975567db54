"""What the pack `platform` notes of a cluster's objects: operators, pools, what the stack is, what nobody judges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies.platform.configuration import Context
from policies.platform.rules.gpu_operator import cluster_of, installed_operators
from policies.shared.charts import charts_of
from policies.shared.files import parse_yaml
from policies.shared.machines import node_pools
from policies.shared.model import Resource, UndecidedError, Unknown, raw_value_at
from policies.shared.operators import gpu_operators
from policies.shared.private_ai import MAY_MAKE_A_STACK_ONE, makes_stack_one
from policies.shared.selectors import is_type
from policies.shared.types import CLUSTER, GPU_OPERATOR, PLATFORM_OBJECT

_PROVIDER = ("pulumi:providers:kubernetes",)
OBJECTS = (*MAY_MAKE_A_STACK_ONE, *GPU_OPERATOR, *CLUSTER, *_PROVIDER, *PLATFORM_OBJECT)
"""Types of which something is noted."""


def observe_object(resource: Resource, run: Context) -> None:
    """Note what other resources are judged by."""
    seen = run.observations
    if is_type(resource, MAY_MAKE_A_STACK_ONE) and makes_stack_one(resource):
        run.record(seen.matters, "stack", seen.matters.get("stack", resource.urn))
    if is_type(resource, PLATFORM_OBJECT) and not is_type(resource, seen.judged):
        run.record(seen.unjudged, resource.urn, resource.type.removeprefix("kubernetes:"))
    if is_type(resource, _PROVIDER):
        run.record(seen.providers, resource.urn, tuple(dict.fromkeys(_cluster_names(resource))))
    elif is_type(resource, CLUSTER):
        _observe_pools(resource, run)
    elif is_type(resource, GPU_OPERATOR):
        _observe_operators(resource, run)
        for chart in charts_of(resource) if not gpu_operators(resource) else ():
            if chart.unread:
                run.record(seen.unread, resource.urn, chart.unread)


def _observe_operators(resource: Resource, run: Context) -> None:
    seen = run.observations
    for each in installed_operators(resource):
        seen.operators.setdefault(cluster_of(resource, each), resource.urn)
        for path in ("namespace", "spec.destination.namespace", "spec.targetNamespace"):
            namespace = raw_value_at(resource.properties, path)
            if isinstance(namespace, str) and namespace:
                run.record(seen.operator_namespaces, (cluster_of(resource, each)[0], namespace), resource.urn)


def _observe_pools(resource: Resource, run: Context) -> None:
    name = raw_value_at(resource.properties, "metadata.name")
    if isinstance(name, str):
        pools: dict[str, Any] = {}
        for pool in node_pools(resource):
            try:
                pools[pool.name] = pool.vm_class
            except UndecidedError:
                pools[f"of index {pool.index}"] = pool.vm_class
        run.record(run.observations.pools, name, pools)


def _cluster_names(provider: Resource) -> Iterator[str]:
    """Names by which a provider of Kubernetes knows its cluster."""
    for key in ("clusterIdentifier", "cluster", "context"):
        name = raw_value_at(provider.properties, key)
        if isinstance(name, str) and name:
            yield name
    kubeconfig = raw_value_at(provider.properties, "kubeconfig")
    loaded = None if isinstance(kubeconfig, Unknown) else parse_yaml(kubeconfig if isinstance(kubeconfig, str) else "")
    clusters = loaded.get("clusters") if isinstance(loaded, dict) else None
    for each in clusters if isinstance(clusters, list) else []:
        if isinstance(each, dict) and isinstance(each.get("name"), str):
            yield each["name"]
