"""Runs of the engine as the commands need them: prepared, asked about, kept to what was announced, gone on with."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from cli.configuration.stack_files import Problems, load_stack, located
from cli.engine import conflicts, losses, pulumi_cli, selection, stack_state
from cli.engine.recovery import leftovers
from cli.engine.stack import Stack
from cli.labctl import daemon
from cli.output.console import BAD_INPUT, Failed, say, show, stop
from cli.policy import packs
from stacks.problems import Problem, read_problems
from stacks.run_options import RunOptions

_LAB_ENDS = 3
_ONLY_UP = {"--yes", "-y", "--continue-on-error", "--json", "-j"}
"""Options of `pulumi up` that its preview, made for the plan, has not or need not have."""


def prepare(name: str, *, changing: bool, yes: bool = False, policies: bool = False) -> Stack:
    """Check the stack file, have its target there, its stack made and cleared of what a cut-off run left.

    Only a command that is there for ``changing`` removes something from the target, after ``yes`` or when asked. With
    ``policies`` the settings of the policy packs are checked too.
    """
    wrong: list[Problem] = []
    if policies:
        from cli.policy import settings  # noqa: PLC0415 - it loads the packs' rules

        wrong = settings.problems(name)
    stack = load_stack(name, wrong)
    if stack.lab:
        daemon.up(stack.platform)
    selection.select(stack)
    leftovers.clear_up(stack, _removal(stack, yes) if changing else None)
    return stack


def _removal(stack: Stack, yes: bool) -> Callable[[str], bool]:
    return lambda question: bool(agreed(stack, yes)) or typer.confirm(question)


def phase_limit(stack: Stack, until: str | None) -> dict[str, str]:
    """The variable that stops the program after a phase; stopping early may only ever add."""
    if until is None:
        # One that the shell has exported was not asked for here, and what lies beyond it would be deleted.
        return RunOptions(until="").variables()
    from stacks.phases import PHASES, wanted_phases  # noqa: PLC0415 - it loads the SDKs, half a second

    if until not in PHASES:
        raise stop(f"--until {until}: expected one of {', '.join(PHASES)}", BAD_INPUT)
    beyond = stack_state.phases(stack) - wanted_phases(until)
    if beyond:
        raise stop(
            f"--until {until} would delete what {stack.name} has beyond it ({', '.join(sorted(beyond))}); "
            "run without --until, or destroy the environment",
            BAD_INPUT,
        )
    return RunOptions(until=until).variables()


def agreed(stack: Stack, yes: bool) -> list[str]:
    # The lab is there to be tried: nothing of value is behind it.
    return ["--yes"] if yes or stack.lab else []


def run(stack: Stack, *arguments: str, extra: dict[str, str] | None = None) -> None:
    """Run the engine; bring the lab back when it ends meanwhile.

    Raises ``Problems``, each at its line, when the run finds that the infrastructure cannot hold the environment.
    """

    def once(handle: int | None, told: dict[str, str]) -> None:
        with conflicts.told(stack.name) as (logged, variables):
            status = pulumi_cli.run(stack, *arguments, *logged, extra=told | variables, target=handle)
            _ended_well(stack, arguments[0], status)

    _attempts(stack, once, _told(arguments, extra), changing=arguments[0] != "preview")


def up(stack: Stack, rest: list[str], *, yes: bool, allowed: list[str], extra: dict[str, str]) -> None:
    """Preview, ask, and do exactly what was announced: the run is bound to the plan that its preview made.

    ``allowed`` are names of what may be deleted or replaced though it holds data or serves people. With `--plan FILE`
    in ``rest`` that plan binds the run instead. Raises as `run` does.
    """
    if {"--skip-preview", "-f"} & set(rest):
        text = "--skip-preview: `up` is bound to what its preview announces, so that it always makes one; leave it out"
        raise stop(text, BAD_INPUT)
    as_json = bool({"--json", "-j"} & set(rest))
    basics = ["--stack", stack.name, *packs.arguments()]
    # The engine prints them by the screenful, certificates included.
    quiet = [] if as_json else ["--suppress-outputs"]
    given, others = _plan_apart(rest)
    # One that fails, such as an endpoint whose model nobody has pushed yet, must not keep the others from being made.
    applied = ["up", *basics, "--continue-on-error", *quiet, *others]

    def once(handle: int | None, told: dict[str, str]) -> None:
        with tempfile.TemporaryDirectory() as folder, conflicts.told(stack.name) as (logged, variables):
            told |= variables
            plan = given or Path(folder) / "plan.json"
            if given is None:
                options = [each for each in rest if each not in _ONLY_UP]
                previewed = ["preview", *basics, *quiet, "--save-plan", str(plan), *logged, *options]
                status = pulumi_cli.run(stack, *previewed, extra=told, target=handle, silent=as_json)
                _ended_well(stack, "preview", status)
            _agree_to_losses(stack, plan, allowed)
            relaxed = Path(folder) / "relaxed.json"
            losses.leave_outputs_open(plan, relaxed)
            bound = ["--plan", str(relaxed)]
            if given is None:
                if not agreed(stack, yes) and not typer.confirm(f"Do this to {stack.name}?", err=True):
                    raise stop("nothing was changed")
                bound += ["--skip-preview", "--yes"]
            else:
                # It previews by itself: a plan that is no longer true ends there.
                bound += agreed(stack, yes)
            there = RunOptions(outputs_before=tuple(losses.outputs_before(plan))).variables()
            status = pulumi_cli.run(stack, *applied, *bound, *logged, extra=told | there, target=handle)
            _ended_well(stack, "up", status)

    _attempts(stack, once, _told(rest, extra), changing=True)


def _plan_apart(rest: list[str]) -> tuple[Path | None, list[str]]:
    """The plan that the user gives, in either form of the option, and the other options."""
    for number, each in enumerate(rest):
        name, separator, value = each.partition("=")
        if name == "--plan":
            after = number + (1 if separator else 2)
            return Path(value if separator else (rest[number + 1 :] or [""])[0]), [*rest[:number], *rest[after:]]
    return None, rest


def _agree_to_losses(stack: Stack, plan: Path, allowed: list[str]) -> None:
    """Ask for what the plan takes away, by name; on a terminal only, elsewhere it must have been allowed before."""
    found = losses.of_plan(plan, lambda: stack_state.export(stack))
    if not found:
        return
    show(f"This deletes or replaces in {stack.name}, of what holds data or serves people:\n{losses.listed(found)}")
    missing = losses.unasked(found, allowed)
    if not missing:
        return
    if not sys.stdin.isatty():
        raise stop(
            f"nothing was changed: nobody has allowed what is listed above; --yes does not cover it. If it is meant, "
            f"repeat the command with {losses.options(missing)}"
        )
    names = ", ".join(dict.fromkeys(each.name for each in missing))
    if not typer.confirm(f"Is that meant, though data may be lost for good: {names}?", err=True):
        raise stop("nothing was changed")


def _ended_well(stack: Stack, command: str, status: int) -> None:
    if status:
        raise stop(f"{stack.name}: pulumi {command} failed; the reasons are above, under Policies or Diagnostics")


def _told(arguments: tuple[str, ...] | list[str], extra: dict[str, str] | None) -> dict[str, str]:
    return {**(extra or {}), **(RunOptions(debug=True).variables() if {"--debug", "-d"} & set(arguments) else {})}


@contextmanager
def at_their_lines(stack: Stack) -> Iterator[dict[str, str]]:
    """The variable for what the infrastructure cannot hold; raises ``Problems`` when the run inside has found some."""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "problems.json"
        try:
            yield RunOptions(problems_file=found).variables()
        except (typer.Exit, Failed):
            if problems := read_problems(found):
                raise Problems(located(stack.name, problems)) from None
            raise


def _past_itself(
    stack: Stack, once: Callable[[int | None, dict[str, str]], None], handle: int | None, told: dict[str, str]
) -> None:
    """Do it once, and again taking over what Pulumi itself has set under another name (decision 4)."""
    try:
        once(handle, told)
    except conflicts.WithItselfError as own:
        say(f"a run that was cut off has set the same fields before this one; taking them over: {own}")
        try:
            once(handle, told | conflicts.TAKE_OVER)
        except conflicts.WithItselfError as still:
            raise stop(conflicts.words(stack.name, still.conflicts)) from None


def _attempts(
    stack: Stack, once: Callable[[int | None, dict[str, str]], None], extra: dict[str, str], *, changing: bool
) -> None:
    """Do it once, and again from its beginning when the lab ended in the middle and is back."""
    for attempt in range(_LAB_ENDS):
        handle = daemon.handle() if stack.lab else None
        if attempt:
            leftovers.clear_up(stack, _removal(stack, True) if changing else None)
        try:
            with at_their_lines(stack) as found:
                _past_itself(stack, once, handle, extra | found)
        except pulumi_cli.TargetGone:
            say(f"bringing the lab back; then {stack.name} goes on where it was")
        else:
            return
        finally:
            if handle is not None:
                os.close(handle)
    raise stop(
        f"the lab ended {_LAB_ENDS} times in the middle of this run; the end of {daemon.log_file()} and the kernel's "
        "log (out of memory?) may tell why. The same command starts the lab and goes on"
    )
