"""Checkpoints that a killed engine or a power cut left: what may be put in their place, and what must stay."""

from __future__ import annotations

import copy
import gzip
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.engine import backend, environ, stack_state
from cli.engine.backend import Files
from cli.engine.recovery import checkpoints, locks, repair
from cli.engine.stack import Stack
from cli.output.console import Failed

_STACK = "urn:pulumi:dev::paif::pulumi:pulumi:Stack::paif-dev"
_PROVIDER = "urn:pulumi:dev::paif::pulumi:providers:vcf::vcenter"
_CLASS = "urn:pulumi:dev::paif::vcf:index:VmClass::small"


def _checkpoint() -> dict[str, Any]:
    return {
        "version": 3,
        "checkpoint": {
            "stack": "organization/paif/dev",
            "latest": {
                "manifest": {"version": "v3.259.0", "magic": hashlib.sha256(b"v3.259.0").hexdigest()},
                "resources": [
                    {"urn": _STACK, "type": "pulumi:pulumi:Stack"},
                    {"urn": _PROVIDER, "type": "pulumi:providers:vcf", "id": "1", "custom": True, "parent": _STACK},
                    {
                        "urn": _CLASS,
                        "type": "vcf:index:VmClass",
                        "id": "small",
                        "custom": True,
                        "parent": _STACK,
                        "provider": f"{_PROVIDER}::1",
                        "propertyDependencies": {"name": None, "cpus": [_STACK]},
                    },
                ],
            },
        },
    }


def _changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    content = copy.deepcopy(_checkpoint())
    change(content["checkpoint"]["latest"])
    return json.dumps(content).encode()


