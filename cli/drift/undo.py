"""The ways on from drift: undo it, keep it, or only bring the state in line with it.

Each begins with a comparison, and changes nothing when what is there could not be read.
"""

from __future__ import annotations

from typing import Any

import typer

from cli.drift import comparison, ignored_properties
from cli.drift.comparison import Comparison
from cli.engine import conflicts, runs, stack_state
from cli.engine.stack import Stack
from cli.output.console import Failed, say, show, stop
from cli.preview.reader import read_preview

_MAX_ROUNDS = 100
"""More objects than that with conflicting fields are no drift, but another owner."""


def refresh(stack: Stack, *, yes: bool) -> None:
    """Bring the state in line with what is there. Raises ``Failed``, or ``typer.Exit`` when not all was compared."""
    result = comparison.compare(stack)
    _report(stack, result)
    if not runs.auto_approve(stack, yes) and not typer.confirm(f"Take this into the state of {stack.name}?", err=True):
        raise stop("nothing was changed")
    _update_state(stack, result)
    if result.recording.changes:
        show(
            f"the state of {stack.name} is in line with what is there. What the program says otherwise is set again by "
            f"`./paif drift {stack.name} --undo`, and left alone after `./paif drift {stack.name} --keep`"
        )
    _require_complete(stack, result)


def undo(stack: Stack, *, yes: bool, approved: list[str]) -> None:
    """Make again what is gone, with what was in it, and set again what was changed.

    The run is an ordinary `up`, bound to its preview, that also takes over what somebody else has set.
    """
    result = comparison.compare(stack)
    if result.terminating:
        raise stop(
            f"{stack.name}: {comparison.display_names(result.terminating)} is being deleted at this moment; repeat "
            "when that is done"
        )
    _report(stack, result)
    _update_state(stack, result)
    runs.up(stack, [], yes=yes, approved=approved, extra=runs.phase_limit(stack, None) | conflicts.TAKE_OVER)
    if result.extended_lists and (extensions := _remaining_extensions(stack, result.extended_lists)):
        raise stop(
            f"{stack.name}: applied, but what somebody has added to {', '.join(extensions)} stays, since the API "
            f"server lets only them take it away: remove it by hand (kubectl edit), then `./paif refresh {stack.name}`"
        )
    remaining = comparison.compare(stack)
    if remaining.recording.changes:
        names = comparison.display_names([each.urn for each in remaining.recording.changes])
        raise stop(f"{stack.name}: applied, but {names} still differs; `./paif drift {stack.name}` tells how")
    _require_complete(stack, remaining)
    show(f"{stack.name}: what is there is what the program says ({remaining.recording.unchanged} resources)")


def keep(stack: Stack) -> None:
    """Leave alone what somebody else has changed: write it into the stack file and take it into the state.

    What is gone cannot be kept so: only a stack file without it says that it is not wanted.
    """
    result = comparison.compare(stack)
    _report(stack, result)
    changed = {urn: paths for urn, paths in result.properties.items() if paths}
    added = _write_ignored(stack, changed)
    _update_state(stack, result, untouched=result.deleted)
    for _ in range(_MAX_ROUNDS):
        # One preview ends at the first object whose fields are in conflict.
        preview = comparison.program_preview(stack, {})
        more = _write_ignored(stack, {each.urn: each.paths for each in conflicts.from_preview(preview)})
        added += more
        if not more:
            break
    for line in added:
        show(f"left alone from now on: {line}")
    if added:
        show(
            f"{stack.file.name} says so under paif:ignoreChanges: commit it. "
            "What it says of these elsewhere has no effect"
        )
    recording = read_preview(stack.name, preview)
    if recording.failed:
        raise Failed("\n".join([f"{stack.name}: whether all of it is left alone is not known:", *recording.problems]))
    if result.deleted:
        raise stop(
            f"{comparison.display_names(result.deleted)} is gone: `./paif drift {stack.name} --undo` makes it again; "
            f"to do without, take it out of {stack.file.name}, then `./paif refresh {stack.name}`"
        )
    _require_complete(stack, result)
    if not added:
        show(f"{stack.name}: nothing was changed by anybody else")


def _write_ignored(stack: Stack, changed: dict[str, tuple[str, ...]]) -> list[str]:
    properties = {
        ignored_properties.resource_key(urn): [ignored_properties.ignorable_path(path) for path in paths]
        for urn, paths in changed.items()
        if paths
    }
    return ignored_properties.add_ignored(stack.file, properties) if properties else []


def _report(stack: Stack, result: Comparison) -> None:
    for each in result.recording.changes:
        what = "gone" if each.action == "delete" else "changed"
        say(f"{stack.name}: {what}: {each.kind} {each.name}{''.join(f'; {detail}' for detail in each.details)}")


def _update_state(stack: Stack, result: Comparison, untouched: tuple[str, ...] = ()) -> None:
    """Bring the state in line: what could be compared by the engine, what went with something else by forgetting it."""
    removed = [] if untouched else list(result.deleted_contents)
    skipped = [*result.deleted_contents, *result.unreachable, *untouched]
    excluded = [option for urn in skipped for option in ("--exclude", urn)]
    arguments = ["refresh", "--stack", stack.name, "--yes", "--skip-preview", "--suppress-outputs", *excluded]
    runs.run(stack, *arguments)
    stack_state.remove_resources(stack, removed)
    if result.extended_lists:
        stack_state.edit(stack, lambda resources: _record_extensions(resources, result.extended_lists))


def _record_extensions(resources: dict[str, dict[str, Any]], extended_lists: dict[str, tuple[str, ...]]) -> bool:
    """Let the state have the entries that somebody added as if they had been asked for: then the program differs.

    A refresh leaves them out of what was asked for, so that nothing would ever take them away again.
    """
    existing = {urn: paths for urn, paths in extended_lists.items() if urn in resources}
    for urn, paths in existing.items():
        outputs = resources[urn]["outputs"]
        for path in paths:
            for desired in (resources[urn]["inputs"], outputs.get("__inputs")):
                if isinstance(desired, dict):
                    comparison.set_at(desired, path, comparison.get_at(outputs, path))
    return bool(existing)


def _remaining_extensions(stack: Stack, extended_lists: dict[str, tuple[str, ...]]) -> list[str]:
    """Lists that still have more entries than the program asks for."""
    remaining: list[str] = []

    def look(resources: dict[str, dict[str, Any]]) -> bool:
        for urn, paths in extended_lists.items():
            state = resources.get(urn, {})
            for path in paths:
                desired, live = (comparison.get_at(state.get(part), path) for part in ("inputs", "outputs"))
                if len(live or []) > len(desired or []):
                    remaining.append(f"{comparison.display_names([urn])}: {path}")
        return False

    stack_state.edit(stack, look)
    return remaining


def _require_complete(stack: Stack, result: Comparison) -> None:
    if sentences := result.incomplete_reasons():
        raise stop("\n".join([f"{stack.name}: not everything could be compared", *sentences]))
