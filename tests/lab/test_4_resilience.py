"""Runs that are cut off: the next one completes, doubles nothing and warns of nothing afterwards."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import threading
from collections.abc import Callable

import httpx
import psutil
import pytest

from tests.lab.conftest import ROOT, Paif


def _wait(condition: Callable[[], bool], what: str, seconds: float = 120) -> None:
    event = threading.Event()
    for _ in range(int(seconds / 0.1)):
        if condition():
            return
        event.wait(0.1)
    pytest.fail(f"{what}: it did not happen")


def _begun(paif: Paif, name: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [str(ROOT / "paif"), "up", name],
        cwd=ROOT,
        env=paif.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _engine(process: subprocess.Popen[bytes]) -> psutil.Process | None:
    try:
        below = psutil.Process(process.pid).children(recursive=True)
        return next((each for each in below if each.name() == "pulumi" and "up" in each.cmdline()), None)
    except psutil.Error:
        return None


def _plugins(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    try:
        return [
            each
            for each in psutil.Process(process.pid).children(recursive=True)
            if each.name().startswith("pulumi-resource")
        ]
    except psutil.Error:
        return []


def _machines(paif: Paif) -> list[str]:
    """The virtual machines in the lab's vCenter, to see doubles."""

    token = (paif.state / "lab" / "token").read_text()
    ends = paif.endpoints()["vcenter"]

    with httpx.Client(verify=ssl.create_default_context(cadata=ends["ca"]), trust_env=False) as client:
        answer = client.get(f"https://{ends['server']}/lab/v1/vms", headers={"X-Lab-Token": token}).raise_for_status()
    return sorted(f"{vm['namespace']}/{vm['name']}" for vm in answer.json()["vms"])


def _whole(paif: Paif, name: str) -> None:
    """The next ``up`` completes, and the one after it has nothing to do and nothing to warn of."""
    paif("up", name)
    again = paif("up", name, "--", "--expect-no-changes")
    assert "warning" not in (again.stdout + again.stderr).lower()
    assert not paif.export(name)["deployment"].get("pending_operations")
    machines = _machines(paif)
    assert len(machines) == len(set(machines))


@pytest.fixture(autouse=True)
def _from_nothing(paif: Paif) -> None:
    paif("lab", "up")
    paif("destroy", "dev")


def _resources(paif: Paif) -> int:
    """Resources in the checkpoint of dev, read from the backend so that no engine is needed."""
    path = paif.state / "pulumi" / ".pulumi" / "stacks" / "paif" / "dev.json"
    try:
        checkpoint = json.loads(path.read_text())["checkpoint"]["latest"] or {}
    except (OSError, ValueError, KeyError):
        return 0
    return len(checkpoint.get("resources") or [])


@pytest.mark.parametrize("resources", [8, 20], ids=["early", "late"])
def test_kill_9_of_the_engine(paif: Paif, resources: int) -> None:
    process = _begun(paif, "dev")
    _wait(lambda: _resources(paif) >= resources, "the run gets going")
    engine = _engine(process)
    assert engine is not None
    engine.kill()
    process.wait(60)
    _whole(paif, "dev")


def test_kill_9_of_a_provider_plugin(paif: Paif) -> None:
    process = _begun(paif, "dev")
    _wait(lambda: _resources(paif) >= 8 and bool(_plugins(process)), "the run gets going")
    for plugin in _plugins(process):
        plugin.kill()
    process.wait(300)
    _whole(paif, "dev")


def test_ctrl_c(paif: Paif) -> None:
    process = _begun(paif, "dev")
    _wait(lambda: _resources(paif) >= 8, "the run gets going")
    os.killpg(process.pid, signal.SIGINT)
    process.wait(300)
    _whole(paif, "dev")


@pytest.mark.parametrize("part", ["vcenter", "supervisor-apiserver"])
def test_kill_9_of_a_part_of_the_lab(paif: Paif, part: str) -> None:
    process = _begun(paif, "dev")
    _wait(lambda: _resources(paif) >= 8, "the run gets going")
    parts = json.loads(paif("lab", "status", "--json", check=False).stdout)
    os.kill(parts[part]["pid"], signal.SIGKILL)
    process.wait(600)
    _whole(paif, "dev")
