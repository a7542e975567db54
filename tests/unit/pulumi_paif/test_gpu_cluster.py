from __future__ import annotations

import base64
from typing import Any

import pulumi
import pytest

from pulumi_paif._component import ComponentInputError
from pulumi_paif.gpu_cluster import GpuCluster, GpuClusterArgs
from tests.unit.pulumi_paif.harness import NAMESPACE, Declared, Registration, declare

_ARGS: GpuClusterArgs = {
    "name": "acme-dev-vks-gpu",
    "namespace": NAMESPACE,
    "storage_class": "pai-gold",
    "control_plane_class": "guaranteed-medium",
    "control_plane_replicas": 1,
    "pools": [
        {"name": "cpu", "vm_class": "best-effort-large", "replicas": 1},
        {"name": "gpu", "vm_class": "acme-dev-class-a100-40c", "gpu_count": 1, "replicas": 2},
    ],
    "labels": {"paif.dev/owner": "ai"},
}
_UBUNTU = {"run.tanzu.vmware.com/resolve-os-image": "os-name=ubuntu"}


_CLASS = ["spec.topology.class", "spec.topology.classNamespace"]
_VERSION = "spec.topology.version"


def _stored(release: str, cluster_class: str = "builtin-generic-v3.2.0") -> dict[str, Any]:
    """What the vcf provider says of a cluster that is there."""
    return {"vcf:index:getCluster": {"exists": True, "clusterClass": cluster_class, "release": release}}


def _declared(
    options: pulumi.ResourceOptions | None = None, answers: dict[str, Any] | None = None, **change: Any
) -> Declared:
    args: Any = {**_ARGS, **change}

    def build() -> dict[str, Any]:
        made = GpuCluster("gpu", args, options)
        return {"name": made.name, "kubeconfig": made.kubeconfig}

    return declare(build, answers)


def _left_alone(answers: dict[str, Any], version: str = "v1beta1", **change: Any) -> list[str]:
    """Which of its properties a cluster keeps as they are stored."""
    declared = _declared(answers=answers, api_version=version, **change)
    return list(declared.one(f"kubernetes:cluster.x-k8s.io/{version}:Cluster").request.ignoreChanges)


def _cluster(version: str = "v1beta1", **change: Any) -> dict[str, Any]:
    inputs = _declared(**change).one(f"kubernetes:cluster.x-k8s.io/{version}:Cluster").inputs
    spec: dict[str, Any] = inputs["spec"]
    return spec


def test_the_cluster_has_its_release_class_and_networks_from_the_catalog() -> None:
    declared = _declared()
    assert declared.types() == {
        "kubernetes:cluster.x-k8s.io/v1beta1:Cluster": 1,
        "vcf:index:Readiness": 1,
        "pulumi:providers:kubernetes": 1,
    }
    cluster = declared.one("kubernetes:cluster.x-k8s.io/v1beta1:Cluster")
    spec = cluster.inputs["spec"]
    assert spec["clusterNetwork"] == {
        "pods": {"cidrBlocks": ["192.168.156.0/20"]},
        "services": {"cidrBlocks": ["10.96.0.0/12"]},
        "serviceDomain": "cluster.local",
    }
    topology = spec["topology"]
    assert (topology["class"], topology["version"]) == ("builtin-generic-v3.2.0", "v1.32.0+vmware.6-fips-vkr.2")
    assert "classNamespace" not in topology
    assert topology["controlPlane"] == {"replicas": 1, "metadata": {"annotations": _UBUNTU}}
    assert topology["variables"] == [
        {"name": "vmClass", "value": "guaranteed-medium"},
        {"name": "storageClass", "value": "pai-gold"},
        {"name": "kubernetes", "value": {"certificateRotation": {"enabled": True, "renewalDaysBeforeExpiry": 90}}},
    ]
    # There is none yet that it could be compared with.
    assert list(cluster.request.ignoreChanges) == []


