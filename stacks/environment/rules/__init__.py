"""What contradicts itself in an environment, one file for each group of rules.

Such problems show only when several values are seen together; what already has a problem is not judged again.
"""

from __future__ import annotations

from collections.abc import Iterator

from stacks.environment.findings import Findings
from stacks.environment.model import Environment
from stacks.environment.rules import (
    charts,
    clusters,
    conditions,
    content_libraries,
    database,
    duplicates,
    ignore_changes,
    model_endpoints,
    names,
    namespace,
    secrets,
    storage,
    target,
    vm_classes,
    workstations,
)
from stacks.problems import LocatedProblem


def contradictions(env: Environment, findings: Findings) -> Iterator[LocatedProblem]:
    """All problems that the rules find, in the order in which they are told."""
    yield from names.check(env)
    yield from duplicates.check(env)
    yield from vm_classes.check(env, findings)
    yield from secrets.check(env, findings)
    yield from storage.check(env, findings)
    yield from database.check(env, findings)
    yield from content_libraries.check(env, findings)
    yield from model_endpoints.check(env, findings)
    yield from workstations.check(env, findings)
    yield from clusters.check(env, findings)
    yield from charts.check(env, findings)
    yield from target.check(env, findings)
    yield from namespace.check(env)
    yield from ignore_changes.check(env)
    yield from conditions.check(env)
