"""Running ``pulumi``: for what it prints, and in the foreground."""

from __future__ import annotations

import io
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
from typing import IO

from cli.engine import environ
from cli.engine.backend import PROJECT
from cli.engine.planned_values import mask_planned_values
from cli.engine.recovery import locks
from cli.engine.stack import Stack, files
from cli.output.console import Failed, warn
from lab.process import die_with_parent
from lab.state import ROOT

SHUTDOWN_SECONDS = 20
_SHUTDOWN_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StackLocked(Failed):
    """Another engine has the stack, or one that was cut off had it; the message says who, and how it is freed."""


def capture(
    stack: Stack, *arguments: str, check: bool = True, extra: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``pulumi`` for what it prints; ``extra`` are variables beside those of the stack.

    Raises ``Failed`` with its error text when ``check`` and it fails.
    """
    answer = subprocess.run(
        ["pulumi", *arguments, "--non-interactive"],
        cwd=ROOT,
        env=environ.full_environment(lab=stack.lab) | (extra or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if check and answer.returncode:
        output = (answer.stderr or answer.stdout).strip()
        if holders := locks.parse_lock_error(output):
            raise StackLocked(locks.describe(stack.name, holders))
        raise Failed(f"pulumi {arguments[0]} failed:\n{output}{_remedy(stack, output)}")
    return answer


class TargetLost(Exception):  # noqa: N818 - an event that the caller answers
    """What the run goes to ended in the middle of it; the run was ended in the engine's own way."""


def run(
    stack: Stack,
    *arguments: str,
    extra: dict[str, str] | None = None,
    target: int | None = None,
    silent: bool = False,
) -> int:
    """Run ``pulumi`` in the foreground; Ctrl-C reaches it as it would without this wrapper. Returns its exit status.

    With ``--plan`` what it prints goes through ``mask_planned_values``. A ``silent`` run prints only on standard
    error, where what it says goes when it fails. ``target`` is a file descriptor that becomes
    readable when what the run goes to has ended. Raises ``TargetLost`` then: the engine would wait for hours for
    objects that nobody makes ready any more.
    """
    interrupted = False

    def stop_asked(number: int, _: object) -> None:
        nonlocal interrupted
        interrupted = True
        # Ctrl-C reaches the engine from the terminal; what ends this process alone is handed on in the engine's way.
        if number != signal.SIGINT and process is not None:
            process.send_signal(signal.SIGINT)

    process: subprocess.Popen[bytes] | None = None
    planned = any(each.partition("=")[0] == "--plan" for each in arguments)
    # At a terminal the engine redraws what it shows, which no filter of lines can follow.
    planned |= "--save-plan" in arguments and not silent and not sys.stdout.isatty()
    colored = ["--color", "always"] if planned and sys.stdout.isatty() and "--color" not in arguments else []
    # A handler, unlike SIG_IGN, is not inherited: the engine ends in its own way and this process waits for it.
    handled = [number for number in _SHUTDOWN_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, stop_asked) for number in handled}
    try:
        with (
            tempfile.TemporaryFile() as buffered,
            subprocess.Popen(
                ["pulumi", *arguments, *colored],
                cwd=ROOT,
                env={**environ.full_environment(lab=stack.lab), **(extra or {})},
                stdout=subprocess.PIPE if planned else buffered if silent else None,
                stderr=subprocess.STDOUT if planned else None,
                # One that nobody waits for any more would hold the stack's lock, on a target that is gone for hours.
                preexec_fn=lambda: die_with_parent(signal.SIGINT),  # noqa: PLW1509 - no thread of ours runs yet
            ) as process,
        ):
            printer = threading.Thread(target=_print_masked, args=(process.stdout,))
            if planned:
                printer.start()
            if target is not None:
                _watch(stack, process, target)
            status = process.wait()
            if planned:
                printer.join()
            if silent and status:
                buffered.seek(0)
                sys.stderr.write(buffered.read().decode("utf-8", "replace"))
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    if status and not interrupted and target is not None and select.select([target], [], [], 0)[0]:
        raise TargetLost
    return status


def _print_masked(stream: IO[bytes]) -> None:
    with io.TextIOWrapper(stream, encoding="utf-8", errors="replace") as text:
        for line in mask_planned_values(text):
            sys.stdout.write(line)
            sys.stdout.flush()


def _watch(stack: Stack, process: subprocess.Popen[bytes], target: int) -> None:
    """Wait until the engine ends; end it when what it goes to ends first."""
    ended = os.pidfd_open(process.pid)
    try:
        readable, _, _ = select.select([ended, target], [], [])
        if target in readable and ended not in readable:
            warn(f"the lab ended in the middle of this run of {stack.name}; ending the run, to go on with it")
            _shut_down(process)
    finally:
        os.close(ended)


def _shut_down(process: subprocess.Popen[bytes]) -> None:
    """End the engine as Ctrl-C does: it cancels what it waits for and writes its state; the second time it goes."""
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        try:
            process.wait(SHUTDOWN_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return
    process.kill()


_DAMAGED_CHECKPOINT_ERRORS = ("failed to load checkpoint", "snapshot integrity failure")


def _remedy(stack: Stack, error: str) -> str:
    """What to do about a checkpoint that the engine cannot use in a backend whose files are not at hand."""
    if not any(each in error for each in _DAMAGED_CHECKPOINT_ERRORS) or files(stack) is not None:
        return ""
    return (
        f"\nThe checkpoint of {stack.name} is damaged, and this backend is no folder in which it could be mended. Take "
        f"the newest object below .pulumi/backups/{PROJECT}/{stack.name}/ (or {stack.name}.json.bak beside "
        f"the checkpoint) and, with your store's own client, copy it over .pulumi/stacks/{PROJECT}/"
        f"{stack.name}.json; keep the damaged one. Then run again: what was made since is adopted"
    )
