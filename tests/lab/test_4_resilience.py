"""Runs that are cut off: the next one completes, doubles nothing and warns of nothing afterwards."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from ruamel.yaml import YAML

from cli.bench.scratch import write_yaml
from tests.lab.conftest import Paif, api_client, wait_until


class Run(subprocess.Popen[bytes]):
    """A command of ``./paif`` under way in a process group of its own, and what it has said so far."""

    def __init__(self, paif: Paif, *arguments: str) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # it is closed with the process, not here
        super().__init__(
            [str(paif.root / "paif"), *arguments],
            cwd=paif.root,
            env=paif.environment,
            stdout=self._said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._paif = paif

    def said(self) -> str:
        # The process writes at this file's position: reading must not move it.
        descriptor = self._said.fileno()
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(errors="replace")

    def over(self) -> int:
        """Wait for its end; its exit status. One that does not end is cut off, so that it holds no stack for others."""
        try:
            status = self.wait(300)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGINT)
            self.wait(60)
            pytest.fail(f"the run did not end by itself; it said\n{self.said()[-6000:]}")
        self._paif.printed.append(self.said())
        return status


def _is_engine(process: psutil.Process) -> bool:
    # Plugins come and go while one looks: one that has just ended says nothing of the others.
    try:
        return process.name() == "pulumi" and bool({"up", "destroy"} & set(process.cmdline()))
    except psutil.Error:
        return False


def _engine(process: Run) -> psutil.Process | None:
    try:
        return next(filter(_is_engine, psutil.Process(process.pid).children(recursive=True)), None)
    except psutil.Error:
        return None


def _plugins(process: Run) -> list[psutil.Process]:
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
    """The next ``up`` completes, and after it there is nothing to do."""
    paif("up", name)
    _settled(paif, name)


def _settled(paif: Paif, name: str) -> None:
    """An ``up`` has nothing to do and nothing to warn of, nothing is there twice, and no plugin is left."""
    again = paif("up", name, "--", "--expect-no-changes")
    assert "warning" not in (again.stdout + again.stderr).lower()
    assert not paif.export(name)["deployment"].get("pending_operations")
    machines = _machines(paif)
    assert len(machines) == len(set(machines))
    wait_until(lambda: not _of_engines(paif), "the plugins of the runs end")


def _of_engines(paif: Paif) -> list[str]:
    """What engines of this lab started and is still there."""
    found = []
    for each in psutil.process_iter():
        try:
            started = [Path(part).name for part in each.cmdline()[:2]]
            if any(name.startswith("pulumi-") for name in started) and each.environ()["PAIF_STATE"] == str(paif.state):
                found.append(" ".join(started))
        except (psutil.Error, OSError, KeyError):
            continue
    return found


def _checkpoint(paif: Paif) -> dict[str, Any]:
    """What the checkpoint of dev holds, read from the backend so that no engine is needed."""
    path = paif.state / "pulumi" / ".pulumi" / "stacks" / "paif" / "dev.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text())["checkpoint"]["latest"] or {}
    except (OSError, ValueError, KeyError):
        return {}
    return found


def _resources(paif: Paif) -> int:
    return len(_checkpoint(paif).get("resources") or [])


class Runs:
    """Runs of ``up dev`` that are cut off one after another, each further on than the one before."""

    def __init__(self, paif: Paif) -> None:
        paif("lab", "up")
        paif("destroy", "dev")
        self._paif = paif
        self._process: Run | None = None

    def at(self, resources: int) -> Run:
        """A run under way, with that many resources made."""
        return self.until(lambda: _resources(self._paif) >= resources, f"the run has made {resources} resources")

    def until(self, condition: Callable[[], bool], what: str) -> Run:
        """A run under way, when the condition holds; a run that failed before is followed by the next."""
        process = self._process

        def there() -> bool:
            nonlocal process
            if process is None or process.poll() is not None:
                assert process is None or process.returncode, "the run was over before anything was killed"
                process = Run(self._paif, "up", "dev")
                return False
            return condition()

        wait_until(there, what)
        assert process is not None
        self._process = process
        return process

    def over(self) -> int:
        """Wait for the present run's end; its exit status."""
        assert self._process is not None
        return self._process.over()


