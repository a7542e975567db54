"""Wait conditions: of kinds that a run waits for."""

from __future__ import annotations

from collections.abc import Iterator

from paif_catalog.nearest_names import nearest
from stacks.environment.model import Environment
from stacks.problems import Contradiction, contradiction, listed


def check(env: Environment) -> Iterator[Contradiction]:
    """Conditions of kinds that no run waits for."""
    known = env.baseline.awaited_kinds()
    for key in env.conditions:
        if key not in known:
            yield contradiction(("conditions", key), f"one of {listed(known)}", key, nearest(key, known))
