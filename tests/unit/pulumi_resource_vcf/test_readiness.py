"""Readiness: what an object says, what it promises, and what can never become so."""

from __future__ import annotations

import base64
import copy
from collections.abc import Iterator
from typing import Any

import pytest

from pulumi_resource_vcf.errors import VcfError
from pulumi_resource_vcf.readiness import expressions, nodes, operands, status, workers
from pulumi_resource_vcf.values import plain_map, wire_map
from tests.unit.pulumi_resource_vcf.double import Answer, Certificates, Request, Server, kubeconfig_of
from tests.unit.pulumi_resource_vcf.harness import UNKNOWN, Engine

_NODES = "/api/v1/nodes"
_CLUSTERS = "/apis/cluster.x-k8s.io/v1beta1/namespaces/ns/clusters"
_DATABASES = "/apis/databases.dataservices.vmware.com/v1alpha1/namespaces/ns/postgresclusters"
_BINDINGS = "/apis/infrastructure.dataservices.vmware.com/v1alpha1/namespaces/ns/bindings"
_KINDS = {
    "/api/v1": {"Node": ("nodes", False), "Pod": ("pods", True), "Secret": ("secrets", True)},
    "/apis/cluster.x-k8s.io/v1beta1": {"Cluster": ("clusters", True)},
    "/apis/apps/v1": {"DaemonSet": ("daemonsets", True)},
    "/apis/nvidia.com/v1": {"ClusterPolicy": ("clusterpolicies", False)},
    "/apis/databases.dataservices.vmware.com/v1alpha1": {"PostgresCluster": ("postgresclusters", True)},
    "/apis/infrastructure.dataservices.vmware.com/v1alpha1": {"DataServicePolicyBinding": ("bindings", True)},
}
_GROUPS = {"/apis/infrastructure.dataservices.vmware.com": {"preferredVersion": {"version": "v1alpha1"}}}


class _ApiServer(Server):
    """Lists of objects by path, each as it is at the first look, the second, and so on; the last one stays."""

    def __init__(self, certificates: Certificates) -> None:
        super().__init__(certificates)
        self.lists: dict[str, list[list[dict[str, Any]]]] = {}
        self.objects: dict[str, dict[str, Any]] = {}

    def handle(self, request: Request) -> Answer:
        if request.path in _KINDS:
            found = _KINDS[request.path].items()
            kinds = [{"kind": kind, "name": name, "namespaced": within} for kind, (name, within) in found]
            return Answer(200, {"resources": kinds})
        if request.path in _GROUPS:
            return Answer(200, _GROUPS[request.path])
        if request.path in self.objects:
            return Answer(200, self.objects[request.path])
        parent, _, name = request.path.rpartition("/")
        if parent in self.lists:
            named = {each["metadata"]["name"]: each for each in self._look(parent)}
            return Answer(200, named[name]) if name in named else Answer(404, {"message": "not found"})
        if request.path not in self.lists:
            return (
                Answer(404, {"kind": "Status", "message": "not found"}) if "/api/" in request.path else Answer(200, {})
            )
        return Answer(200, {"items": self._look(request.path)})

    def _look(self, path: str) -> list[dict[str, Any]]:
        looks = self.lists[path]
        return looks.pop(0) if len(looks) > 1 else looks[0]


@pytest.fixture
def api(certificates: Certificates) -> Iterator[_ApiServer]:
    server = _ApiServer(certificates)
    with server.serving():
        yield server


@pytest.fixture
def kubeconfig(api: _ApiServer, certificates: Certificates) -> str:
    return kubeconfig_of(api, certificates, {"token": "t"})


@pytest.fixture
def engine(kubeconfig: str) -> Iterator[Engine]:
    made = Engine(kubeconfig=kubeconfig)
    yield made
    made.close()


def _conditions(**said: tuple[str, str, str]) -> list[dict[str, Any]]:
    return [{"type": kind, "status": s, "reason": r, "message": m} for kind, (s, r, m) in said.items()]


