"""Clearing up after a run that was cut off: its plugins, lock, pending operations, machines and Helm releases."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from cli.engine import environ, pulumi_cli, stack_state
from cli.engine.pulumi_cli import StackLocked
from cli.engine.recovery import checkpoints, clones, helm_releases
from cli.engine.recovery.repair import release_locks
from cli.engine.stack import Stack, files
from cli.output.console import Failed, say, warn

_HISTORY_SIZE = 100
_MAX_REFRESHES = 30
# A run's end is told in whole seconds, and its state may be written once more after it.
_WRITTEN_AFTER_SECONDS = 5.0


def clean_up(stack: Stack, confirm: Callable[[str], bool] | None = None) -> None:
    """Remove what a cut-off run left: its plugins, its lock and its pending operations, so that the next one goes on.

    Machines that it left unfinished in vCenter are removed, and releases of Helm that it left pending are taken over,
    when ``confirm``, called with their names, says so; without it nothing outside the state is changed, and what is
    pending stays for a command that may. Raises ``Failed`` when another engine holds the stack at this moment, or
    vCenter cannot be asked.
    """
    try:
        interrupted = release_locks(stack)
    except StackLocked as locked:
        if confirm is not None or stack.lab:
            raise
        # Whoever only looks may look: nothing is cleared up meanwhile.
        warn(str(locked))
        return
    orphans = orphaned_plugins()
    for process in orphans:
        try:
            process.kill()
        except psutil.Error:
            continue
    if orphans:
        psutil.wait_procs(orphans, timeout=5)
        say(f"ended {len(orphans)} plugin processes that a cut-off run left behind")
    state = stack_state.export(stack)
    pending = (state.get("deployment") or {}).get("pending_operations")
    machines, helm = clones.uses_vsphere(state), helm_releases.uses_releases(state)
    if (machines or helm) and (interrupted or pending or _was_interrupted(stack, state)):
        if confirm is not None:
            if machines:
                _remove_unfinished(stack, confirm)
            if helm:
                _take_over_releases(stack, confirm)
        elif clones.pending_annotations(state) or helm_releases.has_pending_operation(state):
            warn(f"{stack.name}: a cut-off run may have left unfinished machines or Helm releases; `up` clears them up")
            return
    if pending:
        warn(f"{stack.name}: a cut-off run left operations pending; clearing them (what they made is adopted)")
        try:
            stack_state.drop_pending_operations(stack)
        except StackLocked as locked:
            if confirm is not None:
                raise
            warn(f"they stay: {locked}")
            return
        if deleted := [each["resource"]["urn"] for each in pending if each["type"] == "deleting"]:
            _refresh_deleted(stack, deleted)


def orphaned_plugins() -> list[psutil.Process]:
    """Plugins that an engine of this clone started and that have no engine above them any more."""
    marked: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        try:
            if process.environ().get(environ.MARK) == environ.mark():
                marked[process.pid] = process
        except (psutil.Error, OSError):
            continue
    orphans = []
    for pid, process in marked.items():
        try:
            ancestors = {each.pid: each.name() for each in process.parents()}
        except psutil.Error:
            continue
        # An orphan hangs below the machine's first process, and so does this one: own is only what is below this one.
        if _is_plugin(process) and os.getpid() not in {pid, *ancestors} and "pulumi" not in ancestors.values():
            orphans.append(process)
    return orphans


def _is_plugin(process: psutil.Process) -> bool:
    """Whether it is a plugin, a language host or what that runs: a file called pulumi-…, by itself or as a script."""
    return any(Path(part).name.startswith("pulumi-") for part in _command(process)[:2])


def _command(process: psutil.Process) -> list[str]:
    try:
        return [str(part) for part in process.cmdline()]
    except psutil.Error:
        return []


def _refresh_deleted(stack: Stack, urns: list[str]) -> None:
    """Have the state know which of the resources, whose deletion was cut off, are gone: it has them all still, and the
    next run would take them for unchanged. What is still being deleted is waited for."""
    names = ", ".join(urn.rsplit("::", 1)[-1] for urn in urns)
    say(f"looking which of what a cut-off run was deleting is still there: {names}")
    targets = [part for urn in urns for part in ("--target", urn)]
    for _ in range(_MAX_REFRESHES):
        answer = pulumi_cli.capture(
            stack, "refresh", "--yes", "--skip-preview", "--stack", stack.name, *targets, check=False
        )
        if answer.returncode:
            break
        if not any(
            each["urn"] in urns and _is_terminating(each)
            for each in stack_state.export(stack)["deployment"]["resources"]
        ):
            return
    warn(f"whether {names} are gone cannot be seen yet; `./paif refresh {stack.name}` looks again")


def _is_terminating(resource: dict[str, Any]) -> bool:
    metadata = (resource.get("outputs") or {}).get("metadata")
    return isinstance(metadata, dict) and bool(metadata.get("deletionTimestamp"))


def _history(stack: Stack, limit: int) -> list[dict[str, Any]]:
    """The stack's last runs, newest first; one that was killed is not among them."""
    answer = pulumi_cli.capture(stack, "stack", "history", "--stack", stack.name, "--json", "--page-size", str(limit))
    entries: list[dict[str, Any]] = json.loads(answer.stdout or "[]") or []
    return entries


