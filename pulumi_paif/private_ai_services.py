"""Private AI Services in a Supervisor namespace."""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes

from paif_catalog.defaults import POSTGRES_PORT
from pulumi_paif._arguments import Labels, SecretInput, given_or, member, present
from pulumi_paif._component import (
    Check,
    Component,
    ExistingObject,
    KubernetesObject,
    hashed_name,
    published_secret,
    told,
)
from pulumi_paif._license import license_config_map
from pulumi_paif._pull_secret import pull_secret_content
from pulumi_paif.enums import GpuMode
from pulumi_paif.vector_database import DatabaseConnection

# PAIS names its entry point so, in every namespace.
_INGRESS = "pais-ingress-default"
# Passthrough GPUs want the data-center driver, which the operator's chart takes by itself; containerd is what VKS runs.
_DIRECTPATH_OVERRIDES = "operator:\n  defaultRuntime: containerd\ndriver:\n  enabled: true\n"


class OidcArgs(TypedDict):
    """The identity provider that signs people in."""

    issuer_url: pulumi.Input[str]
    """Issuer of its tokens; https."""
    client_id: pulumi.Input[str]
    """Public client of the services at the identity provider."""


class PrivateAiServicesArgs(TypedDict):
    """Arguments of PrivateAiServices. Everything it refers to is made in the same namespace, as PAIS demands."""

    namespace: pulumi.Input[str]
    """Supervisor namespace."""
    storage_class: pulumi.Input[str]
    """Kubernetes storage class of workers and control plane."""
    control_plane_class: pulumi.Input[str]
    """VM class without GPU for the control plane of PAIS's own cluster."""
    gpu_mode: GpuMode
    """How workers get GPUs; none where models are served on CPUs only."""
    oidc: pulumi.Input[OidcArgs]
    """The identity provider."""
    database: pulumi.Input[DatabaseConnection]
    """The database with pgvector, as a VectorDatabase gives it out."""
    authorized_groups: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]] | None]
    """Groups whose members may use the services."""
    ca_bundles: NotRequired[Mapping[str, pulumi.Input[str]] | None]
    """PEM of authorities that the services trust, by name (gallery, oidc, database), each one or more certificates."""
    license_token: NotRequired[SecretInput | None]
    """NVIDIA client configuration token (vGPU)."""
    ngc_api_key: NotRequired[SecretInput | None]
    """NGC key that pulls the guest driver (vGPU)."""
    labels: NotRequired[Labels | None]
    """Labels of all objects."""
    wait_for: NotRequired[list[str] | None]
    """Wait conditions instead of the catalog's."""
    platform: NotRequired[str | None]
    """Version of the platform, such as vcf-9.0.1; by default the only one that is known."""


