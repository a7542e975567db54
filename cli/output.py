"""What the command line prints, and how it ends: 0 fine, 1 failed, 2 bad input."""

from __future__ import annotations

from typing import Any

import typer
from rich.console import Console
from rich.table import Table

FAILED, BAD_INPUT = 1, 2
_WIDE = 240

# What is printed may be a password or an address: `:key:` in it is no emoji.
_out = Console(highlight=False, soft_wrap=True, emoji=False)
_err = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


class Failed(Exception):  # noqa: N818 - it is raised and read as a sentence
    """The command could not do its work; the message says what, why and what to do."""


def show(text: str) -> None:
    """A result, on standard output."""
    _out.print(text, markup=False)


def columns(*titles: str) -> Table:
    """An empty table without lines; what is too long for its column is folded, never cut."""
    result = Table(box=None, pad_edge=False)
    for title in titles:
        result.add_column(title, overflow="fold")
    return result


def table(item: Table) -> None:
    """A table on standard output, as wide as the terminal; elsewhere nobody wants lines broken."""
    _out.print(item, width=None if _out.is_terminal else _WIDE)


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
