"""Access to the model gallery of a namespace."""

from typing import NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes

from pulumi_paif import vcf
from pulumi_paif._arguments import Labels, SecretInput, SecretOutput, given_or, present
from pulumi_paif._component import Check, Component
from pulumi_paif._pull_secret import pull_secret_content


class GalleryConnection(TypedDict):
    """How models are pulled from a gallery."""

    registry: pulumi.Input[str]
    """The gallery as host or host:port."""
    username: NotRequired[pulumi.Input[str] | None]
    """Who reads it."""
    password: NotRequired[SecretInput | None]
    """Their password."""
    ca_bundle: NotRequired[pulumi.Input[str] | None]
    """PEM of the authority that signed the gallery's certificate; the machine's authorities without it."""
    pull_secret: NotRequired[pulumi.Input[str] | None]
    """Secret in the namespace with which models are pulled."""


class ModelGalleryAccessArgs(TypedDict):
    """Arguments of ModelGalleryAccess."""

    name: NotRequired[pulumi.Input[str] | None]
    """Name of the pull secret; the component's with -pull by default."""
    namespace: pulumi.Input[str]
    """Supervisor namespace whose endpoints pull models."""
    registry: pulumi.Input[str]
    """The gallery as host or host:port."""
    username: pulumi.Input[str]
    """Who reads it."""
    password: SecretInput
    """Their password."""
    ca_bundle: NotRequired[pulumi.Input[str] | None]
    """PEM of the authority that signed the gallery's certificate; the machine's authorities without it."""
    labels: NotRequired[Labels | None]
    """Labels of all objects."""


class ModelGalleryAccess(Component):
    """A login at the model gallery, tried out, and the pull secret of that login in a namespace.

    Private AI Services and model endpoints take its `connection` whole.
    """

    connection: GalleryConnection
    """How models are pulled, for endpoints; usable once the login was tried."""
    password: SecretOutput
    """The password, once the gallery has taken it."""

    def __init__(self, name: str, args: ModelGalleryAccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Try the login, then create the pull secret. Raises ComponentInputError."""
        super().__init__(name, args, opts)
        args = present(args)
        registry, username, password = args["registry"], args["username"], pulumi.Output.secret(args["password"])
        # Programs made both by themselves before there was this component.
        before = [pulumi.Alias(parent=(opts and opts.parent) or pulumi.ROOT_STACK_RESOURCE)]
        self.login = vcf.GalleryLogin(
            f"{name}-login",
            registry=registry,
            username=username,
            password=password,
            ca_bundle=args.get("ca_bundle"),
            opts=self.child(aliases=before),
        )
        self.pull_secret = kubernetes.core.v1.Secret(
            f"{name}-pull",
            metadata={
                "name": given_or(args.get("name"), f"{name}-pull"),
                "namespace": args["namespace"],
                "labels": args.get("labels"),
            },
            type="kubernetes.io/dockerconfigjson",
            string_data={".dockerconfigjson": pull_secret_content(registry, username, password)},
            opts=self.child(self.login, aliases=before),
        )
        # By the urn, which a preview knows of what is still to come as well: models are looked up at preview.
        tried = pulumi.Output.all(password, self.login.urn).apply(lambda known: str(known[0]))
        self.connection = {
            "registry": registry,
            "username": username,
            "password": tried,
            "ca_bundle": args.get("ca_bundle"),
            "pull_secret": self.pull_secret.metadata["name"],
        }
        # A password that nobody can log in with is told to nobody.
        self.password = pulumi.Output.all(password, self.login.id).apply(lambda known: str(known[0]))
        self.register_outputs({"connection": self.connection, "password": self.password})

    def validate(self, check: Check) -> None:
        """Names that are DNS labels."""
        check.label("name")
        check.label("namespace")