def _database(ready: bool = True, generation: int = 1, observed: int = 1, port: int = 5432, reason: str = "") -> Any:
    said = ("True", "Ready", "") if ready else ("False", reason or "Provisioning", "version 12 is not allowed")
    return {
        "metadata": {"name": "pg", "namespace": "ns", "generation": generation},
        "status": {
            "observedGeneration": observed,
            "conditions": _conditions(Ready=said),
            "connection": {"host": "db.test", "port": port},
        },
    }


_ASKED: dict[str, Any] = {
    "apiVersion": "databases.dataservices.vmware.com/v1alpha1",
    "kind": "PostgresCluster",
    "namespace": "ns",
    "name": "pg",
    "asked": "one",
    "waitFor": ["condition=Ready", "jsonpath={.status.connection.port}"],
    "values": {"connection": "{.status.connection}"},
    "patience": {"PolicyViolation": 0, "Stuck": 30},
}


def _inputs(**change: Any) -> dict[str, Any]:
    return {"objects": [{**_ASKED, **change}]}


# What an object says


def test_what_is_ready_at_once_gives_out_its_values(api: _ApiServer, engine: Engine) -> None:
    api.lists[_DATABASES] = [[_database()]]
    identity, state = engine.create("Readiness", _inputs())
    assert identity == "PostgresCluster/pg"
    assert plain_map(state)["values"] == {"connection": {"host": "db.test", "port": 5432}}


def test_a_status_of_before_does_not_count(api: _ApiServer, engine: Engine) -> None:
    api.lists[_DATABASES] = [[_database(generation=2, observed=1)]] * 3 + [[_database(generation=2, observed=2)]]
    _, state = engine.create("Readiness", _inputs())
    assert len(engine.clock.slept) >= 3
    engine.update("Readiness", "id", state, _inputs(asked="two"))


def test_a_port_of_0_is_none_yet(api: _ApiServer, engine: Engine) -> None:
    api.lists[_DATABASES] = [[_database(port=0)], [_database(port=0)], [_database()]]
    _, state = engine.create("Readiness", _inputs())
    assert plain_map(state)["values"]["connection"]["port"] == 5432


def test_what_has_no_status_of_now_must_stay_ready_for_a_while(api: _ApiServer, engine: Engine) -> None:
    stale, changing = _database(generation=2), _database(generation=2, ready=False)
    for each in (stale, changing):
        del each["status"]["observedGeneration"]
    api.lists[_DATABASES] = [[stale], [stale], [changing], [changing], [stale]]
    engine.create("Readiness", _inputs(settleSeconds=10))
    assert len(api.lists[_DATABASES]) == 1, "it was not looked at until it had changed"


def test_what_was_never_changed_needs_no_proof(api: _ApiServer, engine: Engine) -> None:
    fresh = _database(generation=1)
    del fresh["status"]["observedGeneration"]
    api.lists[_DATABASES] = [[fresh]]
    engine.create("Readiness", _inputs(settleSeconds=600))
    assert sum(engine.clock.slept) < 1


def test_what_was_seen_to_become_ready_needs_no_proof(api: _ApiServer, engine: Engine) -> None:
    api.lists[_DATABASES] = [[_database(ready=False)], [_database()]]
    engine.create("Readiness", _inputs(settleSeconds=600))
    assert sum(engine.clock.slept) < 60


# Several of one kind


def _members(api: _ApiServer, *names: str, waits: str = "") -> dict[str, Any]:
    made: list[list[dict[str, Any]]] = [[], []]
    for look in range(2):
        for name in names:
            each = _database(ready=bool(look) or name != waits)
            each["metadata"]["name"] = name
            made[look].append(each)
    api.lists[_DATABASES] = [*([made[0]] * (2 * len(names))), made[1]]
    alike = {key: value for key, value in _ASKED.items() if key not in {"name", "asked"}}
    return {"objects": [{**alike, "members": dict.fromkeys(names, "one")}]}


