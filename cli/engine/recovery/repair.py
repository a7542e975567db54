"""The files of a stack made usable again: its checkpoint readable, and its lock free where nobody has it."""

from __future__ import annotations

import psutil

from cli.engine.backend import PROJECT
from cli.engine.pulumi_cli import SHUTDOWN_SECONDS, StackLocked
from cli.engine.recovery import checkpoints, locks
from cli.engine.stack import Stack, files
from cli.output.console import Failed, say, warn


def repair_checkpoint(stack: Stack, project: str = PROJECT) -> None:
    """Make what a killed engine or a power cut left in the stack's backend readable again, before anything reads it.

    Raises ``Failed`` when the checkpoint is damaged and the stack is locked, or no backup can be read.
    """
    backend = files(stack, project)
    if backend is None:
        return
    try:
        removed = checkpoints.remove_unreadable_side_files(backend)
        if removed:
            say(f"removed {removed} side files that a cut-off run left unreadable in the backend of {stack.name}")
        holders = [each for each in locks.list_locks(backend) if not (stack.lab and each.is_stale)]
        if holders:
            if problem := checkpoints.integrity_problem(backend):
                raise Failed(
                    f"the checkpoint of {stack.name} is damaged ({problem}) and cannot be restored while the stack is "
                    f"locked. {locks.describe(stack.name, holders)}"
                )
            return
        checkpoints.remove_temporary_files(backend)
        restored = checkpoints.restore(backend)
    except checkpoints.NoBackupError as error:
        raise Failed(f"{error}; put a checkpoint there, or `pulumi stack import` one") from None
    except OSError as error:
        raise Failed(f"the backend of {stack.name} cannot be read or written: {error}") from None
    if restored is not None:
        warn(
            f"the checkpoint of {stack.name} was damaged ({restored.problem}); restored {restored.backup.path} of "
            f"{restored.backup.timestamp} with {restored.backup.resources} resources. The damaged one is kept as "
            f"{restored.damaged_copy}. What was made since then is adopted by the next `up`; what was removed since "
            f"then is found by `./paif refresh {stack.name}`"
        )


def release_locks(stack: Stack, project: str = PROJECT) -> bool:
    """Remove what a run that no longer exists left on the lab's stacks; whether there was any.

    Raises ``Failed`` when somebody else has the stack, here or in a backend of the user's own.
    """
    backend = files(stack, project)
    if backend is None:
        return False
    released = locks.release_stale(backend) if stack.lab else []
    for each in released:
        say(f"removed the lock that a run which no longer exists ({each}) left on {stack.name}")
    if remaining := locks.list_locks(backend):
        raise StackLocked(locks.describe(stack.name, remaining))
    return bool(released)


def reclaim(stack: Stack, project: str) -> None:
    """Have a stack of the lab's that nobody else uses, such as a benchmark's, whatever one that was cut off left of it.

    An engine that still ends is waited for. Raises ``Failed`` when it does not end.
    """
    backend = files(stack, project)
    for lock in locks.list_locks(backend) if backend else []:
        if lock.is_local and locks.is_engine(lock.pid):
            try:
                psutil.Process(lock.pid).wait(SHUTDOWN_SECONDS)
            except psutil.NoSuchProcess:
                continue
            except psutil.TimeoutExpired:
                break
    release_locks(stack, project)
    repair_checkpoint(stack, project)
