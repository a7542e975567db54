"""The look-up of what a Supervisor offers and holds: what it is asked, and what it answers."""

from __future__ import annotations

from typing import Final

from . import fields as f
from .errors import VcfError, listed
from .function import Function, object_of, out
from .resource import Context
from .values import Props

_KINDS: Final = (
    "Cluster",
    "DataServicePolicyBinding",
    "KubernetesRelease",
    "OSImage",
    "PostgresCluster",
    "VirtualMachine",
    "VirtualMachineClass",
)
"""Kinds that are read. Whoever asks says in which API version, which belongs to the platform's version."""


async def _platform(context: Context, args: Props) -> Props:
    from .platform import platform  # noqa: PLC0415 - few runs need it

    if missing := [kind for kind in _KINDS if kind not in args["apiVersions"]]:
        raise VcfError(f"`apiVersions` lacks {listed(missing)}")
    return await platform(context, args)


_TEXT = f.Field(kind="string", doc="", output=True)


def _flag(doc: str) -> f.Field:
    return f.Field(kind="boolean", doc=doc, default=False)


_OS_IMAGE = object_of(
    "OsImage",
    "an OS image of a Kubernetes release",
    {
        "os": out("string", "name of its operating system: ubuntu, photon, …"),
        "version": out("string", "version of its operating system: 22.04, …"),
        "library": out("string", "its content library, as a cluster selects it"),
    },
)
_RELEASE = object_of(
    "KubernetesRelease",
    "a Kubernetes release of the Supervisor",
    {
        "name": out("string", "object name, with three hyphens"),
        "version": out("string", "version, with a plus sign"),
        "against": out("string", 'what speaks against it: conditions that do not hold, "" when none'),
        "images": out("array", "its OS images that have come", _OS_IMAGE),
    },
)
_POLICY = object_of(
    "InfrastructurePolicy",
    "an infrastructure policy of DSM in a namespace",
    {
        "name": out("string", "name"),
        "vmClasses": out("array", "VM classes it allows", _TEXT),
        "storagePolicies": out("array", "storage policies it allows", _TEXT),
    },
)
_OFFER = object_of(
    "DatabaseOffer",
    "what DSM allows in a namespace",
    {
        "namespace": out("string", "the namespace"),
        "infrastructurePolicies": out("array", "infrastructure policies", _POLICY),
        "versions": out("array", "versions of PostgreSQL", _TEXT),
        "backupLocations": out("array", "backup locations", _TEXT),
        "replicas": out("array", "numbers of replicas", f.Field(kind="integer", doc="", output=True)),
        "maxStorage": out("string", 'largest storage space, "" when there is no limit'),
        "boundClasses": out("array", "VM classes that the namespace may use", _TEXT),
        "boundStorage": out("array", "storage classes that the namespace may use", _TEXT),
    },
)
_DATABASE = object_of(
    "StandingDatabase",
    "a PostgresCluster of the namespace",
    {
        "name": out("string", "name"),
        "version": out("string", "version"),
        "infrastructurePolicy": out("string", "infrastructure policy"),
        "vmClass": out("string", "VM class"),
        "storagePolicy": out("string", "storage policy"),
        "backupLocation": out("string", 'backup location, "" without'),
        "replicas": out("integer", "replicas"),
        "storageSpace": out("string", "storage space"),
    },
)
_CLUSTER = object_of(
    "StandingCluster",
    "a Cluster of the namespace",
    {"name": out("string", "name"), "release": out("string", "Kubernetes release")},
)
_UNKNOWN = object_of(
    "Unanswered",
    "what could not be read",
    {
        "what": out("string", "what was asked for: apis, releases, images, offers or databases"),
        "reason": out("string", "why"),
    },
)

GET_PLATFORM: Final = Function(
    "vcf:index:getPlatform",
    "Tells what a Supervisor offers, and what a namespace has already.",
    {
        "namespace": f.Field(kind="string", doc="Supervisor namespace; it need not be there", required=True),
        "apiVersions": f.Field(
            kind="object",
            doc=f"group and version of the API, by kind, of {listed(_KINDS)}",
            required=True,
            entries=f.Field(kind="string", doc="group/version"),
        ),
        "releases": _flag("look for Kubernetes releases, and for clusters"),
        "offers": _flag("look for what DSM allows, and for databases"),
        "databases": _flag("look for databases"),
        "machines": _flag("look for virtual machines"),
        "served": out("array", "API versions that the Supervisor serves, as group/version", _TEXT),
        "offered": out("array", "Kubernetes releases", _RELEASE),
        "allowed": out("array", "what DSM allows in the namespace, else in others", _OFFER),
        "standing": out("array", "PostgresClusters of the namespace", _DATABASE),
        "clusters": out("array", "Clusters of the namespace", _CLUSTER),
        "virtualMachines": out("array", "names of the namespace's virtual machines", _TEXT),
        "unanswered": out("array", "what could not be read", _UNKNOWN),
    },
    _platform,
)
