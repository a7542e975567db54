"""Wait conditions: of kinds that a run waits for."""

from __future__ import annotations

from collections.abc import Iterator

from paif_catalog.nearest_names import nearest
from stacks.environment.model import Environment
from stacks.problems import LocatedProblem, join_names, located_problem


def check(env: Environment) -> Iterator[LocatedProblem]:
    """Conditions of kinds that no run waits for."""
    known = env.baseline.awaited_kinds()
    for key in env.conditions:
        if key not in known:
            yield located_problem(("conditions", key), f"one of {join_names(known)}", key, nearest(key, known))