def _parts(paif: Paif) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(paif("lab", "status", "--json", check=False).stdout)
    return found


def test_kill_9_and_ctrl_c_of_the_engine_and_its_plugins(paif: Paif, tmp_path: Path) -> None:
    runs = Runs(paif)
    for resources in (8, 18):
        engine = _engine(runs.at(resources))
        assert engine is not None
        engine.kill()
        assert runs.over()
    process = runs.at(22)
    wait_until(lambda: bool(_plugins(process)), "the run has plugins")
    for plugin in _plugins(process):
        plugin.kill()
    assert runs.over()
    os.killpg(runs.at(26).pid, signal.SIGINT)
    assert runs.over()
    _whole(paif, "dev")
    # What was begun twice has been set by two field managers: a change of it must not meet the other one.
    there = paif.elsewhere(tmp_path)
    file = there.root / "stacks" / "Pulumi.dev.yaml"
    file.write_text(file.read_text().replace("cc-4711", "cc-4712"))
    there("up", "dev")
    paif("up", "dev")


def test_kill_9_of_parts_of_the_lab(paif: Paif) -> None:
    runs = Runs(paif)
    for part, resources in (("vcenter", 8), ("supervisor-apiserver", 16), ("etcd", 22)):
        runs.at(resources)
        os.kill(_parts(paif)[part]["pid"], signal.SIGKILL)
    operators = _parts(paif)["operators"]["pid"]
    runs.until(lambda: _half_a_control_plane(paif), "a cluster's API server is known, and its scheduler not yet")
    os.kill(operators, signal.SIGKILL)
    runs.over()
    _whole(paif, "dev")


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
    _settled(paif, "dev")


def test_kill_9_of_the_idle_lab(paif: Paif) -> None:
    paif("up", "dev")
    there = _parts(paif).keys()
    before = _kill_the_daemon(paif)
    down = paif("lab", "status", check=False)
    assert down.returncode == 1
    assert "ended without being told to" in down.stderr
    paif("lab", "up")
    assert paif.endpoints() == before
    now = _parts(paif)
    assert now.keys() == there
    assert {part["state"] for part in now.values()} == {"running"}
    _settled(paif, "dev")


def _release(paif: Paif, folder: Path) -> dict[tuple[int, str], str]:
    """Revisions of dev's GPU Operator as Helm has them, with their status, and the identity of each record."""
    found = {}
    for each in _guest(paif, folder, "/api/v1/namespaces/gpu-operator/secrets", "owner=helm,name=gpu-operator"):
        labels = each["labels"]
        found[int(labels["version"]), labels["status"]] = each["uid"]
    return dict(sorted(found.items()))


def _guest(paif: Paif, folder: Path, path: str, selector: str = "") -> list[dict[str, Any]]:
    """Metadata of objects in dev's cluster; none while there is no such cluster."""
    configs = list((paif.state / "lab" / "kubeconfig").glob("vks-acme-dev-*-gpu.yaml"))
    try:
        with api_client(configs[0].read_text(), folder) as api:
            answer = api.get(path, params={"labelSelector": selector}).raise_for_status()
    except (IndexError, OSError, httpx.HTTPError):
        return []
    return [each["metadata"] for each in answer.json()["items"]]


def _uids(paif: Paif, folder: Path) -> dict[str, str]:
    """Identities of what dev's GPU Operator runs: who is made anew has another one."""
    return {
        each["name"]: each["uid"] for each in _guest(paif, folder, "/apis/apps/v1/namespaces/gpu-operator/deployments")
    }


def _kill(process: Run, what: str) -> None:
    """Kill the engine or the plugins of a run, and wait for the run's end."""
    engine = _engine(process)
    assert engine is not None
    for each in [engine] if what == "engine" else _plugins(process):
        each.kill()
    assert process.over()


