"""The vcf provider.

Written by `python -m pulumi_resource_vcf.python_sdk`, from the schema of the provider: change it there.
"""

from __future__ import annotations

import pulumi
from pulumi import Input

from pulumi_paif.vcf.wire import VcfProvider


class Provider(VcfProvider):
    """Connection to a vCenter and a Supervisor. Everything is optional: resources say what they need."""

    def __init__(
        self,
        resource_name: str,
        *,
        server: Input[str] | None = None,
        username: Input[str] | None = None,
        password: Input[str] | None = None,
        ca_bundle: Input[str] | None = None,
        kubeconfig: Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Arguments:

        - `server`: vCenter host or host:port.
        - `username`: vCenter login, user@domain.
        - `password`: Its password.
        - `ca_bundle`: CA certificates as PEM text; the machine's CAs without it.
        - `kubeconfig`: Kubeconfig of the Supervisor as YAML text, for getSecret; may use an exec plugin.
        """
        super().__init__(resource_name, locals(), opts, secrets=("password", "kubeconfig"))
