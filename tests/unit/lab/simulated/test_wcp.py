"""How the simulated Supervisor shows what vCenter wants."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from lab.operators.kubernetes_api import Api, ApiError
from lab.operators.resources import (
    MODEL_ENDPOINT,
    NAMESPACE,
    POSTGRES_CLUSTER,
    VIRTUAL_MACHINE,
    VIRTUAL_MACHINE_CLASS,
    Object,
    Resource,
)
from lab.simulated.wcp.desired import Wanted, content, image_name, quota, role_binding, vm_class
from lab.simulated.wcp.operator import Wcp
from lab.simulated.wcp.vks_content import cluster_classes, releases

STATE: Object = {
    "revision": 3,
    "supervisor": {"id": "sup-1", "name": "pai-supervisor"},
    "vm_classes": [
        {"id": "cpu", "cpu_count": 4, "memory_mib": 16384},
        {
            "id": "vgpu",
            "cpu_count": 16,
            "memory_mib": 65536,
            "memory_reservation": 100,
            "vgpu_profiles": ["grid_a100-40c"],
        },
        {"id": "unbound", "cpu_count": 2, "memory_mib": 4096},
    ],
    "libraries": [
        {"id": "lib-1", "name": "dlvm-images", "items": [{"id": "i-1", "name": "dlvm-9.0.1-simulated", "type": "ovf"}]},
        {
            "id": "lib-2",
            "name": "kubernetes-releases",
            "items": [
                {"id": "i-2", "name": "ubuntu-2204-amd64-v1.32.0---vmware.6-fips-vkr.2", "type": "ovf"},
                {"id": "i-3", "name": "photon-5-amd64-v1.32.0---vmware.6-fips-vkr.2", "type": "ovf"},
            ],
        },
    ],
    "storage_policies": [{"id": "p-1", "name": "Gold Policy", "class_name": "gold-policy"}],
}

ENTRY: Object = {
    "name": "pai-dev",
    "config_status": "CONFIGURING",
    "access_list": [{"subject_type": "GROUP", "subject": "data-scientists", "domain": "lab.test", "role": "EDIT"}],
    "storage_specs": [{"policy": "p-1", "limit": 1024}],
    "vm_classes": ["cpu", "vgpu", "gone"],
    "content_libraries": ["lib-1"],
}


def names(resource: Resource) -> list[str]:
    return [each.body["metadata"]["name"] for each in content(ENTRY, STATE) if each.resource is resource]


def test_a_namespace_shows_only_its_classes_that_vcenter_knows() -> None:
    assert names(VIRTUAL_MACHINE_CLASS) == ["cpu", "vgpu"]


def test_a_namespace_shows_only_the_images_of_its_libraries() -> None:
    shown = [each for each in content(ENTRY, STATE) if each.resource.kind == "VirtualMachineImage"]
    assert [each.status["name"] for each in shown if each.status] == ["dlvm-9.0.1-simulated"]
    assert shown[0].body["metadata"]["name"] == image_name("i-1")


def test_image_names_are_stable_and_look_like_the_supervisors() -> None:
    assert image_name("i-1") == image_name("i-1") != image_name("i-2")
    assert len(image_name("i-1")) == len("vmi-0123456789abcdef0")


def test_percentages_of_a_class_become_amounts() -> None:
    spec = vm_class({**STATE["vm_classes"][1], "memory_reservation": 50}, "pai-dev").body["spec"]
    assert spec["policies"]["resources"]["requests"] == {"memory": "32768Mi"}
    assert spec["hardware"]["devices"] == {"vgpuDevices": [{"profileName": "grid_a100-40c"}]}


@pytest.mark.parametrize("device", ["10de", 0x10DE])
def test_direct_path_ids_become_numbers_as_in_the_crd(device: str | int) -> None:
    entry = {
        "id": "dp",
        "cpu_count": 1,
        "memory_mib": 1,
        "direct_path_devices": [{"vendor_id": device, "device_id": "26b9"}],
    }
    devices = vm_class(entry, "pai-dev").body["spec"]["hardware"]["devices"]
    assert devices == {"dynamicDirectPathIODevices": [{"vendorID": 4318, "deviceID": 9913}]}


def test_storage_limits_become_a_quota_per_storage_class_and_none_means_unlimited() -> None:
    classes = {"p-1": "gold-policy"}
    hard = quota(ENTRY, classes).body["spec"]["hard"]
    assert hard == {"gold-policy.storageclass.storage.k8s.io/requests.storage": "1024Mi"}
    unlimited = quota({**ENTRY, "storage_specs": [{"policy": "p-1"}]}, classes).body["spec"]["hard"]
    assert unlimited == {"gold-policy.storageclass.storage.k8s.io/requests.storage": "9223372036854775807"}


@pytest.mark.parametrize(("role", "expected"), [("OWNER", "admin"), ("EDIT", "edit"), ("VIEW", "view")])
def test_roles_of_the_access_list_become_cluster_roles_for_sso_subjects(role: str, expected: str) -> None:
    body = role_binding({**ENTRY["access_list"][0], "role": role}, "pai-dev").body
    assert body["roleRef"]["name"] == expected
    assert body["subjects"][0]["name"] == "sso:data-scientists@lab.test"


def test_one_kubernetes_release_carries_the_images_of_every_os() -> None:
    *images, release = releases(STATE)
    assert release.body["metadata"]["name"] == "v1.32.0---vmware.6-fips-vkr.2"
    assert release.body["spec"]["version"] == "v1.32.0+vmware.6-fips-vkr.2"
    assert {each["name"] for each in release.body["spec"]["osImages"]} == {each.key[2] for each in images}
    labels = sorted((each.body["metadata"]["labels"] for each in images), key=lambda each: str(each["os-name"]))
    assert [(each["os-name"], each["os-version"]) for each in labels] == [("photon", "5"), ("ubuntu", "22.04")]
    assert {each["run.tanzu.vmware.com/tkr"] for each in labels} == {release.body["metadata"]["name"]}


def test_the_same_release_in_two_libraries_shows_both_images() -> None:
    copy = {**STATE["libraries"][1], "id": "lib-3", "name": "mirror"}
    copy["items"] = [{**copy["items"][0], "id": "i-9"}]
    *images, _ = releases({"libraries": [STATE["libraries"][1], copy]})
    labels = [each.body["metadata"]["labels"] for each in images]
    assert len({each["content-library"] for each in labels if each["os-name"] == "ubuntu"}) == 2


@pytest.mark.parametrize(("central", "first"), [(False, "builtin-generic-v3.1.0"), (True, "builtin-generic-v3.4.0")])
def test_a_cluster_class_is_what_its_controller_would_have_made_of_it(central: bool, first: str) -> None:
    shown = next(cluster_classes("pai-dev", central=central))
    assert shown.body["metadata"]["name"] == first
    variables = shown.body["spec"]["variables"]
    assert shown.status is not None
    assert [(each["type"], each["status"]) for each in shown.status["conditions"]] == [("VariablesReconciled", "True")]
    told = {each["name"]: each["definitions"][0]["schema"] for each in shown.status["variables"]}
    assert told == {each["name"]: each["schema"] for each in variables}
    assert {each["name"] for each in variables if each["required"]} == {"vmClass", "storageClass"}


class Cluster:
    """A stand-in for the API server: objects by path, every call recorded."""

    def __init__(self, *paths: str) -> None:
        self.objects = dict.fromkeys(paths)
        self.deleted: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if request.method == "DELETE":
            self.deleted.append(path)
            self.objects.pop(path, None)
            return httpx.Response(200, json={})
        found = [each for each in self.objects if each == path or each.startswith(f"{path}/")]
        if path in self.objects:
            return httpx.Response(200, json={"metadata": {"name": path.rsplit("/", 1)[1]}})
        if path.rsplit("/", 1)[1] in {"namespaces", "pai-dev"}:
            return httpx.Response(404, json={"reason": "NotFound", "message": "not found"})
        return httpx.Response(200, json={"items": [{"metadata": {"name": each.rsplit("/", 1)[1]}} for each in found]})

    @property
    def api(self) -> Api:
        return Api(httpx.Client(transport=httpx.MockTransport(self), base_url="https://supervisor.test"))


class Center:
    def __init__(self) -> None:
        self.reports: list[tuple[str, Object]] = []

    def report(self, namespace: str, state: Object) -> None:
        self.reports.append((namespace, state))


def test_what_uses_others_is_removed_first_and_the_namespace_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    wanted = [
        MODEL_ENDPOINT.path("m", "pai-dev"),
        VIRTUAL_MACHINE.path("v", "pai-dev"),
        POSTGRES_CLUSTER.path("p", "pai-dev"),
        NAMESPACE.path("pai-dev"),
    ]
    cluster, center = Cluster(*reversed(wanted)), Center()
    any_center: Any = center
    Wcp(cluster.api, any_center).remove("pai-dev")
    assert cluster.deleted == wanted
    assert center.reports == [("pai-dev", {"gone": True})]


def test_a_supervisor_that_is_called_ready_has_its_releases_and_what_dsm_allows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[str] = []
    refusals = ["not served yet"]

    class Follower(Wcp):
        def _apply(self, wanted: Wanted) -> None:
            if refusals:
                raise ApiError(404, "NotFound", refusals.pop())
            made.append(wanted.resource.kind)

        def _namespace(self, entry: Object, state: Object) -> None:
            made.append(f"the rest of {entry['name']}")

    class State:
        def wcp(self, *_: Any) -> Object:
            running = {"config_status": "RUNNING"}
            names = [{**ENTRY, **running, "name": "other-team"}, {"name": "new", "config_status": "CONFIGURING"}]
            return {**STATE, "namespaces": names}

    monkeypatch.setattr("time.sleep", lambda _: None)
    center: Any = State()
    Follower(Cluster().api, center).begin()
    assert made[:4] == ["OSImage", "OSImage", "KubernetesRelease", "Namespace"]
    # What is in it was there before, and comes no later than it.
    assert set(made[4:-1]) >= _LATE
    assert made[-1] == "the rest of other-team"


class Applied:
    """An API server that remembers what is applied."""

    def __init__(self) -> None:
        self.there: dict[tuple[str, str], Object] = {}

    def apply(self, resource: Resource, body: Object) -> Object:
        created = {"creationTimestamp": "2026-01-01T00:00:00Z", "generation": 1}
        self.there[resource.kind, body["metadata"]["name"]] = {**body, "metadata": {**body["metadata"], **created}}
        return self.there[resource.kind, body["metadata"]["name"]]

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        del namespace
        return self.there.get((resource.kind, name))

    def list(self, *_: Any) -> list[Object]:
        return []

    def status(self, *_: Any) -> None:
        """Taken."""

    def kinds(self) -> set[str]:
        return {kind for kind, _ in self.there}


_LATE = {"StorageClass", "ResourceQuota", "VirtualMachineClass", "VirtualMachineImage"}


def test_what_is_in_a_namespace_comes_after_it_is_running(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PAIF_LAB_LATENCY", raising=False)
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    api, center = Applied(), Center()
    any_api: Any = api
    any_center: Any = center
    follower = Wcp(any_api, any_center)

    def follow(status: str, *classes: str) -> bool:
        entry = {**ENTRY, "config_status": status, "vm_classes": [*ENTRY["vm_classes"], *classes]}
        return follower.follow({**STATE, "namespaces": [entry]})

    assert follow("CONFIGURING")
    assert [state["config_status"] for _, state in center.reports] == ["RUNNING"]
    now[0] = 100.0
    assert follow("RUNNING")
    assert not api.kinds() & _LATE
    now[0] = 100.6
    assert follow("RUNNING")
    assert api.kinds() & _LATE == {"StorageClass", "ResourceQuota"}
    now[0] = 101.6
    assert not follow("RUNNING")
    assert api.kinds() >= _LATE
    # Another class of a namespace that is there comes no sooner.
    assert follow("RUNNING", "unbound")
    assert ("VirtualMachineClass", "unbound") not in api.there
    now[0] = 103.0
    assert not follow("RUNNING", "unbound")
    assert ("VirtualMachineClass", "unbound") in api.there


def test_after_a_restart_what_is_there_is_not_late_again() -> None:
    api, center = Applied(), Center()
    any_api: Any = api
    any_center: Any = center
    state = {**STATE, "namespaces": [{**ENTRY, "config_status": "RUNNING"}]}
    for each in content(ENTRY, STATE):
        api.apply(each.resource, each.body)
    assert not Wcp(any_api, any_center).follow(state)
