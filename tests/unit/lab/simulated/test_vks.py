"""What the simulated VKS makes of a Cluster."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

import paif_catalog as catalog
from lab.simulated.vks.admission import SKIP_REBASE, normalize, rejections
from lab.simulated.vks.knowledge import KNOWLEDGE
from lab.simulated.vks.kwok import kwok_stages
from lab.simulated.vks.nodes import Step, next_step, node_object
from lab.simulated.vks.offered import release_from
from lab.simulated.vks.releases import RELEASE_LABEL, OsImage, Release
from lab.simulated.vks.topology import MIN_SIZE, Surroundings, pod_security, pools, problems
from lab.simulated.vks.vm_classes import DEVICES, Gpu, VmClass, memory_mib, vm_class_of

UBUNTU = "run.tanzu.vmware.com/resolve-os-image"
RELEASE = Release("v1.32.0+vmware.6-fips-vkr.2", (OsImage("photon", "5.0", "kr"), OsImage("ubuntu", "22.04", "kr")))
AROUND = Surroundings(
    {
        "cpu": VmClass("cpu", 2, 8192),
        "gpu": VmClass("gpu", 8, 65536, (Gpu(profile="grid_a100-40c"),)),
    },
    frozenset({"gold"}),
    (RELEASE,),
)


def _cluster(**topology_changes: Any) -> dict[str, Any]:
    pool = {
        "class": "node-pool",
        "name": "gpu",
        "replicas": 2,
        "metadata": {"annotations": {UBUNTU: "os-name=ubuntu"}},
        "variables": {"overrides": [{"name": "vmClass", "value": "gpu"}]},
    }
    spec = {
        "clusterNetwork": {
            "pods": {"cidrBlocks": ["192.168.156.0/20"]},
            "services": {"cidrBlocks": ["10.96.0.0/12"]},
        },
        "topology": {
            "class": "builtin-generic-v3.2.0",
            "version": "v1.32.0+vmware.6-fips",
            "controlPlane": {"replicas": 1, "metadata": {"annotations": {UBUNTU: "os-name=ubuntu"}}},
            "variables": [{"name": "vmClass", "value": "cpu"}, {"name": "storageClass", "value": "gold"}],
            "workers": {"machineDeployments": [pool]},
        }
        | topology_changes,
    }
    return {"metadata": {"name": "c", "namespace": "n", "uid": "u"}, "spec": spec}


def _variables(cluster: dict[str, Any]) -> dict[str, Any]:
    return {each["name"]: each["value"] for each in cluster["spec"]["topology"]["variables"]}


OTHER_BUILD = Release("v1.32.0+vmware.6-fips-vkr.10", RELEASE.images)


@pytest.mark.parametrize(
    "version",
    [
        "v1.32.0+vmware.6-fips",
        "v1.32.0---vmware.6-fips",
        "v1.32.0---vmware.6-fips-vkr.2",
        "v1.32.0+vmware.6-fips-vkr.2",
    ],
)
def test_release_is_stored_short_and_named_by_a_label_however_it_was_written(version: str) -> None:
    stored = normalize(_cluster(version=version), None, [RELEASE])
    assert stored["spec"]["topology"]["version"] == "v1.32.0+vmware.6-fips"
    assert stored["metadata"]["labels"] == {"run.tanzu.vmware.com/tkr": "v1.32.0---vmware.6-fips-vkr.2"}


def test_unknown_release_is_stored_as_it_is() -> None:
    stored = normalize(_cluster(version="v1.40.0"), None, [RELEASE])
    assert stored["spec"]["topology"]["version"] == "v1.40.0"


def _build(stored: dict[str, Any]) -> str:
    return str(stored["metadata"]["labels"][RELEASE_LABEL]).partition("-vkr.")[2]


def test_a_short_release_is_its_newest_build_and_stays_the_one_it_was() -> None:
    both = [RELEASE, OTHER_BUILD]
    assert _build(normalize(_cluster(), None, both)) == "10"
    before = normalize(_cluster(version=RELEASE.version), None, both)
    assert _build(normalize(_cluster(), before, both)) == "2"
    assert _build(normalize(_cluster(version=OTHER_BUILD.version), before, both)) == "10"
    # Stored once more by somebody who changes something else.
    assert normalize(before, before, both) == before


def test_a_build_is_never_lowered() -> None:
    both = [RELEASE, OTHER_BUILD]
    before = normalize(_cluster(version=OTHER_BUILD.version), None, both)
    lower = normalize(_cluster(version=RELEASE.version), before, both)
    [said] = rejections(lower, before, both)
    assert "version cannot be decreased from v1.32.0+vmware.6-fips-vkr.10 to v1.32.0+vmware.6-fips-vkr.2" in said


def test_normalizing_twice_changes_nothing_more() -> None:
    once = normalize(_cluster(), None, [RELEASE])
    assert normalize(once, once, [RELEASE]) == once


def _class(cluster: dict[str, Any]) -> str:
    return str(cluster["spec"]["topology"]["class"])


@pytest.mark.parametrize(
    ("asked", "raised"),
    [
        ("builtin-generic-v3.2.0", "builtin-generic-v3.3.0"),
        # Of its own kind: with the same variables, in the same namespace.
        ("builtin-generic-v3.1.0", "builtin-generic-v3.1.0"),
        ("builtin-generic-v3.4.0", "builtin-generic-v3.6.0"),
        ("another-class", "another-class"),
    ],
)
def test_a_new_cluster_gets_the_newest_class_that_takes_its_release(asked: str, raised: str) -> None:
    cluster = _cluster(**{"class": asked})
    cluster["metadata"]["annotations"] = {SKIP_REBASE: ""}
    assert _class(normalize(cluster, None, [RELEASE])) == raised


@pytest.mark.parametrize(
    ("annotations", "stored_class"),
    [({}, "builtin-generic-v3.3.0"), ({SKIP_REBASE: "true"}, "builtin-generic-v3.2.0")],
)
def test_version_bump_moves_the_class_unless_told_not_to(annotations: dict[str, str], stored_class: str) -> None:
    old_release = Release("v1.31.4+vmware.1-fips-vkr.1", RELEASE.images)
    old = _cluster(version=old_release.version)
    new = _cluster()
    new["metadata"]["annotations"] = annotations
    stored = normalize(new, old, [old_release, RELEASE])
    assert _class(stored) == stored_class


def test_a_class_is_never_lowered_and_can_be_raised() -> None:
    old = normalize(_cluster(), None, [RELEASE])
    assert _class(old) == "builtin-generic-v3.3.0"
    assert _class(normalize(_cluster(), old, [RELEASE])) == "builtin-generic-v3.3.0"
    central = {"class": "builtin-generic-v3.6.0", "classNamespace": "vmware-system-vks-public"}
    later = normalize(_cluster(), _cluster(**central), [RELEASE])
    assert central.items() <= later["spec"]["topology"].items()
    old["spec"]["topology"]["class"] = "builtin-generic-v3.2.0"
    asked = _cluster(**{"class": "builtin-generic-v3.3.0"})
    assert _class(normalize(asked, old, [RELEASE])) == "builtin-generic-v3.3.0"


def test_the_classes_of_the_platform_are_there_and_an_older_one() -> None:
    assert KNOWLEDGE.classes.keys() - catalog.baseline().cluster_classes.classes == {"builtin-generic-v3.1.0"}


def _refused(cluster: dict[str, Any], *releases: Release) -> list[str]:
    return rejections(cluster, None, releases or (RELEASE,))


def test_good_cluster_is_neither_rejected_nor_a_problem() -> None:
    assert _refused(_cluster()) == []
    assert problems(_cluster(), AROUND) == []


def _without_services(cluster: dict[str, Any]) -> None:
    del cluster["spec"]["clusterNetwork"]["services"]


def _overlapping(cluster: dict[str, Any]) -> None:
    cluster["spec"]["clusterNetwork"]["pods"]["cidrBlocks"] = ["10.100.0.0/16"]


def _five_machines(cluster: dict[str, Any]) -> None:
    cluster["spec"]["topology"]["controlPlane"]["replicas"] = 5


def _no_topology(cluster: dict[str, Any]) -> None:
    del cluster["spec"]["topology"]


def _unknown_release(cluster: dict[str, Any]) -> None:
    cluster["spec"]["topology"]["version"] = "v1.32.5+vmware.1"


def _unknown_image(cluster: dict[str, Any]) -> None:
    cluster["spec"]["topology"]["controlPlane"]["metadata"]["annotations"][UBUNTU] = "os-name=ubuntu,os-version=24.04"


def _old_class(cluster: dict[str, Any]) -> None:
    cluster["spec"]["topology"]["class"] = "builtin-generic-v3.7.0"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_without_services, "spec.clusterNetwork.services.cidrBlocks: Required"),
        (_overlapping, "overlap"),
        (_five_machines, "expected 1 or 3"),
        (_no_topology, "spec.topology: Required"),
        (_unknown_release, "no KubernetesRelease matches; the content libraries hold v1.32.0+vmware.6-fips-vkr.2"),
        (_unknown_image, "could not resolve the OS image of control plane: no OS image"),
        (_old_class, "outside the window 1.33 to 1.36 of ClusterClass builtin-generic-v3.7.0"),
    ],
)
def test_admission_refuses(change: Any, expected: str) -> None:
    cluster = _cluster()
    change(cluster)
    (said,) = _refused(cluster)
    assert expected in said


def test_ubuntu_alone_is_ambiguous_once_a_release_has_two() -> None:
    both = Release(RELEASE.version, (*RELEASE.images, OsImage("ubuntu", "24.04", "kr")))
    said = _refused(_cluster(), both)
    assert len(said) == 2
    assert all("2 OS images" in each and "select one of them" in each for each in said)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"class": "builtin-generic-v9.9.9"}, "does not exist in the namespace"),
        ({"version": "v1.33.1+vmware.1"}, "no KubernetesRelease matches"),
        (
            {"variables": [{"name": "vmClass", "value": "huge"}, {"name": "storageClass", "value": "gold"}]},
            "control plane: VM class huge is not available in the namespace; there are cpu, gpu",
        ),
        (
            {"variables": [{"name": "vmClass", "value": "cpu"}, {"name": "storageClass", "value": "lead"}]},
            "storage class lead is not available in the namespace; there are gold",
        ),
        (
            {"controlPlane": {"metadata": {"annotations": {UBUNTU: "os-name=ubuntu,os-version=24.04"}}}},
            "no OS image of v1.32.0+vmware.6-fips-vkr.2 matches",
        ),
        ({"controlPlane": {"metadata": {"annotations": {UBUNTU: "os=ubuntu"}}}}, "unknown keys os"),
    ],
)
def test_topology_is_not_reconciled(changes: dict[str, Any], expected: str) -> None:
    assert any(expected in said for said in problems(_cluster(**changes), AROUND))


def test_selector_that_matches_two_libraries_is_a_problem_until_one_is_named() -> None:
    twice = Release(RELEASE.version, (*RELEASE.images, OsImage("ubuntu", "22.04", "other")))
    around = Surroundings(AROUND.vm_classes, AROUND.storage_classes, (twice,))
    assert any("2 OS images" in said for said in problems(_cluster(), around))
    named = _cluster()
    for part in (
        named["spec"]["topology"]["controlPlane"],
        named["spec"]["topology"]["workers"]["machineDeployments"][0],
    ):
        part["metadata"]["annotations"][UBUNTU] = "os-name=ubuntu,content-library=other"
    assert problems(named, around) == []


def test_os_is_photon_unless_selected() -> None:
    cluster = _cluster()
    del cluster["spec"]["topology"]["controlPlane"]["metadata"]
    control_plane, gpu = pools(cluster, AROUND)
    assert (control_plane.system, gpu.system) == ("photon-5.0", "ubuntu-22.04")


def test_another_version_of_ubuntu_replaces_nodes() -> None:
    two = Release(RELEASE.version, (*RELEASE.images, OsImage("ubuntu", "24.04", "kr")))
    around = Surroundings(AROUND.vm_classes, AROUND.storage_classes, (two,))

    def templates(version: str) -> list[tuple[str, str]]:
        cluster = _cluster()
        topology_ = cluster["spec"]["topology"]
        for part in (topology_["controlPlane"], topology_["workers"]["machineDeployments"][0]):
            part["metadata"]["annotations"][UBUNTU] = f"os-name=ubuntu,os-version={version}"
        return [(pool.system, pool.template) for pool in pools(cluster, around)]

    before, after = templates("22.04"), templates("24.04")
    assert {system for system, _ in after} == {"ubuntu-24.04"}
    assert not set(before) & set(after)


def test_pool_without_replicas_has_the_autoscalers_minimum() -> None:
    cluster = _cluster()
    pool = cluster["spec"]["topology"]["workers"]["machineDeployments"][0]
    del pool["replicas"]
    pool["metadata"]["annotations"][MIN_SIZE] = "3"
    assert pools(cluster, AROUND)[1].replicas == 3


def _templates(cluster: dict[str, Any]) -> list[str]:
    return [pool.template for pool in pools(cluster, AROUND)]


def test_number_of_nodes_and_labels_of_a_pool_replace_no_node() -> None:
    changed = _cluster()
    pool = changed["spec"]["topology"]["workers"]["machineDeployments"][0]
    pool["replicas"] = 5
    pool["metadata"]["labels"] = {"node-role.kubernetes.io/gpu": ""}
    assert _templates(changed) == _templates(_cluster())


def test_other_vm_class_replaces_the_nodes_of_its_pool_only() -> None:
    changed = _cluster()
    pool = changed["spec"]["topology"]["workers"]["machineDeployments"][0]
    pool["variables"]["overrides"][0]["value"] = "cpu"
    before, after = _templates(_cluster()), _templates(changed)
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False]


def test_only_labels_of_node_domains_reach_the_nodes() -> None:
    cluster = _cluster()
    pool = cluster["spec"]["topology"]["workers"]["machineDeployments"][0]
    pool["metadata"]["labels"] = {"node-role.kubernetes.io/gpu": "", "team": "a", "x.node.cluster.x-k8s.io/y": "1"}
    made = pools(cluster, AROUND)[1]
    assert set(made.labels) == {"node-role.kubernetes.io/gpu", "x.node.cluster.x-k8s.io/y"}


def test_node_registers_without_gpus_and_with_what_its_system_says() -> None:
    pool = pools(_cluster(), AROUND)[1]
    vm = {"ip": "10.0.0.1", "bios_uuid": "b", "instance_uuid": "i-1"}
    node = node_object(pool, "node", vm)
    assert node["status"]["capacity"] == {
        "cpu": "8",
        "memory": "67108864Ki",
        "ephemeral-storage": "100Gi",
        "pods": "110",
    }
    info = node["status"]["nodeInfo"]
    assert (info["osImage"], info["kubeletVersion"]) == ("Ubuntu 22.04.5 LTS", "v1.32.0+vmware.6-fips")
    assert "profile" in node["metadata"]["annotations"][DEVICES]


@pytest.mark.parametrize(
    ("existing", "ready", "surge", "expected"),
    [
        ([], [], 1, Step(create=("a", "b"))),
        (["a", "b", "c"], ["a", "b", "c"], 1, Step(remove=("c",))),
        (["a", "b", "c"], ["b", "c"], 1, Step()),
        (["x", "y"], ["x", "y"], 1, Step(create=("a",))),
        (["x", "y", "a"], ["x", "y"], 1, Step()),
        (["x", "y", "a"], ["x", "y", "a"], 1, Step(remove=("x",))),
        (["x", "y"], ["x", "y"], 0, Step(remove=("x",))),
        (["y"], ["y"], 0, Step(create=("a",))),
        (["a", "b"], ["a", "b"], 1, Step()),
    ],
)
def test_nodes_are_replaced_one_by_one(existing: list[str], ready: list[str], surge: int, expected: Step) -> None:
    assert next_step(["a", "b"], existing, ready, surge) == expected


def test_pod_security_is_restricted_unless_deactivated() -> None:
    def enforced(kubernetes: dict[str, Any]) -> str:
        cluster = _cluster()
        cluster["spec"]["topology"]["variables"].append({"name": "kubernetes", "value": kubernetes})
        plugin = yaml.safe_load(pod_security(cluster))["plugins"][0]
        return str(plugin["configuration"]["defaults"]["enforce"])

    assert enforced({}) == "restricted"
    assert enforced({"security": {"podSecurityStandard": {"enforce": "baseline"}}}) == "baseline"
    assert enforced({"security": {"podSecurityStandard": {"deactivated": True}}}) == "privileged"


def test_kubelets_that_cannot_pull_start_no_pod() -> None:
    stages = {stage["metadata"]["name"]: stage for stage in yaml.safe_load_all(kwok_stages(pulls=False))}
    assert "pod-running" not in stages
    keys = [rule["key"] for rule in stages["pod-waiting"]["spec"]["selector"]["matchExpressions"]]
    assert not any("annotations" in key for key in keys)


def test_vm_class_is_read_with_its_devices() -> None:
    devices = {
        "vgpuDevices": [{"profileName": "grid_a100-40c"}],
        "dynamicDirectPathIODevices": [{"vendorID": 0x10DE, "deviceID": 0x26B9}],
    }
    item = {
        "metadata": {"name": "x"},
        "spec": {"hardware": {"cpus": 8, "memory": "64Gi", "devices": devices}},
    }
    gpus = (Gpu(profile="grid_a100-40c"), Gpu(device="10de:26b9"))
    assert vm_class_of(item) == VmClass("x", 8, 65536, gpus)


@pytest.mark.parametrize(("quantity", "mib"), [("16Gi", 16384), ("512Mi", 512), ("2Ti", 2097152), ("1048576", 1)])
def test_memory_is_read_in_mib(quantity: str, mib: int) -> None:
    assert memory_mib(quantity) == mib


def test_the_object_given_is_never_changed() -> None:
    cluster = _cluster()
    before = copy.deepcopy(cluster)
    normalize(cluster, None, [RELEASE])
    pools(cluster, AROUND)
    assert cluster == before


def test_a_release_has_the_images_that_have_come() -> None:
    item = {"spec": {"version": RELEASE.version, "osImages": [{"name": "vmi-1"}, {"name": "vmi-2"}]}}
    labels = {"vmi-2": {"os-name": "ubuntu", "os-version": "22.04", "content-library": "cl-1"}}
    assert release_from(item, labels) == Release(RELEASE.version, (OsImage("ubuntu", "22.04", "cl-1"),))
