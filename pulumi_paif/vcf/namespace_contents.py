"""Resource vcf:index:NamespaceContents.

Written by `python -m pulumi_resource_vcf.python_sdk`, from the schema of the provider: change it there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
from pulumi import Input

from pulumi_paif.vcf import types
from pulumi_paif.vcf.wire import VcfResource, output


class NamespaceContents(VcfResource):
    """Contents that a Supervisor namespace really has. They come some time after it is RUNNING, and what names them
    earlier is refused. Waited for when it is created, and again when others are asked for; given up when they cannot
    come any more, since others are there and they are not.

    Import id: none: it is no object of its own.
    """

    def __init__(
        self,
        resource_name: str,
        *,
        namespace: Input[str],
        vm_classes: Input[Sequence[Input[str]]] | None = None,
        storage_classes: Input[Sequence[Input[str]]] | None = None,
        images: Input[Sequence[Input[types.AwaitedImage]]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Arguments:

        - `namespace`: Supervisor namespace.
        - `vm_classes`: VM classes that must be bound to it.
        - `storage_classes`: Kubernetes storage classes that it must have a quota for.
        - `images`: Images of machines, of its own or the whole Supervisor.
        """
        super().__init__(resource_name, locals(), opts, outputs=("imageNames",))

    @property
    def namespace(self) -> pulumi.Output[str]:
        """Supervisor namespace."""
        return output(self, "namespace")

    @property
    def vm_classes(self) -> pulumi.Output[Sequence[str]]:
        """VM classes that must be bound to it."""
        return output(self, "vmClasses")

    @property
    def storage_classes(self) -> pulumi.Output[Sequence[str]]:
        """Kubernetes storage classes that it must have a quota for."""
        return output(self, "storageClasses")

    @property
    def images(self) -> pulumi.Output[Any]:
        """Images of machines, of its own or the whole Supervisor."""
        return output(self, "images")

    @property
    def image_names(self) -> pulumi.Output[Any]:
        """How a machine names each image: its name, or its id vmi-… where others have the same name."""
        return output(self, "imageNames")
