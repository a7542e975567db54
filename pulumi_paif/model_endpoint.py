"""A model served by Private AI Services."""

from typing import NotRequired, TypedDict

import pulumi

import paif_catalog as catalog
from paif_catalog.predicates import engine_of
from pulumi_paif import vcf
from pulumi_paif._arguments import Labels, derived, given_or, member, present, secret_member
from pulumi_paif._component import LABEL, Check, Component, KubernetesObject
from pulumi_paif.enums import EndpointType, InferenceEngine
from pulumi_paif.model_gallery_access import GalleryConnection


class ModelEndpointArgs(TypedDict):
    """Arguments of ModelEndpoint."""

    name: NotRequired[pulumi.Input[str] | None]
    """Name of the endpoint: DNS labels, which may be joined by dots, as in llama-3.1; the component's by default."""
    namespace: pulumi.Input[str]
    """Supervisor namespace with Private AI Services."""
    type: pulumi.Input[EndpointType]
    """What it answers."""
    engine: NotRequired[pulumi.Input[InferenceEngine] | None]
    """What serves the model; the one that serves the type by default."""
    routing_name: NotRequired[pulumi.Input[str] | None]
    """Name under which clients ask for the model; the repository without its project by default."""
    gallery: pulumi.Input[GalleryConnection]
    """The model gallery, as a ModelGalleryAccess gives it out."""
    repository: pulumi.Input[str]
    """Model in the gallery, e.g. models/baai/bge-small-en-v1.5."""
    reference: pulumi.Input[str]
    """Tag or digest; the endpoint is pinned to the digest behind it."""
    vm_class: pulumi.Input[str]
    """VM class of the workers; a GPU class for vLLM."""
    storage_class: pulumi.Input[str]
    """Kubernetes storage class."""
    replicas: NotRequired[pulumi.Input[int] | None]
    """Workers, 1 by default."""
    labels: NotRequired[Labels | None]
    """Labels of all objects."""
    wait_for: NotRequired[list[str] | None]
    """Wait conditions instead of the catalog's."""
    platform: NotRequired[str | None]
    """Version of the platform, such as vcf-9.0.1; by default the only one that is known."""


class ModelEndpoint(Component):
    """A model endpoint, made once its model is in the gallery.

    A model that is missing fails this endpoint, saying how it is pushed; with `--continue-on-error`, as `./paif up` has
    it, this endpoint only.
    """

    per_platform = True

    routing_name: pulumi.Output[str]
    """Name under which clients ask for the model, once it answers."""
    digest: pulumi.Output[str]
    """Digest of the model in the gallery."""

    def __init__(self, name: str, args: ModelEndpointArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Find the model, then create the endpoint. Raises ComponentInputError."""
        super().__init__(name, args, opts)
        args = present(args)
        gallery = args["gallery"]
        self.model = vcf.GalleryModel(
            f"{name}-model",
            registry=member(gallery, "registry"),
            repository=args["repository"],
            reference=args["reference"],
            username=member(gallery, "username"),
            password=secret_member(gallery, "password"),
            ca_bundle=member(gallery, "ca_bundle"),
            opts=self.child(),
        )
        routing_name = given_or(args.get("routing_name"), derived(args["repository"], _routed))
        model: dict[str, object] = {"ociRef": self.model.oci_ref}
        if (pull_secret := member(gallery, "pull_secret")) is not None:
            model["pullSecrets"] = derived(pull_secret, lambda known: [{"name": known}] if known else [])
        self.endpoint = KubernetesObject(
            name,
            self.platform,
            "ModelEndpoint",
            metadata={
                "name": given_or(args.get("name"), name),
                "namespace": args["namespace"],
                "labels": args.get("labels"),
                "annotations": {"pais.vmware.com/displayName": routing_name},
            },
            spec={
                "engine": given_or(args.get("engine"), derived(args["type"], _engine)),
                "type": args["type"],
                "routingName": routing_name,
                "replicas": given_or(args.get("replicas"), 1),
                "model": model,
                "virtualMachineClassName": args["vm_class"],
                "storageClassName": args["storage_class"],
            },
            opts=self.child(),
        )
        self.ready_endpoint = self.ready(
            f"{name}-ready", self.endpoint.awaited(args.get("wait_for")), depends_on=[self.endpoint]
        )
        # Through the endpoint, so that whoever uses the name comes after it.
        self.routing_name = pulumi.Output.all(routing_name, self.ready_endpoint.id).apply(lambda found: str(found[0]))
        self.digest = self.model.digest
        self.register_outputs({"routing_name": self.routing_name, "digest": self.digest})

    def validate(self, check: Check) -> None:
        """An engine that serves the type, a name that fits, at least one worker."""
        name, longest = check.plain("name"), catalog.naming().kinds["endpoint"].max_length
        if isinstance(name, str) and (len(name) > longest or not all(map(LABEL.fullmatch, name.split(".")))):
            expected = f"expected DNS labels, joined by dots where there are several, of at most {longest} characters"
            check.add("name", f"{name!r}: {expected}")
        check.label("namespace")
        check.at_least("replicas", 1)
        check.one_of("type", EndpointType)
        kind, engine = check.plain("type"), check.plain("engine")
        wanted = engine_of(kind) if isinstance(kind, str) else None
        if wanted is not None and engine not in {None, wanted}:
            check.add("engine", f"{engine!r}: expected {wanted}, which serves {kind}")
        repository = check.plain("repository")
        if repository is not None and repository != repository.lower():
            check.add("repository", f"{repository!r}: expected lower case, as registries demand")


def _engine(kind: EndpointType) -> InferenceEngine:
    return InferenceEngine(str(engine_of(kind)))


def _routed(repository: str) -> str:
    """Name under which clients ask for a model: its repository without the project."""
    return repository.split("/", 1)[-1]