def test_members_are_waited_for_and_give_out_their_values_by_name(api: _ApiServer, engine: Engine) -> None:
    names = ["a", "b", "c", "d", "e"]
    _, state = engine.create("Readiness", _members(api, *names, waits="d"))
    found = plain_map(state)["values"]
    assert set(found) == {f"{each}/connection" for each in names}
    assert any(each.startswith("4 of 5 ready; PostgresCluster ns/d: ") for each in engine.progress)


def test_a_member_more_or_another_digest_is_waited_for(api: _ApiServer, engine: Engine) -> None:
    inputs = _members(api, "a", "b")
    _, state = engine.create("Readiness", inputs)
    assert not engine.diff("Readiness", state, _members(api, "b", "a")).changes
    assert engine.diff("Readiness", state, _members(api, "a", "b", "c")).changes
    inputs["objects"][0]["members"]["b"] = "two"
    assert engine.diff("Readiness", state, inputs).changes


def test_what_names_nothing_or_both_ways_is_refused(engine: Engine) -> None:
    for given in ({"name": None}, {"members": {"a": "one"}}):
        assert engine.problems("Readiness", _inputs(**given)) == {
            "objects[0].name": "expected either name or members, to know what to wait for"
        }


# What cannot be


def test_a_reason_that_no_waiting_mends_fails_at_once_with_what_is_allowed(api: _ApiServer, engine: Engine) -> None:
    api.lists[_DATABASES] = [[_database(ready=False, reason="PolicyViolation")]]
    api.lists[_BINDINGS] = [[_binding()]]
    event = {"type": "Warning", "reason": "PolicyViolation", "message": "see the operator's log", "lastTimestamp": "1"}
    api.objects["/api/v1/namespaces/ns/events"] = {"items": [event]}
    with pytest.raises(VcfError) as raised:
        engine.create("Readiness", _inputs(), 2700)
    assert engine.clock.slept == []
    text = str(raised.value)
    assert "PostgresCluster ns/pg cannot become ready" in text
    assert "Ready=False PolicyViolation: version 12 is not allowed" in text
    assert "allows version: 15.10+vmware.v9.0.1.0, 16.8+vmware.v9.0.1.0" in text
    assert "infrastructure policy pai-infra, with VM class: best-effort-large; storage policy: pai-gold" in text
    assert "backup location: s3-nightly" in text
    assert "event PolicyViolation: see the operator's log" in text


def _binding() -> dict[str, Any]:
    return {
        "metadata": {"name": "binding"},
        "status": {
            "dataServiceVersions": [
                {
                    "serviceType": "postgres",
                    "versions": [{"version": "16.8+vmware.v9.0.1.0"}, {"version": "15.10+vmware.v9.0.1.0"}],
                }
            ],
            "infrastructurePolicies": [
                {"name": "pai-infra", "vmClasses": ["best-effort-large"], "storagePolicies": ["pai-gold"]}
            ],
            "aggregatePostgresPolicy": {
                "allowedReplicas": [0, 1],
                "common": {"allowedBackupLocations": ["s3-nightly"], "allowedStorageSpace": {"max": "1Ti"}},
            },
        },
    }


def test_a_reason_fails_once_its_patience_is_over(api: _ApiServer, engine: Engine) -> None:
    api.lists[_DATABASES] = [[_database(ready=False, reason="Stuck")]]
    with pytest.raises(VcfError, match="nothing changed in 30 s"):
        engine.create("Readiness", _inputs(), 2700)
    assert 30 <= sum(engine.clock.slept) < 60


def test_another_reason_in_between_begins_patience_anew(api: _ApiServer, engine: Engine) -> None:
    stuck, moving = _database(ready=False, reason="Stuck"), _database(ready=False, reason="Provisioning")
    api.lists[_DATABASES] = [[stuck]] * 8 + [[moving]] + [[stuck]] * 4 + [[_database()]]
    engine.create("Readiness", _inputs(), 2700)


