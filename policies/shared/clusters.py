"""Clusters of the Supervisor, among all that the Cluster API knows."""

from __future__ import annotations

from typing import Any

from policies.shared.model import Resource, Unknown, raw_value_at

_CLASSES = ("builtin-generic-", "tanzukubernetescluster")


def is_vks_cluster(resource: Resource) -> bool:
    """Whether a Cluster is one of the vSphere Kubernetes Service; only what is surely another's is none.

    Other providers have their own machines behind it: an infrastructure of their own, or a class without VM classes.
    """
    if raw_value_at(resource.properties, "spec.infrastructureRef") is not None:
        return False
    topology = raw_value_at(resource.properties, "spec.topology")
    if not isinstance(topology, dict):
        return True
    name = raw_value_at(topology, "class") or raw_value_at(topology, "classRef.name")
    if name is None or isinstance(name, Unknown) or str(name).startswith(_CLASSES):
        return True
    pools = raw_value_at(topology, "workers.machineDeployments")
    listed = [raw_value_at(topology, "variables")]
    listed += [raw_value_at(each, "variables.overrides") for each in (pools if isinstance(pools, list) else [])]
    return any(map(_names_vm_class, listed))


def _names_vm_class(variables: Any) -> bool:
    if isinstance(variables, Unknown):
        return True
    names = [raw_value_at(each, "name") for each in (variables if isinstance(variables, list) else [])]
    return any(isinstance(each, Unknown) or each == "vmClass" for each in names)
