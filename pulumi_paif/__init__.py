"""Pulumi components of a Private AI environment: one file each, usable on their own.

Every component takes a name, typed arguments and resource options; providers for `kubernetes`, `vcf` and, where it
is used, `vsphere` come through the options. Children carry the component's name; outputs are attributes. Mistakes in
arguments are collected and raised together as `ComponentInputError`. Components know the catalog and nothing of
stacks.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pulumi_paif import vcf as vcf
    from pulumi_paif._component import ComponentInputError
    from pulumi_paif.ai_namespace import AccessArgs, AiNamespace, AiNamespaceArgs, StorageArgs
    from pulumi_paif.cluster_provider import cluster_provider
    from pulumi_paif.content_library import ContentLibrary, ContentLibraryArgs, SubscriptionArgs
    from pulumi_paif.cpu_vm_class import CpuVmClass, CpuVmClassArgs
    from pulumi_paif.deep_learning_vm import (
        DeepLearningVm,
        DeepLearningVmArgs,
        ProxyArgs,
        VmServiceArgs,
        VspherePlacementArgs,
    )
    from pulumi_paif.gpu_cluster import GpuCluster, GpuClusterArgs, GpuPoolArgs, NodePoolArgs, PoolCapacity
    from pulumi_paif.gpu_operator import ChartRepositoryArgs, GpuOperator, GpuOperatorArgs
    from pulumi_paif.gpu_vm_class import DirectPathArgs, GpuVmClass, GpuVmClassArgs, VgpuArgs
    from pulumi_paif.model_endpoint import ModelEndpoint, ModelEndpointArgs
    from pulumi_paif.model_gallery_access import GalleryConnection, ModelGalleryAccess, ModelGalleryAccessArgs
    from pulumi_paif.private_ai_services import OidcArgs, PrivateAiServices, PrivateAiServicesArgs
    from pulumi_paif.shared_readiness import SharedReadiness
    from pulumi_paif.vector_database import (
        BackupArgs,
        CreatedDatabaseArgs,
        DatabaseConnection,
        ExistingDatabaseArgs,
        ExternalDatabaseArgs,
        MaintenanceArgs,
        VectorDatabase,
        VectorDatabaseArgs,
    )
    from pulumi_paif.vsphere_tags import VsphereTags, VsphereTagsArgs

_MODULES = (
    "_component",
    "ai_namespace",
    "cluster_provider",
    "content_library",
    "cpu_vm_class",
    "deep_learning_vm",
    "enums",
    "gpu_cluster",
    "gpu_operator",
    "gpu_vm_class",
    "model_endpoint",
    "model_gallery_access",
    "private_ai_services",
    "shared_readiness",
    "vector_database",
    "vsphere_tags",
)
__all__ = [
    "AccessArgs",
    "AiNamespace",
    "AiNamespaceArgs",
    "BackupArgs",
    "ChartRepositoryArgs",
    "ComponentInputError",
    "ContentLibrary",
    "ContentLibraryArgs",
    "CpuVmClass",
    "CpuVmClassArgs",
    "CreatedDatabaseArgs",
    "DatabaseConnection",
    "DeepLearningVm",
    "DeepLearningVmArgs",
    "DirectPathArgs",
    "EndpointType",
    "ExistingDatabaseArgs",
    "ExternalDatabaseArgs",
    "GalleryConnection",
    "GpuCluster",
    "GpuClusterArgs",
    "GpuMode",
    "GpuOperator",
    "GpuOperatorArgs",
    "GpuPoolArgs",
    "GpuVmClass",
    "GpuVmClassArgs",
    "InferenceEngine",
    "MaintenanceArgs",
    "ModelEndpoint",
    "ModelEndpointArgs",
    "ModelGalleryAccess",
    "ModelGalleryAccessArgs",
    "NodePoolArgs",
    "OidcArgs",
    "Persona",
    "PoolCapacity",
    "PrivateAiServices",
    "PrivateAiServicesArgs",
    "ProxyArgs",
    "SharedReadiness",
    "StorageArgs",
    "SubscriptionArgs",
    "VectorDatabase",
    "VectorDatabaseArgs",
    "VgpuArgs",
    "VmServiceArgs",
    "VspherePlacementArgs",
    "VsphereTags",
    "VsphereTagsArgs",
    "Weekday",
    "cluster_provider",
    "vcf",
]


def __getattr__(name: str) -> Any:
    # Not before they are asked for: whoever wants the classes of the vcf provider only need not wait for the others.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "vcf":
        return importlib.import_module("pulumi_paif.vcf")
    for module in _MODULES:
        found = vars(importlib.import_module(f"pulumi_paif.{module}"))
        globals().update({each: found[each] for each in __all__ if each in found and each != "vcf"})
    return globals()[name]
