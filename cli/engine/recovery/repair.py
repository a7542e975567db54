"""The files of a stack made usable again: its checkpoint readable, and its lock free where nobody has it."""

from __future__ import annotations

import psutil

from cli.engine.backend import PROJECT
from cli.engine.pulumi_cli import END_SECONDS, Locked
from cli.engine.recovery import checkpoints, locks
from cli.engine.stack import Stack, files
from cli.output.console import Failed, say, warn


def mend(stack: Stack, project: str = PROJECT) -> None:
    """Make what a killed engine or a power cut left in the stack's backend readable again, before anything reads it.

    Raises ``Failed`` when the checkpoint is damaged and the stack is locked, or no backup can be read.
    """
    there = files(stack, project)
    if there is None:
        return
    try:
        removed = checkpoints.clear_side_files(there)
        if removed:
            say(f"removed {removed} side files that a cut-off run left unreadable in the backend of {stack.name}")
        holders = [each for each in locks.held(there) if not (stack.lab and each.over)]
        if holders:
            if problem := checkpoints.damage(there):
                raise Failed(
                    f"the checkpoint of {stack.name} is damaged ({problem}) and cannot be restored while the stack is "
                    f"locked. {locks.sentence(stack.name, holders)}"
                )
            return
        checkpoints.clear_unfinished(there)
        restored = checkpoints.restore(there)
    except checkpoints.NoBackupError as error:
        raise Failed(f"{error}; put a checkpoint there, or `pulumi stack import` one") from None
    except OSError as error:
        raise Failed(f"the backend of {stack.name} cannot be read or written: {error}") from None
    if restored is not None:
        warn(
            f"the checkpoint of {stack.name} was damaged ({restored.problem}); restored {restored.backup.path} of "
            f"{restored.backup.when} with {restored.backup.resources} resources. The damaged one is kept as "
            f"{restored.kept}. What was made since then is adopted by the next `up`; what was removed since then is "
            f"found by `./paif refresh {stack.name}`"
        )


def unlock(stack: Stack, project: str = PROJECT) -> bool:
    """Remove what a run that no longer exists left on the lab's stacks; whether there was any.

    Raises ``Failed`` when somebody else has the stack, here or in a backend of the user's own.
    """
    there = files(stack, project)
    if there is None:
        return False
    freed = locks.free(there) if stack.lab else []
    for each in freed:
        say(f"removed the lock that a run which no longer exists ({each}) left on {stack.name}")
    if left := locks.held(there):
        raise Locked(locks.sentence(stack.name, left))
    return bool(freed)


def take_back(stack: Stack, project: str) -> None:
    """Have a stack of the lab's that nobody else uses, such as a benchmark's, whatever one that was cut off left of it.

    An engine that still ends is waited for. Raises ``Failed`` when it does not end.
    """
    there = files(stack, project)
    for lock in locks.held(there) if there else []:
        if lock.here and locks.is_engine(lock.pid):
            try:
                psutil.Process(lock.pid).wait(END_SECONDS)
            except psutil.NoSuchProcess:
                continue
            except psutil.TimeoutExpired:
                break
    unlock(stack, project)
    mend(stack, project)