def test_the_timeout_is_the_upper_bound_and_says_what_was_still_missing(api: _ApiServer, engine: Engine) -> None:
    api.lists[_DATABASES] = [[_database(ready=False)]]
    with pytest.raises(VcfError, match=r"not ready within 120 s:\n  Ready=False Provisioning"):
        engine.create("Readiness", _inputs(), 120)


def test_an_object_that_is_not_there_fails_soon(api: _ApiServer, engine: Engine) -> None:
    api.lists[_DATABASES] = [[]]
    with pytest.raises(VcfError, match="it is not there"):
        engine.create("Readiness", _inputs(), 2700)
    assert sum(engine.clock.slept) < 20


@pytest.mark.parametrize("answer", [Answer(503), Answer(429), Answer(drop=True), Answer(500)])
def test_an_api_server_that_does_not_answer_is_waited_for(api: _ApiServer, engine: Engine, answer: Answer) -> None:
    api.lists[_DATABASES] = [[_database()]]
    api.fail(f"GET {_DATABASES}/pg", answer, times=5)
    engine.create("Readiness", _inputs(settleSeconds=0))


def test_who_may_not_list_reads_the_object_itself(api: _ApiServer, engine: Engine) -> None:
    api.fail(f"GET {_DATABASES}", Answer(403, {"message": "may not list"}), times=10)
    api.lists[_DATABASES] = [[_database()]]
    engine.create("Readiness", {"objects": [_ASKED] * 20})


def test_many_are_read_at_once(api: _ApiServer, engine: Engine) -> None:
    several = [{**_database(), "metadata": {"name": f"pg-{index}", "namespace": "ns"}} for index in range(50)]
    api.lists[_DATABASES] = [several]
    engine.create("Readiness", {"objects": [{**_ASKED, "name": f"pg-{index}"} for index in range(50)]})
    assert api.count(f"GET {_DATABASES}") == 1
    assert api.count(f"GET {_DATABASES}/.*") < 10


def test_missing_rights_are_told_after_a_while(api: _ApiServer, engine: Engine) -> None:
    api.fail(f"GET {_DATABASES}.*", Answer(403, {"message": "may not get postgresclusters"}), times=10_000)
    with pytest.raises(VcfError, match=r"403.*may not get postgresclusters"):
        engine.create("Readiness", _inputs(), 2700)


# What the engine asks


def test_it_waits_again_only_for_what_was_asked_for_anew(api: _ApiServer, engine: Engine) -> None:
    api.lists[_DATABASES] = [[_database()]]
    _, state = engine.create("Readiness", _inputs())
    assert not engine.diff("Readiness", state, _inputs()).changes
    assert not engine.diff("Readiness", state, _inputs(patience={}, settleSeconds=99)).changes
    changed = engine.diff("Readiness", state, _inputs(asked="two"))
    assert (changed.changes, changed.replaces) == (True, [])


def test_a_change_keeps_its_values_at_preview_so_that_nothing_behind_it_is_made_anew(
    api: _ApiServer, engine: Engine
) -> None:
    api.lists[_DATABASES] = [[_database()]]
    _, state = engine.create("Readiness", _inputs())
    seen = engine.update("Readiness", "id", state, _inputs(asked="two"), preview=True)
    assert plain_map(seen)["values"] == plain_map(state)["values"]
    unknown = engine.update("Readiness", "id", state, _inputs(asked=UNKNOWN), preview=True)
    assert "host" not in repr(plain_map(unknown)["values"])


def test_a_preview_tells_the_values_of_what_is_ready_already_and_waits_for_nothing(
    api: _ApiServer, engine: Engine
) -> None:
    api.lists[_DATABASES] = [[_database()]]
    _, seen = engine.create("Readiness", _inputs(), preview=True)
    assert plain_map(seen)["values"] == {"connection": {"host": "db.test", "port": 5432}}
    api.lists[_DATABASES] = [[]]
    engine.clock.time += 60
    _, unseen = engine.create("Readiness", _inputs(), preview=True)
    assert "host" not in repr(plain_map(unseen)["values"])
    assert engine.clock.slept == []


