"""Many machines at once: 10 and 100 DLVMs through the VM Service, 10 clones through the official vsphere plugin."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cli.bench.scratch import lab_basics, scratch_project
from tests.lab.conftest import ROOT, Paif
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

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        script = f'eval "$({ROOT / "paif"} env)" && cd {self._folder} && exec pulumi "$@" --non-interactive'
        return subprocess.run(
            ["bash", "-c", script, "pulumi", *arguments],
            cwd=ROOT,
            env=self._paif.environment,
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

    def __call__(self, *arguments: str) -> str:
        answer = self._run(*arguments)
        if answer.returncode:
            pytest.fail(f"pulumi {arguments[0]}: {answer.stdout[-2500:]}\n{answer.stderr[-1500:]}")
        return answer.stdout

    def outputs(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self("stack", "output", "--json", "--stack", self.stack))
        return found

    def round_trip(self, machines: int) -> None:
        """Up, addresses of all, no change afterwards, and everything destroyed."""
        try:
            self("up", "--yes", "--skip-preview", "--stack", self.stack)
            found = self.outputs()["dataScientist"]["workstations"]
            assert len({machine["address"] for machine in found.values()}) == machines
            self("preview", "--expect-no-changes", "--stack", self.stack)
        finally:
            self("destroy", "--yes", "--skip-preview", "--stack", self.stack)


@pytest.mark.parametrize("machines", [10, 100])
def test_dlvms_through_the_vm_service_at_once(paif: Paif, tmp_path: Path, machines: int) -> None:
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


@official_plugin
def test_clones_with_the_official_plugin_at_once(paif: Paif, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paif("lab", "up")
    config = lab_basics() | {
        "paif:gpu": {"mode": "directpath", "model": "L40S"},
        "paif:namespace": {"name": "clones", "storage": [{"policy": "pai-gold"}]},
        "paif:vmClasses": [{"name": "l40s", "cpuCount": 8, "memoryGib": 64, "gpus": 1}],
        "paif:workstations": [
            {
                "name": f"c{index}",
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
            for index in range(10)
        ],
    }
    with_official_plugin(paif, tmp_path, monkeypatch, "clones", config).round_trip(10)
