"""Forgetting the lab, together with the stacks whose resources end with it. Stack files are nobody's but the user's."""

from __future__ import annotations

import json
import shutil
from typing import Any

from cli.engine import environ
from cli.engine.backend import Files
from cli.engine.recovery import checkpoints, locks
from cli.labctl import daemon
from cli.output.console import Failed

_LOCAL_ADDRESSES = ("127.0.0.1:", "localhost:", "[::1]:")
_SERVERS = {"pulumi:providers:vcf": "server", "pulumi:providers:vsphere": "vsphereServer"}


def reset_lab() -> tuple[list[str], list[str]]:
    """Stop the lab and forget it and its stacks; names of those that are forgotten, and of those that were kept.

    Kept is what goes to a vCenter elsewhere: somebody's shell had the lab's backend when it was made. Raises ``Failed``
    when a run has one of the stacks.
    """
    stacks = _stacks()
    for files in stacks:
        locks.release_stale(files)
        if left := locks.list_locks(files):
            raise Failed(f"nothing is forgotten: {locks.describe(files.stack, left)}")
    removed = [files for files in stacks if not _targets_other_vcenter(files)]
    removed_names = [each.stack for each in removed if each.checkpoint]
    # The stacks first: one that was cut off in between leaves objects, which the next run adopts, and no stack whose
    # objects are gone.
    for files in removed:
        _remove(files)
    daemon.reset()
    return removed_names, [each.stack for each in stacks if each not in removed]


def _stacks() -> list[Files]:
    """Every stack in the lab's backend, those of a benchmark included."""
    folder = environ.backend_directory()
    names = {
        (path.parent.name, path.name.partition(".json")[0])
        for path in (folder / ".pulumi" / "stacks").glob("*/*.json*")
        if path.is_file()
    }
    return [Files(folder, stack, project) for project, stack in sorted(names)]


def _targets_other_vcenter(files: Files) -> bool:
    path = files.checkpoint
    sound = (
        [checkpoints.read_checkpoint(path)]
        if path and path.suffix != ".zst" and not checkpoints.integrity_problem(files)
        else []
    )
    newest = next(iter(sound or (each.content for each in checkpoints.backups(files))), None)
    return newest is not None and not (_server(newest) or _LOCAL_ADDRESSES[0]).startswith(_LOCAL_ADDRESSES)


def _server(content: bytes) -> str:
    """The vCenter of a readable checkpoint; empty when it has none yet."""
    latest: dict[str, Any] = json.loads(content)["checkpoint"].get("latest") or {}
    for each in latest.get("resources") or []:
        if each["type"] in _SERVERS:
            return str((each.get("inputs") or {}).get(_SERVERS[each["type"]], ""))
    return ""


def _remove(files: Files) -> None:
    for folder in (files.history, files.backups, files.locks):
        shutil.rmtree(folder, ignore_errors=True)
    # By full name: the stack `a` must not take the files of `a.b` with it.
    for ending in (".json*", ".pulumi-tags*"):
        for path in files.stacks.glob(f"{files.stack}{ending}"):
            path.unlink(missing_ok=True)
