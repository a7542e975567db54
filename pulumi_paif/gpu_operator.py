"""NVIDIA GPU Operator on a standalone cluster."""

import base64
from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes

from pulumi_paif import vcf
from pulumi_paif._arguments import Labels, SecretInput, derived, given_or, present, with_labels
from pulumi_paif._component import Check, Component, awaited_object, digest, told
from pulumi_paif._license import license_config_map
from pulumi_paif._pull_secret import pull_secret_content
from pulumi_paif.enums import GpuMode
from pulumi_paif.gpu_cluster import GpuPoolArgs, pool_label

_NAMESPACE = "gpu-operator"
_PRIVILEGED = {"pod-security.kubernetes.io/enforce": "privileged"}
_CLUSTER_POLICY = "ClusterPolicy"

# pulumi-kubernetes 4.25 fills these in itself (`Release` in provider/pkg/provider/helm_release.go), but not before it
# knows the cluster: a plan that was saved before there is one would be violated by them.
_HELM_DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(("keyring", "postrender"), ""),
    **dict.fromkeys(
        (
            "allow_null_values",
            "atomic",
            "cleanup_on_fail",
            "create_namespace",
            "dependency_update",
            "devel",
            "disable_crd_hooks",
            "disable_openapi_validation",
            "disable_webhooks",
            "force_update",
            "lint",
            "recreate_pods",
            "render_subchart_notes",
            "replace",
            "reset_values",
            "reuse_values",
            "skip_await",
            "skip_crds",
            "verify",
            "wait_for_jobs",
        ),
        False,
    ),
}
_NO_CREDENTIALS = dict.fromkeys(("ca_file", "cert_file", "key_file", "password", "username"), "")


def _is_oci(address: str) -> bool:
    return address.startswith("oci://")


