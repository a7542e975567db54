"""The namespace."""

from __future__ import annotations

from collections.abc import Iterator

from stacks.environment.model import Environment
from stacks.problems import Contradiction, contradiction


def check(env: Environment) -> Iterator[Contradiction]:
    """An exclusive namespace that is not adopted."""
    if env.namespace.exclusive and not env.namespace.adopt:
        yield contradiction(("namespace", "exclusive"), "adopt: true beside it; what is made here is exclusive", True)