def test_gpu_nodes_are_ubuntu_tainted_and_have_room_for_images() -> None:
    cpu, gpu = _cluster()["topology"]["workers"]["machineDeployments"]
    assert gpu == {
        "class": "node-pool",
        "name": "gpu",
        "replicas": 2,
        "metadata": {"annotations": _UBUNTU, "labels": {"paif.dev/owner": "ai"}},
        "variables": {
            "overrides": [
                {"name": "vmClass", "value": "acme-dev-class-a100-40c"},
                {
                    "name": "volumes",
                    "value": [{"name": "containerd", "mountPath": "/var/lib/containerd", "capacity": "200Gi"}],
                },
                {
                    "name": "node",
                    "value": {
                        "labels": {"paif.dev/pool": "gpu"},
                        "taints": [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}],
                    },
                },
            ]
        },
    }
    overrides = cpu["variables"]["overrides"]
    assert overrides == [
        {"name": "vmClass", "value": "best-effort-large"},
        {"name": "node", "value": {"labels": {"paif.dev/pool": "cpu"}}},
    ]


def test_an_autoscaled_pool_has_a_range_and_no_number_of_its_own() -> None:
    pools = [_ARGS["pools"][0], {"name": "gpu", "vm_class": "g", "gpu_count": 1, "min_replicas": 1, "max_replicas": 4}]
    pool = _cluster(pools=pools)["topology"]["workers"]["machineDeployments"][1]
    assert "replicas" not in pool
    prefix = "cluster.x-k8s.io/cluster-api-autoscaler-node-group"
    assert pool["metadata"]["annotations"] == {**_UBUNTU, f"{prefix}-min-size": "1", f"{prefix}-max-size": "4"}


def test_an_empty_pool_tells_the_autoscaler_what_a_node_would_be_like() -> None:
    ranged = {"min_replicas": 0, "max_replicas": 4}
    size = {"cpu_count": 16, "memory_gib": 128}
    pools = [
        {"name": "cpu", "vm_class": "c", **ranged, "capacity": size},
        {"name": "gpu", "vm_class": "g", "gpu_count": 2, **ranged, "capacity": size},
    ]
    cpu, gpu = _cluster(pools=pools)["topology"]["workers"]["machineDeployments"]

    def capacity(pool: dict[str, Any]) -> dict[str, str]:
        prefix = "capacity.cluster-autoscaler.kubernetes.io/"
        annotations: dict[str, str] = pool["metadata"]["annotations"]
        return {key.removeprefix(prefix): value for key, value in annotations.items() if key.startswith(prefix)}

    assert capacity(gpu) == {
        "cpu": "16",
        "memory": "128Gi",
        "gpu-type": "nvidia.com/gpu",
        "gpu-count": "2",
        "labels": "paif.dev/pool=gpu",
        "taints": "nvidia.com/gpu=present:NoSchedule",
    }
    assert capacity(cpu) == {"cpu": "16", "memory": "128Gi", "labels": "paif.dev/pool=cpu"}
    some = [{**pools[0], "min_replicas": 1}]
    assert capacity(_cluster(pools=some)["topology"]["workers"]["machineDeployments"][0]) == {}


