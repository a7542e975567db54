"""What the simulated GPU Operator makes of a ClusterPolicy."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from lab.operators.container_registry import pull_secret_problem
from lab.operators.resources import Object, Resource
from lab.simulated.gpu_operator import controller
from lab.simulated.gpu_operator.controller import (
    OPERANDS,
    WAITING,
    WAITING_MESSAGE,
    Blocked,
    daemon_set,
    driver_block,
    node_labels,
    reconcile,
    token_problem,
)
from lab.simulated.vks.vm_classes import Gpu

VGPU = [Gpu(profile="grid_a100-40c")]
DIRECT = [Gpu(device="10de:26b9")]
UBUNTU = ["Ubuntu 22.04.5 LTS"]
KEY = "not-a-real-key-9d2c"


def _login(registry: str = "nvcr.io", password: str = KEY) -> Object:
    text = json.dumps({"auths": {registry: {"username": "$oauthtoken", "password": password}}})
    data = {".dockerconfigjson": base64.b64encode(text.encode()).decode()}
    return {"type": "kubernetes.io/dockerconfigjson", "data": data}


GOOD: dict[str, Object] = {
    "ngc": _login(),
    "license": {"data": {"client_configuration_token.tok": "token", "gridd.conf": "FeatureType=1"}},
}


def _policy(**driver: Any) -> Object:
    vgpu = {
        "enabled": True,
        "repository": "nvcr.io/nvidia/vgpu",
        "image": "vgpu-guest-driver-5",
        "version": "550.127.05",
        "imagePullSecrets": ["ngc"],
        "licensingConfig": {"configMapName": "license", "nlsEnabled": True},
    }
    return {"metadata": {"name": "cluster-policy", "uid": "u"}, "spec": {"driver": vgpu | driver}}


def _block(
    policy: Object, gpus: list[Gpu], systems: list[str] | None = None, objects: dict[str, Object] | None = None
) -> Blocked | None:
    there = GOOD if objects is None else objects

    def read(_: Resource, name: str) -> Object | None:
        return there.get(name)

    return driver_block(policy, gpus, systems or UBUNTU, read)


@pytest.fixture(autouse=True)
def _no_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PAIF_LAB_FAULTS", raising=False)


def test_licensed_vgpu_driver_starts() -> None:
    assert _block(_policy(), VGPU) is None


def test_directpath_needs_neither_license_nor_pull_secret() -> None:
    policy = _policy(repository="nvcr.io/nvidia", image="driver", imagePullSecrets=[], licensingConfig={})
    assert _block(policy, DIRECT, objects={}) is None


@pytest.mark.parametrize(
    ("driver", "objects", "reason", "said"),
    [
        ({"licensingConfig": {"configMapName": ""}}, GOOD, "Unlicensed", "configMapName is empty"),
        ({}, {"ngc": _login()}, "Unlicensed", "ConfigMap license does not exist"),
        ({"imagePullSecrets": []}, GOOD, "ImagePullBackOff", "needs a login"),
        ({}, {"license": GOOD["license"]}, "ImagePullBackOff", "Secret ngc does not exist"),
        ({"enabled": False}, GOOD, "DriverDisabled", "driver.enabled is false"),
    ],
)
def test_vgpu_driver_waits(driver: dict[str, Any], objects: dict[str, Object], reason: str, said: str) -> None:
    blocked = _block(_policy(**driver), VGPU, objects=objects)
    assert blocked is not None
    assert blocked.reason == reason
    assert said in blocked.message


def test_no_driver_image_fits_photon() -> None:
    blocked = _block(_policy(), VGPU, ["VMware Photon OS/Linux"])
    assert blocked is not None
    assert "os-name=ubuntu" in blocked.message


def test_license_server_that_is_down_leaves_vgpus_unlicensed_and_directpath_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(controller, "fault", lambda name: {} if name == "license-server-down" else None)
    blocked = _block(_policy(), VGPU)
    assert blocked is not None
    assert blocked.reason == "Unlicensed"
    assert _block(_policy(), DIRECT) is None


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "has no client_configuration_token.tok"),
        ({"client_configuration_token.tok": " \n"}, "has no client_configuration_token.tok"),
        ({"client_configuration_token.tok": "abc\r\n"}, "CRLF"),
        ({"client_configuration_token.tok": "abc", "gridd.conf": "FeatureType=1\r\n"}, "gridd.conf"),
        ({"client_configuration_token.tok": "abc\n", "gridd.conf": ""}, ""),
    ],
)
def test_license_token_must_be_there_without_windows_line_ends(data: dict[str, str], said: str) -> None:
    problem = token_problem({"data": data}, "license")
    assert said in problem
    assert bool(problem) == bool(said)
    assert "abc" not in problem


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        (None, "does not exist"),
        ({"type": "Opaque", "data": {}}, "is of type Opaque"),
        ({"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "!!"}}, "no valid"),
        (_login("registry.test"), "has no login for nvcr.io; it has registry.test"),
        (_login(password=""), "empty user name or password"),
        (_login("https://nvcr.io/v2/"), ""),
    ],
)
def test_pull_secret_must_log_in_to_the_registry(secret: Object | None, said: str) -> None:
    problem = pull_secret_problem(secret, "ngc", "nvcr.io")
    assert said in problem
    assert bool(problem) == bool(said)


def test_what_a_secret_holds_is_never_told() -> None:
    said = pull_secret_problem(_login("registry.test"), "ngc", "nvcr.io")
    text = json.dumps({"auths": {"nvcr.io": {"auth": base64.b64encode(b"\xff" + KEY.encode()).decode()}}})
    broken = _login() | {"data": {".dockerconfigjson": base64.b64encode(text.encode()).decode()}}
    said += pull_secret_problem(broken, "ngc", "nvcr.io")
    assert KEY not in said


def test_blocked_driver_shows_its_reason_on_its_pods() -> None:
    made = daemon_set(OPERANDS[0], _policy(), "gpu-operator", Blocked("ImagePullBackOff", "why"))
    assert made["spec"]["template"]["metadata"]["annotations"] == {
        WAITING: "ImagePullBackOff",
        WAITING_MESSAGE: "why",
    }


def test_only_the_driver_is_never_replaced_by_itself() -> None:
    strategies = {
        operand.key: daemon_set(operand, _policy(), "n", None)["spec"]["updateStrategy"]["type"] for operand in OPERANDS
    }
    assert [key for key, strategy in strategies.items() if strategy == "OnDelete"] == ["driver"]


@pytest.mark.parametrize(
    ("gpus", "product", "memory"), [(VGPU, "GRID-A100-40C", "40960"), (DIRECT * 2, "NVIDIA-L40S", "46068")]
)
def test_feature_discovery_names_product_memory_and_count(gpus: list[Gpu], product: str, memory: str) -> None:
    labels = node_labels(gpus, discovered=True)
    assert labels["nvidia.com/gpu.product"] == product
    assert labels["nvidia.com/gpu.memory"] == memory
    assert labels["nvidia.com/gpu.count"] == str(len(gpus))
    assert ("nvidia.com/vgpu.present" in labels) == bool(gpus[0].profile)


class _Guest:
    """An API server that holds one GPU node, the operator, and what is made."""

    def __init__(self) -> None:
        self.node: Object = {
            "metadata": {
                "name": "n",
                "labels": {},
                "annotations": {"lab.paif.dev/devices": json.dumps([{"profile": "grid_a100-40c", "device": ""}])},
            },
            "status": {"allocatable": {}, "nodeInfo": {"osImage": UBUNTU[0]}},
        }
        self.policy: Object | None = _policy()
        self.objects = dict(GOOD)
        self.sets: dict[str, Object] = {}
        self.state: Object = {}

    def list(self, resource: Resource, *_: Any, **__: Any) -> list[Object]:
        if resource.kind == "Node":
            return [self.node]
        if resource.kind == "Deployment":
            return [{"metadata": {"namespace": "gpu-operator"}, "status": {"availableReplicas": 1}}]
        if resource.kind == "DaemonSet":
            nfd: Object = {
                "metadata": {"name": "nfd", "annotations": {}},
                "spec": {"selector": {"matchLabels": {"role": "nfd-worker"}}},
                "status": {"numberReady": 1},
            }
            return [nfd, *self.sets.values()]
        return []

    def get(self, resource: Resource, name: str, *_: Any) -> Object | None:
        return self.policy if resource.kind == "ClusterPolicy" else self.objects.get(name)

    def apply(self, _: Resource, body: Object) -> Object:
        name, waits = body["metadata"]["name"], body["spec"]["template"]["metadata"]["annotations"]
        body["metadata"]["generation"] = 1
        body["status"] = {"observedGeneration": 1, "numberReady": 0 if waits else 1}
        self.sets[name] = body
        return body

    def merge(self, _: Resource, __: str, ___: str | None, body: Object) -> None:
        for key, value in body["metadata"]["labels"].items():
            if value is None:
                del self.node["metadata"]["labels"][key]
            else:
                self.node["metadata"]["labels"][key] = value

    def request(self, _: str, __: str, *, body: Object, **___: Any) -> None:
        self.node["status"]["allocatable"] = body["status"]["allocatable"]

    def status(self, _: Resource, __: Object, status: Object) -> None:
        self.state = status

    def event(self, *_: Any, **__: Any) -> None:
        pass

    @property
    def allocatable(self) -> Any:
        return self.node["status"]["allocatable"].get("nvidia.com/gpu")


def _with_dates(guest: _Guest) -> _Guest:
    assert guest.policy is not None
    guest.policy["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    return guest


def _looked_at_once() -> _Guest:
    guest = _with_dates(_Guest())
    assert not reconcile(guest)  # type: ignore[arg-type]
    assert guest.policy is not None
    guest.policy["status"] = guest.state
    return guest


def test_it_says_ready_before_it_did_anything_as_the_real_one_does() -> None:
    guest = _looked_at_once()
    assert guest.state["state"] == "ready"
    assert guest.allocatable is None


def test_node_announces_its_gpus_once_the_driver_runs() -> None:
    guest = _looked_at_once()
    assert reconcile(guest)  # type: ignore[arg-type]
    assert guest.state["state"] == "ready"
    assert guest.allocatable == "1"


def test_unlicensed_node_announces_no_gpu_and_the_policy_says_why() -> None:
    guest = _looked_at_once()
    del guest.objects["license"]
    assert not reconcile(guest)  # type: ignore[arg-type]
    assert guest.state["state"] == "notReady"
    assert "license" in guest.state["conditions"][1]["message"]
    assert guest.allocatable is None


def test_gpus_and_labels_go_with_the_policy() -> None:
    guest = _with_dates(_Guest())
    reconcile(guest)  # type: ignore[arg-type]
    guest.policy = None
    reconcile(guest)  # type: ignore[arg-type]
    assert guest.allocatable is None
    assert not any(key.startswith("nvidia.com/gpu") for key in guest.node["metadata"]["labels"])


def test_cluster_without_gpu_nodes_is_ready_and_says_so() -> None:
    guest = _with_dates(_Guest())
    guest.node["metadata"]["annotations"] = {}
    reconcile(guest)  # type: ignore[arg-type]
    assert guest.state["state"] == "ready"
    assert guest.state["conditions"][0]["reason"] == "NoGPUNodes"
