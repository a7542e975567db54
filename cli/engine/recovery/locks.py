"""Locks of a stack: who has it, since when, and how it is freed.

Only one kind is ever removed here: a lock in the lab's own backend whose process is gone. In a backend that others use
too, a process that cannot be seen from here may well run, and two engines on one stack lose what they make.
"""

from __future__ import annotations

import json
import re
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from cli.engine.backend import Files

# As pulumi 3.259 words it for its own backends (pkg/backend/diy/lock.go).
_LOCK_HOLDER = re.compile(r"created by (?P<user>.+)@(?P<host>[^@\s]+) \(pid (?P<pid>\d+)\) at (?P<at>\S+)")
_LOCK_ERRORS = ("the stack is currently locked by", "Another update is currently in progress")


@dataclass(frozen=True)
class Lock:
    """Who has a stack. ``path`` is None where the engine told it, ``pid`` 0 where it does not say."""

    user: str = ""
    host: str = ""
    pid: int = 0
    since: datetime | None = None
    path: Path | None = None

    @property
    def is_local(self) -> bool:
        """Whether it was made on a machine of this one's name."""
        return self.host == socket.gethostname()

    @property
    def is_stale(self) -> bool:
        """Whether it was made on this machine by a process that is no engine any more."""
        return self.is_local and not is_engine(self.pid)

    def __str__(self) -> str:
        if not self.host:
            return f"somebody ({self.path} cannot be read)" if self.path else "somebody"
        since = f" since {self.since.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if self.since else ""
        return f"{self.user or 'somebody'}@{self.host} (process {self.pid}){since}"


def is_engine(pid: int) -> bool:
    """Whether this process of this machine is a Pulumi engine that runs; one that nobody has buried does not."""
    try:
        process = psutil.Process(pid)
        return process.name().startswith("pulumi") and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, ValueError):
        return False


def list_locks(files: Files) -> list[Lock]:
    """The locks on a stack in a backend that is a folder.

    A lock that was still being written counts: the engine counts it too, whatever it holds.
    """
    locks = []
    for path in sorted(files.locks.glob("*")):
        if path.suffix != ".attrs" and path.is_file():
            try:
                locks.append(_read(json.loads(path.read_text(encoding="utf-8")), path))
            except FileNotFoundError:
                continue
            except (OSError, ValueError, AttributeError):
                locks.append(Lock(path=path))
    return locks


def _read(content: dict[str, Any], path: Path) -> Lock:
    return Lock(
        str(content.get("username", "")),
        str(content.get("hostname", "")),
        int(content.get("pid") or 0),
        _time(str(content.get("timestamp", ""))),
        path,
    )


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def release_stale(files: Files) -> list[Lock]:
    """Remove the locks on a stack in the lab's backend whose process is gone; returns them. Those that are left are of
    engines that run, or of other machines."""
    released = []
    for lock in list_locks(files):
        if lock.path is not None and (lock.is_stale or (not lock.host and not _open(lock.path))):
            lock.path.unlink(missing_ok=True)
            released.append(lock)
    return released


def _open(path: Path) -> bool:
    """Whether an engine of this machine is writing it at this moment."""
    for process in psutil.process_iter(["name"]):
        if (process.info["name"] or "").startswith("pulumi"):
            try:
                if any(Path(each.path) == path for each in process.open_files()):
                    return True
            except (psutil.Error, OSError):
                continue
    return False


def parse_lock_error(message: str) -> list[Lock] | None:
    """The locks of which the engine's words tell; None when what it says is of no lock."""
    if not any(each in message for each in _LOCK_ERRORS):
        return None
    return [
        Lock(each["user"].strip(), each["host"], int(each["pid"]), _time(each["at"]))
        for each in _LOCK_HOLDER.finditer(message)
    ] or [Lock()]


def describe(stack: str, locks: list[Lock]) -> str:
    """What it means that these have the stack, and how it is freed."""
    who = ", ".join(map(str, locks))
    stale = "; that process is gone from this machine" if locks and all(each.is_stale for each in locks) else ""
    return (
        f"{stack} is locked by {who}{stale}. A run there is changing it, or one was cut off. Wait until it is done; "
        f'when you are sure that it is over, free the stack: eval "$(./paif env {stack})", then '
        f"`pulumi cancel --stack {stack}`"
    )
