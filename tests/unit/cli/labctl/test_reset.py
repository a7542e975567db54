"""What `lab reset` forgets: what was in the lab and nothing else."""

from __future__ import annotations

import hashlib
import json
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import app as commands
from cli.engine.backend import Files
from cli.engine.recovery import locks
from cli.labctl import daemon


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PAIF_STATE", str(tmp_path))
    (tmp_path / "lab").mkdir()
    monkeypatch.setattr(daemon, "down", lambda: False)
    return tmp_path / "pulumi"


def _stack(backend: Path, name: str, server: str, project: str = "paif") -> Files:
    files = Files(backend, name, project)
    for folder in (files.stacks, files.backups, files.history, files.locks):
        folder.mkdir(parents=True, exist_ok=True)
    urn = f"urn:pulumi:{name}::{project}::pulumi:providers:vcf::vcenter"
    provider = {"urn": urn, "type": "pulumi:providers:vcf", "id": "1", "custom": True, "inputs": {"server": server}}
    manifest = {"version": "v3", "magic": hashlib.sha256(b"v3").hexdigest()}
    latest = {"manifest": manifest, "resources": [provider]}
    content = json.dumps({"version": 3, "checkpoint": {"latest": latest}})
    for path in (files.stacks / f"{name}.json", files.stacks / f"{name}.json.bak", files.backups / f"{name}.1.json"):
        path.write_text(content)
    return files


def _there(files: Files) -> set[str]:
    own = [path for folder in (files.backups, files.history, files.locks) for path in folder.glob("*")]
    return {path.name for path in (*files.stacks.glob(f"{files.stack}.json*"), *own)}


def test_reset_forgets_the_labs_stacks_and_keeps_what_goes_elsewhere(backend: Path) -> None:
    ours = [_stack(backend, "dev", "127.0.0.1:4711"), _stack(backend, "bench1", "127.0.0.1:4711", "paif-bench-raw")]
    real = [_stack(backend, "site1", "vc.example.com"), _stack(backend, "dev.eu", "10.0.0.7:443")]
    before = [_there(each) for each in real]
    answer = CliRunner().invoke(commands.app, ["lab", "reset"])
    assert answer.exit_code == 0
    assert "with its stacks: dev, bench1" in answer.stdout
    assert "not the lab's: dev.eu, site1" in answer.stderr
    assert [_there(each) for each in ours] == [set(), set()]
    assert [_there(each) for each in real] == before
    assert not (backend.parent / "lab").exists()


def test_a_damaged_stack_is_judged_by_its_newest_readable_backup(backend: Path) -> None:
    real = _stack(backend, "site1", "vc.example.com")
    (real.stacks / "site1.json").write_text("")
    CliRunner().invoke(commands.app, ["lab", "reset"])
    assert "site1.json" in _there(real)


def test_reset_forgets_nothing_while_a_run_has_one_of_the_stacks(
    backend: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = _stack(backend, "dev", "127.0.0.1:4711")
    before = _there(files)
    lock = files.locks / "dev.1.json"
    lock.write_text(json.dumps({"pid": 1, "hostname": socket.gethostname(), "username": "me"}))
    monkeypatch.setattr(locks, "is_engine", lambda _: True)
    answer = CliRunner().invoke(commands.app, ["lab", "reset"])
    assert "nothing is forgotten: dev is locked by me" in str(answer.exception)
    assert _there(files) == {*before, "dev.1.json"}
    assert (backend.parent / "lab").exists()


def test_a_lock_that_a_cut_off_run_left_keeps_nothing(backend: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = _stack(backend, "dev", "127.0.0.1:4711")
    (files.locks / "1.json").write_text(json.dumps({"pid": 1, "hostname": socket.gethostname()}))
    monkeypatch.setattr(locks, "is_engine", lambda _: False)
    assert CliRunner().invoke(commands.app, ["lab", "reset"]).exit_code == 0
    assert _there(files) == set()
