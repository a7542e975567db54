"""Resource vcf:index:Namespace.

Written by `python -m pulumi_resource_vcf.python_sdk`, from the schema of the provider: change it there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
from pulumi import Input

from pulumi_paif.vcf import types
from pulumi_paif.vcf.wire import VcfResource, output


class Namespace(VcfResource):
    """A Supervisor namespace with permissions, storage limits, VM classes and content libraries, created and waited for
    until it is RUNNING. Its lists are complete: entries of others are removed. `adopt` shares a namespace that
    exists already instead: entries of others and the description stay, and destroy only takes away what was added;
    with `exclusive` the lists are complete there too, and what was removed does not come back.

    Import id: the namespace's name, for example pai-dev.
    """

    def __init__(
        self,
        resource_name: str,
        *,
        name: Input[str],
        supervisor: Input[str],
        description: Input[str] | None = None,
        access_list: Input[Sequence[Input[types.AccessEntry]]] | None = None,
        storage_specs: Input[Sequence[Input[types.StorageSpec]]] | None = None,
        vm_classes: Input[Sequence[Input[str]]] | None = None,
        content_libraries: Input[Sequence[Input[str]]] | None = None,
        adopt: Input[bool] | None = None,
        exclusive: Input[bool] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Arguments:

        - `name`: Name, unique in the vCenter.
        - `supervisor`: Name or id of the Supervisor.
        - `description`: Text that vCenter shows beside the name.
        - `access_list`: All permissions; of an adopted namespace only those to add.
        - `storage_specs`: Storage policies with limits.
        - `vm_classes`: Names of the VM classes that may be used.
        - `content_libraries`: Names or ids of the content libraries whose images may be used.
        - `adopt`: Share a namespace that exists already: foreign entries and the description stay, and on destroy only
          what was added is taken away.
        - `exclusive`: Of an adopted namespace, remove all entries that are not given here, for good.
        """
        super().__init__(
            resource_name, locals(), opts, outputs=("configStatus", "supervisorId", "resolvedIds", "owner")
        )

    @property
    def name(self) -> pulumi.Output[str]:
        """Name, unique in the vCenter."""
        return output(self, "name")

    @property
    def supervisor(self) -> pulumi.Output[str]:
        """Name or id of the Supervisor."""
        return output(self, "supervisor")

    @property
    def description(self) -> pulumi.Output[str]:
        """Text that vCenter shows beside the name."""
        return output(self, "description")

    @property
    def access_list(self) -> pulumi.Output[Any]:
        """All permissions; of an adopted namespace only those to add."""
        return output(self, "accessList")

    @property
    def storage_specs(self) -> pulumi.Output[Any]:
        """Storage policies with limits."""
        return output(self, "storageSpecs")

    @property
    def vm_classes(self) -> pulumi.Output[Sequence[str]]:
        """Names of the VM classes that may be used."""
        return output(self, "vmClasses")

    @property
    def content_libraries(self) -> pulumi.Output[Sequence[str]]:
        """Names or ids of the content libraries whose images may be used."""
        return output(self, "contentLibraries")

    @property
    def adopt(self) -> pulumi.Output[bool]:
        """Share a namespace that exists already: foreign entries and the description stay, and on destroy only what was
        added is taken away.
        """
        return output(self, "adopt")

    @property
    def exclusive(self) -> pulumi.Output[bool]:
        """Of an adopted namespace, remove all entries that are not given here, for good."""
        return output(self, "exclusive")

    @property
    def config_status(self) -> pulumi.Output[str]:
        """CONFIGURING, RUNNING, REMOVING or ERROR."""
        return output(self, "configStatus")

    @property
    def supervisor_id(self) -> pulumi.Output[str]:
        """Id of the Supervisor."""
        return output(self, "supervisorId")

    @property
    def resolved_ids(self) -> pulumi.Output[Any]:
        """Ids behind the names used, as KIND/NAME: id."""
        return output(self, "resolvedIds")

    @property
    def owner(self) -> pulumi.Output[str]:
        """Ownership mark in the description."""
        return output(self, "owner")
