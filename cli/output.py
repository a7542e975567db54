"""What the command line prints, and how it ends: 0 fine, 1 failed, 2 bad input."""

from __future__ import annotations

from typing import Any

import typer
from rich.console import Console

FAILED, BAD_INPUT = 1, 2

_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)


class Failed(Exception):  # noqa: N818 - it is raised and read as a sentence
    """The command could not do its work; the message says what, why and what to do."""


def show(text: str) -> None:
    """A result, on standard output."""
    _out.print(text, markup=False)


def table(item: Any) -> None:
    """A table of rich's, on standard output."""
    _out.print(item)


def json_result(value: Any) -> None:
    """A result for programs, on standard output."""
    _out.print_json(data=value)


def say(text: str) -> None:
    """Progress, on standard error."""
    _err.print(f"paif: {text}", markup=False)


def warn(text: str) -> None:
    _err.print(f"paif: {text}", style="yellow", markup=False)


def stop(text: str, status: int = FAILED) -> typer.Exit:
    """The exit to raise after ``text`` was shown as the error."""
    _err.print(f"paif: {text}", style="red", markup=False)
    return typer.Exit(status)
