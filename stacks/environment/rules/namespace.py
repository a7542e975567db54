"""The namespace."""

from __future__ import annotations

from collections.abc import Iterator

from stacks.environment.model import Environment
from stacks.problems import LocatedProblem, located_problem


def check(env: Environment) -> Iterator[LocatedProblem]:
    """An exclusive namespace that is not adopted."""
    if env.namespace.exclusive and not env.namespace.adopt:
        yield located_problem(("namespace", "exclusive"), "adopt: true beside it; what is made here is exclusive", True)
