"""What the command line prints, and how it ends: 0 fine, 1 failed, 2 bad input."""

from __future__ import annotations

from typing import Any

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

FAILED, BAD_INPUT = 1, 2
_MIN_PATH_WIDTH = 20

# What is printed may be a password, an address or a path: neither `:key:` nor `[key]` in it is anything else.
_out = Console(highlight=False, soft_wrap=True, emoji=False, markup=False)
_err = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False, markup=False)


class Failed(Exception):  # noqa: N818 - it is raised and read as a sentence
    """The command could not do its work; the message says what, why and what to do."""


def show(text: str) -> None:
    """A result, on standard output."""
    _out.print(text)


def columns(*titles: str) -> Table:
    """An empty table without lines; what is too long for its column is folded, never cut."""
    result = Table(box=None, pad_edge=False)
    for title in titles:
        result.add_column(title, overflow="fold")
    return result


def table(item: Table) -> None:
    """A table on standard output that fits the terminal; elsewhere it is as wide as it is, each row on one line.

    Where the terminal is narrower, paths are folded first, text between its words, and words only when nothing else
    helps; nothing is cut.
    """
    texts = [[str(column.header), *(str(cell) for cell in column.cells)] for column in item.columns]
    wanted = [max(cell_len(text) for text in column) for column in texts]
    gaps = 2 * (len(wanted) - 1)
    if not _out.is_terminal:
        wide = Console(file=_out.file, width=sum(wanted) + gaps, highlight=False, emoji=False, markup=False)
        wide.print(item, crop=False)
        return
    least = [max(_min_width(word) for text in column for word in text.split() or [""]) for column in texts]
    spare = _out.width - gaps - sum(least)
    if spare >= 0:
        # What the last column tells is what a table is mostly read for.
        for column, width, needed in reversed(list(zip(item.columns, wanted, least, strict=True))):
            column.width = min(width, needed + spare)
            spare -= column.width - needed
    _out.print(item)


def _min_width(word: str) -> int:
    """How narrow a column may become for ``word``."""
    return min(cell_len(word), _MIN_PATH_WIDTH) if "/" in word else cell_len(word)


def json_result(value: Any) -> None:
    """A result for programs, on standard output."""
    _out.print_json(data=value)


def say(text: str) -> None:
    """Progress, on standard error."""
    _err.print(f"paif: {text}")


def warn(text: str) -> None:
    _err.print(f"paif: {text}", style="yellow")


def stop(text: str, status: int = FAILED) -> typer.Exit:
    """The exit to raise after ``text`` was shown as the error."""
    _err.print(f"paif: {text}", style="red")
    return typer.Exit(status)