def test_a_refresh_reads_what_is_so_now_and_misses_what_is_gone(api: _ApiServer, engine: Engine) -> None:
    api.lists[_DATABASES] = [[_database()]]
    identity, state = engine.create("Readiness", _inputs())
    engine.clock.time += 60
    api.lists[_DATABASES] = [[_database(port=6432)]]
    found = engine.read("Readiness", identity, state, state)
    assert plain_map(found.properties or {})["values"]["connection"]["port"] == 6432
    engine.clock.time += 60
    api.lists[_DATABASES] = [[]]
    assert engine.read("Readiness", identity, state, state).resource_id == ""


def test_a_refresh_of_what_cannot_be_reached_changes_nothing(api: _ApiServer, engine: Engine) -> None:
    api.lists[_DATABASES] = [[_database()]]
    identity, state = engine.create("Readiness", _inputs())
    engine.clock.time += 60
    api.fail(f"GET {_DATABASES}.*", Answer(503), times=10)
    found = engine.read("Readiness", identity, state, state)
    assert plain_map(found.properties or {}) == plain_map(state)


def test_a_state_of_the_first_versions_is_read_and_no_change(api: _ApiServer, engine: Engine) -> None:
    api.lists[_DATABASES] = [[_database(port=6432)]]
    identity, state = engine.create("Readiness", _inputs())
    pairs = {
        "patience": [{"reason": reason, "seconds": seconds} for reason, seconds in _ASKED["patience"].items()],
        "values": [{"key": key, "path": path} for key, path in _ASKED["values"].items()],
    }
    now = plain_map(state)
    before = wire_map({**now, "objects": [{**now["objects"][0], **pairs}]})
    assert not engine.diff("Readiness", before, _inputs()).changes
    found = engine.read("Readiness", identity, before, before)
    assert plain_map(found.properties or {}) == plain_map(state)
    assert plain_map(engine.update("Readiness", identity, before, _inputs())) == plain_map(state)


@pytest.mark.parametrize("text", ["Ready", "condition=", "jsonpath={status}", "jsonpath={.a[?(@.b>1)]}", "jsonpath={}"])
def test_a_wait_condition_that_cannot_be_read_is_refused(engine: Engine, text: str) -> None:
    assert list(engine.problems("Readiness", _inputs(waitFor=[text]))) == ["objects[0].waitFor[0]"]


# What a Cluster promises


def _node(
    name: str, pool: str = "gpu", kubelet: str = "v1.32.0+vmware.6-fips", ready: str = "True", gpus: int = 0
) -> Any:
    labels = {"node-role.kubernetes.io/control-plane": ""} if pool == "" else {"paif.dev/pool": pool}
    return {
        "metadata": {"name": name, "labels": labels},
        "status": {
            "conditions": [{"type": "Ready", "status": ready}],
            "nodeInfo": {"kubeletVersion": kubelet},
            "allocatable": {"nvidia.com/gpu": str(gpus)} if gpus else {},
        },
    }


def _pool(minimum: int = 2, maximum: int = 2, gpus: int | None = None) -> nodes.Pool:
    return nodes.Pool("gpu", "paif.dev/pool=gpu", minimum, maximum, gpus)


_RELEASE = "v1.32.0+vmware.6-fips-vkr.2"


def _lacking(*there: Any, minimum: int = 2, maximum: int = 2) -> list[str]:
    found = nodes.lacking([_node("cp", ""), *there], [_pool(minimum, maximum)], 1, _RELEASE)
    return [each.text for each in found]


def test_all_nodes_of_the_release_are_enough() -> None:
    assert _lacking(_node("a"), _node("b")) == []


def test_a_missing_or_unready_node_is_counted() -> None:
    assert _lacking(_node("a")) == ["gpu: 1 of 2 nodes ready"]
    assert _lacking(_node("a"), _node("b", ready="False")) == ["gpu: 1 of 2 nodes ready"]
    assert _lacking() == ["gpu: 0 of 2 nodes ready"]


