"""Kinds of objects, and where an API server keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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

VM_OPERATOR = "vmoperator.vmware.com/v1alpha3"
VIRTUAL_MACHINE = Resource(VM_OPERATOR, "VirtualMachine", "virtualmachines")
VIRTUAL_MACHINE_CLASS = Resource(VM_OPERATOR, "VirtualMachineClass", "virtualmachineclasses")
VIRTUAL_MACHINE_IMAGE = Resource(VM_OPERATOR, "VirtualMachineImage", "virtualmachineimages")
CLUSTER_VIRTUAL_MACHINE_IMAGE = Resource(
    VM_OPERATOR, "ClusterVirtualMachineImage", "clustervirtualmachineimages", namespaced=False
)
VIRTUAL_MACHINE_SERVICE = Resource(VM_OPERATOR, "VirtualMachineService", "virtualmachineservices")

KUBERNETES_RELEASE = Resource("kubernetes.vmware.com/v1alpha1", "KubernetesRelease", "kubernetesreleases", False)
OS_IMAGE = Resource("run.tanzu.vmware.com/v1alpha3", "OSImage", "osimages", namespaced=False)
CLUSTER = Resource("cluster.x-k8s.io/v1beta1", "Cluster", "clusters")
CLUSTER_CLASS = Resource("cluster.x-k8s.io/v1beta1", "ClusterClass", "clusterclasses")
KUBEADM_CONTROL_PLANE = Resource("controlplane.cluster.x-k8s.io/v1beta1", "KubeadmControlPlane", "kubeadmcontrolplanes")
MACHINE_DEPLOYMENT = Resource("cluster.x-k8s.io/v1beta1", "MachineDeployment", "machinedeployments")
POSTGRES_CLUSTER = Resource("databases.dataservices.vmware.com/v1alpha1", "PostgresCluster", "postgresclusters")
POLICY_BINDING = Resource(
    "infrastructure.dataservices.vmware.com/v1alpha1", "DataServicePolicyBinding", "dataservicepolicybindings"
)
PAIS_CONFIGURATION = Resource("pais.vmware.com/v1alpha1", "PAISConfiguration", "paisconfigurations")
MODEL_ENDPOINT = Resource("pais.vmware.com/v1alpha1", "ModelEndpoint", "modelendpoints")
