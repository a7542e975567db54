"""Supervisor namespace for AI work."""

from typing import Any, NotRequired, TypedDict, cast

import pulumi

from pulumi_paif import vcf
from pulumi_paif._component import Check, Component


class AccessArgs(TypedDict):
    """Who may do what in the namespace."""

    subject_type: pulumi.Input[str]
    """USER or GROUP."""
    subject: pulumi.Input[str]
    """Name without its domain."""
    domain: pulumi.Input[str]
    """SSO domain."""
    role: pulumi.Input[str]
    """OWNER, EDIT or VIEW."""
    identity_provider: NotRequired[pulumi.Input[str]]
    """Id of the external identity provider that knows the subject; vCenter's own without it."""


class StorageArgs(TypedDict):
    """A storage policy that the namespace may use."""

    policy: pulumi.Input[str]
    """Name of the policy."""
    limit_mib: NotRequired[pulumi.Input[int]]
    """Most storage in MiB; without it there is no limit."""


class AiNamespaceArgs(TypedDict):
    """Arguments of AiNamespace."""

    namespace: pulumi.Input[str]
    """Name, unique in the vCenter: a DNS label."""
    supervisor: pulumi.Input[str]
    """Name or id of the Supervisor; Private AI Services need one with a single zone."""
    description: NotRequired[pulumi.Input[str]]
    """Text beside the name in vCenter."""
    access_list: list[AccessArgs]
    """All permissions of the namespace; of an adopted one those to add."""
    storage: list[StorageArgs]
    """Storage policies, at least one."""
    vm_classes: list[pulumi.Input[str]]
    """Names of the VM classes that may be used."""
    content_libraries: list[pulumi.Input[str]]
    """Names of the content libraries whose images may be used."""
    adopt: NotRequired[pulumi.Input[bool]]
    """Share a namespace that exists already: what others have in it stays, and destroy only takes away what was
    added."""
    exclusive: NotRequired[pulumi.Input[bool]]
    """Of a namespace that is adopted, remove what is not given here, for good."""


class AiNamespace(Component):
    """A Supervisor namespace with permissions, storage limits, VM classes and content libraries; ready when RUNNING.

    pulumi-vsphere's namespace has neither permissions nor limits, hence the project's own provider.
    """

    namespace: pulumi.Output[str]
    """Name of the namespace, once it is RUNNING."""

    def __init__(self, name: str, args: AiNamespaceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the namespace, or adopt it. Raises ComponentInputError."""
        super().__init__(name, args, opts)
        self.resource = vcf.Namespace(
            name,
            name=args["namespace"],
            supervisor=args["supervisor"],
            description=args.get("description"),
            access_list=[vcf.AccessEntry(**cast(Any, entry)) for entry in args["access_list"]],
            storage_specs=[vcf.StorageSpec(**spec) for spec in args["storage"]],
            vm_classes=list(args["vm_classes"]),
            content_libraries=list(args["content_libraries"]),
            adopt=args.get("adopt", False),
            exclusive=args.get("exclusive"),
            opts=self.child(),
        )
        self.namespace = self.resource.name
        self.register_outputs({"namespace": self.namespace})

    def validate(self, check: Check) -> None:
        """A DNS label, some storage, known roles."""
        check.label("namespace")
        if not check.plain("storage"):
            check.add("storage", "expected at least one storage policy")
        for index, entry in enumerate(check.plain("access_list") or []):
            role = entry.get("role")
            if isinstance(role, str) and role not in {"OWNER", "EDIT", "VIEW"}:
                check.add(f"access_list[{index}].role", f"{role!r}: expected OWNER, EDIT or VIEW")


def image_name(contents: vcf.NamespaceContents, name: pulumi.Input[str]) -> pulumi.Output[str]:
    """How a machine has to name an image of a namespace: by its name, or by its id `vmi-…` where others have it too."""
    return pulumi.Output.all(contents.image_names, name).apply(lambda known: str(known[0][known[1]]))
