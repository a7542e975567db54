"""Runs of `./paif` that are cut off, and what must hold after the next one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.lab.conftest import Paif, wait_until
from tests.lab.connections import lab_api


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


def engine_of(process: Run) -> psutil.Process:
    """The engine of a run, waited for: what the run before had made is in the checkpoint from the first moment on."""
    found: list[psutil.Process] = []

    def there() -> bool:
        assert process.poll() is None, f"the run was over before its engine was seen:\n{process.said()[-3000:]}"
        try:
            found.extend(filter(_is_engine, psutil.Process(process.pid).children(recursive=True)))
        except psutil.Error:
            return False
        return bool(found)

    wait_until(there, "the run has an engine")
    return found[0]


def plugins_of(process: Run) -> list[psutil.Process]:
    """The plugins of a run."""
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
    with lab_api(paif) as client:
        answer = client.get("/lab/v1/vms").raise_for_status()
    return sorted(f"{vm['namespace']}/{vm['name']}" for vm in answer.json()["vms"])


def completes(paif: Paif, name: str) -> None:
    """The next ``up`` completes, and after it there is nothing to do."""
    paif("up", name)
    settled(paif, name)


def settled(paif: Paif, name: str) -> None:
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


def checkpoint(paif: Paif) -> dict[str, Any]:
    """What the checkpoint of dev holds, read from the backend so that no engine is needed."""
    path = paif.state / "pulumi" / ".pulumi" / "stacks" / "paif" / "dev.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text())["checkpoint"]["latest"] or {}
    except (OSError, ValueError, KeyError):
        return {}
    return found


def resources(paif: Paif) -> int:
    """How many resources of dev are made, or said to be."""
    return len(checkpoint(paif).get("resources") or [])


class Runs:
    """Runs of ``up dev`` that are cut off one after another, each further on than the one before."""

    def __init__(self, paif: Paif) -> None:
        paif.without("dev")
        self._paif = paif
        self._process: Run | None = None
        self._made_before = 0

    def at(self, count: int) -> Run:
        """A run under way, with that many resources made, one of them at least by itself.

        What the run before was about to make may be more than that many: the next one has not even begun then.
        """

        def far_enough() -> bool:
            return resources(self._paif) >= max(count, self._made_before + 1)

        return self.until(far_enough, f"the run has made {count} resources")

    def until(self, condition: Callable[[], bool], what: str) -> Run:
        """A run under way, when the condition holds; a run that failed before is followed by the next."""
        process = self._process

        def there() -> bool:
            nonlocal process
            if process is None or process.poll() is not None:
                assert process is None or process.returncode, "the run was over before anything was killed"
                self._made_before = resources(self._paif)
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


def parts_of_lab(paif: Paif) -> dict[str, Any]:
    """The lab's parts and how each does."""
    found: dict[str, Any] = json.loads(paif("lab", "status", "--json", check=False).stdout)
    return found
