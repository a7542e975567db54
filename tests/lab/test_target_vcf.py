"""Target vcf: the same program on endpoints that are given, not found; here they happen to be the lab's."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from cli.bench.scratch import lab_basics
from lab.pki import lab_authority
from tests.lab.conftest import Paif
from tests.lab.project import Project

_LOGIN = """\
import json, sys
from pathlib import Path
from ruamel.yaml import YAML
ends = json.loads(Path({endpoints!r}).read_text())
user = YAML(typ="safe").load(ends["supervisor"]["kubeconfig"])["users"][0]["user"]
with Path({used!r}).open("a") as used:
    used.write("login\\n")
pem = {{name: __import__("base64").b64decode(user[key]).decode() for name, key in (
    ("clientCertificateData", "client-certificate-data"), ("clientKeyData", "client-key-data"))}}
print(json.dumps({{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": pem}}))
"""


def _exec_kubeconfig(paif: Paif, folder: Path) -> str:
    """The Supervisor's kubeconfig with a login by an exec plugin, as a site uses it: no credential in the text."""
    script = folder / "login.py"
    endpoints = paif.state / "lab" / "endpoints.json"
    script.write_text(_LOGIN.format(endpoints=str(endpoints), used=str(folder / "used")))
    document = YAML(typ="safe").load(paif.endpoints()["supervisor"]["kubeconfig"])
    document["users"][0]["user"] = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": sys.executable,
            "args": [str(script)],
            "interactiveMode": "Never",
        }
    }
    return json.dumps(document)


def _config(paif: Paif, ca: str) -> dict[str, Any]:
    ends = paif.endpoints()["vcenter"]
    basics = lab_basics()
    return basics | {
        "paif:target": "vcf",
        "paif:vcenter": basics["paif:vcenter"]
        | {"server": ends["server"], "username": ends["username"], "caBundle": ca},
        "paif:namespace": {"name": "given", "storage": [{"policy": "pai-gold"}]},
        "paif:vmClasses": [{"name": "a100-4c", "cpuCount": 8, "memoryGib": 32, "profile": "grid_a100-4c"}],
        "paif:workstations": [{"name": "w", "owner": "w", "persona": "data-scientist", "class": "a100-4c"}],
    }


@pytest.fixture
def given(paif: Paif, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Credentials in the environment of the run, none of them on disk."""
    paif("lab", "up")
    monkeypatch.setitem(paif.environment, "PAIF_VCENTER_PASSWORD", paif.endpoints()["vcenter"]["password"])
    monkeypatch.setitem(paif.environment, "PAIF_KUBECONFIG", _exec_kubeconfig(paif, tmp_path))
    project = tmp_path / "project"
    project.mkdir()
    return project


def test_credentials_come_from_the_environment_and_the_kubeconfig_logs_in_by_exec(paif: Paif, given: Path) -> None:
    stack = Project(paif, given, "given", _config(paif, paif.endpoints()["vcenter"]["ca"]))
    stack.round_trip(1)
    assert (given.parent / "used").read_text().startswith("login\n")


def test_a_vcenter_whose_authority_is_not_trusted_is_refused(paif: Paif, given: Path, tmp_path: Path) -> None:
    stranger = lab_authority(tmp_path / "stranger").pem
    stack = Project(paif, given, "stranger", _config(paif, stranger))
    said = stack.refused("preview", "--stack", stack.stack)
    assert "certificate" in said.lower()
    assert "caBundle" in said
    assert "Traceback" not in said
