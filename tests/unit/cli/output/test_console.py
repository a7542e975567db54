"""What is printed: nothing is cut, whatever the width and whatever a path contains."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from cli.output import console

_ROWS = [
    ("pulumi-resource-kubernetes", "cluster-api 1.9.0, vm-operator 1.9.0", "/home/a b/[bold]/.cache/:key:/" + "x" * 90),
    ("state", "", "/tmp/ü"),
    ("kwok", "0.7.0", ""),
]


def _printed(monkeypatch: pytest.MonkeyPatch, width: int, *, terminal: bool) -> list[str]:
    """The table's lines, without what fills them up to the width."""
    stream = io.StringIO()
    screen = Console(
        file=stream, width=width, force_terminal=terminal, color_system=None, highlight=False, emoji=False, markup=False
    )
    monkeypatch.setattr(console, "_out", screen)
    sheet = console.columns("tool", "version", "where")
    for row in _ROWS:
        sheet.add_row(*row)
    console.table(sheet)
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def _letters(text: str) -> list[str]:
    return sorted(text.replace(" ", ""))


@pytest.mark.parametrize("width", [20, 60, 80, 120, 400])
def test_a_table_fits_the_terminal_and_nothing_of_it_is_cut(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    lines = _printed(monkeypatch, width, terminal=True)
    assert max(map(len, lines)) <= width
    said = "tool version where" + "".join("".join(row) for row in _ROWS)
    assert _letters("".join(lines)) == _letters(said)


def test_names_stay_whole_in_a_terminal_of_the_usual_width(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = _printed(monkeypatch, 80, terminal=True)
    for word in ("pulumi-resource-kubernetes", "cluster-api", "vm-operator"):
        assert any(word in line for line in lines)


def test_a_row_is_a_line_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = _printed(monkeypatch, 80, terminal=False)
    assert len(lines) == 1 + len(_ROWS)
    for line, row in zip(lines[1:], _ROWS, strict=True):
        assert all(cell in line for cell in row)
