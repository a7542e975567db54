"""Parts of the lab that die, or all of it, at rest and while `up` runs: what was under way goes on or is made whole."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import psutil

from lab.supervision.control import Control
from tests.lab.conftest import Paif, wait_until
from tests.lab.cut_off import Runs, parts_of_lab, resources, settled


def test_kill_9_of_parts_of_the_lab(paif: Paif) -> None:
    runs, parts = Runs(paif), Control.connect(paif.state / "lab")
    moments: dict[str, Callable[[], bool]] = {
        "vcenter": lambda: resources(paif) >= 8,
        "supervisor-apiserver": lambda: resources(paif) >= 16,
        "etcd": lambda: resources(paif) >= 22,
        # A cluster's API server is known, and its scheduler not yet: that is over soon.
        "operators": lambda: _half_a_control_plane(paif),
    }
    now: list[str] = []

    def come() -> bool:
        now[:] = [part for part, has_come in moments.items() if has_come()]
        return bool(now)

    while moments:
        runs.until(come, f"the moment to kill {', '.join(moments)}")
        for part in now:
            pid = parts.parts()[part].pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            del moments[part]
    if runs.over():
        paif("up", "dev")
    settled(paif, "dev")


def _half_a_control_plane(paif: Paif) -> bool:
    try:
        known = json.loads((paif.state / "lab" / "parts.json").read_text())
    except FileNotFoundError:
        return False
    servers = {name.removesuffix("-apiserver") for name in known if name.endswith("-apiserver")}
    return any(f"{name}-scheduler" not in known for name in servers)


def test_kill_9_of_the_whole_lab_during_up(paif: Paif) -> None:
    runs = Runs(paif)
    runs.at(20)
    before = _kill_the_daemon(paif)
    assert runs.over() == 0, "the run did not go on"
    assert paif.endpoints() == before
    settled(paif, "dev")


def test_kill_9_of_the_idle_lab(paif: Paif) -> None:
    paif.having("dev")
    there = parts_of_lab(paif).keys()
    before = _kill_the_daemon(paif)
    down = paif("lab", "status", check=False)
    assert down.returncode == 1
    assert "ended without being told to" in down.stderr
    paif("lab", "up")
    assert paif.endpoints() == before
    now = parts_of_lab(paif)
    assert now.keys() == there
    assert {part["state"] for part in now.values()} == {"running"}
    settled(paif, "dev")


def test_a_part_that_keeps_crashing_stays_in_the_labs_status(paif: Paif) -> None:
    paif.having("dev")
    [name] = [each for each in parts_of_lab(paif) if each.endswith("-acme-dev-vks-gpu-apiserver")]
    paif("lab", "fault", "control-plane-crash", "cluster=acme-dev-vks-gpu")
    wait_until(
        lambda: parts_of_lab(paif).get(name, {}).get("state") == "failed", "the API server has crashed often enough"
    )
    status = paif("lab", "status", check=False)
    assert status.returncode == 1
    assert f"{name}: exit status 2; started again" in status.stdout
    paif("lab", "fault", "control-plane-crash", "--off")
    wait_until(lambda: parts_of_lab(paif)[name]["state"] == "running", "the API server is back")
    settled(paif, "dev")


def _kill_the_daemon(paif: Paif) -> dict[str, Any]:
    """Kill it, and see that nothing of the lab outlives it; what the lab offered."""
    before = paif.endpoints()
    daemon = psutil.Process(json.loads((paif.state / "lab" / "control.json").read_text())["pid"])
    below = daemon.children(recursive=True)
    daemon.kill()
    _, alive = psutil.wait_procs(below, timeout=20)
    assert [each.name() for each in alive] == []
    return before
