"""Model endpoints: served by Private AI Services, by the right engine, under a name of their own."""

from __future__ import annotations

from collections.abc import Iterator

from stacks.environment.findings import Findings
from stacks.environment.model import Environment
from stacks.environment.rules.vm_classes import may_have_gpu
from stacks.problems import LocatedProblem, Path, located_problem

_ENGINES = {"Completions": "vLLM", "Embeddings": "Infinity"}


def check(env: Environment, findings: Findings) -> Iterator[LocatedProblem]:
    """Endpoints that nothing serves, or not so; Private AI Services without a database."""
    if env.model_endpoints and env.ai_services is None and not findings.lacks("aiServices"):
        yield located_problem(("aiServices",), "Private AI Services, since paif:modelEndpoints are served by them")
    if env.ai_services is not None and env.database is None and not findings.lacks("database"):
        yield located_problem(("database",), "a database, since Private AI Services keep their vectors in it")
    routes: dict[str, int] = {}
    for index, endpoint in enumerate(env.model_endpoints):
        path: Path = ("modelEndpoints", index)
        if endpoint.engine != _ENGINES[endpoint.type]:
            yield located_problem(
                (*path, "engine"), f"{_ENGINES[endpoint.type]}, which serves {endpoint.type}", endpoint.engine
            )
        if endpoint.routed in routes:
            yield located_problem(
                (*path, "routingName"),
                f"a routing name of its own (entry {routes[endpoint.routed]} has it)",
                endpoint.routed,
            )
        routes.setdefault(endpoint.routed, index)
        if endpoint.engine == "vLLM" and not may_have_gpu(env, endpoint.vm_class, findings):
            yield located_problem((*path, "class"), "a class with a GPU: vLLM does not run without", endpoint.vm_class)
