"""Private AI Services in a Supervisor namespace."""

from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes

from pulumi_paif._component import (
    Check,
    Component,
    ExistingObject,
    KubernetesObject,
    hashed_name,
    published_secret,
    told,
)
from pulumi_paif.pull_secrets import pull_secret_content

# PAIS names its entry point so, in every namespace.
_INGRESS = "pais-ingress-default"
_MODES = ("vgpu", "directpath", "none")
# Passthrough GPUs want the data-centre driver, which the operator's chart takes by itself; containerd is what VKS runs.
_DIRECTPATH_OVERRIDES = "operator:\n  defaultRuntime: containerd\ndriver:\n  enabled: true\n"


class PrivateAiServicesArgs(TypedDict):
    """Arguments of PrivateAiServices. Everything it refers to is made in the same namespace, as PAIS demands."""

    namespace: pulumi.Input[str]
    """Supervisor namespace."""
    storage_class: pulumi.Input[str]
    """Kubernetes storage class of workers and control plane."""
    control_plane_class: pulumi.Input[str]
    """VM class without GPU for the control plane of PAIS's own cluster."""
    gpu_mode: str
    """vgpu (licensed), directpath, or none (CPU only)."""
    oidc_issuer_url: pulumi.Input[str]
    """Issuer of the identity provider; https."""
    oidc_client_id: pulumi.Input[str]
    """Public client of PAIS at the identity provider."""
    database_host: pulumi.Input[str]
    """Host of the PostgreSQL database with pgvector."""
    database_name: pulumi.Input[str]
    """Its name."""
    database_username: pulumi.Input[str]
    """Who connects."""
    database_password_secret: pulumi.Input[str]
    """Secret in the namespace that holds the password under the key `password`."""
    authorized_groups: NotRequired[list[str]]
    """Groups whose members may use the services."""
    trust_bundles: NotRequired[dict[str, pulumi.Input[str]]]
    """PEM bundles by name (gallery, identity provider, database), each one or more certificates."""
    licence_token: NotRequired[pulumi.Input[str]]
    """NVIDIA client configuration token (vGPU)."""
    ngc_api_key: NotRequired[pulumi.Input[str]]
    """NGC key that pulls the guest driver (vGPU)."""
    labels: NotRequired[dict[str, str]]
    """Labels of all objects."""
    wait_for: NotRequired[list[str]]
    """Wait conditions instead of the catalogue's."""
    platform: NotRequired[str]
    """Version of the platform, such as vcf-9.0.1; the only one that is known by default."""


class PrivateAiServices(Component):
    """Private AI Services: trust, pull secret and licence first, the PAISConfiguration last.

    PAIS makes its own cluster and installs its own GPU Operator there. With DirectPath I/O neither licence nor pull
    secret is made; without GPUs the whole NVIDIA part is left out.
    """

    url: pulumi.Output[str | None]
    """Address of the services, None while they have none; OpenAI clients use <url>/api/v1/compatibility/openai/v1."""
    ca_bundle: pulumi.Output[str]
    """PEM of the authority that signed the services' certificate."""

    def __init__(self, name: str, args: PrivateAiServicesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the prerequisites, then the configuration. Raises ComponentInputError."""
        super().__init__(name, args, opts)
        namespace, labels = args["namespace"], args.get("labels", {})
        prerequisites: list[pulumi.Resource] = []
        bundles = []
        for bundle, pem in args.get("trust_bundles", {}).items():
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
        spec: dict[str, Any] = {
            "worker": {"storageClassName": args["storage_class"]},
            "vksControlPlane": {
                "virtualMachineClassName": args["control_plane_class"],
                "storageClassName": args["storage_class"],
            },
            "ingress": {"serviceType": "LoadBalancer"},
            "clientTls": {"caBundleRefs": bundles},
            "database": {
                "host": args["database_host"],
                "dbname": args["database_name"],
                "username": args["database_username"],
                "passwordRef": {"name": args["database_password_secret"], "fieldPath": "password"},
            },
            "auth": {
                "oidc": {
                    "issuerUrl": args["oidc_issuer_url"],
                    "clientId": args["oidc_client_id"],
                    "scope": ["openid", "groups"],
                    "extraAudiences": [],
                    "authorizedGroups": args.get("authorized_groups", []),
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
        """A licence exactly where one is needed; https for the identity provider."""
        check.label("namespace")
        check.one_of("gpu_mode", _MODES)
        mode = check.plain("gpu_mode")
        for needed in ("licence_token", "ngc_api_key"):
            if mode == "vgpu" and needed not in check.args:
                check.add(needed, "expected a value, since gpu_mode is vgpu")
            if mode != "vgpu" and needed in check.args:
                check.add(needed, f"expected none, since gpu_mode is {mode}")
        issuer = check.plain("oidc_issuer_url")
        if issuer is not None and not issuer.startswith("https://"):
            check.add("oidc_issuer_url", f"{issuer!r}: expected an https:// address")

    def _nvidia(
        self, name: str, args: PrivateAiServicesArgs, prerequisites: list[pulumi.Resource]
    ) -> dict[str, Any] | None:
        namespace, labels = args["namespace"], args.get("labels", {})
        if args["gpu_mode"] == "vgpu":
            licence = kubernetes.core.v1.ConfigMap(
                f"{name}-licence",
                metadata={
                    "name": hashed_name("nvidia-licence", args["licence_token"]),
                    "namespace": namespace,
                    "labels": labels,
                },
                data=pulumi.Output.secret(
                    {"gridd.conf": "FeatureType=1", "client_configuration_token.tok": args["licence_token"]}
                ),
                opts=self.replaceable(additional_secret_outputs=["data"]),
            )
            registry = self.platform.versions["ngc-registry"].version
            pull = kubernetes.core.v1.Secret(
                f"{name}-ngc",
                metadata={"name": "ngc-pull", "namespace": namespace, "labels": labels},
                type="kubernetes.io/dockerconfigjson",
                string_data={".dockerconfigjson": pull_secret_content(registry, "$oauthtoken", args["ngc_api_key"])},
                opts=self.replaceable(),
            )
            prerequisites += [licence, pull]
            return {
                "licenseConfigRef": {"name": licence.metadata["name"]},
                "imagePullSecretRef": {"name": pull.metadata["name"]},
            }
        if args["gpu_mode"] == "directpath":
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


def _url(entry: dict[str, Any] | None, port: float | None) -> str | None:
    host = entry and (entry.get("hostname") or entry.get("ip"))
    if not host or port is None:
        return None
    return f"https://{host}" + ("" if int(port) == 443 else f":{int(port)}")
