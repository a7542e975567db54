"""Who has a stack: what may be removed, and what is told instead."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from cli.engine import environ, pulumi_cli
from cli.engine.backend import Files
from cli.engine.recovery import cleanup, locks, repair
from cli.engine.stack import Stack
from cli.output.console import Failed

_GONE = 2**22 + 1
"""No process has this number."""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    found = Files(tmp_path, "dev")
    found.locks.mkdir(parents=True)
    monkeypatch.setattr(environ, "full_environment", lambda **_: {"PULUMI_BACKEND_URL": f"file://{tmp_path}"})
    return found


def _lock(files: Files, *, host: str = "", pid: int = _GONE, name: str = "1.json") -> Path:
    content: dict[str, Any] = {"pid": pid, "username": "alice", "hostname": host or socket.gethostname()}
    path = files.locks / name
    path.write_text(json.dumps({**content, "timestamp": "2026-01-01T10:00:00.123456789+01:00"}))
    return path


@pytest.fixture
def running(tmp_path: Path) -> int:
    """The process id of something that passes for an engine."""
    program = tmp_path / "pulumi"
    program.symlink_to(sys.executable)
    process = subprocess.Popen(
        [
            str(program),
            "-c",
            "import ctypes, sys; ctypes.CDLL(None).prctl(15, b'pulumi'); print(flush=True); sys.stdin.read()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process.pid  # type: ignore[misc]
    process.communicate()


def test_a_lock_of_the_lab_whose_process_is_gone_is_removed(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    path = _lock(files)
    assert repair.release_locks(Stack("dev", lab=True))
    assert not path.exists()
    assert f"alice@{socket.gethostname()} (process {_GONE}) since 2026-01-01 09:00 UTC" in capsys.readouterr().err


def test_a_lock_that_was_never_finished_is_removed_from_the_lab(files: Files) -> None:
    """The engine counts such a file as a lock, and fails over it for ever."""
    left = [files.locks / "1.json.18b.tmp", files.locks / "2.json"]
    for path in left:
        path.touch()
    _lock(files, name="3.json.18b.tmp")
    assert repair.release_locks(Stack("dev", lab=True))
    assert list(files.locks.iterdir()) == []


@pytest.mark.parametrize("name", ["1.json", "1.json.18b.tmp"])
def test_a_lock_of_an_engine_that_runs_stays(files: Files, running: int, name: str) -> None:
    path = _lock(files, pid=running, name=name)
    with pytest.raises(Failed, match=f"process {running}"):
        repair.release_locks(Stack("dev", lab=True))
    assert path.exists()


def test_an_engine_that_was_killed_and_that_nobody_has_buried_runs_no_more(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", "import ctypes; ctypes.CDLL(None).prctl(15, b'pulumi')"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not locks.is_engine(process.pid)
    process.wait()


@pytest.mark.parametrize(
    ("lab", "host"),
    [(True, "elsewhere"), (False, "elsewhere"), (False, "")],
    ids=["lab", "shared", "shared, from here"],
)
def test_any_other_lock_is_told_with_who_since_when_and_how_to_free_it(files: Files, lab: bool, host: str) -> None:
    path = _lock(files, host=host)
    with pytest.raises(Failed) as raised:
        cleanup.clean_up(Stack("dev", lab=lab), lambda _: True)
    assert path.exists()
    said = str(raised.value)
    assert f"alice@{host or socket.gethostname()} (process {_GONE}) since 2026-01-01 09:00 UTC" in said
    assert "pulumi cancel --stack dev" in said
    assert ("that process is gone from this machine" in said) is (not host)


def test_a_stack_of_a_benchmark_that_was_cut_off_is_had_again(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its engine was told to end with it, and may still be at that."""
    theirs = Files(files.folder, "bench1", "paif-bench-raw")
    theirs.locks.mkdir(parents=True)
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    path = _lock(theirs, pid=process.pid)
    assert process.stdin is not None
    monkeypatch.setattr(locks, "is_engine", psutil.pid_exists)
    threading.Timer(0.3, process.stdin.close).start()
    repair.reclaim(Stack("bench1", lab=True), "paif-bench-raw")
    assert not path.exists()
    process.wait()


def test_whoever_only_looks_is_not_kept_from_it_by_somebody_elses_run(
    files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    _lock(files, host="elsewhere")
    cleanup.clean_up(Stack("dev", lab=False))
    assert "alice@elsewhere" in capsys.readouterr().err


_SAID = {
    "error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete the "
    "lock file with `pulumi cancel`.\n  s3://states/.pulumi/locks/organization/paif/site1/1.json: created by "
    "DOMAIN\\bob@ci-7 (pid 31) at 2026-01-01T10:00:00Z": r"DOMAIN\\bob@ci-7 \(process 31\) since 2026-01-01 10:00 UTC",
    "error: [409] Conflict: Another update is currently in progress.": "locked by somebody",
}


@pytest.mark.parametrize(("said", "who"), _SAID.items(), ids=["own backend", "Pulumi Cloud"])
def test_a_lock_in_any_backend_is_told_when_the_engine_tells_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, who: str
) -> None:
    pulumi = tmp_path / "pulumi"
    pulumi.write_text(f"#!/bin/sh\ncat <<'END' >&2\n{said}\nEND\nexit 255\n")
    pulumi.chmod(0o755)
    monkeypatch.setenv("PAIF_BIN", str(tmp_path))
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://states")
    with pytest.raises(pulumi_cli.StackLocked, match=f"{who}.*pulumi cancel --stack site1"):
        pulumi_cli.capture(Stack("site1", lab=False), "stack", "import")


def test_what_is_no_lock_is_not_taken_for_one() -> None:
    assert locks.parse_lock_error("error: no stack named 'dev' found") is None
