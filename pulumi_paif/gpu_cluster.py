"""Kubernetes cluster of VKS with GPU nodes."""

import base64
from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict, cast

import pulumi
import pulumi_kubernetes as kubernetes

import paif_catalog as catalog
from paif_catalog.defaults import CLUSTER
from paif_catalog.predicates import CONTROL_PLANE_REPLICAS
from pulumi_paif import vcf
from pulumi_paif._arguments import Labels, SecretOutput, derived, given_or, present
from pulumi_paif._component import Check, Component, KubernetesObject, hashed_name, published_secret
from pulumi_paif.cluster_provider import cluster_provider

_GPU_TAINT = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
_POOL = "paif.dev/pool"
_AUTOSCALER = "cluster.x-k8s.io/cluster-api-autoscaler-node-group"
_CAPACITY = "capacity.cluster-autoscaler.kubernetes.io"
_VERSION = "spec.topology.version"


class PoolCapacity(TypedDict):
    """What a node of a pool has beside GPUs: all that the autoscaler knows of a pool without nodes."""

    cpu_count: int
    """vCPUs."""
    memory_gib: int
    """Memory in GiB."""


class GpuPoolArgs(TypedDict):
    """Nodes that have to be there and offer their GPUs."""

    name: str
    """Name within the cluster."""
    gpu_count: int
    """GPUs of each node, as its VM class gives them."""
    min_replicas: pulumi.Input[int]
    """Least nodes."""
    max_replicas: pulumi.Input[int]
    """Most nodes."""


class NodePoolArgs(TypedDict):
    """A node pool. Either `replicas`, or `min_replicas` and `max_replicas` for the autoscaler."""

    name: str
    """Name within the cluster."""
    vm_class: pulumi.Input[str]
    """VM class bound to the namespace."""
    gpu_count: NotRequired[int | None]
    """GPUs of each node, as its VM class gives them, 0 by default; nodes with GPUs are tainted, so that only GPU work
    runs there."""
    replicas: NotRequired[pulumi.Input[int] | None]
    """Fixed number of nodes."""
    min_replicas: NotRequired[int | None]
    """Least nodes."""
    max_replicas: NotRequired[int | None]
    """Most nodes."""
    capacity: NotRequired[PoolCapacity | None]
    """Size of its VM class; required with min_replicas 0."""
    container_storage_gib: NotRequired[pulumi.Input[int] | None]
    """Volume for images in GiB, 200 by default on GPU pools, since NGC images are large."""


class GpuClusterArgs(TypedDict):
    """Arguments of GpuCluster."""

    name: NotRequired[pulumi.Input[str] | None]
    """Name: a DNS label of at most 42 characters; the component's by default."""
    namespace: pulumi.Input[str]
    """Supervisor namespace."""
    namespace_name: NotRequired[str | None]
    """Its name as plain text, where `namespace` is an output: by it the cluster is looked up as the server has it.

    Where neither is plain, a changed class is not sent, and a release has to be written as the server stores it.
    """
    storage_class: pulumi.Input[str]
    """Kubernetes storage class of all nodes."""
    control_plane_class: pulumi.Input[str]
    """VM class of the control plane."""
    control_plane_replicas: NotRequired[pulumi.Input[int] | None]
    """Number of machines: 1 (by default) or 3."""
    pools: list[NodePoolArgs]
    """Node pools; at least one without GPU, where the GPU Operator itself runs."""
    pod_network: NotRequired[pulumi.Input[str] | None]
    """Network of pods, 192.168.156.0/20 by default."""
    service_network: NotRequired[pulumi.Input[str] | None]
    """Network of services, 10.96.0.0/12 by default."""
    release: NotRequired[str | None]
    """Kubernetes release in any spelling; the catalog's by default."""
    os_version: NotRequired[str | None]
    """Version of Ubuntu on the nodes; required where the release has several."""
    cluster_class: NotRequired[str | None]
    """ClusterClass; the catalog's by default."""
    api_version: NotRequired[str | None]
    """Version of cluster.x-k8s.io; the platform's by default."""
    ca_bundle: NotRequired[pulumi.Input[str] | None]
    """PEM of authorities that nodes trust, e.g. of the model gallery."""
    helm_registry_config: NotRequired[pulumi.Input[str] | None]
    """Path of a file with logins at OCI registries, for charts that `provider` installs."""
    labels: NotRequired[Labels | None]
    """Labels of all objects and nodes."""
    wait_for: NotRequired[list[str] | None]
    """Wait conditions instead of the catalog's."""
    platform: NotRequired[str | None]
    """Version of the platform, such as vcf-9.0.1; by default the only one that is known."""