def _was_interrupted(stack: Stack, state: dict[str, Any]) -> bool:
    """Whether the last run failed, or one after it was killed: that one is in no history, but has written its state."""
    backend = files(stack)
    if backend is not None:
        # As `pulumi stack history` does, without the half second of another process.
        last = checkpoints.last_run(backend)
    else:
        last = next(((each["result"], datetime.fromisoformat(each["endTime"])) for each in _history(stack, 1)), None)
    if last is None or last[0] != "succeeded":
        return True
    written: str = ((state.get("deployment") or {}).get("manifest") or {}).get("time") or ""
    return bool(written) and (datetime.fromisoformat(written) - last[1]).total_seconds() > _WRITTEN_AFTER_SECONDS


def _last_success(stack: Stack) -> datetime | None:
    ended = (each["endTime"] for each in _history(stack, _HISTORY_SIZE) if each.get("result") == "succeeded")
    newest = next(ended, None)
    return datetime.fromisoformat(newest) if newest else None


def _remove_unfinished(stack: Stack, confirm: Callable[[str], bool]) -> None:
    state = stack_state.export(stack, show_secrets=True)
    known = {str(each["id"]) for each in state["deployment"]["resources"] if each.get("id")}
    with clones.connected(clones.account(state), str(environ.write_trust_bundle()) if stack.lab else None) as vcenter:
        vcenter.wait_for_tasks()
        unfinished = clones.unfinished(state, vcenter.machines(known), stack.mark, _last_success(stack))
        names = ", ".join(each.name for each in unfinished)
        if unfinished and not confirm(
            f"A run of {stack.name} that was cut off left unfinished in vCenter: {names}. Remove?"
        ):
            raise Failed(f"{names}: nothing can be made beside them; remove them, or run again and agree")
        for each in unfinished:
            vcenter.remove(each)
    if unfinished:
        say(f"removed what a cut-off run left unfinished in vCenter: {names}; it is made anew")


def _take_over_releases(stack: Stack, confirm: Callable[[str], bool]) -> None:
    state = stack_state.export(stack, show_secrets=True)
    try:
        blocked = list(helm_releases.blocked_releases(state, stack.mark, proxies=not stack.lab))
        for each in blocked:
            if each.remedy == "foreign":
                warn(
                    f"the Helm release {each} in {each.location.cluster} is not of {stack.name}, which would install "
                    f"one of this name; `helm uninstall {each.location.name} -n {each.location.namespace}` there "
                    "makes room"
                )
                continue
            if not confirm(f"A run of {stack.name} that was cut off left the Helm release {each}. Take it over?"):
                raise Failed(f"the Helm release {each} bars the way to the next one; run again and agree")
            helm_releases.repair(state, each, proxies=not stack.lab)
            say(f"took over the Helm release {each}, which a cut-off run left; what it runs stays")
    except helm_releases.UnreachableError as error:
        # What needs that cluster will say so itself, and nothing else is kept waiting for it.
        warn(f"whether a cut-off run left a Helm release pending cannot be seen: {error}")
