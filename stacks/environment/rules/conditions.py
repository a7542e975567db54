"""Wait conditions: of kinds that a run waits for."""

from __future__ import annotations

from collections.abc import Iterator

import paif_catalog as catalog
from stacks.environment.model import Environment
from stacks.problems import LocatedProblem, join_names, located_problem, nearest


def check(env: Environment) -> Iterator[LocatedProblem]:
    """Conditions of kinds that no run waits for."""
    known = awaited_kinds()
    for key in env.conditions:
        if key not in known:
            yield located_problem(("conditions", key), f"one of {join_names(known)}", key, nearest(key, known))


def awaited_kinds() -> list[str]:
    """Kinds whose conditions a run waits for: those of the catalogue, of the API versions that it uses."""
    in_use = {
        "cluster.x-k8s.io": catalog.versions()["cluster-api"].version,
        "vmoperator.vmware.com": catalog.versions()["vm-operator"].version,
    }
    parts = [key.split("/") for key in catalog.conditions().conditions]
    return ["/".join(each) for each in parts if each[1] == in_use.get(each[0], each[1])]
