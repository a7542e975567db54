"""Typed Pulumi resources and look-ups of the provider plugin `vcf` (providers/vcf).

The provider checks every input, so these classes only carry names and types; those of the resources are written from
its schema. Units: memory and storage in MiB, CPU in vCPUs, reservations in percent. A property that is left out is not
managed. Import ids are in each class's docstring.
"""

from components.vcf.answers import (
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
from components.vcf.gallery_login import GalleryLogin
from components.vcf.gallery_model import GalleryModel
from components.vcf.look_ups import (
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
from components.vcf.namespace import Namespace
from components.vcf.namespace_contents import NamespaceContents
from components.vcf.postgres_extension import PostgresExtension
from components.vcf.postgres_login import PostgresLogin
from components.vcf.postgres_role import PostgresRole
from components.vcf.postgres_schema import PostgresSchema
from components.vcf.provider import Provider
from components.vcf.readiness import Readiness
from components.vcf.types import (
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
from components.vcf.virtual_machine_class import VirtualMachineClass

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
