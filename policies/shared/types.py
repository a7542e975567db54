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
RELEASE = ("kubernetes:helm.sh/v3:Release",)
EXTENSION = ("vcf:index:PostgresExtension",)
GALLERY_MODEL = ("vcf:index:GalleryModel",)
GALLERY_LOGIN = ("vcf:index:GalleryLogin",)
LIBRARY = ("vsphere:index/contentLibrary:ContentLibrary",)
DRS_OVERRIDE = ("vsphere:index/drsVmOverride:DrsVmOverride",)
SNAPSHOT = ("vsphere:index/virtualMachineSnapshot:VirtualMachineSnapshot",)
PROVIDER = ("pulumi:providers:*",)
ROOT = (STACK,)
KUBERNETES = ("kubernetes:*",)
WORKLOAD = (
    "kubernetes:core/v1:Pod",
    "kubernetes:apps/v1:Deployment",
    "kubernetes:apps/v1:StatefulSet",
    "kubernetes:apps/v1:DaemonSet",
    "kubernetes:batch/v1:Job",
    "kubernetes:batch/v1:CronJob",
)
NIM = ("kubernetes:apps.nvidia.com/*:NIM*",)
"""What NVIDIA's NIM Operator makes microservices of: NIMService, NIMCache, NIMPipeline."""
MACHINES = VM_SERVICE + VSPHERE_VM + CLUSTER + ENDPOINT
"""What brings machines."""
LABELED = VM + CLUSTER + DATABASE + PAIS + ENDPOINT
"""Objects that people answer for, so that they carry labels."""
