"""``destroy`` leaves nothing: in vCenter, on the Supervisor, in processes, ports and files. These run last."""

from __future__ import annotations

import json
import ssl

import httpx
import psutil
import pytest

from tests.lab.conftest import Paif

ENVIRONMENTS = ("dev", "qa", "staging", "prod")


@pytest.fixture(scope="module")
def destroyed(paif: Paif) -> Paif:
    """The toolkit after every environment was destroyed, prod after it was unprotected."""
    paif("lab", "up")
    paif("up", "prod")
    paif("unprotect", "prod", "--yes")
    for name in ENVIRONMENTS:
        paif("destroy", name)
    return paif


def _vcenter(paif: Paif) -> httpx.Client:
    ends = paif.endpoints()["vcenter"]
    return httpx.Client(
        base_url=f"https://{ends['server']}",
        verify=ssl.create_default_context(cadata=ends["ca"]),
        headers={"X-Lab-Token": (paif.state / "lab" / "token").read_text()},
        trust_env=False,
    )


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_state_is_empty(destroyed: Paif, name: str) -> None:
    assert not destroyed.export(name)["deployment"].get("resources")


def test_vcenter_has_no_machine_namespace_or_class_of_ours(destroyed: Paif) -> None:
    with _vcenter(destroyed) as client:
        assert client.get("/lab/v1/vms").raise_for_status().json()["vms"] == []
        wcp = client.get("/lab/v1/wcp").raise_for_status().json()
    assert wcp["namespaces"] == []
    assert [each["id"] for each in wcp["vm_classes"] if each["id"].startswith("acme-")] == []


def test_no_process_of_a_database_or_cluster_is_left(destroyed: Paif) -> None:
    parts = json.loads(destroyed("lab", "status", "--json").stdout)
    ours = [name for name in parts if name.startswith(("vks-", "postgres-", "pais-"))]
    assert ours == []
    left = [
        each
        for each in psutil.process_iter(["cmdline"])
        if str(destroyed.state) in " ".join(each.info["cmdline"] or [])
    ]
    kept = {part["pid"] for part in parts.values()}
    assert [
        each.info["cmdline"][:3] for each in left if each.pid not in kept and not kept & {p.pid for p in each.parents()}
    ] == []


def test_no_port_authority_or_file_of_them_is_left(destroyed: Paif) -> None:
    lab = destroyed.state / "lab"
    ports = json.loads((lab / "ports.json").read_text())
    assert [name for name in ports if name.startswith(("vks-", "postgres-", "pais-"))] == []
    names = [path.name for path in lab.rglob("*") if path.name.startswith(("vks-", "postgres-", "pais-"))]
    assert names == []


def test_lab_down_leaves_no_process(destroyed: Paif) -> None:
    destroyed("lab", "down")
    left = [
        each.info["cmdline"]
        for each in psutil.process_iter(["cmdline"])
        if str(destroyed.state / "lab") in " ".join(each.info["cmdline"] or [])
    ]
    assert left == []
