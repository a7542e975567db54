"""Storage policies: what a thing asks for, the namespace has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stacks.environment.findings import Findings
from stacks.environment.model import Environment
from stacks.environment.sections.clusters import Cluster
from stacks.environment.sections.model_endpoints import ModelEndpoint
from stacks.environment.sections.workstations import Workstation
from stacks.problems import Contradiction, Path, contradiction, listed, nearest


def check(env: Environment, findings: Findings) -> Iterator[Contradiction]:
    """Policies that something asks for and that the namespace does not have."""
    if findings.unsure("namespace", "storage"):
        return
    policies = [storage.policy for storage in env.namespace.storage]
    asked: list[tuple[Path, str | None]] = []
    if env.database is not None:
        asked.append((("database", "storagePolicy"), env.database.storage_policy))
    if env.ai_services is not None:
        asked.append((("aiServices", "storagePolicy"), env.ai_services.storage_policy))
    lists: tuple[tuple[str, Sequence[ModelEndpoint | Workstation | Cluster]], ...] = (
        ("modelEndpoints", env.model_endpoints),
        ("workstations", env.workstations),
        ("clusters", env.clusters),
    )
    for key, items in lists:
        asked += [((key, index, "storagePolicy"), item.storage_policy) for index, item in enumerate(items)]
    for path, policy in asked:
        if policy is not None and policy not in policies:
            yield contradiction(
                path, f"a policy of paif:namespace.storage ({listed(policies)})", policy, nearest(policy, policies)
            )
