"""Resource types that rules look at. `*` stands for any API version: the rules hold whichever is in use."""

from __future__ import annotations

from policies.shared.model import STACK

VM = ("kubernetes:vmoperator.vmware.com/*:VirtualMachine",)
VM_REPLICA_SET = ("kubernetes:vmoperator.vmware.com/*:VirtualMachineReplicaSet",)
VM_SERVICE = VM + VM_REPLICA_SET
"""Machines of the VM Service: single ones, and sets of the same."""
VSPHERE_VM = ("vsphere:index/virtualMachine:VirtualMachine",)
WORKSTATION = VM + VSPHERE_VM
CLUSTER = ("kubernetes:cluster.x-k8s.io/*:Cluster",)
DATABASE = ("kubernetes:databases.dataservices.vmware.com/*:PostgresCluster",)
PAIS = ("kubernetes:pais.vmware.com/*:PAISConfiguration",)
ENDPOINT = ("kubernetes:pais.vmware.com/*:ModelEndpoint",)
NAMESPACE = (
    "vcf:index:Namespace",
    "vsphere:index/namespace:Namespace",
    "kubernetes:infrastructure.cci.vmware.com/*:SupervisorNamespace",
    "vcfa:index/supervisorNamespace:SupervisorNamespace",
)
"""Namespaces of a Supervisor, also as VCF Automation makes them."""
SUPERVISOR = ("vsphere:index/supervisor:Supervisor",)
"""A Supervisor that brings namespaces of its own."""
VM_CLASS = (
    "vcf:index:VirtualMachineClass",
    "vsphere:index/virtualMachineClass:VirtualMachineClass",
    "kubernetes:vmoperator.vmware.com/*:VirtualMachineClass",
)
SECRET = ("kubernetes:core/v1:Secret",)
CONFIG_MAP = ("kubernetes:core/v1:ConfigMap",)
KUBERNETES_NAMESPACE = ("kubernetes:core/v1:Namespace",)
RELEASE = ("kubernetes:helm.sh/*:Release",)
CHART = (*RELEASE, "kubernetes:helm.sh/*:Chart")
"""Charts that Pulumi installs; of a Chart mostly its objects are seen, since the component itself has no properties."""
CHART_OBJECT = (
    "kubernetes:argoproj.io/*:Application*",
    "kubernetes:helm.toolkit.fluxcd.io/*:HelmRelease*",
)
"""Objects by which others install charts."""
EXTENSION = ("vcf:index:PostgresExtension",)
GALLERY_MODEL = ("vcf:index:GalleryModel",)
GALLERY_LOGIN = ("vcf:index:GalleryLogin",)
LIBRARY = ("vsphere:index/contentLibrary:ContentLibrary",)
DRS_OVERRIDE = ("vsphere:index/drsVmOverride:DrsVmOverride",)
SNAPSHOT = ("vsphere:index/virtualMachineSnapshot:VirtualMachineSnapshot",)
PROVIDER = ("pulumi:providers:*",)
ROOT = (STACK,)
KUBERNETES = ("kubernetes:*",)
NIM = ("kubernetes:apps.nvidia.com/*:NIM*",)
"""What NVIDIA's NIM Operator makes microservices of: NIMService, NIMCache, NIMPipeline, NIMBuild."""
NEMO = ("kubernetes:apps.nvidia.com/*:Nemo*",)
"""What the same operator makes NeMo microservices of."""
CLUSTER_POLICY = ("kubernetes:nvidia.com/*:ClusterPolicy*",)
"""Settings of a cluster's GPU Operator, also a patch or a list of them."""
NVIDIA_DRIVER = ("kubernetes:nvidia.com/*:NVIDIADriver*",)
NVIDIA_OBJECT = ("kubernetes:nvidia.com/*", "kubernetes:*.nvidia.com/*")
GPU_OPERATOR = CHART + CHART_OBJECT + CLUSTER_POLICY + NVIDIA_DRIVER
"""Everything that can set up the GPU Operator."""
MACHINES = VM_SERVICE + VSPHERE_VM + CLUSTER + ENDPOINT
"""What brings machines."""
LABELED = VM + CLUSTER + DATABASE + PAIS + ENDPOINT
"""Objects that people answer for, so that they carry labels."""
WITHOUT_RULES = ("kubernetes:vmoperator.vmware.com/*:VirtualMachineService",)
"""Known objects in which nothing is to be judged: an address of machines."""
PLATFORM_OBJECT = (
    *NVIDIA_OBJECT,
    "kubernetes:vmware.com/*",
    "kubernetes:*.vmware.com/*",
    "kubernetes:*.broadcom.com/*",
    "kubernetes:cluster.x-k8s.io/*",
    "kubernetes:*.cluster.x-k8s.io/*",
)
"""Objects of the platform's own API groups."""
