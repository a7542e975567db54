"""Telling what is waited for."""

from __future__ import annotations

from typing import Final

from .resource import Context

_TELL_SECONDS: Final = 25.0
RIGHTS_SECONDS: Final = 120.0
"""How long a refused read may last: rights in a new namespace arrive after it."""


class Progress:
    """Tells what is waited for when that changes, and again before a person thinks that nothing happens."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._told, self._when = "", 0.0

    async def tell(self, text: str) -> None:
        """Tell it, if it is time."""
        now = self._context.clock.now()
        if text and (text != self._told or now - self._when >= _TELL_SECONDS):
            self._told, self._when = text, now
            await self._context.progress(self._context.urn, text)
