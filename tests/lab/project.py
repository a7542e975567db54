"""A scratch project with one stack on the tests' lab, run with plain pulumi, and the official vsphere plugin for it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.bench.scratch import scratch_project
from pulumi_resource_vcf.inventory import gpu_inventory
from pulumi_resource_vcf.vcenter import Account
from tests.lab.conftest import ROOT, Paif
from tools.spec import pulumi_home

_PLUGINS = Path(os.environ.get("PAIF_MIRROR") or ROOT.parent / "shared" / "plugins")
_PLUGIN = _PLUGINS / "pulumi-resource-vsphere-v4.17.0-linux-amd64.tar.gz"


class Project:
    """A scratch project with one stack on the tests' lab."""

    def __init__(self, paif: Paif, folder: Path, stack: str, config: dict[str, Any]) -> None:
        scratch_project(folder, stack, config)
        self._paif, self._folder, self.stack = paif, folder, stack
        self("stack", "init", stack)
        for key in ("licenseToken", "ngcApiKey", "workstationPassword"):
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
