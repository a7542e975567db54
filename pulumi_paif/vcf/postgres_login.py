"""Resource vcf:index:PostgresLogin.

Written by `python -m pulumi_resource_vcf.python_sdk`, from the schema of the provider: change it there.
"""

from __future__ import annotations

from typing import Any, Literal

import pulumi
from pulumi import Input

from pulumi_paif.vcf import types
from pulumi_paif.vcf.wire import VcfResource, output


class PostgresLogin(VcfResource):
    """A login that the PostgreSQL server must take. A new one is tried at preview already; what must not change before
    it is known to work depends on it.

    Import id: none: it is no object of its own.
    """

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        database: Input[str],
        username: Input[str],
        password: Input[str],
        port: Input[int] | None = None,
        ca_bundle: Input[str] | None = None,
        ssl_mode: Input[types.SslMode | Literal["verify-full", "verify-ca"]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Arguments:

        - `host`: Host name or address of the database server.
        - `port`: TCP port. Default: 5432.
        - `ca_bundle`: CA certificates as PEM text; the machine's CAs without it.
        - `ssl_mode`: How the server is checked: verify-full checks CA and host name, verify-ca the CA only. Default:
          verify-full.
        - `database`: Database to connect to.
        - `username`: Role to log in as.
        - `password`: Its password.
        """
        super().__init__(resource_name, locals(), opts, secrets=("password",))

    @property
    def host(self) -> pulumi.Output[str]:
        """Host name or address of the database server."""
        return output(self, "host")

    @property
    def port(self) -> pulumi.Output[int]:
        """TCP port."""
        return output(self, "port")

    @property
    def ca_bundle(self) -> pulumi.Output[str]:
        """CA certificates as PEM text; the machine's CAs without it."""
        return output(self, "caBundle")

    @property
    def ssl_mode(self) -> pulumi.Output[Any]:
        """How the server is checked: verify-full checks CA and host name, verify-ca the CA only."""
        return output(self, "sslMode")

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
