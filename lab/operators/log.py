"""What the operators say in their log: each thing once."""

from __future__ import annotations

import logging
import threading

log = logging.getLogger("lab.operators")

_said: dict[str, str] = {}
_said_lock = threading.Lock()


def say_once(subject: str, message: str, level: int = logging.WARNING) -> None:
    """Log a message about a subject unless it was the last thing logged about it."""
    with _said_lock:
        if _said.get(subject) == message:
            return
        _said[subject] = message
    log.log(level, "%s: %s", subject, message)
