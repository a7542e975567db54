"""Machines on a namespace whose contents come late, and beside other images of the same name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
from ruamel.yaml import YAML

from cli.bench.scratch import lab_basics, write_yaml
from tests.lab.conftest import Paif, api_client
from tests.lab.project import Project

_STACK = "late"
_GROUP = "/apis/vmoperator.vmware.com/v1alpha3"
_IMAGE = "dlvm-9.0.1-simulated"
_FOREIGN = "vmi-0123456789abcdef0"


def _config(machines: dict[str, str]) -> dict[str, Any]:
    """An environment with machines, by name, on storage policies."""
    policies = list(dict.fromkeys(machines.values()))
    return lab_basics() | {
        "paif:namespace": {"name": _STACK, "storage": [{"policy": policy} for policy in policies]},
        "paif:vmClasses": [{"name": "a100-4c", "cpuCount": 8, "memoryGib": 32, "profile": "grid_a100-4c"}],
        "paif:workstations": [
            {"name": name, "owner": "late", "persona": "data-scientist", "class": "a100-4c", "storagePolicy": policy}
            for name, policy in machines.items()
        ],
    }


def _foreign_image(client: httpx.Client) -> None:
    """Another image of the same name, which the whole Supervisor sees."""
    body = {
        "apiVersion": "vmoperator.vmware.com/v1alpha3",
        "kind": "ClusterVirtualMachineImage",
        "metadata": {"name": _FOREIGN},
        "spec": {"providerRef": {"apiVersion": "x/v1", "kind": "ClusterContentLibraryItem", "name": "clitem-9"}},
    }
    client.post(f"{_GROUP}/clustervirtualmachineimages", json=body).raise_for_status()
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "True",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    status = {"status": {"name": _IMAGE, "providerItemID": "of-others", "conditions": [ready]}}
    client.patch(
        f"{_GROUP}/clustervirtualmachineimages/{_FOREIGN}/status",
        json=status,
        headers={"Content-Type": "application/merge-patch+json"},
    ).raise_for_status()


def _machines(client: httpx.Client) -> dict[str, dict[str, Any]]:
    items = client.get(f"{_GROUP}/namespaces/{_STACK}/virtualmachines").raise_for_status().json()["items"]
    return {item["metadata"]["name"].rsplit("-", 1)[-1]: item["spec"] for item in items}


def test_machines_come_after_what_they_name_and_stay_what_they_were_made_of(paif: Paif, tmp_path: Path) -> None:
    paif("lab", "up")
    (tmp_path / "project").mkdir()
    project = Project(paif, tmp_path / "project", _STACK, _config({"first": "pai-gold"}))
    stack_file = tmp_path / "project" / "stacks" / f"Pulumi.{_STACK}.yaml"
    with api_client(paif.endpoints()["supervisor"]["kubeconfig"], tmp_path) as client:
        _foreign_image(client)
        try:
            project("up", "--yes", "--skip-preview", "--stack", _STACK)
            first = _machines(client)["first"]
            own = client.get(f"{_GROUP}/namespaces/{_STACK}/virtualmachineimages").raise_for_status().json()["items"]
            ids = {item["status"]["name"]: item["metadata"]["name"] for item in own}
            # The platform refuses a name that means two.
            assert first["imageName"] == ids[_IMAGE] != _FOREIGN
            assert first["image"] == {"kind": "VirtualMachineImage", "name": ids[_IMAGE]}
            project("preview", "--expect-no-changes", "--stack", _STACK)
            client.delete(f"{_GROUP}/clustervirtualmachineimages/{_FOREIGN}").raise_for_status()
            project("preview", "--expect-no-changes", "--stack", _STACK)

            # A machine whose storage is added in the same run: at preview the platform would refuse it.
            secrets = YAML(typ="safe").load(stack_file.read_text(encoding="utf-8"))
            secrets["config"] |= _config({"first": "pai-gold", "second": "pai-silver"})
            write_yaml(stack_file, secrets)
            project("preview", "--stack", _STACK)
            project("up", "--yes", "--skip-preview", "--stack", _STACK)
            assert _machines(client)["second"]["imageName"] == _IMAGE
            assert _machines(client)["first"] == first
            project("preview", "--expect-no-changes", "--stack", _STACK)
        finally:
            client.delete(f"{_GROUP}/clustervirtualmachineimages/{_FOREIGN}")
            project("destroy", "--yes", "--skip-preview", "--stack", _STACK)