def _without_marker(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult:
    """Take out what the SDK adds and pulumi-kubernetes drops, again only where it knows the cluster."""
    return pulumi.ResourceTransformationResult({k: v for k, v in args.props.items() if k != "compat"}, args.opts)


class ChartRepositoryArgs(TypedDict):
    """Where the chart is pulled from."""

    url: NotRequired[pulumi.Input[str] | None]
    """HTTPS repository, or oci://… before the chart's name in an OCI registry; the catalog's by default.

    The login of an OCI registry is in the file `helm_registry_config` of the cluster.
    """
    username: NotRequired[pulumi.Input[str] | None]
    """User name at an HTTPS repository."""
    password: NotRequired[SecretInput | None]
    """Its password."""
    ca_file: NotRequired[pulumi.Input[str] | None]
    """Path of a PEM file with the authorities that signed an HTTPS repository's certificate: Helm takes no text."""


class GpuOperatorArgs(TypedDict):
    """Arguments of GpuOperator. The provider for `kubernetes` in the options is that of the guest cluster."""

    kubeconfig: SecretInput
    """The guest cluster's kubeconfig, by which its nodes and pods are looked at."""
    pools: pulumi.Input[Sequence[GpuPoolArgs]]
    """GPU node pools, as a GpuCluster gives them out: the operator is ready when their nodes offer their GPUs."""
    gpu_mode: GpuMode
    """How nodes get GPUs: vgpu (guest driver and license) or directpath (data center driver, no license)."""
    repository: NotRequired[ChartRepositoryArgs | None]
    """Where the chart is pulled from; NVIDIA's repository by default."""
    version: NotRequired[pulumi.Input[str] | None]
    """Chart version; the catalog's by default."""
    driver_version: NotRequired[pulumi.Input[str] | None]
    """Guest driver: the branch of the host's vGPU driver or the one before (vGPU)."""
    license_token: NotRequired[SecretInput | None]
    """NVIDIA client configuration token (vGPU)."""
    ngc_api_key: NotRequired[SecretInput | None]
    """NGC key that pulls the guest driver (vGPU)."""
    labels: NotRequired[Labels | None]
    """Labels of all objects."""
    wait_for: NotRequired[list[str] | None]
    """Wait conditions of the ClusterPolicy instead of the catalog's."""
    platform: NotRequired[str | None]
    """Version of the platform, such as vcf-9.0.1; by default the only one that is known."""


class GpuOperator(Component):
    """The GPU Operator by its Helm chart, ready when every GPU node offers its GPUs.

    What the operator says of itself is not enough: it says `ready` before it did anything, and where no node has a GPU.

    Not for clusters that Private AI Services make: those get their own operator, and there may be one only.
    """

    per_platform = True

    version: pulumi.Output[str]
    """Version of the chart that is installed."""
    state: pulumi.Output[str]
    """State of the ClusterPolicy, once it is ready."""

    def __init__(self, name: str, args: GpuOperatorArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Install the operator and wait for its ClusterPolicy. Raises ComponentInputError."""
        super().__init__(name, args, opts)
        args = present(args)
        labels, chart = args.get("labels"), self.platform.versions["gpu-operator"]
        repository = args.get("repository") or {}
        namespace = kubernetes.core.v1.Namespace(
            f"{name}-namespace",
            # Its pods load drivers into the kernel; guest clusters of 1.26 and newer refuse that unless labeled.
            metadata={"name": _NAMESPACE, "labels": with_labels(given_or(labels, {}), _PRIVILEGED)},
            opts=self.child(),
        )
        depends: list[pulumi.Resource] = [namespace]
        driver: dict[str, Any] = {"enabled": True}
        if args["gpu_mode"] == GpuMode.VGPU:
            driver |= self._licensed_driver(name, args, namespace.metadata["name"], depends)
        values: dict[str, Any] = {
            "psa": {"enabled": False},
            "operator": {"defaultRuntime": "containerd", "upgradeCRD": True},
            "nfd": {"enabled": True},
            "mig": {"strategy": "single"},
            "vgpuManager": {"enabled": False},
            "sandboxWorkloads": {"enabled": False},
            "driver": driver,
        }
        address = pulumi.Output.from_input(given_or(repository.get("url"), chart.repository))
        self.release = kubernetes.helm.v3.Release(
            name,
            # A real Helm installation: the chart upgrades its CRDs in a hook, which rendered charts never run.
            name=chart.chart,
            # In an OCI registry a chart is found by its whole name, without a repository's index.
            chart=address.apply(lambda found: f"{found}/{chart.chart}" if _is_oci(found) else str(chart.chart)),
            version=given_or(args.get("version"), chart.version),
            repository_opts={
                **_NO_CREDENTIALS,
                "repo": address.apply(lambda found: "" if _is_oci(found) else str(found)),
                "username": given_or(repository.get("username"), ""),
                "password": pulumi.Output.secret(repository["password"]) if "password" in repository else "",
                "ca_file": given_or(repository.get("ca_file"), ""),
            },
            namespace=namespace.metadata["name"],
            # Helm keeps it with every revision that it has deployed: a release whose creation was cut off is in no
            # state, and by this it is known not to be somebody else's.
            description=self.mark(),
            timeout=self.platform.condition(_CLUSTER_POLICY).timeout_seconds,
            values=values,
            **_HELM_DEFAULTS,
            opts=self.child(*depends, transformations=[_without_marker]),
        )
        # Helm does not wait for what the operator itself makes.
        # One that was made anew has another revision or another cluster, though the same version and values.
        revision = self.release.status.apply(lambda status: getattr(status, "revision", None))
        installed = pulumi.Output.unsecret(
            pulumi.Output.all(self.release.version, values, revision, args["kubeconfig"]).apply(digest)
        )
        awaited = awaited_object(
            self.platform.conditions,
            self.platform.api_version(_CLUSTER_POLICY),
            _CLUSTER_POLICY,
            "cluster-policy",
            None,
            installed,
            args.get("wait_for"),
            nodes=vcf.AwaitedNodes(pools=derived(args["pools"], _awaited)),
        )
        ready = self.ready(f"{name}-ready", awaited, depends_on=[self.release], kubeconfig=args["kubeconfig"])
        self.version = self.release.version.apply(str)
        self.state = told(ready.values, "state")
        self.register_outputs({"version": self.version, "state": self.state})

    def validate(self, check: Check) -> None:
        """A license exactly where one is needed."""
        check.one_of("gpu_mode", (GpuMode.VGPU, GpuMode.DIRECTPATH))
        repository = check.args.get("repository", {})
        if _is_oci(str(repository.get("url"))):
            for name in ("username", "password", "ca_file"):
                if name in repository:
                    check.add(f"repository.{name}", "expected nothing: Helm does not use it for an OCI registry")
        for needed in ("license_token", "ngc_api_key"):
            if check.plain("gpu_mode") == "vgpu" and needed not in check.args:
                check.add(needed, "expected a value, since gpu_mode is vgpu")
            if check.plain("gpu_mode") == "directpath" and needed in check.args:
                check.add(needed, "expected none: DirectPath I/O needs no license")

    def _licensed_driver(
        self,
        name: str,
        args: GpuOperatorArgs,
        namespace: pulumi.Output[str],
        depends: list[pulumi.Resource],
    ) -> dict[str, Any]:
        labels = args.get("labels")
        token, key = given_or(args.get("license_token"), ""), given_or(args.get("ngc_api_key"), "")
        guest, registry = self.platform.versions["gpu-guest-driver"], self.platform.versions["ngc-registry"].version
        license_config = license_config_map(
            self, name, prefix="licensing-config", namespace=namespace, labels=labels, token=token
        )
        content = pull_secret_content(registry, "$oauthtoken", key)
        pull = kubernetes.core.v1.Secret(
            f"{name}-ngc",
            metadata={"name": "ngc-secret", "namespace": namespace, "labels": labels},
            type="kubernetes.io/dockerconfigjson",
            # pulumi-kubernetes turns stringData into this as soon as it knows the cluster: a plan that was saved before
            # there is one would be violated.
            data={".dockerconfigjson": content.apply(lambda text: base64.b64encode(text.encode()).decode())},
            opts=self.replaceable(),
        )
        depends += [license_config, pull]
        return {
            "repository": guest.repository,
            "image": guest.image,
            "version": given_or(args.get("driver_version"), guest.version),
            "imagePullSecrets": [pull.metadata["name"]],
            "licensingConfig": {"configMapName": license_config.metadata["name"], "nlsEnabled": True},
        }


def _awaited(pools: Sequence[GpuPoolArgs]) -> list[vcf.AwaitedPool]:
    return [
        vcf.AwaitedPool(
            name=pool["name"],
            label=pool_label(pool["name"]),
            minimum=pool["min_replicas"],
            maximum=pool["max_replicas"],
            gpus=pool["gpu_count"],
        )
        for pool in pools
    ]
