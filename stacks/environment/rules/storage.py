"""Storage policies: what a thing asks for, the namespace has."""

from __future__ import annotations

from collections.abc import Iterator

from paif_catalog.nearest_names import nearest
from stacks.environment.findings import Findings
from stacks.environment.model import Environment
from stacks.environment.sections.section import UsesStoragePolicy
from stacks.problems import LocatedProblem, join_names, located_problem


def check(env: Environment, findings: Findings) -> Iterator[LocatedProblem]:
    """Policies that something asks for and that the namespace does not have."""
    if findings.unsure("namespace", "storage"):
        return
    policies = [storage.policy for storage in env.namespace.storage]
    for path, _, policy in env.marked(UsesStoragePolicy):
        if policy not in policies:
            yield located_problem(
                path, f"a policy of paif:namespace.storage ({join_names(policies)})", policy, nearest(policy, policies)
            )
