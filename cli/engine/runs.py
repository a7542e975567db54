"""Runs of the engine as the commands need them: prepared, asked about, kept to what was announced, gone on with."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from cli.configuration.stack_files import Problems, load_stack, locate
from cli.engine import conflicts, destructive_steps, pulumi_cli, selection, stack_state
from cli.engine.recovery import cleanup
from cli.engine.stack import Stack
from cli.labctl import daemon
from cli.output.console import BAD_INPUT, Failed, say, show, stop
from cli.policy import packs
from stacks.problems import Problem, read_problems
from stacks.run_options import RunOptions

_MAX_LAB_RESTARTS = 3
_UP_ONLY_OPTIONS = {"--yes", "-y", "--continue-on-error", "--json", "-j"}
"""Options of `pulumi up` that its preview, made for the plan, has not or need not have."""


def prepare(name: str, *, changing: bool, yes: bool = False, policies: bool = False) -> Stack:
    """Check the stack file, have its target there, its stack made and cleared of what a cut-off run left.

    Only a command that is there for ``changing`` removes something from the target, after ``yes`` or when asked. With
    ``policies`` the settings of the policy packs are checked too.
    """
    problems: list[Problem] = []
    if policies:
        from cli.policy import settings  # noqa: PLC0415 - it loads the packs' rules

        problems = settings.problems(name)
    stack = load_stack(name, problems)
    if stack.lab:
        daemon.up(stack.platform)
    selection.select(stack)
    cleanup.clean_up(stack, _removal_prompt(stack, yes) if changing else None)
    return stack


def _removal_prompt(stack: Stack, yes: bool) -> Callable[[str], bool]:
    return lambda question: bool(auto_approve(stack, yes)) or typer.confirm(question)


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


def auto_approve(stack: Stack, yes: bool) -> list[str]:
    # The lab is there to be tried: nothing of value is behind it.
    return ["--yes"] if yes or stack.lab else []


def run(stack: Stack, *arguments: str, extra: dict[str, str] | None = None) -> None:
    """Run the engine; bring the lab back when it ends meanwhile.

    Raises ``Problems``, each at its line, when the run finds that the infrastructure cannot hold the environment.
    """

    def once(handle: int | None, env: dict[str, str]) -> None:
        with conflicts.reporting(stack.name) as (log_options, variables):
            status = pulumi_cli.run(stack, *arguments, *log_options, extra=env | variables, target=handle)
            _check_status(stack, arguments[0], status)

    _with_lab_restarts(stack, once, _run_variables(arguments, extra), changing=arguments[0] != "preview")


def up(stack: Stack, rest: list[str], *, yes: bool, approved: list[str], extra: dict[str, str]) -> None:
    """Preview, ask, and do exactly what was announced: the run is bound to the plan that its preview made.

    ``approved`` are names of what may be deleted or replaced though it holds data or serves people. With `--plan FILE`
    in ``rest`` that plan binds the run instead. Raises as `run` does.
    """
    if {"--skip-preview", "-f"} & set(rest):
        text = "--skip-preview: `up` is bound to what its preview announces, so that it always makes one; leave it out"
        raise stop(text, BAD_INPUT)
    as_json = bool({"--json", "-j"} & set(rest))
    common_options = ["--stack", stack.name, *packs.policy_pack_options()]
    # The engine prints them by the screenful, certificates included.
    quiet = [] if as_json else ["--suppress-outputs"]
    saved_plan, others = _split_plan_option(rest)
    # One that fails, such as an endpoint whose model nobody has pushed yet, must not keep the others from being made.
    up_arguments = ["up", *common_options, "--continue-on-error", *quiet, *others]

    def once(handle: int | None, env: dict[str, str]) -> None:
        with tempfile.TemporaryDirectory() as folder, conflicts.reporting(stack.name) as (log_options, variables):
            env |= variables
            plan = saved_plan or Path(folder) / "plan.json"
            if saved_plan is None:
                options = [each for each in rest if each not in _UP_ONLY_OPTIONS]
                preview_arguments = [
                    "preview",
                    *common_options,
                    *quiet,
                    "--save-plan",
                    str(plan),
                    *log_options,
                    *options,
                ]
                status = pulumi_cli.run(stack, *preview_arguments, extra=env, target=handle, silent=as_json)
                _check_status(stack, "preview", status)
            _confirm_destructive_steps(stack, plan, approved)
            relaxed = Path(folder) / "relaxed.json"
            destructive_steps.relax_outputs(plan, relaxed)
            plan_options = ["--plan", str(relaxed)]
            if saved_plan is None:
                if not auto_approve(stack, yes) and not typer.confirm(f"Do this to {stack.name}?", err=True):
                    raise stop("nothing was changed")
                plan_options += ["--skip-preview", "--yes"]
            else:
                # It previews by itself: a plan that is no longer true ends there.
                plan_options += auto_approve(stack, yes)
            existing = RunOptions(existing_outputs=tuple(destructive_steps.existing_outputs(plan))).variables()
            status = pulumi_cli.run(
                stack, *up_arguments, *plan_options, *log_options, extra=env | existing, target=handle
            )
            _check_status(stack, "up", status)

    _with_lab_restarts(stack, once, _run_variables(rest, extra), changing=True)


def _split_plan_option(rest: list[str]) -> tuple[Path | None, list[str]]:
    """The plan that the user gives, in either form of the option, and the other options."""
    for number, each in enumerate(rest):
        name, separator, value = each.partition("=")
        if name == "--plan":
            after = number + (1 if separator else 2)
            return Path(value if separator else (rest[number + 1 :] or [""])[0]), [*rest[:number], *rest[after:]]
    return None, rest


def _confirm_destructive_steps(stack: Stack, plan: Path, approved: list[str]) -> None:
    """Ask for what the plan takes away, by name; on a terminal only, elsewhere it must have been allowed before."""
    steps = destructive_steps.in_plan(plan, lambda: stack_state.export(stack))
    if not steps:
        return
    show(
        f"This deletes or replaces in {stack.name}, of what holds data or serves people:\n"
        f"{destructive_steps.format_steps(steps)}"
    )
    unapproved = destructive_steps.unapproved(steps, approved)
    if not unapproved:
        return
    if not sys.stdin.isatty():
        raise stop(
            f"nothing was changed: nobody has allowed what is listed above; --yes does not cover it. If it is meant, "
            f"repeat the command with {destructive_steps.approval_options(unapproved)}"
        )
    names = ", ".join(dict.fromkeys(each.name for each in unapproved))
    if not typer.confirm(f"Is that meant, though data may be lost for good: {names}?", err=True):
        raise stop("nothing was changed")


def _check_status(stack: Stack, command: str, status: int) -> None:
    if status:
        raise stop(f"{stack.name}: pulumi {command} failed; the reasons are above, under Policies or Diagnostics")


def _run_variables(arguments: tuple[str, ...] | list[str], extra: dict[str, str] | None) -> dict[str, str]:
    return {**(extra or {}), **(RunOptions(debug=True).variables() if {"--debug", "-d"} & set(arguments) else {})}


@contextmanager
def locating_problems(stack: Stack) -> Iterator[dict[str, str]]:
    """The variable for what the infrastructure cannot hold; raises ``Problems`` when the run inside has found some."""
    with tempfile.TemporaryDirectory() as folder:
        problems_file = Path(folder) / "problems.json"
        try:
            yield RunOptions(problems_file=problems_file).variables()
        except (typer.Exit, Failed):
            if problems := read_problems(problems_file):
                raise Problems(locate(stack.name, problems)) from None
            raise


def _resolving_self_conflicts(
    stack: Stack, once: Callable[[int | None, dict[str, str]], None], handle: int | None, env: dict[str, str]
) -> None:
    """Do it once, and again taking over what Pulumi itself has set under another name (decision 4)."""
    try:
        once(handle, env)
    except conflicts.SelfConflictError as conflict:
        say(f"a run that was cut off has set the same fields before this one; taking them over: {conflict}")
        try:
            once(handle, env | conflicts.TAKE_OVER)
        except conflicts.SelfConflictError as unresolved:
            raise stop(conflicts.describe(stack.name, unresolved.conflicts)) from None


def _with_lab_restarts(
    stack: Stack, once: Callable[[int | None, dict[str, str]], None], extra: dict[str, str], *, changing: bool
) -> None:
    """Do it once, and again from its beginning when the lab ended in the middle and is back."""
    for attempt in range(_MAX_LAB_RESTARTS):
        handle = daemon.liveness_handle() if stack.lab else None
        if attempt:
            cleanup.clean_up(stack, _removal_prompt(stack, True) if changing else None)
        try:
            with locating_problems(stack) as variables:
                _resolving_self_conflicts(stack, once, handle, extra | variables)
        except pulumi_cli.TargetLost:
            say(f"bringing the lab back; then {stack.name} goes on where it was")
        else:
            return
        finally:
            if handle is not None:
                os.close(handle)
    raise stop(
        f"the lab ended {_MAX_LAB_RESTARTS} times in the middle of this run; the end of {daemon.log_file()} and the "
        "kernel's log (out of memory?) may tell why. The same command starts the lab and goes on"
    )
