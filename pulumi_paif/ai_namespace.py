"""Supervisor namespace for AI work."""

from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict, cast

import pulumi

from paif_catalog.kubernetes_names import storage_class
from pulumi_paif import vcf
from pulumi_paif._arguments import derived, given_or, present
from pulumi_paif._component import Check, Component


class AccessArgs(TypedDict):
    """Who may do what in the namespace."""

    subject_type: NotRequired[pulumi.Input[vcf.SubjectType] | None]
    """User or group; a group by default."""
    subject: pulumi.Input[str]
    """Name without its domain."""
    domain: pulumi.Input[str]
    """SSO domain."""
    role: pulumi.Input[vcf.NamespaceRole]
    """What they may do."""
    identity_provider: NotRequired[pulumi.Input[str] | None]
    """Id of the external identity provider that knows the subject; vCenter's own without it."""


class StorageArgs(TypedDict):
    """A storage policy that the namespace may use."""

    policy: pulumi.Input[str]
    """Name of the policy."""
    limit_mib: NotRequired[pulumi.Input[int] | None]
    """Most storage in MiB; without it there is no limit."""


class AiNamespaceArgs(TypedDict):
    """Arguments of AiNamespace."""

    name: NotRequired[pulumi.Input[str] | None]
    """Name, unique in the vCenter: a DNS label; the component's by default."""
    supervisor: pulumi.Input[str]
    """Name or id of the Supervisor; Private AI Services need one with a single zone."""
    description: NotRequired[pulumi.Input[str] | None]
    """Text beside the name in vCenter."""
    access_list: NotRequired[pulumi.Input[Sequence[AccessArgs]] | None]
    """All permissions of the namespace; of an adopted one those to add."""
    storage: pulumi.Input[Sequence[StorageArgs]]
    """Storage policies, at least one."""
    vm_classes: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]] | None]
    """Names of the VM classes that may be used."""
    content_libraries: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]] | None]
    """Names or ids of the content libraries whose images may be used."""
    adopt: NotRequired[pulumi.Input[bool] | None]
    """Share a namespace that exists already: what others have in it stays, and destroy only takes away what was
    added."""
    await_contents: NotRequired[bool | None]
    """Give out the name when the namespace has what it is to offer, true by default: the platform adds it later, and
    refuses what comes earlier."""
    images: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]] | None]
    """Names of images of the content libraries that are awaited as well."""
    exclusive: NotRequired[pulumi.Input[bool] | None]
    """Of a namespace that is adopted, remove what is not given here, for good."""


class AiNamespace(Component):
    """A Supervisor namespace with permissions, storage limits, VM classes and content libraries; ready when RUNNING.

    pulumi-vsphere's namespace has neither permissions nor limits, hence the project's own provider.
    """

    name: pulumi.Output[str]
    """Name of the namespace, once it is RUNNING and has its contents."""
    storage_classes: pulumi.Output[list[str]]
    """Kubernetes storage classes of the storage policies, in their order."""

    def __init__(self, name: str, args: AiNamespaceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the namespace, or adopt it. Raises ComponentInputError."""
        super().__init__(name, args, opts)
        args = present(args)
        self.resource = vcf.Namespace(
            name,
            name=given_or(args.get("name"), name),
            supervisor=args["supervisor"],
            description=args.get("description"),
            access_list=derived(given_or(args.get("access_list"), []), _access),
            storage_specs=derived(args["storage"], _storage),
            vm_classes=given_or(args.get("vm_classes"), []),
            content_libraries=given_or(args.get("content_libraries"), []),
            adopt=args.get("adopt", False),
            exclusive=args.get("exclusive"),
            opts=self.child(),
        )
        self.name = self.resource.name
        self.storage_classes = pulumi.Output.from_input(args["storage"]).apply(
            lambda found: [storage_class(str(each["policy"])) for each in found]
        )
        if given_or(args.get("await_contents"), True):
            contents = vcf.NamespaceContents(
                f"{name}-contents",
                namespace=self.resource.name,
                vm_classes=given_or(args.get("vm_classes"), []),
                storage_classes=self.storage_classes,
                images=derived(args.get("images"), _images),
                opts=self.replaceable(),
            )
            self.name = contents.namespace
        self.register_outputs({"name": self.name, "storage_classes": self.storage_classes})

    def validate(self, check: Check) -> None:
        """A DNS label, some storage, known roles."""
        check.label("name")
        if check.plain("images") and check.plain("await_contents") is False:
            check.add("images", "expected none, since await_contents is false")
        if check.plain("storage") == []:
            check.add("storage", "expected at least one storage policy")
        for index, entry in enumerate(check.plain("access_list") or []):
            check.one_of(f"access_list[{index}].role", vcf.NamespaceRole, entry.get("role"))
            check.one_of(f"access_list[{index}].subject_type", vcf.SubjectType, entry.get("subject_type"))


def _access(entries: Sequence[AccessArgs]) -> list[vcf.AccessEntry]:
    return [vcf.AccessEntry(**{"subject_type": vcf.SubjectType.GROUP, **cast(Any, each)}) for each in entries]


def _images(names: Sequence[pulumi.Input[str]] | None) -> list[vcf.AwaitedImage] | None:
    return [vcf.AwaitedImage(name=each) for each in names] if names else None


def _storage(entries: Sequence[StorageArgs]) -> list[vcf.StorageSpec]:
    return [vcf.StorageSpec(**cast(Any, each)) for each in entries]


def image_name(contents: vcf.NamespaceContents, name: pulumi.Input[str]) -> pulumi.Output[str]:
    """How a machine has to name an image of a namespace: by its name, or by its id `vmi-…` where others have it too."""
    return pulumi.Output.all(contents.image_names, name).apply(lambda known: str(known[0][known[1]]))
