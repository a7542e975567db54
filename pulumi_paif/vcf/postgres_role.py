"""Resource vcf:index:PostgresRole.

Written by `python -m pulumi_resource_vcf.python_sdk`, from the schema of the provider: change it there.
"""

from __future__ import annotations

from typing import Any, Literal

import pulumi
from pulumi import Input

from pulumi_paif.vcf import types
from pulumi_paif.vcf.wire import VcfResource, output


class PostgresRole(VcfResource):
    """A PostgreSQL role. Its own password is sent to the server as a SCRAM verifier only.

    Import id: HOST:PORT/DATABASE/ROLE, with PGUSER, PGPASSWORD and PGSSLROOTCERT in the environment.
    """

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        database: Input[str],
        username: Input[str],
        password: Input[str],
        name: Input[str],
        port: Input[int] | None = None,
        ca_bundle: Input[str] | None = None,
        ssl_mode: Input[types.SslMode | Literal["verify-full", "verify-ca"]] | None = None,
        adopt: Input[bool] | None = None,
        login: Input[bool] | None = None,
        role_password: Input[str] | None = None,
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
        - `name`: Name of the role.
        - `login`: Whether the role may log in. Default: True.
        - `role_password`: The role's password.
        """
        super().__init__(resource_name, locals(), opts, secrets=("password", "rolePassword"), outputs=("owner",))

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
    def name(self) -> pulumi.Output[str]:
        """Name of the role."""
        return output(self, "name")

    @property
    def login(self) -> pulumi.Output[bool]:
        """Whether the role may log in."""
        return output(self, "login")

    @property
    def role_password(self) -> pulumi.Output[str]:
        """The role's password."""
        return output(self, "rolePassword")

    @property
    def owner(self) -> pulumi.Output[str]:
        """Ownership mark in the object's comment."""
        return output(self, "owner")
