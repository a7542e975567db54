"""Time as the provider sees it, so that tests can stand in for it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator


class Clock:
    """Monotonic seconds, sleeping, and jitter."""

    def now(self) -> float:
        """Seconds since some start."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Waits; cancellable."""
        await asyncio.sleep(seconds)

    def jitter(self) -> float:
        """A factor from 0.5 to 1 that keeps callers from retrying in step."""
        return random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, guards nothing

    def backoff(self, first: float = 0.5, factor: float = 2.0, ceiling: float = 20.0) -> Iterator[float]:
        """Growing, jittered pauses in seconds, without end."""
        pause = first
        while True:
            yield pause * self.jitter()
            pause = min(pause * factor, ceiling)