def test_a_node_of_the_old_release_is_no_node_of_the_new_one() -> None:
    old = _node("b", kubelet="v1.31.4+vmware.1-fips")
    assert _lacking(_node("a"), old) == ["gpu: 1 of 2 nodes ready, 1 still of v1.31.4+vmware.1-fips"]


def test_a_node_too_many_means_that_it_still_rolls() -> None:
    assert _lacking(_node("a"), _node("b"), _node("c")) == ["gpu: 3 of 2 nodes ready, 1 more than asked for"]


def test_of_an_autoscaled_pool_any_number_within_its_limits_will_do() -> None:
    assert _lacking(_node("a"), minimum=1, maximum=3) == []
    assert _lacking(minimum=0, maximum=3) == []


@pytest.mark.parametrize(
    "wanted",
    [
        "v1.32",
        "v1.32.0",
        "v1.32.0+vmware.6-fips",
        _RELEASE,
        "v1.32.0---vmware.6-fips-vkr.2",
        "v1.32.0+vmware.6-fips-vkr.9",
    ],
)
def test_a_release_in_any_spelling_is_that_of_its_kubelets(wanted: str) -> None:
    assert nodes.same_release("v1.32.0+vmware.6-fips", wanted)


@pytest.mark.parametrize("wanted", ["v1.3", "v1.31", "v1.32.1", "v1.32.0+vmware.5-fips", "v1.32.0+vmware.6-fips.1"])
def test_another_release_is_not(wanted: str) -> None:
    assert not nodes.same_release("v1.32.0+vmware.6-fips", wanted)


def _cluster(**newer: tuple[str, str, str]) -> dict[str, Any]:
    said = {"conditions": _conditions(**newer)}
    ready = _conditions(Ready=("True", "", ""))
    return {"metadata": {"name": "gpu", "generation": 2}, "status": {"conditions": ready, "v1beta2": said}}


def test_workers_that_are_missing_or_rolling_are_told_in_the_clusters_own_words() -> None:
    cluster = _cluster(
        WorkersAvailable=("False", "NotAvailable", "gpu: no host"), RollingOut=("True", "RollingOut", "")
    )
    assert [each.text for each in workers.lacking(cluster)] == [
        "WorkersAvailable=False: gpu: no host",
        "RollingOut=True",
    ]
    assert workers.lacking(_cluster(WorkersAvailable=("True", "", ""), RollingOut=("False", "", ""))) == []
    assert workers.lacking({"status": {}}) == []


def test_a_cluster_is_ready_when_its_own_api_server_has_the_nodes(
    api: _ApiServer, engine: Engine, kubeconfig: str
) -> None:
    secret = base64.b64encode(kubeconfig.encode()).decode()
    api.objects["/api/v1/namespaces/ns/secrets/gpu-kubeconfig"] = {"data": {"value": secret}}
    api.lists[_CLUSTERS] = [[_cluster()]]
    few = [_node("cp", ""), _node("a")]
    api.lists[_NODES] = [[], few, few, [*few, _node("b")]]
    pool = {"name": "gpu", "label": "paif.dev/pool=gpu", "minimum": 2, "maximum": 2}
    wanted = {
        "secretName": "gpu-kubeconfig",
        "secretKey": "value",
        "release": _RELEASE,
        "controlPlane": 1,
        "pools": [pool],
    }
    asked = {
        "apiVersion": "cluster.x-k8s.io/v1beta1",
        "kind": "Cluster",
        "namespace": "ns",
        "name": "gpu",
        "waitFor": ["condition=Ready"],
        "nodes": wanted,
    }
    engine.create("Readiness", {"objects": [asked]}, 5400)
    assert len(api.lists[_NODES]) == 1
    assert any("gpu: 1 of 2 nodes ready" in each for each in engine.progress)


