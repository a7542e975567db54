"""JSON that may be anybody's: what cannot be read, or is not of the form that is expected, is empty."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_MAX_BYTES = 128 << 20


def read_untrusted_text(file: Path) -> str:
    """The text of a file; empty for one that is a link, too large or cannot be read."""
    try:
        # A link in somebody's recording would lead to files of the machine that renders it.
        if file.is_symlink() or file.parent.is_symlink() or file.stat().st_size > _MAX_BYTES:
            return ""
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def read_untrusted_json(file: Path) -> Any:
    """What a file holds as JSON; None when that is none."""
    try:
        return json.loads(read_untrusted_text(file))
    except (ValueError, RecursionError):
        return None


def read_event_log(file: Path) -> list[dict[str, Any]]:
    """The lines of an event log of the engine that are readable."""
    found = []
    for line in read_untrusted_text(file).splitlines():
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict):
            found.append(event)
    return found


def mappings_at(data: Any, key: str) -> list[dict[str, Any]]:
    """The mappings in the list at a key."""
    found = data.get(key) if isinstance(data, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def mapping_at(data: Any, key: str) -> dict[str, Any]:
    """The mapping at a key."""
    found = data.get(key) if isinstance(data, dict) else None
    return found if isinstance(found, dict) else {}
