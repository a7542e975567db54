"""A status is written by others: what it does not say is unknown at preview and nothing in a run, never a KeyError."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest

from pulumi_paif._component import told
from pulumi_paif.deep_learning_vm import DeepLearningVm
from pulumi_paif.private_ai_services import _url
from pulumi_paif.vector_database import VectorDatabase
from tests.unit.pulumi_paif.harness import NAMESPACE, STATUS, declare
from tests.unit.pulumi_paif.test_deep_learning_vm import _ARGS as MACHINE

_OFF: list[Any] = [
    None,
    {},
    {"powerState": "PoweredOff"},
    {"network": None, "loadBalancer": None, "connection": None},
    {"network": {}, "loadBalancer": {}, "connection": {}},
    {"network": {"primaryIP4": None}, "loadBalancer": {"ingress": []}, "connection": {"host": "", "port": 0}},
    {"network": "x", "loadBalancer": {"ingress": [{}]}, "connection": {"host": "db"}},
]


@pytest.fixture(params=[False, True], ids=["run", "preview"])
def previewed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: request.param)
    return bool(request.param)


def _known(build: Any) -> dict[str, Any]:
    """Whether each output is known, and what it is."""

    async def known(output: pulumi.Output[Any]) -> bool:
        return await output.is_known()

    def both() -> dict[str, Any]:
        made = build()
        return {name: {"value": each, "known": known(each)} for name, each in made.items()}

    return declare(both).outputs


@pytest.mark.parametrize("status", _OFF)
def test_a_machine_without_address_has_none(status: Any, previewed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STATUS, "VirtualMachine", status)
    monkeypatch.setitem(STATUS, "VirtualMachineService", status)

    def build() -> dict[str, Any]:
        made = DeepLearningVm("alice", MACHINE)  # type: ignore[arg-type]
        return {"address": made.address, "ssh": made.ssh, "jupyter": made.jupyter_url}

    found = _known(build)
    for name in ("address", "ssh", "jupyter"):
        assert found[f"{name}.value"] is None
        assert found[f"{name}.known"] is not previewed


_DATABASE: Any = {
    "namespace": NAMESPACE,
    "create": {"infrastructure_policy": "pai-infra", "storage_policy": "pai-gold"},
}


@pytest.mark.parametrize("status", _OFF)
def test_a_database_that_is_made_again_keeps_its_name_and_waits_for_its_address(
    status: Any, previewed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STATUS, "PostgresCluster", status)

    def build() -> dict[str, Any]:
        made = VectorDatabase("pg", _DATABASE)
        return {"host": made.host, "name": made.database_name, "username": made.username}

    if not previewed:
        with pytest.raises(pulumi.RunError, match="has no connection yet"):
            declare(build)
        return
    found = _known(build)
    assert (found["name.value"], found["username.value"]) == ("pais", "pgadmin")
    assert found["host.known"] is False


@pytest.mark.parametrize(
    ("entry", "port", "url"),
    [
        ({"ip": "198.51.100.9"}, 443.0, "https://198.51.100.9"),
        ({"hostname": "pais.example", "ip": "198.51.100.9"}, 8443, "https://pais.example:8443"),
        ({}, 443, None),
        (None, 443, None),
        ({"ip": "198.51.100.9"}, None, None),
    ],
)
def test_services_without_address_have_no_url(entry: Any, port: Any, url: str | None) -> None:
    assert _url(entry, port) == url


def test_what_a_status_says_is_found_at_its_path() -> None:
    def build() -> dict[str, Any]:
        status = pulumi.Output.from_input({"a": [{"b": 0}, {"b": ""}]})
        return {"first": told(status, "a", 0, "b"), "second": told(status, "a", 1, "b"), "third": told(status, "a", 2)}

    assert declare(build).outputs == {"first": 0, "second": "", "third": None}
