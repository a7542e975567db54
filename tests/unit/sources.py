"""The project's own source, for tests that read it instead of running it."""

from __future__ import annotations

import ast
import gc
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def sources(package: str) -> list[Path]:
    """All Python files of a top-level package."""
    return sorted(path for path in (ROOT / package).rglob("*.py") if "__pycache__" not in path.parts)


@cache
def parsed(path: Path) -> ast.Module:
    """A file's syntax tree."""
    # What other tests left behind may end in the middle and show a traceback, for which Python 3.11 parses as well; a
    # parse within a parse is an error of its own.
    gc.disable()
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    finally:
        gc.enable()
