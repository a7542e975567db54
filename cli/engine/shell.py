"""What a shell needs so that plain ``pulumi`` works: variables, and for the lab the stacks of its environments."""

from __future__ import annotations

from cli.configuration.stack_files import load_incomplete, stack_names, target_of
from cli.engine import environ, pulumi_cli
from cli.engine.backend import Files
from cli.engine.recovery import repair
from cli.engine.stack import Stack
from cli.output.console import Failed, warn


def lines(env: str) -> list[str]:
    """``export`` and ``unset`` lines for environment ``env``.

    Its stack file need not be complete: what is missing may be a secret, and only the ``pulumi`` of these lines sets
    one. That is told as a warning. Raises ``Problems`` when the file does not even say where the environment goes.
    """
    stack, missing = load_incomplete(env)
    if missing:
        listed = "\n".join(str(each) for each in missing)
        warn(f"{env} is not complete yet; the variables are set, so that `pulumi config set` works:\n{listed}")
    if stack.lab:
        _create_missing_stacks()
    return environ.shell_lines(lab=stack.lab)


def _create_missing_stacks() -> None:
    """Make the stack of every environment on the lab that has none, so that ``pulumi preview -s`` finds it, and what a
    cut-off run left unreadable readable again, as every command of ``./paif`` does.

    Nothing is asked of the engine when all are there: a shell that is opened should not wait for it.
    """
    lab_environments = [name for name in stack_names() if target_of(name) == "lab"]
    for name in lab_environments:
        try:
            repair.repair_checkpoint(Stack(name, lab=True))
        except Failed as failed:
            warn(str(failed))
    missing = [name for name in lab_environments if not _stack_exists(name)]
    for name in missing:
        # Not selected: which one a shell works on is for its user to say.
        answer = pulumi_cli.capture(Stack(name, lab=True), "stack", "init", name, "--no-select", check=False)
        # Another shell may have been quicker.
        if answer.returncode and not _stack_exists(name):
            warn(f"{name} has no stack yet, and none could be made:\n{(answer.stderr or answer.stdout).strip()}")


def _stack_exists(name: str) -> bool:
    return Files(environ.backend_directory(), name).checkpoint is not None
