"""Resource vcf:index:Readiness.

Written by `python -m pulumi_resource_vcf.python_sdk`, from the schema of the provider: change it there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
from pulumi import Input

from pulumi_paif.vcf import types
from pulumi_paif.vcf.wire import VcfResource, output


class Readiness(VcfResource):
    """Objects that are ready: their controllers have seen what was asked for, their conditions hold, and what they
    promise is there (nodes of a cluster, GPUs of nodes). Waited for when it is created, and again whenever `asked`
    changes; given up as soon as the platform says that it cannot be.

    Import id: none: it is no object of its own.
    """

    def __init__(
        self,
        resource_name: str,
        *,
        objects: Input[Sequence[Input[types.AwaitedObject]]],
        kubeconfig: Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Arguments:

        - `objects`: What to wait for.
        - `kubeconfig`: Kubeconfig of the API server as YAML text; the provider's without it.
        """
        super().__init__(resource_name, locals(), opts, secrets=("kubeconfig",), outputs=("values",))

    @property
    def objects(self) -> pulumi.Output[Any]:
        """What to wait for."""
        return output(self, "objects")

    @property
    def kubeconfig(self) -> pulumi.Output[str]:
        """Kubeconfig of the API server as YAML text; the provider's without it."""
        return output(self, "kubeconfig")

    @property
    def values(self) -> pulumi.Output[Any]:
        """What was asked for under `values`, by key."""
        return output(self, "values")
