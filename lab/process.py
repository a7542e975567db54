"""Starting a process so that it cannot outlive the one that started it."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
from collections.abc import Callable
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000
_UNPRIVILEGED_ID = 1000
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(by: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel send this process the signal ``by`` when the thread that started it ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, by, 0, 0, 0)


def _leave_root() -> None:
    """Appear as an ordinary user in a user namespace of one's own; files keep their owner.

    Raises ``OSError`` when the kernel forbids user namespaces.
    """
    if _libc.unshare(_CLONE_NEWUSER) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{_UNPRIVILEGED_ID} 0 1", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{_UNPRIVILEGED_ID} 0 1", encoding="ascii")


def before_exec(*, unprivileged: bool) -> Callable[[], None]:
    """What the child runs between fork and exec."""
    parent = os.getpid()

    def prepare() -> None:
        if unprivileged and os.geteuid() == 0:
            _leave_root()
        die_with_parent()
        if os.getppid() not in (parent, 0):
            os._exit(1)

    return prepare


async def spawn(
    argv: list[str], *, env: dict[str, str], cwd: str | None, log: Path, unprivileged: bool
) -> asyncio.subprocess.Process:
    """Start ``argv`` with both outputs appended to ``log``."""
    with log.open("ab") as stream:
        return await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            env=env,
            cwd=cwd,
            start_new_session=True,
            preexec_fn=before_exec(unprivileged=unprivileged),
        )
