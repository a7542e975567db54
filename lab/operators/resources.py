"""Kinds of objects, and where an API server keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lab.platform import PLATFORM

PREFIX = "lab.paif.dev"
"""Prefix of every annotation, finalizer and field manager that belongs to the lab and not to the product it plays."""

Object = dict[str, Any]
"""A Kubernetes object as JSON."""


@dataclass(frozen=True)
class Resource:
    """A kind and where the API server keeps it."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def selector(self) -> tuple[str, str, str]:
        """Group, version and plural, as kopf's decorators take them."""
        group, _, version = self.api_version.rpartition("/")
        return group, version, self.plural

    def path(self, name: str | None = None, namespace: str | None = None) -> str:
        """The URL path of one object, or of the collection (over all namespaces when ``namespace`` is None)."""
        prefix = "/api/" if "/" not in self.api_version else "/apis/"
        parts = [prefix + self.api_version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        return "/".join(parts if name is None else [*parts, name])

    def owner_reference(self, item: Object) -> Object:
        """How an object that belongs to ``item`` names it: it goes with it."""
        metadata = item["metadata"]
        return {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "name": metadata["name"],
            "uid": metadata["uid"],
        }


NAMESPACE = Resource("v1", "Namespace", "namespaces", namespaced=False)
NODE = Resource("v1", "Node", "nodes", namespaced=False)
SECRET = Resource("v1", "Secret", "secrets")
CONFIG_MAP = Resource("v1", "ConfigMap", "configmaps")
SERVICE = Resource("v1", "Service", "services")
SERVICE_ACCOUNT = Resource("v1", "ServiceAccount", "serviceaccounts")
RESOURCE_QUOTA = Resource("v1", "ResourceQuota", "resourcequotas")
EVENT = Resource("v1", "Event", "events")
DEPLOYMENT = Resource("apps/v1", "Deployment", "deployments")
ROLE_BINDING = Resource("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings")
CLUSTER_ROLE = Resource("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", namespaced=False)
STORAGE_CLASS = Resource("storage.k8s.io/v1", "StorageClass", "storageclasses", namespaced=False)


def _of_platform(kind: str, *, namespaced: bool = True) -> Resource:
    """A kind of the platform that the lab plays, in the API version that it has there."""
    return Resource(
        PLATFORM.api_version(kind), kind, f"{kind.lower()}{'es' if kind.endswith('s') else 's'}", namespaced
    )


VIRTUAL_MACHINE = _of_platform("VirtualMachine")
VM_OPERATOR = VIRTUAL_MACHINE.api_version
VIRTUAL_MACHINE_CLASS = _of_platform("VirtualMachineClass")
VIRTUAL_MACHINE_IMAGE = _of_platform("VirtualMachineImage")
CLUSTER_VIRTUAL_MACHINE_IMAGE = _of_platform("ClusterVirtualMachineImage", namespaced=False)
VIRTUAL_MACHINE_SERVICE = _of_platform("VirtualMachineService")

KUBERNETES_RELEASE = _of_platform("KubernetesRelease", namespaced=False)
OS_IMAGE = _of_platform("OSImage", namespaced=False)
CLUSTER = _of_platform("Cluster")
CLUSTER_CLASS = _of_platform("ClusterClass")
KUBEADM_CONTROL_PLANE = _of_platform("KubeadmControlPlane")
MACHINE_DEPLOYMENT = _of_platform("MachineDeployment")
POSTGRES_CLUSTER = _of_platform("PostgresCluster")
POLICY_BINDING = _of_platform("DataServicePolicyBinding")
PAIS_CONFIGURATION = _of_platform("PAISConfiguration")
MODEL_ENDPOINT = _of_platform("ModelEndpoint")
