"""The documents and the blocks of commands in them, as a reader finds them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(r"(?P<indent> *)```(?P<language>\S*)")
_NOT_RUN = re.compile(r" *<!-- not run: (?P<why>\S.*\S) -->")


@dataclass(frozen=True)
class Block:
    """A fenced block: its document (path from the root), the line of its fence, its language and its text.

    `not_run` says why it cannot run where the tests run, as the comment before it does; "" when it runs.
    """

    document: str
    line: int
    language: str
    text: str
    not_run: str = ""

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def blocks(path: Path) -> list[Block]:
    """All fenced blocks of a document, in its order."""
    found: list[Block] = []
    lines = path.read_text(encoding="utf-8").splitlines()
    start, language, indent = 0, "", ""
    for number, line in enumerate(lines, 1):
        fence = _FENCE.fullmatch(line)
        if not start and fence:
            start, language, indent = number, fence["language"], fence["indent"]
        elif start and line == f"{indent}```":
            mark = _NOT_RUN.fullmatch(lines[start - 2]) if start > 1 else None
            text = dedent("\n".join(lines[start : number - 1])) + "\n"
            name = str(path.relative_to(ROOT))
            found.append(Block(name, start, language, text, mark["why"] if mark else ""))
            start = 0
    assert not start, f"{path}:{start}: this fence is not closed"
    return found


def commands() -> list[Block]:
    """Every block of commands of every document."""
    return [block for path in DOCUMENTS for block in blocks(path) if block.language == "sh"]


def outside_of_blocks(path: Path) -> list[tuple[int, str]]:
    """The lines of a document that stand in no fenced block, with their numbers."""
    inside = {number for block in blocks(path) for number in range(block.line, block.line + block.text.count("\n") + 2)}
    lines = path.read_text(encoding="utf-8").splitlines()
    return [(number, line) for number, line in enumerate(lines, 1) if number not in inside]
