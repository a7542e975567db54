"""Checkpoints in a backend that is a folder: what a cut-off run leaves of them, and what makes them readable again.

The engine replaces a checkpoint in one step, but does not wait for the disk: after a power cut it may be empty or half.
The side files (``*.attrs``) of an address without ``metadata=skip`` are not even replaced in one step: a kill can leave
an empty one, and the engine then reads nothing of what lies beside it. Layout and checks as in pulumi 3.259,
pkg/backend/diy and pkg/resource/stack/snapshot/integrity.go.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cli.engine.backend import GZIP, ZSTD, Files

_SIDE_FILE = ".attrs"
_VERSIONS = (3, 4)
_TIMESTAMP_IN_NAME = re.compile(r"\.(\d{15,})\.json|-(\d{15,})\.checkpoint\.json")


@dataclass(frozen=True)
class Backup:
    """An earlier checkpoint: its content, and how many nanoseconds after 1970 it was written."""

    path: Path
    written_ns: int
    content: bytes

    @property
    def resources(self) -> int:
        latest = json.loads(self.content)["checkpoint"].get("latest") or {}
        return len(latest.get("resources") or [])

    @property
    def timestamp(self) -> str:
        return f"{datetime.fromtimestamp(self.written_ns / 1e9, UTC):%Y-%m-%d %H:%M:%S} UTC"


@dataclass(frozen=True)
class RestoredCheckpoint:
    """A checkpoint that was damaged, why, where that one is now, and the backup that took its place."""

    checkpoint: Path
    problem: str
    damaged_copy: Path
    backup: Backup


class NoBackupError(Exception):
    """A checkpoint is damaged and no backup of it can be read; the message says where they were looked for."""


def remove_unreadable_side_files(files: Files) -> int:
    """Remove the side files of this stack that the engine cannot read; returns how many. What they say is not needed:
    without one the engine reads what lies beside it."""
    removed = 0
    for folder in (files.folder / ".pulumi", files.stacks, files.locks, files.backups, files.history):
        for path in folder.glob(f"*{_SIDE_FILE}"):
            try:
                json.loads(path.read_text(encoding="utf-8"))
            except FileNotFoundError:
                continue
            except ValueError:
                path.unlink(missing_ok=True)
                removed += 1
    return removed


def remove_temporary_files(files: Files) -> None:
    """Remove what a killed engine had not finished writing. Only while no engine has the stack.

    Not in the folder of the locks: there such a file may be one, see ``locks``.
    """
    for path in (
        *files.stacks.glob(f"{files.stack}.json*.tmp"),
        *files.backups.glob("*.tmp"),
        *files.history.glob("*.tmp"),
    ):
        path.unlink(missing_ok=True)


def integrity_problem(files: Files) -> str:
    """Why the engine cannot use the stack's checkpoint; empty when it can, or when there is none.

    One in zstd, which this cannot read, is taken for sound.
    """
    path = files.checkpoint
    return "" if path is None or path.suffix == ZSTD else _problem(read_checkpoint(path))


def restore(files: Files) -> RestoredCheckpoint | None:
    """Put the newest readable backup in the place of a damaged checkpoint, which is kept; None when it is sound.

    Only while no engine has the stack. Raises ``NoBackupError``.
    """
    problem, path = integrity_problem(files), files.checkpoint
    if not problem or path is None:
        return None
    backup = next(backups(files), None)
    if backup is None:
        raise NoBackupError(
            f"{path} is damaged ({problem}), and neither {path.name}.bak beside it nor anything in {files.backups} or "
            f"{files.history} can be read"
        )
    damaged_copy = files.backups / f"{files.stack}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    damaged_copy.parent.mkdir(parents=True, exist_ok=True)
    mode = stat.S_IMODE(path.stat().st_mode)
    _write(damaged_copy, path.read_bytes(), mode)
    _write(path, gzip.compress(backup.content) if path.suffix == GZIP else backup.content, mode)
    return RestoredCheckpoint(path, problem, damaged_copy, backup)


def backups(files: Files) -> Iterator[Backup]:
    """The earlier checkpoints of the stack that the engine can use, the newest first."""
    paths = [
        *files.stacks.glob(f"{files.stack}.json*.bak"),
        *files.backups.glob(f"{files.stack}.*.json*"),
        *files.history.glob(f"{files.stack}-*.checkpoint.json*"),
    ]
    for path in sorted((each for each in paths if _SIDE_FILE not in each.suffixes), key=_written_ns, reverse=True):
        if path.suffix not in (ZSTD, ".tmp"):
            data = read_checkpoint(path)
            if not _problem(data):
                yield Backup(path, _written_ns(path), data)


def last_run(files: Files) -> tuple[str, datetime] | None:
    """How the stack's last run ended (``succeeded`` or ``failed``), and when; None when none did. One that was killed
    is not among them."""
    named = (each for each in files.history.glob(f"{files.stack}-*.history.json*") if each.suffix in (".json", GZIP))
    for path in sorted(named, key=lambda each: each.name, reverse=True):
        try:
            run = json.loads(read_checkpoint(path))
            return str(run["result"]), datetime.fromtimestamp(run["endTime"], UTC)
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None


def _written_ns(path: Path) -> int:
    named = _TIMESTAMP_IN_NAME.search(path.name)
    return int(named[1] or named[2]) if named else path.stat().st_mtime_ns


def read_checkpoint(path: Path) -> bytes:
    """What is in the file, unpacked; as it is when it cannot be."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        try:
            return gzip.decompress(data)
        except (OSError, EOFError):
            return data
    return data


