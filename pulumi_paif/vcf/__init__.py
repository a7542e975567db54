"""Typed Pulumi resources and look-ups of the provider plugin `vcf` (pulumi_resource_vcf).

The provider checks every input, so these classes only carry names and types; those of the resources are written from
its schema. Units: memory and storage in MiB, CPU in vCPUs, reservations in percent. A property that is left out is not
managed. Import ids are in each class's docstring.
"""

from pulumi_paif.vcf.answers import (
    ChartAnswer,
    DatabaseOffer,
    GpuDevice,
    GpuHost,
    GpuInventory,
    ImageProperties,
    InfrastructurePolicy,
    KubernetesRelease,
    Library,
    LibraryItem,
    MissingName,
    ModelAnswer,
    OsImage,
    Platform,
    PrincipalAnswer,
    StandingDatabase,
    StoragePolicy,
    StoredCluster,
    Supervisor,
)
from pulumi_paif.vcf.gallery_login import GalleryLogin
from pulumi_paif.vcf.gallery_model import GalleryModel
from pulumi_paif.vcf.look_ups import (
    LookUp,
    ask,
    chart_versions,
    content_library,
    get_cluster,
    get_content_library,
    get_gpu_inventory,
    get_library_item,
    get_secret,
    get_storage_policy,
    get_supervisor,
    gpu_inventory,
    image_properties,
    missing_names,
    models,
    platform,
    principals,
)
from pulumi_paif.vcf.namespace import Namespace
from pulumi_paif.vcf.namespace_contents import NamespaceContents
from pulumi_paif.vcf.postgres_extension import PostgresExtension
from pulumi_paif.vcf.postgres_login import PostgresLogin
from pulumi_paif.vcf.postgres_role import PostgresRole
from pulumi_paif.vcf.postgres_schema import PostgresSchema
from pulumi_paif.vcf.provider import Provider
from pulumi_paif.vcf.readiness import Readiness
from pulumi_paif.vcf.types import (
    AccessEntry,
    AwaitedImage,
    AwaitedNodes,
    AwaitedObject,
    AwaitedPool,
    DirectPathDevice,
    NamespaceRole,
    SslMode,
    StorageSpec,
    SubjectType,
)
from pulumi_paif.vcf.virtual_machine_class import VirtualMachineClass

__all__ = [
    "AccessEntry",
    "AwaitedImage",
    "AwaitedNodes",
    "AwaitedObject",
    "AwaitedPool",
    "ChartAnswer",
    "DatabaseOffer",
    "DirectPathDevice",
    "GalleryLogin",
    "GalleryModel",
    "GpuDevice",
    "GpuHost",
    "GpuInventory",
    "ImageProperties",
    "InfrastructurePolicy",
    "KubernetesRelease",
    "Library",
    "LibraryItem",
    "LookUp",
    "MissingName",
    "ModelAnswer",
    "Namespace",
    "NamespaceContents",
    "NamespaceRole",
    "OsImage",
    "Platform",
    "PostgresExtension",
    "PostgresLogin",
    "PostgresRole",
    "PostgresSchema",
    "PrincipalAnswer",
    "Provider",
    "Readiness",
    "SslMode",
    "StandingDatabase",
    "StoragePolicy",
    "StorageSpec",
    "StoredCluster",
    "SubjectType",
    "Supervisor",
    "VirtualMachineClass",
    "ask",
    "chart_versions",
    "content_library",
    "get_cluster",
    "get_content_library",
    "get_gpu_inventory",
    "get_library_item",
    "get_secret",
    "get_storage_policy",
    "get_supervisor",
    "gpu_inventory",
    "image_properties",
    "missing_names",
    "models",
    "platform",
    "principals",
]
