"""``destroy`` leaves nothing: in vCenter, on the Supervisor, in etcd, processes, ports and files. These run last."""

from __future__ import annotations

import base64
import json
import ssl
from pathlib import Path

import httpx
import psutil
import pytest

from tests.lab.conftest import Paif, api_client
from tests.lab.connections import lab_api

ENVIRONMENTS = ("dev", "qa", "staging", "prod")


@pytest.fixture(scope="module")
def destroyed(paif: Paif) -> Paif:
    """The toolkit after every environment was destroyed, prod after it was unprotected."""
    paif.having("prod")
    paif("unprotect", "prod", "--yes")
    paif.without(*ENVIRONMENTS)
    return paif


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_state_is_empty(destroyed: Paif, name: str) -> None:
    assert not destroyed.export(name)["deployment"].get("resources")


def test_vcenter_has_no_machine_namespace_or_class_of_ours(destroyed: Paif) -> None:
    with lab_api(destroyed) as client:
        assert client.get("/lab/v1/vms").raise_for_status().json()["vms"] == []
        wcp = client.get("/lab/v1/wcp").raise_for_status().json()
    assert [each["name"] for each in wcp["namespaces"]] == ["other-team"]
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


def test_the_supervisor_has_no_namespace_of_ours(destroyed: Paif, tmp_path: Path) -> None:
    with api_client(destroyed.endpoints()["supervisor"]["kubeconfig"], tmp_path) as supervisor:
        found = supervisor.get("/api/v1/namespaces").raise_for_status().json()["items"]
    names = [each["metadata"]["name"] for each in found]
    assert "kube-system" in names
    assert [name for name in names if name.startswith("acme-")] == []


def test_etcd_has_keys_of_the_supervisor_only(destroyed: Paif) -> None:
    lab = destroyed.state / "lab"
    authority = ssl.create_default_context(cafile=str(lab / "pki" / "etcd" / "ca.crt"))
    authority.load_cert_chain(lab / "pki" / "etcd" / "apiserver.crt", lab / "pki" / "etcd" / "apiserver.key")
    address = f"https://127.0.0.1:{json.loads((lab / 'ports.json').read_text())['etcd']}"
    with httpx.Client(base_url=address, verify=authority, trust_env=False) as etcd:
        everything = base64.b64encode(b"\0").decode()
        answer = etcd.post("/v3/kv/range", json={"key": everything, "range_end": everything, "keys_only": True})
    keys = [base64.b64decode(each["key"]).decode() for each in answer.raise_for_status().json()["kvs"]]
    assert {key.split("/")[1] for key in keys if key.startswith("/")} == {"supervisor"}


def test_no_port_authority_or_file_of_them_is_left(destroyed: Paif) -> None:
    lab = destroyed.state / "lab"
    ports = json.loads((lab / "ports.json").read_text())
    assert [name for name in ports if name.startswith(("vks-", "postgres-", "pais-"))] == []
    names = [path.name for path in lab.rglob("*") if path.name.startswith(("vks-", "postgres-", "pais-"))]
    assert names == []
    for part in ("vks", "postgres", "pais"):
        assert [path.name for path in lab.glob(f"{part}/*")] == []
    assert [path.name for path in (destroyed.state / "run").glob("*")] == []


def test_lab_down_leaves_no_process(destroyed: Paif) -> None:
    destroyed("lab", "down")
    left = [
        each.info["cmdline"]
        for each in psutil.process_iter(["cmdline"])
        if str(destroyed.state / "lab") in " ".join(each.info["cmdline"] or [])
    ]
    assert left == []