class GpuCluster(Component):
    """A VKS cluster with node pools, ready when its conditions hold and every node asked for is there and Ready."""

    per_platform = True

    name: pulumi.Output[str]
    """Name of the cluster, once it is ready."""
    kubeconfig: SecretOutput
    """Administrator's kubeconfig as YAML, secret."""
    provider: kubernetes.Provider
    """Provider (pulumi:providers:kubernetes) of what is in the cluster."""
    gpu_pools: list[GpuPoolArgs]
    """Node pools with GPUs, for the GPU Operator."""

    def __init__(self, name: str, args: GpuClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the cluster. Raises ComponentInputError."""
        super().__init__(name, args, opts)
        args = present(args)
        physical = self._physical = given_or(args.get("name"), name)
        control_plane = given_or(args.get("control_plane_replicas"), 1)
        classes, versions = self.platform.cluster_classes, self.platform.versions
        api_version, class_reference = self._api(args)
        cluster_class = args.get("cluster_class") or versions["cluster-class"].version
        release = args.get("release") or versions["kubernetes-release"].version
        as_it_is = self._as_it_is(args, cluster_class, release)
        namespace, labels = args["namespace"], args.get("labels")
        selected = f"os-name=ubuntu,os-version={args['os_version']}" if "os_version" in args else "os-name=ubuntu"
        os_image = {classes.os_image_annotation: selected}
        variables: list[dict[str, Any]] = [
            {"name": "vmClass", "value": args["control_plane_class"]},
            {"name": "storageClass", "value": args["storage_class"]},
            # The platform adds this one when it is missing.
            {"name": "kubernetes", "value": {"certificateRotation": {"enabled": True, "renewalDaysBeforeExpiry": 90}}},
        ]
        depends: list[pulumi.Resource] = []
        if (ca_bundle := args.get("ca_bundle")) is not None:
            trust = self._trust(name, args, ca_bundle)
            depends.append(trust)
            reference = {"secretRef": {"name": trust.metadata["name"], "key": "ca"}}
            trusted = {"trust": {"additionalTrustedCAs": [{"caCert": reference}]}}
            variables.append({"name": "osConfiguration", "value": trusted})
        topology: dict[str, Any] = {
            "version": release,
            "controlPlane": {"replicas": control_plane, "metadata": {"annotations": os_image}},
            "variables": variables,
            "workers": {
                "machineDeployments": [_pool(pool, classes.worker_class, os_image, labels) for pool in args["pools"]]
            },
        }
        central = classes.classes[cluster_class].central
        topology |= class_reference.of(cluster_class, classes.central_namespace if central else None)
        self.cluster = KubernetesObject(
            name,
            self.platform,
            "Cluster",
            api_version=api_version,
            metadata={
                "name": physical,
                "namespace": namespace,
                "labels": labels,
                "annotations": {classes.skip_rebase_annotation: ""},
            },
            spec={
                "clusterNetwork": {
                    "pods": {"cidrBlocks": [given_or(args.get("pod_network"), CLUSTER.pod_network)]},
                    "services": {"cidrBlocks": [given_or(args.get("service_network"), CLUSTER.service_network)]},
                    "serviceDomain": "cluster.local",
                },
                "topology": topology,
            },
            opts=self.child(*depends, ignore_changes=as_it_is),
        )
        published = self.platform.conditions.secrets["kubeconfig"]
        secret = pulumi.Output.concat(physical, published.suffix)
        # As the server has stored it: neither another spelling of a release nor a class that it has raised is a change.
        stored: pulumi.Output[Any] = pulumi.Output.all(
            pulumi.get(self.cluster, "spec"), pulumi.get(self.cluster, "metadata"), self.cluster.id
        )
        nodes = vcf.AwaitedNodes(
            secret_name=secret,
            secret_key=published.key,
            release=stored.apply(lambda found: _short(found[0]["topology"]["version"])),
            control_plane=control_plane,
            pools=[_awaited(pool) for pool in args["pools"]],
        )
        asked = stored.apply(lambda found: _asked(found, classes.release_label))
        ready = self.ready(
            f"{name}-ready",
            self.cluster.awaited(args.get("wait_for"), nodes=nodes, asked=asked),
            depends_on=[self.cluster],
        )
        self.name = pulumi.Output.all(physical, ready.id).apply(lambda found: str(found[0]))
        self.kubeconfig = published_secret(self, "kubeconfig", namespace, secret, [self.cluster, ready])
        self.provider = self._guest(name, args.get("helm_registry_config"))
        self.gpu_pools = [_gpu_pool(pool) for pool in args["pools"] if pool.get("gpu_count")]
        self.register_outputs({"name": self.name, "kubeconfig": self.kubeconfig, "gpu_pools": self.gpu_pools})

    def validate(self, check: Check) -> None:
        """A name that leaves room for node names, a class that takes the release, sound pools."""
        # Its control plane is reached through a service of its name.
        check.label("name", longest=catalog.naming().kinds["cluster"].max_length, of_service=True)
        check.label("namespace")
        check.one_of("api_version", check.platform.cluster_classes.references)
        check.one_of("control_plane_replicas", CONTROL_PLANE_REPLICAS)
        known, versions = check.platform.cluster_classes, check.platform.versions
        check.one_of("cluster_class", known.classes)
        cluster_class = check.plain("cluster_class") or versions["cluster-class"].version
        release = check.plain("release") or versions["kubernetes-release"].version
        if catalog.Release.parse(release) is None:
            check.add("release", f"{release!r}: expected a release such as v1.32.0+vmware.6-fips-vkr.2")
        elif cluster_class in known.classes:
            open_choice = known.ubuntu.is_choice(release) and "os_version" not in check.args
            if _check_window(check, cluster_class, release) and open_choice:
                check.add("os_version", f"expected {' or '.join(known.ubuntu.versions)}: {release} has images of each")
        check.one_of("os_version", known.ubuntu.versions)
        pools = check.plain("pools") or []
        if all(pool.get("gpu_count") for pool in pools):
            check.add("pools", "expected at least one pool without GPU: the GPU Operator itself runs there")
        for index, pool in enumerate(pools):
            check.label(f"pools[{index}].name", pool["name"])
            if ("replicas" in pool) == ("min_replicas" in pool and "max_replicas" in pool):
                check.add(f"pools[{index}].replicas", "expected either replicas, or min_replicas and max_replicas")
            if pool.get("min_replicas") == 0 and "capacity" not in pool:
                check.add(
                    f"pools[{index}].capacity",
                    "expected the size of a node: of an empty pool the autoscaler has no other",
                )

    def _api(self, args: GpuClusterArgs) -> tuple[str, catalog.ClassReference]:
        """Group and version of the API, and how a Cluster of it names its class."""
        group, _, version = self.platform.api_version("Cluster").partition("/")
        version = args.get("api_version") or version
        return f"{group}/{version}", self.platform.cluster_classes.references[version]

    def _as_it_is(self, args: GpuClusterArgs, cluster_class: str, release: str) -> list[str]:
        """Which of class and release are on the server already what is asked for, whatever they are called there.

        Says when a class is asked for that the server has left behind. Raises ComponentInputError when the class that
        the cluster has by now does not take the release.
        """
        name, namespace = self._physical, args.get("namespace_name") or args["namespace"]
        api_version, reference = self._api(args)
        class_paths = [f"spec.topology.{each}" for each in reference.properties]
        ranged = [pool["name"] for pool in args["pools"] if "min_replicas" in pool]
        if ranged:
            pulumi.log.info(
                f"the Cluster Autoscaler sizes {', '.join(ranged)}: an add-on of VKS, which is not installed here. "
                "Until it is on the cluster, they keep the nodes that they have, at first the least number.",
                self,
            )
        if isinstance(name, pulumi.Output) or isinstance(namespace, pulumi.Output):
            return class_paths
        stored = vcf.get_cluster(str(namespace), str(name), api_version, pulumi.InvokeOptions(parent=self))
        if stored is None:
            return []
        same = catalog.Release.agree(stored.release, release)
        held = [_VERSION] if same else []
        if self.platform.cluster_classes.is_newer(cluster_class, stored.cluster_class):
            return held
        if "cluster_class" in args and cluster_class != stored.cluster_class:
            pulumi.log.warn(
                f"cluster {name} has ClusterClass {stored.cluster_class}: the Supervisor raises a class and never "
                f"lowers it, so {cluster_class} is not sent. Ask for the one that it has, or a newer one.",
                self,
            )
        if not same:
            check = Check(f"{type(self).__name__} {name!r}", args)
            _check_window(check, stored.cluster_class, release)
            check.finish()
        return [*held, *class_paths]

    def _trust(self, name: str, args: GpuClusterArgs, ca_bundle: pulumi.Input[str]) -> "kubernetes.core.v1.Secret":
        # VKS wants the PEM in base64 inside the Secret, whose data is base64 once more, and takes it for immutable:
        # another authority needs another name, which the engine makes before the cluster refers to it, and whose
        # predecessor it deletes after that.
        pem = pulumi.Output.from_input(ca_bundle)
        return kubernetes.core.v1.Secret(
            f"{name}-trust",
            metadata={
                "name": hashed_name(pulumi.Output.concat(self._physical, "-user-trusted-ca-secret"), pem),
                "namespace": args["namespace"],
                "labels": args.get("labels"),
            },
            string_data={"ca": pem.apply(lambda text: base64.b64encode(text.encode()).decode())},
            opts=self.replaceable(),
        )

    def _guest(self, name: str, helm_registry_config: pulumi.Input[str] | None) -> kubernetes.Provider:
        helm = None
        if helm_registry_config is not None:
            helm = kubernetes.HelmReleaseSettingsArgs(registry_config_path=helm_registry_config)
        return cluster_provider(
            f"{name}-guest", self.kubeconfig, self._physical, helm, pulumi.ResourceOptions(parent=self)
        )


def _check_window(check: Check, cluster_class: str, release: str) -> bool:
    """Whether a class takes a release, as far as the catalog knows."""
    known = check.platform.cluster_classes.classes.get(cluster_class)
    if known is None or known.takes(release):
        return True
    first, last = known.kubernetes
    check.add("release", f"{release}: {cluster_class} takes Kubernetes {first} to {last}")
    return False


def _asked(stored: Sequence[Any], release_label: str) -> list[Any]:
    """What nodes are made from: the stored spec, and the build of the release, which only a label tells."""
    spec, metadata, _ = stored
    build = (metadata.get("labels") or {}).get(release_label)
    return [spec["clusterNetwork"], spec["topology"], build]


def _short(release: str) -> str:
    """The release as nodes tell it, in whatever spelling it is asked for."""
    parsed = catalog.Release.parse(release)
    return release if parsed is None else parsed.short


def pool_label(pool: str) -> str:
    """The label, key=value, by which the nodes of a pool are known in their cluster."""
    return f"{_POOL}={pool}"


def _awaited(pool: NodePoolArgs) -> vcf.AwaitedPool:
    least, most = _range(pool)
    return vcf.AwaitedPool(name=pool["name"], label=pool_label(pool["name"]), minimum=least, maximum=most)


def _gpu_pool(pool: NodePoolArgs) -> GpuPoolArgs:
    least, most = _range(pool)
    return {"name": pool["name"], "gpu_count": pool.get("gpu_count") or 0, "min_replicas": least, "max_replicas": most}


def _range(pool: NodePoolArgs) -> tuple[Any, Any]:
    """Least and most nodes."""
    fixed = given_or(pool.get("replicas"), 0)
    return given_or(pool.get("min_replicas"), fixed), given_or(pool.get("max_replicas"), fixed)


def _pool(pool: NodePoolArgs, worker_class: str, os_image: dict[str, str], labels: Any) -> dict[str, Any]:
    annotations = dict(os_image)
    overrides: list[dict[str, Any]] = [{"name": "vmClass", "value": pool["vm_class"]}]
    node: dict[str, Any] = {"labels": {_POOL: pool["name"]}}
    if pool.get("gpu_count"):
        node["taints"] = [_GPU_TAINT]
    if pool.get("gpu_count") or "container_storage_gib" in pool:
        capacity = derived(
            given_or(pool.get("container_storage_gib"), CLUSTER.container_storage_gib), lambda size: f"{size}Gi"
        )
        volume = {"name": "containerd", "mountPath": "/var/lib/containerd", "capacity": capacity}
        overrides.append({"name": "volumes", "value": [volume]})
    overrides.append({"name": "node", "value": node})
    result: dict[str, Any] = {
        "class": worker_class,
        "name": pool["name"],
        "metadata": {"annotations": annotations, "labels": labels},
        "variables": {"overrides": overrides},
    }
    if "min_replicas" in pool:
        # The autoscaler owns the number of nodes: the platform refuses both.
        annotations[f"{_AUTOSCALER}-min-size"] = str(pool["min_replicas"])
        annotations[f"{_AUTOSCALER}-max-size"] = str(pool["max_replicas"])
        if pool["min_replicas"] == 0:
            annotations |= _capacity(pool, node)
    else:
        result["replicas"] = pool["replicas"]
    return result


def _capacity(pool: NodePoolArgs, node: dict[str, Any]) -> dict[str, str]:
    """Annotations that tell the autoscaler what a node would be like, of a pool that has none to look at."""
    size = cast(PoolCapacity, pool.get("capacity"))
    found = {
        "cpu": str(size["cpu_count"]),
        "memory": f"{size['memory_gib']}Gi",
        "labels": ",".join(f"{key}={value}" for key, value in node["labels"].items()),
        "taints": ",".join(f"{each['key']}={each['value']}:{each['effect']}" for each in node.get("taints", ())),
    }
    if gpu_count := pool.get("gpu_count"):
        found |= {"gpu-type": "nvidia.com/gpu", "gpu-count": str(gpu_count)}
    return {f"{_CAPACITY}/{key}": value for key, value in found.items() if value}
