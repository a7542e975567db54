"""Runs that are cut off: the next one completes, doubles nothing and warns of nothing afterwards."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import httpx
from ruamel.yaml import YAML

from cli.bench.scratch import write_yaml
from tests.lab.conftest import Paif, api_client, wait_until
from tests.lab.cut_off import Run, Runs, checkpoint, completes, engine_of, plugins_of, settled


def test_kill_9_and_ctrl_c_of_the_engine_and_its_plugins(paif: Paif, tmp_path: Path) -> None:
    runs = Runs(paif)
    for resources in (8, 18):
        engine_of(runs.at(resources)).kill()
        assert runs.over()
    process = runs.at(22)
    wait_until(lambda: bool(plugins_of(process)), "the run has plugins")
    for plugin in plugins_of(process):
        plugin.kill()
    assert runs.over()
    os.killpg(runs.at(26).pid, signal.SIGINT)
    assert runs.over()
    completes(paif, "dev")
    # What was begun twice has been set by two field managers: a change of it must not meet the other one.
    there = paif.elsewhere(tmp_path)
    file = there.root / "stacks" / "Pulumi.dev.yaml"
    file.write_text(file.read_text().replace("cc-4711", "cc-4712"))
    there("up", "dev")


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
    engine = engine_of(process)
    for each in [engine] if what == "engine" else plugins_of(process):
        each.kill()
    assert process.over()


def test_kill_9_of_the_engine_while_it_destroys(paif: Paif) -> None:
    """What it was deleting is gone, and its state does not know: the next `up` makes it again."""
    paif.having("dev")
    process = Run(paif, "destroy", "dev")
    deleting = {"type": "deleting"}.items()
    wait_until(
        lambda: any(deleting <= each.items() for each in checkpoint(paif).get("pending_operations") or []), "deletes"
    )
    engine = engine_of(process)
    engine.kill()
    assert process.over()
    completes(paif, "dev")
    # Whatever the state only believed to be there is not in it any more.
    paif("refresh", "dev")
    settled(paif, "dev")


def test_kill_9_in_the_middle_of_a_helm_installation_and_of_an_upgrade(paif: Paif, tmp_path: Path) -> None:
    """What the release runs is what it ran before: nothing is uninstalled to make room."""
    paif.without("dev")
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
    completes(small, "dev")
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
    completes(small, "dev")
    assert _uids(paif, tmp_path) == there
    assert [status for _, status in _release(paif, tmp_path)] == ["superseded", "failed", "failed", "deployed"]


def _pending(paif: Paif, folder: Path, revision: tuple[int, str], seen: set[str]) -> str:
    """Wait until Helm is about that revision, in a record that is none of those ``seen``; its identity."""
    wait_until(lambda: _release(paif, folder).get(revision, "") not in {"", *seen}, f"Helm: {revision}", 300)
    return _release(paif, folder)[revision]