def _write(path: Path, content: bytes, mode: int) -> None:
    """Replace ``path`` in one step that a power cut does not undo."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _problem(content: bytes) -> str:
    """What keeps the engine from using a checkpoint; empty when nothing does."""
    if not content.strip():
        return "it is empty"
    try:
        data = json.loads(content)
    except ValueError as error:
        return f"it is no JSON: {error}"
    if not isinstance(data, dict) or not isinstance(data.get("checkpoint"), dict):
        return "it holds no checkpoint"
    latest = data["checkpoint"].get("latest")
    # Of versions that are not known here nothing is said.
    if latest is None or data.get("version") not in _VERSIONS:
        return ""
    return _integrity_violation(latest) if isinstance(latest, dict) else "it holds no deployment"


def _integrity_violation(latest: dict[str, Any]) -> str:
    """The first rule of the engine's own that a deployment breaks. Never stricter than the engine: what it takes must
    not be replaced by something older."""
    manifest = latest.get("manifest") or {}
    version = str(manifest.get("version") or "")
    if (manifest.get("magic") or "") != (hashlib.sha256(version.encode()).hexdigest() if version else ""):
        return "its integrity is wrong: the manifest's magic does not fit its version"
    known: dict[str, list[bool]] = {}
    providers: set[str] = set()
    for each in latest.get("resources") or []:
        urn, kind = each.get("urn", ""), each.get("type", "")
        if not urn or not kind:
            return "its integrity is wrong: a resource without URN or type"
        if kind.startswith("pulumi:providers:"):
            providers.add(f"{urn}::{each.get('id', '')}")
        provider = each.get("provider")
        if provider and provider not in providers and not each.get("pendingReplacement"):
            return f"its integrity is wrong: {urn} refers to the provider {provider}, which does not come before it"
        for other in _references(each):
            if other not in known:
                return f"its integrity is wrong: {urn} refers to {other}, which does not come before it"
        known.setdefault(urn, []).append(bool(each.get("delete")))
    for urn, deleted in known.items():
        if deleted.count(False) > 1:
            return f"its integrity is wrong: {urn} is there {len(deleted)} times"
    return ""


def _references(resource: dict[str, Any]) -> Iterator[str]:
    yield from filter(None, (resource.get("parent"), resource.get("deletedWith")))
    yield from resource.get("dependencies") or []
    for each in (resource.get("propertyDependencies") or {}).values():
        yield from each or []
