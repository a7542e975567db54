"""Many machines at once: 10 and 100 DLVMs through the VM Service, 10 clones through the official vsphere plugin."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from cli.bench.scratch import lab_configuration, scratch_project
from cli.engine.recovery import clones
from pulumi_resource_vcf.inventory import gpu_inventory
from pulumi_resource_vcf.vcenter import Account
from tests.lab.conftest import ROOT, Paif, wait_until
from tools.spec import pulumi_home

_PLUGINS = Path(os.environ.get("PAIF_MIRROR") or ROOT.parent / "shared" / "plugins")
_PLUGIN = _PLUGINS / "pulumi-resource-vsphere-v4.17.0-linux-amd64.tar.gz"
_DEVICES = ("0a", "18", "3b", "5d", "8a", "9b", "bb", "d8")


class Project:
    """A scratch project with one stack on the tests' lab."""

    def __init__(self, paif: Paif, folder: Path, stack: str, config: dict[str, Any]) -> None:
        scratch_project(folder, stack, config)
        self._paif, self._folder, self.stack = paif, folder, stack
        self("stack", "init", stack)
        for key in ("licenceToken", "ngcApiKey", "workstationPassword"):
            if key == "workstationPassword" or config["paif:gpu"]["mode"] == "vgpu":
                self("config", "set", "--secret", f"paif:{key}", "--stack", stack, "x" * 80)

    def _run(self, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
        script = f'eval "$({ROOT / "paif"} env)" && cd {self._folder} && exec pulumi "$@" --non-interactive'
        return subprocess.run(
            ["bash", "-c", script, "pulumi", *arguments],
            cwd=ROOT,
            env={**self._paif.environment, **extra},
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

    def refused(self, *arguments: str) -> str:
        """What a command that must fail says."""
        answer = self._run(*arguments)
        assert answer.returncode
        return answer.stdout + answer.stderr

    def __call__(self, *arguments: str, **extra: str) -> str:
        answer = self._run(*arguments, **extra)
        if answer.returncode:
            pytest.fail(f"pulumi {arguments[0]}: {answer.stdout[-2500:]}\n{answer.stderr[-1500:]}")
        return answer.stdout

    def begin(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a run and leave it running."""
        script = f'eval "$({ROOT / "paif"} env)" && cd {self._folder} && exec pulumi "$@" --non-interactive'
        return subprocess.Popen(
            ["bash", "-c", f"({script})", "pulumi", *arguments],
            cwd=ROOT,
            env=self._paif.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def clear_up(self) -> None:
        """What `./paif up` does first, for this project's stack, which `./paif` itself does not know."""
        program = (
            "import sys; from cli.engine.recovery import cleanup; from cli.engine.stack import Stack; "
            "cleanup.clean_up(Stack(sys.argv[1], lab=True), bool)"
        )
        script = f'eval "$({ROOT / "paif"} env)" && exec "$@"'
        answer = subprocess.run(
            ["bash", "-c", script, "python", sys.executable, "-c", program, self.stack],
            cwd=ROOT,
            env=self._paif.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self("stack", "export", "--stack", self.stack))["deployment"]
        return found

    def machines(self) -> list[str]:
        """Names of the clones in the state."""
        kind = "vsphere:index/virtualMachine:VirtualMachine"
        return sorted(each["inputs"]["name"] for each in self.state().get("resources", []) if each["type"] == kind)

    def outputs(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self("stack", "output", "--json", "--stack", self.stack))
        return found

    def round_trip(self, machines: int) -> None:
        """Up, addresses of all, no change afterwards, and everything destroyed."""
        try:
            self("up", "--yes", "--skip-preview", "--stack", self.stack)
            found = self.outputs()["dataScientist"]["workstations"]
            assert len({machine["address"] for machine in found.values()}) == machines
            assert len(_users(self._paif, assignments=True)) >= machines
            assert _users(self._paif, assignments=False) == set()
            self("preview", "--expect-no-changes", "--stack", self.stack)
        finally:
            # Nothing is asserted of it, and the state after each of 300 objects is half its time.
            final = {"PULUMI_SKIP_CHECKPOINTS": "true"}
            self("destroy", "--yes", "--skip-preview", "--stack", self.stack, **final)


def _users(paif: Paif, *, assignments: bool) -> set[str]:
    """Names of the machines that the inventory says hold a GPU."""
    ends = paif.endpoints()["vcenter"]
    account = Account(ends["server"], ends["username"], ends["password"], ends["ca"])
    hosts = gpu_inventory(account, "pai-gpu", assignments=assignments)["hosts"]
    return {name for host in hosts for device in host["pciDevices"] for name in device["assignedTo"]}


@pytest.mark.parametrize("machines", [10, 100])
def test_dlvms_through_the_vm_service_at_once(paif: Paif, tmp_path: Path, machines: int) -> None:
    paif("lab", "up")
    config = lab_configuration() | {
        "paif:namespace": {"name": f"many-{machines}", "storage": [{"policy": "pai-gold"}]},
        "paif:vmClasses": [{"name": "a100-4c", "cpuCount": 8, "memoryGib": 32, "profile": "grid_a100-4c"}],
        "paif:workstations": [
            {"name": f"w{index:03d}", "owner": "many", "persona": "data-scientist", "class": "a100-4c"}
            for index in range(machines)
        ],
    }
    Project(paif, tmp_path, f"many{machines}", config).round_trip(machines)


official_plugin = pytest.mark.skipif(
    not _PLUGIN.exists(),
    reason=f"the official vsphere plugin is not at hand: {_PLUGIN.name} in PAIF_MIRROR, or in ../shared/plugins",
)
"""Tests that need the plugin and say so where it is missing."""


def with_official_plugin(
    paif: Paif, folder: Path, monkeypatch: pytest.MonkeyPatch, stack: str, config: dict[str, Any]
) -> Project:
    """A scratch project in ``folder`` whose engine has the official vsphere plugin; the user's own is left alone."""
    installed = pulumi_home() / "plugins" / "resource-kubernetes-v4.25.0"
    monkeypatch.setitem(paif.environment, "PULUMI_HOME", str(folder / "home"))
    plugins = folder / "home" / "plugins"
    plugins.mkdir(parents=True)
    if installed.exists():
        # Links to files: the engine takes no linked folder for a plugin.
        shutil.copytree(installed, plugins / installed.name, copy_function=os.link)
    (folder / "project").mkdir()
    project = Project(paif, folder / "project", stack, config)
    project("plugin", "install", "resource", "vsphere", "v4.17.0", "--file", str(_PLUGIN))
    return project


def _clones(paif: Paif, folder: Path, monkeypatch: pytest.MonkeyPatch, stack: str, machines: int) -> Project:
    """A project that clones machines in vSphere, with the official plugin."""
    paif("lab", "up")
    config = lab_configuration() | {
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