class PrivateAiServices(Component):
    """Private AI Services: trust, pull secret and license first, the PAISConfiguration last.

    PAIS makes its own cluster and installs its own GPU Operator there. With DirectPath I/O neither license nor pull
    secret is made; without GPUs the whole NVIDIA part is left out.
    """

    per_platform = True

    url: pulumi.Output[str | None]
    """Address of the services, None while they have none; OpenAI clients use <url>/api/v1/compatibility/openai/v1."""
    ca_bundle: pulumi.Output[str]
    """PEM of the authority that signed the services' certificate."""

    def __init__(self, name: str, args: PrivateAiServicesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the prerequisites, then the configuration. Raises ComponentInputError."""
        super().__init__(name, args, opts)
        args = present(args)
        namespace, labels = args["namespace"], args.get("labels")
        prerequisites: list[pulumi.Resource] = []
        bundles = []
        for bundle, pem in (args.get("ca_bundles") or {}).items():
            trust = kubernetes.core.v1.ConfigMap(
                f"{name}-trust-{bundle}",
                # That PAIS reads a ConfigMap again is documented nowhere; a new reference it cannot miss.
                metadata={"name": hashed_name(f"trust-{bundle}", pem), "namespace": namespace, "labels": labels},
                data={"ca.crt": pem},
                opts=self.replaceable(),
            )
            prerequisites.append(trust)
            bundles.append({"name": trust.metadata["name"]})
        nvidia = self._nvidia(name, args, prerequisites)
        database, oidc = args["database"], args["oidc"]
        spec: dict[str, Any] = {
            "worker": {"storageClassName": args["storage_class"]},
            "vksControlPlane": {
                "virtualMachineClassName": args["control_plane_class"],
                "storageClassName": args["storage_class"],
            },
            "ingress": {"serviceType": "LoadBalancer"},
            "clientTls": {"caBundleRefs": bundles},
            "database": {
                "host": pulumi.Output.all(member(database, "host"), member(database, "port")).apply(_host_and_port),
                "dbname": member(database, "database"),
                "username": member(database, "username"),
                "passwordRef": {"name": member(database, "password_secret"), "fieldPath": "password"},
            },
            "auth": {
                "oidc": {
                    "issuerUrl": member(oidc, "issuer_url"),
                    "clientId": member(oidc, "client_id"),
                    "scope": ["openid", "groups"],
                    "extraAudiences": [],
                    "authorizedGroups": given_or(args.get("authorized_groups"), []),
                }
            },
        }
        if nvidia:
            spec["nvidiaConfig"] = nvidia
        self.configuration = KubernetesObject(
            name,
            self.platform,
            "PAISConfiguration",
            # A singleton: PAIS looks for this name only.
            metadata={"name": "default", "namespace": namespace, "labels": labels},
            spec=spec,
            opts=self.child(*prerequisites),
        )
        self.ready_services = self.ready(
            f"{name}-ready", self.configuration.awaited(args.get("wait_for")), depends_on=[self.configuration]
        )
        self.ingress = ExistingObject(
            f"{name}-ingress",
            "kubernetes:core/v1:Service",
            self.configuration.id.apply(lambda identity: f"{identity.split('/')[0]}/{_INGRESS}"),
            opts=self.child(self.ready_services),
        )
        entry, port = (
            told(self.ingress.status, "loadBalancer", "ingress", 0),
            told(self.ingress.spec, "ports", 0, "port"),
        )
        self.url = pulumi.Output.all(entry, port).apply(lambda found: _url(*found))
        self.ca_bundle = pulumi.Output.unsecret(
            published_secret(self, "paisCertificate", namespace, _INGRESS, [self.ready_services])
        )
        self.register_outputs({"url": self.url, "ca_bundle": self.ca_bundle})

    def validate(self, check: Check) -> None:
        """A license exactly where one is needed; https for the identity provider."""
        check.label("namespace")
        check.one_of("gpu_mode", GpuMode)
        mode = check.plain("gpu_mode")
        for needed in ("license_token", "ngc_api_key"):
            if mode == "vgpu" and needed not in check.args:
                check.add(needed, "expected a value, since gpu_mode is vgpu")
            if mode != "vgpu" and needed in check.args:
                check.add(needed, f"expected none, since gpu_mode is {mode}")
        issuer = (check.plain("oidc") or {}).get("issuer_url")
        if isinstance(issuer, str) and not issuer.startswith("https://"):
            check.add("oidc.issuer_url", f"{issuer!r}: expected an https:// address")

    def _nvidia(
        self, name: str, args: PrivateAiServicesArgs, prerequisites: list[pulumi.Resource]
    ) -> dict[str, Any] | None:
        namespace, labels = args["namespace"], args.get("labels")
        if args["gpu_mode"] == GpuMode.VGPU:
            token, key = given_or(args.get("license_token"), ""), given_or(args.get("ngc_api_key"), "")
            # The prefix is that of environments that are there: the name of a ConfigMap cannot change in place.
            license_config = license_config_map(
                self, name, prefix="nvidia-licence", namespace=namespace, labels=labels, token=token
            )
            registry = self.platform.versions["ngc-registry"].version
            pull = kubernetes.core.v1.Secret(
                f"{name}-ngc",
                metadata={"name": "ngc-pull", "namespace": namespace, "labels": labels},
                type="kubernetes.io/dockerconfigjson",
                string_data={".dockerconfigjson": pull_secret_content(registry, "$oauthtoken", key)},
                opts=self.replaceable(),
            )
            prerequisites += [license_config, pull]
            return {
                "licenseConfigRef": {"name": license_config.metadata["name"]},
                "imagePullSecretRef": {"name": pull.metadata["name"]},
            }
        if args["gpu_mode"] == GpuMode.DIRECTPATH:
            overrides = kubernetes.core.v1.ConfigMap(
                f"{name}-gpu-operator",
                metadata={
                    "name": hashed_name("gpu-operator-values", _DIRECTPATH_OVERRIDES),
                    "namespace": namespace,
                    "labels": labels,
                },
                data={"values.yaml": _DIRECTPATH_OVERRIDES},
                opts=self.replaceable(),
            )
            prerequisites.append(overrides)
            return {"gpuOperatorOverridesRef": {"name": overrides.metadata["name"]}}
        return None


def _host_and_port(address: list[Any]) -> str:
    host, port = address
    return str(host) if port in (None, POSTGRES_PORT) else f"{host}:{int(port)}"


def _url(entry: dict[str, Any] | None, port: float | None) -> str | None:
    host = entry and (entry.get("hostname") or entry.get("ip"))
    if not host or port is None:
        return None
    return f"https://{host}" + ("" if int(port) == 443 else f":{int(port)}")
