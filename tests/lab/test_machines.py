"""Many machines at once: 100 DLVMs through the VM Service, 10 clones through the official vsphere plugin."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from cli.bench.scratch import lab_basics
from cli.engine.recovery import clones
from tests.lab.conftest import Paif, wait_until
from tests.lab.project import Project, official_plugin, with_official_plugin

_DEVICES = ("0a", "18", "3b", "5d", "8a", "9b", "bb", "d8")


def test_a_hundred_dlvms_through_the_vm_service_at_once(paif: Paif, tmp_path: Path) -> None:
    machines = 100
    paif("lab", "up")
    config = lab_basics() | {
        "paif:namespace": {"name": f"many-{machines}", "storage": [{"policy": "pai-gold"}]},
        "paif:vmClasses": [{"name": "a100-4c", "cpuCount": 8, "memoryGib": 32, "profile": "grid_a100-4c"}],
        "paif:workstations": [
            {"name": f"w{index:03d}", "owner": "many", "persona": "data-scientist", "class": "a100-4c"}
            for index in range(machines)
        ],
    }
    Project(paif, tmp_path, f"many{machines}", config).round_trip(machines)


def _clones(paif: Paif, folder: Path, monkeypatch: pytest.MonkeyPatch, stack: str, machines: int) -> Project:
    """A project that clones machines in vSphere, with the official plugin."""
    paif("lab", "up")
    config = lab_basics() | {
        "paif:gpu": {"mode": "directpath", "model": "L40S"},
        "paif:namespace": {"name": stack, "storage": [{"policy": "pai-gold"}]},
        "paif:vmClasses": [{"name": "l40s", "cpuCount": 8, "memoryGib": 64, "gpus": 1}],
        "paif:workstations": [
            {
                "name": f"{stack}-{index}",
                "owner": "many",
                "persona": "data-scientist",
                "class": "l40s",
                "route": "vsphere",
                "vsphere": {
                    "datacenter": "pai-dc",
                    "host": f"esx-{6 + index // 8:02d}.lab.test",
                    "datastore": "pai-ds",
                    "network": "pai-workload",
                    "ovfNetwork": "pai-workload",
                    "pciDevice": f"0000:{_DEVICES[index % 8]}:00.0",
                },
            }
            for index in range(machines)
        ],
    }
    return with_official_plugin(paif, folder, monkeypatch, stack, config)


@official_plugin
def test_clones_with_the_official_plugin_at_once(paif: Paif, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _clones(paif, tmp_path, monkeypatch, "clones", 10).round_trip(10)


@official_plugin
def test_clones_that_were_cut_off_are_made_anew_and_not_twice(
    paif: Paif, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = _clones(paif, tmp_path, monkeypatch, "cut", 3)
    try:
        # A plugin that was killed leaves nothing pending, an engine leaves its operations.
        for killed in ("pulumi-resource-vsphere", "pulumi"):
            _cut_off(paif, cut, killed)
            cut.clear_up()
            assert _machines_of(paif, cut.stack) == cut.machines()
        cut("up", "--yes", "--skip-preview", "--stack", cut.stack)
        assert _machines_of(paif, cut.stack) == cut.machines()
        assert len(cut.machines()) == 3
        cut("preview", "--expect-no-changes", "--stack", cut.stack)
        assert not cut.state().get("pending_operations")
    finally:
        cut("destroy", "--yes", "--skip-preview", "--stack", cut.stack)
    assert _machines_of(paif, cut.stack) == []


def _cut_off(paif: Paif, project: Project, killed: str) -> None:
    """Kill a process of a run that clones, while it does."""
    made = set(project.machines())
    run = project.begin("up", "--yes", "--skip-preview", "--stack", project.stack)
    wait_until(lambda: bool(set(_machines_of(paif, project.stack)) - made), "a clone is in vCenter")
    next(each for each in psutil.Process(run.pid).children(recursive=True) if each.name() == killed).kill()
    run.wait(120)
    assert set(_machines_of(paif, project.stack)) - set(project.machines()), f"{killed}: no clone was cut off"


def _machines_of(paif: Paif, stack: str) -> list[str]:
    """Names of a stack's machines, as vCenter's own API tells them."""
    ends = paif.endpoints()["vcenter"]
    account = clones.Account(ends["server"], ends["username"], ends["password"])
    trust = paif.state / "lab" / "trust.pem"
    with clones.connected(account, str(trust)) as vcenter:
        return [each.name for each in vcenter.machines(set()) if f"urn:pulumi:{stack}::" in each.annotation]
