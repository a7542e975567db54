"""Packs are started once per test session, and each test begins a run of its own in them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.policy.harness import PACKS, Process, started


@pytest.fixture(scope="session")
def packs() -> Iterator[dict[str, Process]]:
    """The three packs' processes."""
    open_ = [started(pack) for pack in PACKS]
    processes = {pack: each.__enter__() for pack, each in zip(PACKS, open_, strict=True)}
    yield processes
    for each in open_:
        each.__exit__(None, None, None)