def test_a_node_too_many_of_somebody_else_is_not_waited_for_forever(
    api: _ApiServer, engine: Engine, kubeconfig: str
) -> None:
    secret = base64.b64encode(kubeconfig.encode()).decode()
    api.objects["/api/v1/namespaces/ns/secrets/gpu-kubeconfig"] = {"data": {"value": secret}}
    api.lists[_CLUSTERS] = [[_cluster()]]
    api.lists[_NODES] = [[_node("cp", ""), _node("a"), _node("b")]]
    pool = {"name": "gpu", "label": "paif.dev/pool=gpu", "minimum": 1, "maximum": 1}
    wanted = {"secretName": "gpu-kubeconfig", "secretKey": "value", "release": _RELEASE, "pools": [pool]}
    asked = {**_ASKED, "apiVersion": "cluster.x-k8s.io/v1beta1", "kind": "Cluster", "name": "gpu", "nodes": wanted}
    asked |= {"waitFor": ["condition=Ready"], "values": {}}
    api.lists[_NODES] = [[_node("a"), _node("b")]]
    engine.create("Readiness", {"objects": [asked]}, 5400)
    assert sum(engine.clock.slept) < 120
    assert "1 more than asked for" in engine.warnings[0]


# What the GPU Operator promises


def _daemon_set(
    name: str = "nvidia-driver-daemonset", image: str = "nvcr.io/nvidia/driver:550-ubuntu22.04", **said: int
) -> Any:
    counts = {"desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberReady": 2, "observedGeneration": 1}
    return {
        "metadata": {
            "name": name,
            "namespace": "gpu-operator",
            "generation": 1,
            "uid": f"uid-{name}",
            "ownerReferences": [{"uid": "policy"}],
        },
        "spec": {"updateStrategy": {"type": "OnDelete"}, "template": {"spec": {"containers": [{"image": image}]}}},
        "status": {**counts, **said},
    }


def _policy(upgrades: bool = True, version: str = "550") -> dict[str, Any]:
    driver = {"image": "driver", "version": version, "upgradePolicy": {"autoUpgrade": upgrades}}
    return {
        "metadata": {"name": "cluster-policy", "uid": "policy"},
        "spec": {"driver": driver},
        "status": {"state": "ready"},
    }


def test_a_daemon_set_of_the_version_before_is_not_rolled_out() -> None:
    found = operands.not_rolled_out(_policy(version="570"), [_daemon_set()])
    assert [each.text for each in found] == ["nvidia-driver-daemonset is not yet of driver:570"]
    assert operands.not_rolled_out(_policy(), [_daemon_set()]) == []


@pytest.mark.parametrize("said", [{"numberReady": 1}, {"updatedNumberScheduled": 1}, {"observedGeneration": 0}])
def test_a_daemon_set_whose_pods_are_not_all_new_and_ready_is_not_rolled_out(said: dict[str, int]) -> None:
    assert operands.not_rolled_out(_policy(), [_daemon_set(**said)])


def test_drivers_that_are_upgraded_by_hand_are_not_waited_for() -> None:
    assert operands.not_rolled_out(_policy(upgrades=False), [_daemon_set(updatedNumberScheduled=0)]) == []


def test_why_a_pod_does_not_start_is_told_in_the_kubelets_words() -> None:
    waits = {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}
    pod = {
        "metadata": {"name": "x", "ownerReferences": [{"name": "nvidia-driver-daemonset"}]},
        "spec": {"nodeName": "a"},
        "status": {"containerStatuses": [{"state": {"waiting": waits}}]},
    }
    assert [(each.text, each.reason) for each in operands.held_up([pod], ["a"])] == [
        ("nvidia-driver-daemonset: ImagePullBackOff: Back-off pulling image", "ImagePullBackOff")
    ]
    assert operands.held_up([pod], ["b"]) == []
    quiet = copy.deepcopy(pod)
    quiet["status"]["containerStatuses"][0]["state"]["waiting"] = {"reason": "ContainerCreating"}  # type: ignore[index]
    assert operands.held_up([quiet], ["a"]) == []