_SOUND = json.dumps(_checkpoint()).encode()
_OLDER = _changed(lambda latest: latest["resources"].pop())
_DAMAGED = {
    "empty": b"",
    "nothing but zeros": bytes(512),
    "half": _SOUND[: len(_SOUND) // 2],
    "no JSON": b"hello",
    "no checkpoint": b"{}",
    "half packed": gzip.compress(_SOUND)[:60],
    "a provider that is not there": _changed(lambda latest: latest["resources"].pop(1)),
    "a parent that comes later": _changed(lambda latest: latest["resources"].append(latest["resources"].pop(0))),
    "a dependency that is not there": _changed(
        lambda latest: latest["resources"][2]["propertyDependencies"].update(cpus=["urn:gone"])
    ),
    "the same resource twice": _changed(lambda latest: latest["resources"].append(latest["resources"][2])),
    "another magic": _changed(lambda latest: latest["manifest"].update(version="v3.1.0")),
}
_AS_THE_ENGINE_TAKES_THEM = {
    "a stack without resources": json.dumps({"version": 3, "checkpoint": {"stack": "dev", "latest": None}}).encode(),
    "packed": gzip.compress(_SOUND),
    "a resource beside one that is to be deleted": _changed(
        lambda latest: latest["resources"].append({**latest["resources"][2], "delete": True})
    ),
    "a provider that a replacement has taken": _changed(
        lambda latest: latest["resources"][2].update(provider="urn:gone::1", pendingReplacement=True)
    ),
    "a version that is not known here": json.dumps({"version": 9, "checkpoint": {"latest": {"resources": 1}}}).encode(),
}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Files of a stack with a checkpoint and, from the newest to the oldest, a damaged and a readable backup."""
    found = Files(tmp_path, "dev")
    for folder in (found.stacks, found.backups, found.history, found.locks):
        folder.mkdir(parents=True)
    (found.stacks / "dev.json").write_bytes(_SOUND)
    (found.backups / "dev.1800000000000000002.json").write_bytes(b"")
    (found.history / "dev-1800000000000000001.checkpoint.json").write_bytes(_OLDER)
    (found.backups / "dev.1800000000000000000.json").write_bytes(_SOUND)
    return found


def _backend_is(monkeypatch: pytest.MonkeyPatch, files: Files) -> None:
    monkeypatch.setattr(environ, "full_environment", lambda **_: {"PULUMI_BACKEND_URL": f"file://{files.folder}"})


@pytest.mark.parametrize("content", _DAMAGED.values(), ids=_DAMAGED)
def test_a_damaged_checkpoint_gives_way_to_the_newest_readable_backup_and_is_kept(files: Files, content: bytes) -> None:
    checkpoint = files.stacks / "dev.json"
    checkpoint.write_bytes(content)
    checkpoint.chmod(0o640)
    restored = checkpoints.restore(files)
    assert restored is not None
    assert restored.problem
    assert restored.backup.path.name == "dev-1800000000000000001.checkpoint.json"
    assert restored.backup.resources == 2
    assert checkpoint.read_bytes() == _OLDER
    assert checkpoint.stat().st_mode & 0o777 == 0o640
    assert restored.damaged_copy.read_bytes() == content
    assert checkpoints.restore(files) is None


@pytest.mark.parametrize(
    "content", [_SOUND, *_AS_THE_ENGINE_TAKES_THEM.values()], ids=["sound", *_AS_THE_ENGINE_TAKES_THEM]
)
def test_what_the_engine_takes_is_never_replaced_by_something_older(files: Files, content: bytes) -> None:
    (files.stacks / "dev.json").write_bytes(content)
    assert checkpoints.restore(files) is None
    assert (files.stacks / "dev.json").read_bytes() == content


def test_the_copy_that_the_engine_makes_before_each_write_is_the_newest(files: Files) -> None:
    (files.stacks / "dev.json").write_bytes(b"")
    (files.stacks / "dev.json.bak").write_bytes(_SOUND)
    os.utime(files.stacks / "dev.json.bak", ns=(0, 1800000000000000003))
    restored = checkpoints.restore(files)
    assert restored is not None
    assert restored.backup.path.name == "dev.json.bak"


def test_a_packed_checkpoint_stays_packed(files: Files) -> None:
    (files.stacks / "dev.json").rename(files.stacks / "dev.json.gz")
    (files.stacks / "dev.json.gz").write_bytes(gzip.compress(_SOUND)[:60])
    assert checkpoints.restore(files) is not None
    assert gzip.decompress((files.stacks / "dev.json.gz").read_bytes()) == _OLDER


def test_without_a_readable_backup_nothing_is_changed(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (*files.backups.iterdir(), *files.history.iterdir(), files.stacks / "dev.json"):
        path.write_bytes(b"{")
    before = {path: path.read_bytes() for path in files.folder.rglob("*") if path.is_file()}
    _backend_is(monkeypatch, files)
    with pytest.raises(Failed, match=r"dev\.json is damaged .* can be read; put a checkpoint there"):
        repair.repair_checkpoint(Stack("dev", lab=True))
    assert {path: path.read_bytes() for path in files.folder.rglob("*") if path.is_file()} == before


def test_a_stack_that_somebody_has_is_not_restored(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    (files.stacks / "dev.json").write_bytes(b"")
    lock = {"pid": 7, "username": "alice", "hostname": "elsewhere", "timestamp": "2026-01-01T10:00:00.123456789Z"}
    (files.locks / "1.json").write_text(json.dumps(lock))
    _backend_is(monkeypatch, files)
    with pytest.raises(Failed, match=r"damaged .* alice@elsewhere \(process 7\) since 2026-01-01 10:00 UTC"):
        repair.repair_checkpoint(Stack("dev", lab=False))
    assert (files.stacks / "dev.json").read_bytes() == b""


def test_leftovers_of_a_kill_are_no_obstacle_and_what_others_are_writing_stays(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [
        files.stacks / "dev.json.attrs",
        files.folder / ".pulumi" / "meta.yaml.attrs",
        files.history / "dev-1.history.json.attrs",
        files.stacks / "dev.json.18b.tmp",
    ]
    stays = [files.stacks / "dev.json.bak.attrs", files.stacks / "qa.json.18b.tmp"]
    for path in left:
        path.touch()
    stays[0].write_text("{}")
    stays[1].touch()
    _backend_is(monkeypatch, files)
    repair.repair_checkpoint(Stack("dev", lab=True))
    assert [path for path in left if path.exists()] == []
    assert [path for path in stays if not path.exists()] == []
    assert (files.stacks / "dev.json").read_bytes() == _SOUND


def test_a_damaged_checkpoint_in_a_store_that_is_no_folder_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulumi = tmp_path / "pulumi"
    pulumi.write_text("#!/bin/sh\necho 'error: failed to load checkpoint: EOF' >&2\nexit 255\n")
    pulumi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("PAIF_BIN", str(tmp_path))
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://states")
    with pytest.raises(Failed, match=r"\.pulumi/backups/paif/site1/"):
        stack_state.export(Stack("site1", lab=False))


@pytest.mark.parametrize(
    ("address", "folder"),
    [
        ("file:///srv/state", "/srv/state"),
        ("file:///srv/state?metadata=skip", "/srv/state"),
        ("file:///srv/a%3Fb%25", "/srv/a?b%"),
        ("file://~", "/home/me"),
        ("file://~/state", "/home/me/state"),
        ("file://state", "/here/state"),
        ("s3://bucket/state", None),
        ("", None),
    ],
)
def test_a_backend_in_a_folder_is_found_as_the_engine_finds_it(address: str, folder: str | None) -> None:
    found = backend.folder_of(address, Path("/home/me"), Path("/here"))
    assert found == (Path(folder) if folder else None)


def test_the_labs_backend_has_no_side_files_whatever_its_folder_is_called(tmp_path: Path) -> None:
    folder = tmp_path / "a b?c%20#d"
    address = backend.address(folder)
    assert backend.folder_of(address) == folder
    assert address.endswith("?metadata=skip")


def test_a_lock_of_the_lab_whose_process_is_gone_keeps_nothing_from_being_restored(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    (files.stacks / "dev.json").write_bytes(b"")
    (files.locks / "1.json").write_text(json.dumps({"pid": 7, "hostname": "here"}))
    monkeypatch.setattr(locks.socket, "gethostname", lambda: "here")
    monkeypatch.setattr(locks, "is_engine", lambda _: False)
    _backend_is(monkeypatch, files)
    repair.repair_checkpoint(Stack("dev", lab=True))
    assert (files.stacks / "dev.json").read_bytes() == _OLDER
