"""Resource vcf:index:PostgresExtension.

Written by `python -m pulumi_resource_vcf.python_sdk`, from the schema of the provider: change it there.
"""

from __future__ import annotations

from typing import Any, Literal

import pulumi
from pulumi import Input

from pulumi_paif.vcf import types
from pulumi_paif.vcf.wire import VcfResource, output


class PostgresExtension(VcfResource):
    """A PostgreSQL extension, for example pgvector's `vector`. Deleting drops it, and fails while tables use it: give
    the option deletedWith the database where that goes as a whole.

    Import id: HOST:PORT/DATABASE/EXTENSION, with PGUSER, PGPASSWORD and PGSSLROOTCERT in the environment.
    """

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        database: Input[str],
        username: Input[str],
        password: Input[str],
        extension: Input[str],
        port: Input[int] | None = None,
        ca_bundle: Input[str] | None = None,
        ssl_mode: Input[types.SslMode | Literal["verify-full", "verify-ca"]] | None = None,
        adopt: Input[bool] | None = None,
        version: Input[str] | None = None,
        minimum_version: Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Arguments:

        - `host`: Host name or address of the database server.
        - `port`: TCP port. Default: 5432.
        - `database`: Database to connect to.
        - `username`: Role to log in as.
        - `password`: Its password.
        - `ca_bundle`: CA certificates as PEM text; the machine's CAs without it.
        - `ssl_mode`: How the server is checked: verify-full checks CA and host name, verify-ca the CA only. Default:
          verify-full.
        - `adopt`: Manage an object that exists already, and give it back as it was on destroy.
        - `extension`: Name of the extension.
        - `version`: Version; the server's default without it.
        - `minimum_version`: Least version that is used, whoever installed it; matters when it is made or taken over.
        """
        super().__init__(resource_name, locals(), opts, secrets=("password",), outputs=("installedVersion", "owner"))

    @property
    def host(self) -> pulumi.Output[str]:
        """Host name or address of the database server."""
        return output(self, "host")

    @property
    def port(self) -> pulumi.Output[int]:
        """TCP port."""
        return output(self, "port")

    @property
    def database(self) -> pulumi.Output[str]:
        """Database to connect to."""
        return output(self, "database")

    @property
    def username(self) -> pulumi.Output[str]:
        """Role to log in as."""
        return output(self, "username")

    @property
    def password(self) -> pulumi.Output[str]:
        """Its password."""
        return output(self, "password")

    @property
    def ca_bundle(self) -> pulumi.Output[str]:
        """CA certificates as PEM text; the machine's CAs without it."""
        return output(self, "caBundle")

    @property
    def ssl_mode(self) -> pulumi.Output[Any]:
        """How the server is checked: verify-full checks CA and host name, verify-ca the CA only."""
        return output(self, "sslMode")

    @property
    def adopt(self) -> pulumi.Output[bool]:
        """Manage an object that exists already, and give it back as it was on destroy."""
        return output(self, "adopt")

    @property
    def extension(self) -> pulumi.Output[str]:
        """Name of the extension."""
        return output(self, "extension")

    @property
    def version(self) -> pulumi.Output[str]:
        """Version; the server's default without it."""
        return output(self, "version")

    @property
    def minimum_version(self) -> pulumi.Output[str]:
        """Least version that is used, whoever installed it; matters when it is made or taken over."""
        return output(self, "minimumVersion")

    @property
    def installed_version(self) -> pulumi.Output[str]:
        """Version that is installed."""
        return output(self, "installedVersion")

    @property
    def owner(self) -> pulumi.Output[str]:
        """Ownership mark in the object's comment."""
        return output(self, "owner")
