"""Names: unique in their list, and short enough for what is made of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import catalog
from stacks.environment.model import Environment
from stacks.problems import Contradiction, Path, contradiction

_NAMED: tuple[tuple[str, str], ...] = (
    ("vmClasses", "vm-class"),
    ("modelEndpoints", "endpoint"),
    ("workstations", "workstation"),
    ("clusters", "cluster"),
)


def check(env: Environment) -> Iterator[Contradiction]:
    """Names that another entry of the same list has, and those that make a name too long for what carries it."""
    lists: dict[str, list[Any]] = {
        "vmClasses": env.vm_classes,
        "modelEndpoints": env.model_endpoints,
        "workstations": env.workstations,
        "clusters": env.clusters,
    }
    names: list[tuple[Path, str, str]] = []
    for key, kind in _NAMED:
        seen: dict[str, int] = {}
        for index, item in enumerate(lists[key]):
            path: Path = (key, index, "name")
            if item.name in seen:
                yield contradiction(path, f"a name that no other entry has (entry {seen[item.name]} has it)", item.name)
            seen.setdefault(item.name, index)
            names.append((path, kind, item.name))
    for index, cluster in enumerate(env.clusters):
        pools: set[str] = set()
        for position, pool in enumerate(cluster.pools):
            if pool.name in pools:
                yield contradiction(
                    ("clusters", index, "pools", position, "name"), "a name no other pool has", pool.name
                )
            pools.add(pool.name)
    if env.database is not None and env.database.existing is None:
        names.append((("database", "name"), "database", env.database.name))
    for path, kind, name in names:
        limit, full = catalog.naming().kinds[kind], env.named(kind, name)
        if len(full) > limit.max_length:
            yield contradiction(
                path,
                f"a shorter name: {full} has {len(full)} characters, at most {limit.max_length} fit ({limit.reason})",
                name,
            )
