"""The ways on from drift: undo it, keep it, or only bring the state in line with it.

Each begins with a comparison, and changes nothing when what is there could not be read.
"""

from __future__ import annotations

from typing import Any

import typer

from cli.drift import comparison, kept
from cli.drift.comparison import Comparison
from cli.engine import conflicts, runs, stack_state
from cli.engine.stack import Stack
from cli.output.console import Failed, say, show, stop
from cli.preview.reader import read_preview

_MOST_ROUNDS = 100
"""More objects than that with conflicting fields are no drift, but another owner."""


def refresh(stack: Stack, *, yes: bool) -> None:
    """Bring the state in line with what is there. Raises ``Failed``, or ``typer.Exit`` when not all was compared."""
    found = comparison.ask(stack)
    _tell(stack, found)
    if not runs.agreed(stack, yes) and not typer.confirm(f"Take this into the state of {stack.name}?", err=True):
        raise stop("nothing was changed")
    _align(stack, found)
    if found.recording.changes:
        show(
            f"the state of {stack.name} is in line with what is there. What the program says otherwise is set again by "
            f"`./paif drift {stack.name} --undo`, and left alone after `./paif drift {stack.name} --keep`"
        )
    _all_compared(stack, found)


def undo(stack: Stack, *, yes: bool, allowed: list[str]) -> None:
    """Make again what is gone, with what was in it, and set again what was changed.

    The run is an ordinary `up`, bound to its preview, that also takes over what somebody else has set.
    """
    found = comparison.ask(stack)
    if found.ending:
        raise stop(
            f"{stack.name}: {comparison.called(found.ending)} is being deleted at this moment; repeat when that is done"
        )
    _tell(stack, found)
    _align(stack, found)
    runs.up(stack, [], yes=yes, allowed=allowed, extra=runs.phase_limit(stack, None) | conflicts.TAKE_OVER)
    if found.grown and (staying := _staying(stack, found.grown)):
        raise stop(
            f"{stack.name}: applied, but what somebody has added to {', '.join(staying)} stays, since the API server "
            f"lets only them take it away: remove it by hand (kubectl edit), then `./paif refresh {stack.name}`"
        )
    left = comparison.ask(stack)
    if left.recording.changes:
        names = comparison.called([each.urn for each in left.recording.changes])
        raise stop(f"{stack.name}: applied, but {names} still differs; `./paif drift {stack.name}` tells how")
    _all_compared(stack, left)
    show(f"{stack.name}: what is there is what the program says ({left.recording.unchanged} resources)")


def keep(stack: Stack) -> None:
    """Leave alone what somebody else has changed: write it into the stack file and take it into the state.

    What is gone cannot be kept so: only a stack file without it says that it is not wanted.
    """
    found = comparison.ask(stack)
    _tell(stack, found)
    changed = {urn: paths for urn, paths in found.properties.items() if paths}
    added = _left_alone(stack, changed)
    _align(stack, found, untouched=found.gone)
    for _ in range(_MOST_ROUNDS):
        # One preview ends at the first object whose fields are in conflict.
        preview = comparison.program_preview(stack, {})
        more = _left_alone(stack, {each.urn: each.paths for each in conflicts.of_preview(preview)})
        added += more
        if not more:
            break
    for line in added:
        show(f"left alone from now on: {line}")
    if added:
        show(f"{stack.file.name} says so under paif:kept: commit it. What it says of these elsewhere has no effect")
    recording = read_preview(stack.name, preview)
    if recording.failed:
        raise Failed("\n".join([f"{stack.name}: whether all of it is left alone is not known:", *recording.problems]))
    if found.gone:
        raise stop(
            f"{comparison.called(found.gone)} is gone: `./paif drift {stack.name} --undo` makes it again; to do "
            f"without, take it out of {stack.file.name}, then `./paif refresh {stack.name}`"
        )
    _all_compared(stack, found)
    if not added:
        show(f"{stack.name}: nothing was changed by anybody else")


def _left_alone(stack: Stack, changed: dict[str, tuple[str, ...]]) -> list[str]:
    wanted = {kept.resource_of(urn): [kept.leavable(path) for path in paths] for urn, paths in changed.items() if paths}
    return kept.add(stack.file, wanted) if wanted else []


def _tell(stack: Stack, found: Comparison) -> None:
    for each in found.recording.changes:
        what = "gone" if each.action == "delete" else "changed"
        say(f"{stack.name}: {what}: {each.kind} {each.name}{''.join(f'; {detail}' for detail in each.details)}")


def _align(stack: Stack, found: Comparison, untouched: tuple[str, ...] = ()) -> None:
    """Bring the state in line: what could be compared by the engine, what went with something else by forgetting it."""
    forgotten = [] if untouched else list(found.contents)
    left = [*found.contents, *found.missed, *untouched]
    excluded = [option for urn in left for option in ("--exclude", urn)]
    arguments = ["refresh", "--stack", stack.name, "--yes", "--skip-preview", "--suppress-outputs", *excluded]
    runs.run(stack, *arguments)
    stack_state.forget(stack, forgotten)
    if found.grown:
        stack_state.edit(stack, lambda resources: _with_what_was_added(resources, found.grown))


def _with_what_was_added(resources: dict[str, dict[str, Any]], grown: dict[str, tuple[str, ...]]) -> bool:
    """Let the state have the entries that somebody added as if they had been asked for: then the program differs.

    A refresh leaves them out of what was asked for, so that nothing would ever take them away again.
    """
    there = {urn: paths for urn, paths in grown.items() if urn in resources}
    for urn, paths in there.items():
        outputs = resources[urn]["outputs"]
        for path in paths:
            for asked in (resources[urn]["inputs"], outputs.get("__inputs")):
                if isinstance(asked, dict):
                    comparison.put(asked, path, comparison.at(outputs, path))
    return bool(there)


def _staying(stack: Stack, grown: dict[str, tuple[str, ...]]) -> list[str]:
    """Lists that still have more entries than the program asks for."""
    found: list[str] = []

    def look(resources: dict[str, dict[str, Any]]) -> bool:
        for urn, paths in grown.items():
            state = resources.get(urn, {})
            for path in paths:
                asked, there = (comparison.at(state.get(part), path) for part in ("inputs", "outputs"))
                if len(there or []) > len(asked or []):
                    found.append(f"{comparison.called([urn])}: {path}")
        return False

    stack_state.edit(stack, look)
    return found


def _all_compared(stack: Stack, found: Comparison) -> None:
    if sentences := found.not_compared():
        raise stop("\n".join([f"{stack.name}: not everything could be compared", *sentences]))
