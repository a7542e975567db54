"""What all simulated operators rely on: calls, conditions, faults, retries."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import httpx
import kopf
import pytest

from lab.operators.conditions import Conditions
from lab.operators.kubernetes_api import Api, ApiError
from lab.operators.pace import Later, backoff, fault, not_before
from lab.operators.reconciling import reconciling
from lab.operators.resources import NAMESPACE, SECRET, VIRTUAL_MACHINE


def api(*answers: httpx.Response | Exception) -> tuple[Api, list[httpx.Request]]:
    """An API that gives these answers in turn, and the requests it got."""
    left, seen = list(answers), []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        following = left.pop(0)
        if isinstance(following, Exception):
            raise following
        return following

    return Api(httpx.Client(transport=httpx.MockTransport(answer), base_url="https://supervisor.test")), seen


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)


def test_a_busy_or_restarting_server_is_asked_again() -> None:
    client, seen = api(httpx.Response(429), httpx.ConnectError("refused"), httpx.Response(200, json={"items": []}))
    assert client.list(SECRET, "n") == []
    assert len(seen) == 3


def test_a_refusal_is_not_repeated_and_carries_the_servers_words() -> None:
    client, seen = api(httpx.Response(403, json={"reason": "Forbidden", "message": "not you"}))
    with pytest.raises(ApiError, match="not you") as caught:
        client.apply(SECRET, {"metadata": {"name": "s", "namespace": "n"}})
    assert (caught.value.status, caught.value.reason, len(seen)) == (403, "Forbidden", 1)


def test_missing_objects_and_missing_kinds_are_no_errors() -> None:
    client, _ = api(*(httpx.Response(404, json={}) for _ in range(3)))
    assert client.get(SECRET, "s", "n") is None
    assert client.list(SECRET) == []
    assert client.delete(SECRET, "s", "n") is False


def test_an_unchanged_status_is_not_written() -> None:
    client, seen = api(httpx.Response(200, json={}))
    item = {"metadata": {"name": "v", "namespace": "n"}, "status": {"powerState": "PoweredOn"}}
    client.status(VIRTUAL_MACHINE, item, {"powerState": "PoweredOn", "network": None})
    assert seen == []
    client.status(VIRTUAL_MACHINE, item, {"powerState": "PoweredOff"})
    assert seen[0].url.path.endswith("/namespaces/n/virtualmachines/v/status")


def test_a_condition_keeps_its_transition_time_until_its_status_changes() -> None:
    old = {
        "type": "Ready",
        "status": "False",
        "reason": "A",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    conditions = Conditions([old])
    conditions.set("Ready", False, "B")
    assert conditions.since("Ready") == "2026-01-01T00:00:00Z"
    conditions.set("Ready", True)
    assert conditions.since("Ready") != "2026-01-01T00:00:00Z"
    assert conditions.as_list()[0]["reason"] == "True"


def test_a_fault_holds_for_the_object_that_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "faults.json"
    file.write_text(json.dumps({"database-never-ready": {"namespace": "a"}, "license-server-down": {}}))
    monkeypatch.setenv("PAIF_LAB_FAULTS", str(file))
    assert fault("database-never-ready", {"metadata": {"namespace": "a", "name": "x"}}) is not None
    assert fault("database-never-ready", {"metadata": {"namespace": "b", "name": "x"}}) is None
    assert fault("license-server-down") == {}
    assert fault("image-pull") is None


def test_no_fault_file_means_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAIF_LAB_FAULTS", str(tmp_path / "absent.json"))
    assert fault("license-server-down") is None


def test_a_wait_counts_from_the_objects_own_time_so_that_a_restart_does_not_prolong_it() -> None:
    ago = (datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=50)).isoformat()
    not_before(ago, 40, "booting")
    with pytest.raises(Later) as caught:
        not_before(ago, 60, "booting")
    assert caught.value.delay is not None
    assert 0 < caught.value.delay <= 10


def test_the_back_off_doubles_and_is_bounded() -> None:
    assert [backoff(attempt) for attempt in (0, 1, 2, 99)] == [1, 2, 4, 30]


@pytest.mark.parametrize("error", [ApiError(500, "x", "boom"), httpx.ConnectError("refused"), KeyError("bug")])
def test_every_error_of_a_reconciler_is_tried_again_with_a_growing_delay(error: Exception) -> None:
    @reconciling
    def handler(**_: object) -> None:
        raise error

    with pytest.raises(kopf.TemporaryError) as caught:
        handler(body={"kind": "VirtualMachine", "metadata": {"name": "v"}}, retry=3)
    assert caught.value.delay == 8


def test_paths_of_core_and_grouped_resources() -> None:
    assert SECRET.path("s", "n") == "/api/v1/namespaces/n/secrets/s"
    assert NAMESPACE.path("n") == "/api/v1/namespaces/n"
    assert VIRTUAL_MACHINE.path() == "/apis/vmoperator.vmware.com/v1alpha3/virtualmachines"
    assert VIRTUAL_MACHINE.selector == ("vmoperator.vmware.com", "v1alpha3", "virtualmachines")
