"""Tags of vCenter: whose a machine is, for people, backup and chargeback."""

from collections.abc import Mapping
from typing import NotRequired, TypedDict

import pulumi

from pulumi_paif._arguments import present
from pulumi_paif._component import Check, Component


class VsphereTagsArgs(TypedDict):
    """Arguments of VsphereTags."""

    categories: dict[str, str]
    """Name of the tag category of each kind of tag, e.g. owner: paif.dev/owner."""
    create_categories: NotRequired[bool | None]
    """Make the categories instead of looking them up, false by default."""
    create: NotRequired[dict[str, list[str]] | None]
    """Names of the tags to make, by their kind; all others are looked up when something carries them."""


class VsphereTags(Component):
    """Tag categories and tags for virtual machines, through the vsphere plugin; each is made here or looked up.

    Both are the vCenter's, not an environment's: only one environment can make a category or a tag, the others look it
    up. Who removes a category removes all its tags, also those of others.
    """

    tag_ids: pulumi.Output[dict[str, str]]
    """Ids of the tags made here, by <kind>/<name>."""

    def __init__(self, name: str, args: VsphereTagsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Make what is to be made. Raises ComponentInputError."""
        super().__init__(name, args, opts)
        args = present(args)
        # Here, because an environment without tags neither loads nor needs the vsphere plugin.
        import pulumi_vsphere as vsphere  # noqa: PLC0415

        self._vsphere = vsphere
        self._names = args["categories"]
        self._categories: dict[str, pulumi.Output[str]] = {}
        self._tags: dict[str, pulumi.Output[str]] = {}
        for kind, called in self._names.items() if args.get("create_categories") else ():
            category = vsphere.TagCategory(
                f"{name}-{kind}",
                name=called,
                # A machine has one owner, one environment, …
                cardinality="SINGLE",
                associable_types=["VirtualMachine"],
                opts=self.child(),
            )
            self._categories[kind] = pulumi.Output.from_input(category.id)
        for kind, tags in (args.get("create") or {}).items():
            for tag in tags:
                made = vsphere.Tag(
                    f"{name}-{kind}-{tag}", name=tag, category_id=self._category(kind), opts=self.child()
                )
                self._tags[f"{kind}/{tag}"] = pulumi.Output.from_input(made.id)
        self.tag_ids = pulumi.Output.all(**self._tags)
        self.register_outputs({"tag_ids": self.tag_ids})

    def validate(self, check: Check) -> None:
        """A category for each kind of tag."""
        categories = check.plain("categories") or {}
        for kind in check.plain("create") or {}:
            if kind not in categories:
                check.add(f"create.{kind}", f"expected one of {', '.join(sorted(categories))}")

    def of(self, values: Mapping[str, str]) -> list[pulumi.Output[str]]:
        """Ids of one machine's tags, given the name of its tag of each kind. Raises KeyError for an unknown kind."""
        return [self._tag(kind, tag) for kind, tag in values.items()]

    def _tag(self, kind: str, tag: str) -> pulumi.Output[str]:
        key = f"{kind}/{tag}"
        if key not in self._tags:
            below = pulumi.InvokeOutputOptions(parent=self)
            found = self._vsphere.get_tag_output(name=tag, category_id=self._category(kind), opts=below)
            self._tags[key] = found.id
        return self._tags[key]

    def _category(self, kind: str) -> pulumi.Output[str]:
        if kind not in self._categories:
            below = pulumi.InvokeOutputOptions(parent=self)
            self._categories[kind] = self._vsphere.get_tag_category_output(name=self._names[kind], opts=below).id
        return self._categories[kind]
