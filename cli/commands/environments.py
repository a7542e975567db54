"""What is done with an environment from its first `up` to its end."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.commands.arguments import AllowDelete, AsJson, Environment, Rest, TakeOver, Until
from cli.configuration.stack_files import load_stack, stack_names
from cli.drift import undo
from cli.engine import conflicts, runs, selection, shell, stack_state
from cli.output.console import json_result, say, show, stop
from cli.output.personas import personas, stack_view, value_at
from cli.policy import packs


def up(
    env: Environment,
    rest: Rest = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask (the lab never asks)")] = False,
    until: Until = None,
    allow_delete: AllowDelete = None,
    take_over: TakeOver = False,
) -> None:
    """Provision an environment, unless the policy packs refuse. On the lab this is all it takes.

    It previews first: what the packs can refuse by then ends the run before anything is made. What it would delete or
    replace of what holds data or serves people is listed and asked for by itself, which --yes does not answer. Then it
    does what the preview announced and nothing else. What fails keeps only what needs it from being made, and a run in
    which something failed deletes nothing. What a cut-off run left is cleared up and completed.
    """
    stack = runs.prepare(env, changing=True, yes=yes, policies=True)
    extra = runs.phase_limit(stack, until) | (conflicts.TAKE_OVER if take_over else {})
    runs.up(stack, rest or [], yes=yes, approved=allow_delete or [], extra=extra)
    if "--json" not in (rest or []):
        show(f"\n{personas(env, stack_state.outputs(stack), stack_view(stack))}")


def preview(env: Environment, rest: Rest = None, until: Until = None, take_over: TakeOver = False) -> None:
    """Show what `up` would do, and what the policy packs say of it; nothing is changed."""
    stack = runs.prepare(env, changing=False, policies=True)
    quiet = [] if "--json" in (rest or []) else ["--suppress-outputs"]
    arguments = ["preview", "--stack", env, *packs.policy_pack_options(), *quiet, *(rest or [])]
    extra = runs.phase_limit(stack, until) | (conflicts.TAKE_OVER if take_over else {})
    runs.run(stack, *arguments, extra=extra)


def refresh(
    env: Environment,
    rest: Rest = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask (the lab never asks)")] = False,
) -> None:
    """Bring the state in line with what is really there; `drift --undo` and `drift --keep` do what mostly follows."""
    stack = runs.prepare(env, changing=True, yes=yes)
    if rest:
        runs.run(stack, "refresh", "--stack", env, *runs.auto_approve(stack, yes), *rest)
    else:
        undo.refresh(stack, yes=yes)


def destroy(
    env: Environment,
    rest: Rest = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask (the lab never asks)")] = False,
) -> None:
    """Remove an environment, in reverse order. What is protected refuses; see `unprotect`."""
    stack = runs.prepare(env, changing=True, yes=yes)
    # The engine would delete what is not protected before it refuses the rest.
    kept = stack_state.protected(stack)
    if kept:
        raise stop(
            f"{env} is protected ({', '.join(kept)}); nothing was destroyed. `./paif unprotect {env}` lifts that"
        )
    # Without a preview the engine asks nobody, so that only who has agreed does without one.
    agreed = runs.auto_approve(stack, yes)
    runs.run(stack, "destroy", "--stack", env, *agreed, *(["--skip-preview"] if agreed else []), *(rest or []))


def unprotect(env: Environment, yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False) -> None:
    """Lift protection and retention of everything in an environment: the deliberate way to destroy a protected one."""
    stack = runs.prepare(env, changing=False)
    if not yes and not typer.confirm(f"Lift the protection of the databases and clusters of {env}?"):
        raise stop("nothing was changed")
    lifted = stack_state.unprotect(stack)
    say(f"{lifted} resources of {env} are neither protected nor retained any more, until its next `up`")


def outputs(
    env: Environment,
    path: Annotated[
        str | None, typer.Argument(help="one value only, e.g. database.host or clusters.gpu.kubeconfig")
    ] = None,
    as_json: AsJson = False,
    secrets: Annotated[bool, typer.Option("--show-secrets", help="print secret values in the clear")] = False,
) -> None:
    """What each persona gets from an environment."""
    stack = load_stack(env)
    selection.select(stack)
    found = stack_state.outputs(stack, secrets=secrets)
    if path is not None:
        show(value_at(found, path))
    elif as_json or secrets:
        json_result(found)
    else:
        show(personas(env, found, stack_view(stack)))


def environment(
    env: Annotated[
        str, typer.Argument(metavar="ENV", help="one that goes where you want to work", autocompletion=stack_names)
    ] = "dev",
) -> None:
    """Print what a shell needs to run plain pulumi: eval "$(./paif env)"; the lab's stacks are there afterwards."""
    for line in shell.lines(env):
        show(line)
