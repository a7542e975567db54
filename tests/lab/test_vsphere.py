"""What the official vsphere plugin makes besides clones: content libraries, tag categories and tags."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.bench.scratch import lab_configuration
from tests.lab.conftest import Paif
from tests.lab.connections import vcenter_session
from tests.lab.project import Project, official_plugin, with_official_plugin

_TAGGING = "/rest/com/vmware/cis/tagging"
_TOKEN = "token-in-the-address-1b7e"


@pytest.fixture
def vcenter(paif: Paif) -> Iterator[httpx.Client]:
    """A session with the lab's simulated vCenter."""
    paif("lab", "up")
    with vcenter_session(paif) as client:
        yield client


def _libraries(vcenter: httpx.Client) -> dict[str, str]:
    """Content libraries by name."""
    ids = vcenter.get("/api/content/library").raise_for_status().json()
    return {vcenter.get(f"/api/content/library/{each}").json()["name"]: each for each in ids}


def _tags(vcenter: httpx.Client) -> set[str]:
    ids = vcenter.get(f"{_TAGGING}/tag").raise_for_status().json()["value"] or []
    return {vcenter.get(f"{_TAGGING}/tag/id:{each}").json()["value"]["name"] for each in ids}


def _config(vcenter: httpx.Client) -> dict[str, Any]:
    """An environment that makes what it uses."""
    basics = lab_configuration()
    published = f"{str(vcenter.base_url).rstrip('/')}/{{token}}/lib/{_libraries(vcenter)['dlvm-images']}"
    place = {
        "datacenter": "pai-dc",
        "host": "esx-05.lab.test",
        "datastore": "pai-ds",
        "network": "pai-workload",
        "ovfNetwork": "pai-workload",
        "pciDevice": "0000:3b:00.0",
    }
    person = {"owner": "alice", "persona": "data-scientist", "class": "l40s"}
    return basics | {
        "paif:gpu": {"mode": "directpath", "model": "L40S"},
        "paif:namespace": {"name": "libraries", "storage": [{"policy": "pai-gold"}]},
        "paif:content": {**basics["paif:content"], "dlvmLibrary": "mirrored-images"},
        "paif:contentLibraries": [
            {
                "name": "mirrored-images",
                "datacenter": "pai-dc",
                "datastore": "pai-ds",
                "subscription": {"url": published},
            }
        ],
        "paif:vsphereTags": {
            "createCategories": True,
            "create": ["organization", "environment", "owner", "costCenter", "persona"],
        },
        "paif:vmClasses": [{"name": "l40s", "cpuCount": 8, "memoryGib": 64, "gpus": 1}],
        "paif:workstations": [
            {"name": "service", **person},
            {"name": "clone", **person, "route": "vsphere", "vsphere": place},
        ],
    }


def _neighbor(config: dict[str, Any]) -> dict[str, Any]:
    """Another environment, which looks up what the first one has made."""
    [_, clone] = config["paif:workstations"]
    config = {key: value for key, value in config.items() if key != "paif:contentLibraries"}
    place = {**clone["vsphere"], "pciDevice": "0000:5d:00.0"}
    return config | {
        "paif:namespace": {"name": "neighbor", "storage": [{"policy": "pai-gold"}]},
        "paif:vsphereTags": {"create": ["environment"]},
        "paif:workstations": [{**clone, "vsphere": place}],
    }


@official_plugin
def test_libraries_and_tags_come_go_and_are_used(
    paif: Paif, vcenter: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _libraries(vcenter)
    config = _config(vcenter)
    project = with_official_plugin(paif, tmp_path, monkeypatch, "vsphere", config)
    project("config", "set", "--secret", "paif:libraryToken", "--stack", "vsphere", _TOKEN)
    try:
        project("preview", "--stack", "vsphere")
        project("up", "--yes", "--skip-preview", "--stack", "vsphere")
        assert set(_libraries(vcenter)) == {*before, "mirrored-images"}
        assert {"acme", "vsphere", "ai-platform", "cc-4711", "data-scientist", "mlops-engineer"} <= _tags(vcenter)
        machines = vcenter.get("/api/vcenter/vm", params={"names": "acme-vsphere-dlvm-clone"}).json()
        [clone] = [each["vm"] for each in machines if each["name"] == "acme-vsphere-dlvm-clone"]
        attached = vcenter.post(
            f"{_TAGGING}/tag-association?~action=list-attached-tags",
            json={"object_id": {"type": "VirtualMachine", "id": clone}},
        )
        assert len(attached.raise_for_status().json()["value"]) == 5
        project("preview", "--expect-no-changes", "--stack", "vsphere")
        assert _TOKEN not in project("stack", "export", "--stack", "vsphere")
        (tmp_path / "neighbor").mkdir()
        Project(paif, tmp_path / "neighbor", "neighbor", _neighbor(config)).round_trip(1)
    finally:
        project("destroy", "--yes", "--skip-preview", "--stack", "vsphere")
    assert _libraries(vcenter) == before
    assert "ai-platform" not in _tags(vcenter)
