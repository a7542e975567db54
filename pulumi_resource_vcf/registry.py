"""What the provider takes as configuration, and its resources by token."""

from __future__ import annotations

from typing import Final

from . import fields as f
from .http import pem_bundle
from .resource import Resource
from .resources.contents import NamespaceContents
from .resources.gallery import GalleryModel
from .resources.login import GalleryLogin, PostgresLogin
from .resources.namespace import Namespace
from .resources.postgres_extension import PostgresExtension
from .resources.postgres_role import PostgresRole
from .resources.postgres_schema import PostgresSchema
from .resources.readiness import Readiness
from .resources.vm_class import VirtualMachineClass

CONFIG: Final[f.Fields] = {
    "server": f.Field(
        kind="string",
        doc="vCenter host or host:port",
        pattern=r"[A-Za-z0-9.\-\[\]:]+",
        expected="host or host:port, without https:// and without a path",
    ),
    "username": f.Field(kind="string", doc="vCenter login, user@domain"),
    "password": f.Field(kind="string", doc="its password", secret=True),
    "caBundle": f.Field(
        kind="string", doc="CA certificates as PEM text; the machine's CAs without it", parse=pem_bundle
    ),
    "kubeconfig": f.Field(
        kind="string",
        doc="kubeconfig of the Supervisor as YAML text, for getSecret; may use an exec plugin",
        secret=True,
    ),
}

RESOURCES: Final[dict[str, Resource]] = {
    resource.tok: resource
    for resource in (
        Namespace(),
        VirtualMachineClass(),
        PostgresExtension(),
        PostgresRole(),
        PostgresSchema(),
        GalleryModel(),
        GalleryLogin(),
        PostgresLogin(),
        Readiness(),
        NamespaceContents(),
    )
}
