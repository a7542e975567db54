"""One process of the lab: how it is defined, how one sees that it serves, and how it does."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict


class Ready(BaseModel):
    """How one sees that a part serves: a TCP port that accepts, or a URL that answers with a status below 500."""

    model_config = ConfigDict(extra="forbid")

    tcp: int | None = None
    url: str | None = None
    ca: Path | None = None
    seconds: float = 30


class Part(BaseModel):
    """One process of the lab. Its definition is remembered: it comes back with the lab, under the same name."""

    model_config = ConfigDict(extra="forbid")

    name: str
    argv: list[str]
    env: dict[str, str] = {}
    cwd: str | None = None
    ready: Ready | None = None
    unprivileged: bool = False


class PartStatus(BaseModel):
    """A part as the daemon sees it.

    ``rss_bytes`` is resident memory where it was asked for, ``problem`` why it is not running, ``ended`` why it was
    started again the last time.
    """

    state: Literal["starting", "running", "failed"]
    pid: int | None = None
    restarts: int = 0
    rss_bytes: int = 0
    problem: str = ""
    ended: str = ""


class PartFailedError(Exception):
    """A part did not become ready; the message carries the end of its log."""
