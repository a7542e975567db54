"""A model served by Private AI Services."""

from typing import NotRequired, TypedDict

import pulumi

import paif_catalog as catalog
from pulumi_paif import vcf
from pulumi_paif._component import LABEL, Check, Component, KubernetesObject

_ENGINES = {"Completions": "vLLM", "Embeddings": "Infinity"}


class ModelEndpointArgs(TypedDict):
    """Arguments of ModelEndpoint."""

    endpoint_name: pulumi.Input[str]
    """Name of the endpoint: DNS labels, which may be joined by dots, as in llama-3.1."""
    namespace: pulumi.Input[str]
    """Supervisor namespace with Private AI Services."""
    type: str
    """Completions or Embeddings."""
    engine: str
    """vLLM for completions, Infinity for embeddings."""
    routing_name: pulumi.Input[str]
    """Name under which clients ask for the model."""
    registry: pulumi.Input[str]
    """Model gallery as host or host:port."""
    repository: pulumi.Input[str]
    """Model in the gallery, e.g. models/baai/bge-small-en-v1.5."""
    reference: pulumi.Input[str]
    """Tag or digest; the endpoint is pinned to the digest behind it."""
    vm_class: pulumi.Input[str]
    """VM class of the workers; a GPU class for vLLM."""
    storage_class: pulumi.Input[str]
    """Kubernetes storage class."""
    replicas: pulumi.Input[int]
    """Workers."""
    registry_username: NotRequired[pulumi.Input[str]]
    """Who reads the gallery."""
    registry_password: NotRequired[pulumi.Input[str]]
    """Their password."""
    registry_ca_bundle: NotRequired[pulumi.Input[str]]
    """PEM of the authority that signed the gallery's certificate."""
    pull_secret: NotRequired[pulumi.Input[str]]
    """Secret in the namespace with which the model is pulled."""
    labels: NotRequired[dict[str, str]]
    """Labels of all objects."""
    wait_for: NotRequired[list[str]]
    """Wait conditions instead of the catalogue's."""
    platform: NotRequired[str]
    """Version of the platform, such as vcf-9.0.1; the only one that is known by default."""


class ModelEndpoint(Component):
    """A model endpoint, made once its model is in the gallery.

    A model that is missing fails this endpoint, saying how it is pushed; with `--continue-on-error`, as `./paif up` has
    it, this endpoint only.
    """

    routing_name: pulumi.Output[str]
    """Name under which clients ask for the model, once it answers."""
    digest: pulumi.Output[str]
    """Digest of the model in the gallery."""

    def __init__(self, name: str, args: ModelEndpointArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Find the model, then create the endpoint. Raises ComponentInputError."""
        super().__init__(name, args, opts)
        self.model = vcf.GalleryModel(
            f"{name}-model",
            registry=args["registry"],
            repository=args["repository"],
            reference=args["reference"],
            username=args.get("registry_username"),
            password=args.get("registry_password"),
            ca_bundle=args.get("registry_ca_bundle"),
            opts=self.child(),
        )
        model: dict[str, object] = {"ociRef": self.model.oci_ref}
        if "pull_secret" in args:
            model["pullSecrets"] = [{"name": args["pull_secret"]}]
        self.endpoint = KubernetesObject(
            name,
            self.platform,
            "ModelEndpoint",
            metadata={
                "name": args["endpoint_name"],
                "namespace": args["namespace"],
                "labels": args.get("labels", {}),
                "annotations": {"pais.vmware.com/displayName": args["routing_name"]},
            },
            spec={
                "engine": args["engine"],
                "type": args["type"],
                "routingName": args["routing_name"],
                "replicas": args["replicas"],
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
        self.routing_name = pulumi.Output.all(args["routing_name"], self.ready_endpoint.id).apply(
            lambda found: str(found[0])
        )
        self.digest = self.model.digest
        self.register_outputs({"routing_name": self.routing_name, "digest": self.digest})

    def validate(self, check: Check) -> None:
        """An engine that serves the type, a name that fits, at least one worker."""
        name, longest = check.plain("endpoint_name"), catalog.naming().kinds["endpoint"].max_length
        if isinstance(name, str) and (len(name) > longest or not all(map(LABEL.fullmatch, name.split(".")))):
            expected = f"expected DNS labels, joined by dots where there are several, of at most {longest} characters"
            check.add("endpoint_name", f"{name!r}: {expected}")
        check.label("namespace")
        check.at_least("replicas", 1)
        check.one_of("type", _ENGINES)
        kind, engine = check.plain("type"), check.plain("engine")
        if kind in _ENGINES and engine != _ENGINES[kind]:
            check.add("engine", f"{engine!r}: expected {_ENGINES[kind]}, which serves {kind}")
        repository = check.plain("repository")
        if repository is not None and repository != repository.lower():
            check.add("repository", f"{repository!r}: expected lower case, as registries demand")