def _serve_gpus(api: _ApiServer, *looks: list[Any]) -> dict[str, Any]:
    api.lists["/apis/nvidia.com/v1/clusterpolicies"] = [[_policy()]]
    api.lists["/apis/apps/v1/daemonsets"] = [[_daemon_set()]]
    api.lists[_NODES] = list(looks)
    pool = {"name": "gpu", "label": "paif.dev/pool=gpu", "minimum": 1, "maximum": 2, "gpus": 2}
    asked = {
        "apiVersion": "nvidia.com/v1",
        "kind": "ClusterPolicy",
        "name": "cluster-policy",
        "waitFor": ["jsonpath={.status.state}=ready"],
        "nodes": {"pools": [pool]},
        "patience": {"ImagePullBackOff": 60},
    }
    return {"objects": [asked]}


def test_a_policy_that_says_ready_is_not_ready_before_the_nodes_offer_their_gpus(
    api: _ApiServer, engine: Engine
) -> None:
    inputs = _serve_gpus(api, [], [_node("a")], [_node("a", gpus=1)], [_node("a", gpus=2)])
    engine.create("Readiness", inputs, 2700)
    assert len(api.lists[_NODES]) == 1


def test_a_driver_that_cannot_be_pulled_is_told_with_its_reason_and_given_up(api: _ApiServer, engine: Engine) -> None:
    inputs = _serve_gpus(api, [_node("a")])
    waits = {"reason": "ImagePullBackOff", "message": "no such tag"}
    pod = {
        "metadata": {"name": "x", "ownerReferences": [{"name": "driver", "uid": "uid-nvidia-driver-daemonset"}]},
        "spec": {"nodeName": "a"},
        "status": {"containerStatuses": [{"state": {"waiting": waits}}]},
    }
    api.lists["/api/v1/namespaces/gpu-operator/pods"] = [[pod]]
    with pytest.raises(VcfError, match="driver: ImagePullBackOff: no such tag"):
        engine.create("Readiness", inputs, 2700)
    assert sum(engine.clock.slept) < 90
    assert "ImagePullBackOff: no such tag" in engine.progress[0]


def test_progress_is_told_when_it_changes_and_at_least_every_half_minute(api: _ApiServer, engine: Engine) -> None:
    api.lists[_DATABASES] = [[_database(ready=False)]]
    with pytest.raises(VcfError):
        engine.create("Readiness", _inputs(), 300)
    assert 10 <= len(engine.progress) <= 20


# Wait conditions


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("condition=Ready", True),
        ("condition=Ready=True", True),
        ("condition=Ready=False", False),
        ("condition=Missing", False),
        ("jsonpath={.status.state}=ready", True),
        ("jsonpath={.status.state}", True),
        ("jsonpath=.status.state", True),
        ("jsonpath={.status.list[0].ip}", True),
        ("jsonpath={.status.list[1].ip}", False),
        ('jsonpath={.status.conditions[?(@.type=="Ready")].status}=True', True),
        ("jsonpath={.status.flag}=true", True),
        ("jsonpath={.status.zero}", False),
        ("jsonpath={.status['odd key']}", True),
        (r"jsonpath={.metadata.labels.a\.b/c}=d", True),
    ],
)
def test_wait_conditions_mean_what_kubectl_means(text: str, holds: bool) -> None:
    item = {
        "metadata": {"labels": {"a.b/c": "d"}},
        "status": {
            "state": "ready",
            "flag": True,
            "zero": 0,
            "odd key": "x",
            "list": [{"ip": "192.0.2.1"}],
            "conditions": _conditions(Ready=("True", "", "")),
        },
    }
    assert expressions.parse(text).holds(item) is holds


def test_a_condition_of_an_earlier_form_does_not_count_where_it_says_so() -> None:
    item = {
        "metadata": {"generation": 3},
        "status": {"conditions": [{"type": "Ready", "status": "True", "observedGeneration": 2}]},
    }
    assert status.behind(item, ["Ready"])
    item["status"]["conditions"][0]["observedGeneration"] = 3  # type: ignore[index]
    assert not status.behind(item, ["Ready"])