def test_kill_9_of_the_engine_while_it_destroys(paif: Paif) -> None:
    """What it was deleting is gone, and its state does not know: the next `up` makes it again."""
    paif("up", "dev")
    process = Run(paif, "destroy", "dev")
    deleting = {"type": "deleting"}.items()
    wait_until(
        lambda: any(deleting <= each.items() for each in _checkpoint(paif).get("pending_operations") or []), "deletes"
    )
    engine = _engine(process)
    assert engine is not None
    engine.kill()
    assert process.over()
    _whole(paif, "dev")
    # Whatever the state only believed to be there is not in it any more.
    paif("refresh", "dev")
    _settled(paif, "dev")


def test_kill_9_in_the_middle_of_a_helm_installation_and_of_an_upgrade(paif: Paif, tmp_path: Path) -> None:
    """What the release runs is what it ran before: nothing is uninstalled to make room."""
    paif("destroy", "dev")
    small = paif.elsewhere(tmp_path / "checkout")
    file = small.root / "stacks" / "Pulumi.dev.yaml"
    content = YAML(typ="safe").load(file.read_text())
    for key in ("database", "aiServices", "modelEndpoints", "workstations"):
        del content["config"][f"paif:{key}"]
    write_yaml(file, content)
    # Helm waits for pods that cannot start: as long as the fault is on, its record stays pending.
    paif("lab", "fault", "image-pull")
    seen: set[str] = set()
    for what in ("engine", "plugins"):
        process = Run(small, "up", "dev")
        seen.add(_pending(paif, tmp_path, (1, "pending-install"), seen))
        wait_until(lambda: bool(_uids(paif, tmp_path)), "the operator's deployments are there")
        there = _uids(paif, tmp_path)
        _kill(process, what)
    paif("lab", "fault", "image-pull", "--off")
    _whole(small, "dev")
    assert _uids(paif, tmp_path).items() >= there.items()

    there = _uids(paif, tmp_path)
    content["config"]["paif:clusters"][0]["gpuOperator"] = {"driverVersion": "550.90.05"}
    write_yaml(file, content)
    paif("lab", "fault", "image-pull")
    for revision, what in enumerate(("engine", "plugins"), 2):
        process = Run(small, "up", "dev")
        _pending(paif, tmp_path, (revision, "pending-upgrade"), set())
        _kill(process, what)
        assert (1, "deployed") in _release(paif, tmp_path)
    paif("lab", "fault", "image-pull", "--off")
    _whole(small, "dev")
    assert _uids(paif, tmp_path) == there
    assert [status for _, status in _release(paif, tmp_path)] == ["superseded", "failed", "failed", "deployed"]


def _pending(paif: Paif, folder: Path, revision: tuple[int, str], seen: set[str]) -> str:
    """Wait until Helm is about that revision, in a record that is none of those ``seen``; its identity."""
    wait_until(lambda: _release(paif, folder).get(revision, "") not in {"", *seen}, f"Helm: {revision}", 300)
    return _release(paif, folder)[revision]


def test_a_part_that_keeps_crashing_stays_in_the_labs_status(paif: Paif) -> None:
    paif("up", "dev")
    [name] = [each for each in _parts(paif) if each.endswith("-acme-dev-vks-gpu-apiserver")]
    paif("lab", "fault", "control-plane-crash", "cluster=acme-dev-vks-gpu")
    wait_until(lambda: _parts(paif).get(name, {}).get("state") == "failed", "the API server has crashed often enough")
    status = paif("lab", "status", check=False)
    assert status.returncode == 1
    assert f"{name}: exit status 2; started again" in status.stdout
    paif("lab", "fault", "control-plane-crash", "--off")
    wait_until(lambda: _parts(paif)[name]["state"] == "running", "the API server is back")
    _settled(paif, "dev")


def _kill_the_daemon(paif: Paif) -> dict[str, Any]:
    """Kill it, and see that nothing of the lab outlives it; what the lab offered."""
    before = paif.endpoints()
    daemon = psutil.Process(json.loads((paif.state / "lab" / "control.json").read_text())["pid"])
    below = daemon.children(recursive=True)
    daemon.kill()
    _, alive = psutil.wait_procs(below, timeout=20)
    assert [each.name() for each in alive] == []
    return before
