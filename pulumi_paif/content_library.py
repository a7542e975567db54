"""Content library that an environment makes for itself."""

from typing import Any, NotRequired, TypedDict

import pulumi

from pulumi_paif import vcf
from pulumi_paif._arguments import SecretInput, given_or, present
from pulumi_paif._component import Check, Component

_SYNC_SECONDS = 900
"""How long an image may take to be listed; vCenter lists a subscribed library's items soon and fetches files later."""


class SubscriptionArgs(TypedDict):
    """A published library that a library follows."""

    url: SecretInput
    """Address (https://) of the published library; it may hold a token."""
    on_demand: NotRequired[pulumi.Input[bool] | None]
    """Fetch an item's files when they are first used, true by default."""
    automatic_sync: NotRequired[pulumi.Input[bool] | None]
    """Follow what is published later, true by default."""
    username: NotRequired[pulumi.Input[str] | None]
    """Login at the published library, where it asks for one."""
    password: NotRequired[SecretInput | None]
    """Its password."""


class ContentLibraryArgs(TypedDict):
    """Arguments of ContentLibrary."""

    name: NotRequired[pulumi.Input[str] | None]
    """Name in vCenter; the component's by default."""
    datacenter: pulumi.Input[str]
    """Name of the datacenter with the datastore."""
    datastore: pulumi.Input[str]
    """Name of the datastore that keeps the files."""
    subscription: NotRequired[SubscriptionArgs | None]
    """The published library that it follows; without one the library is local and starts empty."""


class ContentLibrary(Component):
    """A content library, local or subscribed, through the vsphere plugin.

    The plugin can change nothing of a library: with another address, token or password it makes a new one, moves the
    namespace over and deletes the old one.
    """

    library_id: pulumi.Output[str]
    """Id of the library; known once it exists."""
    name: pulumi.Output[str]
    """Its name, once it exists."""

    def __init__(self, name: str, args: ContentLibraryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the library. Raises ComponentInputError."""
        super().__init__(name, args, opts)
        args = present(args)
        # Here, because an environment without such libraries neither loads nor needs the vsphere plugin.
        import pulumi_vsphere as vsphere  # noqa: PLC0415

        below = pulumi.InvokeOutputOptions(parent=self)
        datacenter = vsphere.get_datacenter_output(name=args["datacenter"], opts=below).id
        datastore = vsphere.get_datastore_output(name=args["datastore"], datacenter_id=datacenter, opts=below).id
        subscription: dict[str, Any] | None = None
        if published := args.get("subscription"):
            subscription = {
                "subscription_url": published["url"],
                "on_demand": published.get("on_demand", True),
                "automatic_sync": published.get("automatic_sync", True),
            }
            if "username" in published:
                subscription |= {
                    "authentication_method": "BASIC",
                    "username": published["username"],
                    "password": pulumi.Output.secret(published["password"]),
                }
        physical = given_or(args.get("name"), name)
        self.library = vsphere.ContentLibrary(
            name,
            name=physical,
            storage_backings=[datastore],
            subscription=vsphere.ContentLibrarySubscriptionArgs(**subscription) if subscription else None,
            # The address may hold a token, and the plugin gives it out again.
            opts=self.child(additional_secret_outputs=["subscription"]),
        )
        self.library_id = pulumi.Output.from_input(self.library.id)
        self.name = pulumi.Output.all(physical, self.library.id).apply(lambda found: str(found[0]))
        self.register_outputs({"library_id": self.library_id, "name": self.name})

    def validate(self, check: Check) -> None:
        """TLS, and login and password together."""
        published = check.args.get("subscription", {})
        url = published.get("url")
        if isinstance(url, str) and not url.startswith("https://"):
            check.add("subscription.url", "expected an https:// address: machines start from what is fetched there")
        if ("username" in published) != ("password" in published):
            check.add("subscription.password", "expected username and password together, or neither")

    def item(self, name: pulumi.Input[str]) -> pulumi.Output[vcf.LibraryItem]:
        """An item, once the library lists it; fails with what it lists instead."""
        # A preview looks, but does not wait.
        patience = 5 if pulumi.runtime.is_dry_run() else _SYNC_SECONDS
        options = pulumi.InvokeOutputOptions(parent=self, depends_on=[self.library])
        return vcf.get_library_item(self.library.id, name, patience, options)