def test_the_autoscaler_is_said_to_be_an_add_on(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("pulumi.log.info", lambda text, *_: said.append(text))
    _declared()
    assert said == []
    _declared(pools=[{"name": "cpu", "vm_class": "c", "min_replicas": 1, "max_replicas": 4}])
    assert len(said) == 1
    assert "Cluster Autoscaler sizes cpu: an add-on" in said[0]


_STORED = "v1.32.0+vmware.6-fips"


@pytest.mark.parametrize("stored", [_STORED, f"{_STORED}-vkr.2"])
@pytest.mark.parametrize("release", ["v1.32", "v1.32.0", _STORED, f"{_STORED}-vkr.2", "v1.32.0---vmware.6-fips-vkr.2"])
def test_a_release_in_any_spelling_is_left_as_it_is_stored(release: str, stored: str) -> None:
    assert _VERSION in _left_alone(_stored(stored), release=release)


@pytest.mark.parametrize(
    ("stored", "release"),
    [
        (_STORED, "v1.32.10+vmware.1-fips"),
        (_STORED, "v1.32.0+vmware.7-fips"),
        (_STORED, "v1.32.0+vmware.6"),
        (f"{_STORED}-vkr.1", f"{_STORED}-vkr.2"),
    ],
)
def test_another_release_is_sent(stored: str, release: str) -> None:
    assert _VERSION not in _left_alone(_stored(stored), release=release)


@pytest.mark.parametrize(("version", "class_paths"), [("v1beta1", _CLASS), ("v1beta2", ["spec.topology.classRef"])])
def test_a_class_that_the_server_raised_is_left_alone_and_a_newer_one_is_sent(
    version: str, class_paths: list[str]
) -> None:
    raised = _stored(_STORED, "builtin-generic-v3.3.0")
    assert _left_alone(raised, version) == [_VERSION, *class_paths]
    assert _left_alone(raised, version, cluster_class="builtin-generic-v3.4.0") == [_VERSION]


def test_class_and_release_go_in_one_request() -> None:
    later = {"cluster_class": "builtin-generic-v3.4.0", "release": "v1.33.6+vmware.1-fips", "os_version": "24.04"}
    assert _left_alone(_stored(_STORED), **later) == []
    topology = _cluster(**later)["topology"]
    chosen = {"run.tanzu.vmware.com/resolve-os-image": "os-name=ubuntu,os-version=24.04"}
    assert topology["controlPlane"]["metadata"]["annotations"] == chosen


def test_a_class_that_was_left_behind_is_refused_in_words_where_somebody_asks_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    monkeypatch.setattr("pulumi.log.warn", lambda text, *_: said.append(text))
    raised = _stored(_STORED, "builtin-generic-v3.3.0")
    # The catalog's class, which nobody has chosen.
    assert _left_alone(raised) == [_VERSION, *_CLASS]
    assert said == []
    assert _left_alone(raised, cluster_class="builtin-generic-v3.2.0") == [_VERSION, *_CLASS]
    assert len(said) == 1
    assert "has ClusterClass builtin-generic-v3.3.0" in said[0]


def test_a_release_that_the_raised_class_does_not_take_is_refused() -> None:
    with pytest.raises(ComponentInputError, match=r"builtin-generic-v3\.7\.0 takes Kubernetes 1\.33"):
        _declared(answers=_stored("v1.33.6+vmware.1-fips", "builtin-generic-v3.7.0"))


def test_a_cluster_that_cannot_be_looked_up_keeps_its_class() -> None:
    unknown = pulumi.Output.from_input("ns")
    assert _left_alone(_stored(_STORED), namespace=unknown) == _CLASS
    assert _left_alone(_stored(_STORED), namespace=unknown, namespace_name="ns") == [_VERSION, *_CLASS]


def test_a_class_of_the_central_namespace_says_so_in_either_api() -> None:
    central = {"cluster_class": "builtin-generic-v3.4.0"}
    assert _cluster(**central)["topology"]["classNamespace"] == "vmware-system-vks-public"
    topology = _cluster("v1beta2", api_version="v1beta2", **central)["topology"]
    assert topology["classRef"] == {"name": "builtin-generic-v3.4.0", "namespace": "vmware-system-vks-public"}
    assert "class" not in topology


def test_a_trusted_authority_is_base64_twice_as_vks_wants_it() -> None:
    declared = _declared(ca_bundle="PEM")
    secret = declared.one("kubernetes:core/v1:Secret")
    # Kubernetes encodes stringData once more.
    assert secret.inputs["stringData"] == {"ca": base64.b64encode(b"PEM").decode()}
    variables = declared.one("kubernetes:cluster.x-k8s.io/v1beta1:Cluster").inputs["spec"]["topology"]["variables"]
    assert variables[-1]["value"]["trust"]["additionalTrustedCAs"] == [
        {"caCert": {"secretRef": {"name": secret.inputs["metadata"]["name"], "key": "ca"}}}
    ]


def test_another_authority_is_another_secret_that_a_protected_cluster_can_change_to() -> None:
    def trust(pem: str) -> Registration:
        return _declared(pulumi.ResourceOptions(protect=True, retain_on_delete=True), ca_bundle=pem).one(
            "kubernetes:core/v1:Secret"
        )

    first, second = trust("PEM"), trust("another PEM")
    assert first.inputs["metadata"]["name"] == "acme-dev-vks-gpu-user-trusted-ca-secret-384fb9a4"
    assert second.inputs["metadata"]["name"] == "acme-dev-vks-gpu-user-trusted-ca-secret-a780ea2c"
    # One resource whose name changes is made anew before the cluster changes, and its old object goes afterwards.
    assert first.name == second.name
    assert not first.request.deleteBeforeReplace
    assert not first.request.protect
    assert first.request.retainOnDelete


def test_the_kubeconfig_is_waited_for_and_stays_secret() -> None:
    declared = _declared()
    [args] = [args for token, args in declared.calls if token == "vcf:index:getSecret"]
    assert args == {
        "namespace": NAMESPACE,
        "name": "acme-dev-vks-gpu-kubeconfig",
        "key": "value",
        "timeoutSeconds": 900,
    }
    assert declared.secret_outputs == {"kubeconfig"}
    assert declared.outputs["name"] == "acme-dev-vks-gpu"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"name": "x" * 43}, "name"),
        ({"name": "1-gpu"}, "name"),
        ({"control_plane_replicas": 2}, "control_plane_replicas"),
        ({"control_plane_replicas": 5}, "control_plane_replicas"),
        ({"cluster_class": "builtin-generic-v3.1.0"}, "cluster_class"),
        ({"release": "1.32"}, "release"),
        ({"release": "v1.33.6+vmware.1", "cluster_class": "builtin-generic-v3.4.0"}, "os_version"),
        ({"os_version": "20.04"}, "os_version"),
        (
            {"pools": [{"name": "c", "vm_class": "c", "min_replicas": 0, "max_replicas": 2}]},
            "pools[0].capacity",
        ),
        ({"cluster_class": "builtin-generic-v9"}, "cluster_class"),
        ({"release": "v1.34.1+vmware.1"}, "release"),
        ({"pools": [{"name": "g", "vm_class": "c", "gpu_count": 1, "replicas": 1}]}, "pools"),
        ({"pools": [{"name": "c", "vm_class": "c", "gpu": False}]}, "pools[0].replicas"),
        ({"pools": [{"name": "C", "vm_class": "c", "replicas": 1}]}, "pools[0].name"),
    ],
)
def test_a_wrong_argument_is_named_by_its_path(change: dict[str, Any], path: str) -> None:
    with pytest.raises(ComponentInputError) as raised:
        GpuCluster("gpu", {**_ARGS, **change})  # type: ignore[typeddict-item]
    assert [error["property_path"] for error in raised.value.errors or []] == [path]


def test_it_is_ready_when_every_node_of_its_release_is_there() -> None:
    ready = _declared().one("vcf:index:Readiness")
    (cluster,) = ready.inputs["objects"]
    nodes = cluster["nodes"]
    assert nodes["secretName"] == "acme-dev-vks-gpu-kubeconfig"
    assert nodes["release"] == "v1.32.0+vmware.6-fips"
    assert nodes["controlPlane"] == 1
    assert nodes["pools"] == [
        {"name": "cpu", "label": "paif.dev/pool=cpu", "minimum": 1, "maximum": 1},
        {"name": "gpu", "label": "paif.dev/pool=gpu", "minimum": 2, "maximum": 2},
    ]


def test_of_a_pool_that_the_autoscaler_owns_any_number_within_its_limits_is_ready() -> None:
    pool = {"name": "cpu", "vm_class": "best-effort-large", "min_replicas": 1, "max_replicas": 4}
    (cluster,) = _declared(pools=[pool]).one("vcf:index:Readiness").inputs["objects"]
    assert [(each["minimum"], each["maximum"]) for each in cluster["nodes"]["pools"]] == [(1, 4)]
