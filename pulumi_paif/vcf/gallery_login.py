"""Resource vcf:index:GalleryLogin.

Written by `python -m pulumi_resource_vcf.python_sdk`, from the schema of the provider: change it there.
"""

from __future__ import annotations

import pulumi
from pulumi import Input

from pulumi_paif.vcf.wire import VcfResource, output


class GalleryLogin(VcfResource):
    """A login that the gallery must take. A new one is tried at preview already; what must not change before it is
    known to work depends on it.

    Import id: none: it is no object of its own.
    """

    def __init__(
        self,
        resource_name: str,
        *,
        registry: Input[str],
        username: Input[str],
        password: Input[str],
        ca_bundle: Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Arguments:

        - `registry`: Host or host:port of the registry.
        - `username`: User or robot account.
        - `password`: Its password or token.
        - `ca_bundle`: CA certificates as PEM text; the machine's CAs without it.
        """
        super().__init__(resource_name, locals(), opts, secrets=("password",))

    @property
    def registry(self) -> pulumi.Output[str]:
        """Host or host:port of the registry."""
        return output(self, "registry")

    @property
    def username(self) -> pulumi.Output[str]:
        """User or robot account."""
        return output(self, "username")

    @property
    def password(self) -> pulumi.Output[str]:
        """Its password or token."""
        return output(self, "password")

    @property
    def ca_bundle(self) -> pulumi.Output[str]:
        """CA certificates as PEM text; the machine's CAs without it."""
        return output(self, "caBundle")
