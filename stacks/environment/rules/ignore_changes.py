"""Resources whose changes are ignored: named as the state names them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stacks.environment.model import Environment
from stacks.problems import LocatedProblem, located_problem

_RESOURCE = re.compile(r"[A-Z][A-Za-z0-9]*/\S+")


def check(env: Environment) -> Iterator[LocatedProblem]:
    """Entries that name no resource."""
    for key in env.ignore_changes:
        if _RESOURCE.fullmatch(key) is None:
            expected = "kind and name of a resource, such as VirtualMachine/acme-dev-dlvm-alice"
            yield located_problem(("ignoreChanges", key), expected, key)
