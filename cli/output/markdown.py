"""Markdown that what is in a recording cannot break out of."""

from __future__ import annotations

import re

_LONG_CELL, _LONG_BLOCK = 300, 4000


def code(text: str, longest: int = _LONG_CELL) -> str:
    """Text as inline code, safe in a table cell: nothing in it is markup, a mention or a link."""
    flat = re.sub(r"[\s\x00-\x1f\x7f]+", " ", text).strip().replace("`", "'")
    flat = flat if len(flat) <= longest else f"{flat[: longest - 1]}…"
    return f"`{flat}`".replace("|", "\\|") if flat else ""


def block(text: str, indent: str = "", longest: int = _LONG_BLOCK) -> str:
    """Text as a code block whose fence nothing in it can close."""
    clean = re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", "", text.replace("\r\n", "\n")).strip("\n")
    clean = clean if len(clean) <= longest else f"{clean[: longest - 1]}…"
    runs = [len(run) for run in re.findall(r"`{3,}", clean)]
    fence = "`" * (max(runs, default=2) + 1)
    return "\n".join(f"{indent}{line}".rstrip() for line in [f"{fence}text", *clean.split("\n"), fence])


def plural(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
