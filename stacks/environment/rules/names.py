"""Names: unique in their list, and short enough for what is made of them."""

from __future__ import annotations

from collections.abc import Iterator

import paif_catalog as catalog
from stacks.environment.model import Environment
from stacks.environment.rules.duplicates import repeated
from stacks.environment.sections.section import FullName
from stacks.problems import LocatedProblem, located_problem


def check(env: Environment) -> Iterator[LocatedProblem]:
    """Names that another entry of the same list has, and those that make a name too long for what carries it."""
    # Entries of lists first.
    names = sorted(env.marked(FullName), key=lambda each: len(each[0]), reverse=True)
    lists: dict[str | int, list[str]] = {}
    for path, _, name in names:
        if isinstance(path[1], int):
            lists.setdefault(path[0], []).append(name)
    for key, entries in lists.items():
        for index, first, name in repeated(entries):
            yield located_problem((key, index, "name"), f"a name that no other entry has (entry {first} has it)", name)
    for index, cluster in enumerate(env.clusters):
        for position, _, name in repeated([pool.name for pool in cluster.pools]):
            yield located_problem(("clusters", index, "pools", position, "name"), "a name no other pool has", name)
    for path, mark, name in names:
        limit, full = catalog.naming().kinds[mark.kind], env.named(mark.kind, name)
        if len(full) > limit.max_length:
            yield located_problem(
                path,
                f"a shorter name: {full} has {len(full)} characters, at most {limit.max_length} fit ({limit.reason})",
                name,
            )
