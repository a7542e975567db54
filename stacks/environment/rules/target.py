"""What a real VCF needs and the lab brings itself."""

from __future__ import annotations

from collections.abc import Iterator

from stacks.environment.findings import Findings
from stacks.environment.model import Environment
from stacks.problems import NAMESPACE, LocatedProblem, located_problem


def check(env: Environment, findings: Findings) -> Iterator[LocatedProblem]:
    """What Private AI Services need on a real VCF and is missing."""
    if env.target != "vcf" or findings.lacks("target") or env.ai_services is None:
        return
    if env.ai_services.oidc is None and not findings.unsure("aiServices", "oidc"):
        yield located_problem(
            ("aiServices", "oidc"), "the identity provider (issuerUrl, clientId), since target is vcf"
        )
    if env.gallery is None and not findings.lacks("gallery"):
        yield located_problem(("gallery",), "the model gallery (registry, username), since target is vcf")
    if env.registry_password is None and not findings.lacks("registryPassword"):
        yield located_problem(
            ("registryPassword",), f"the gallery's password: pulumi config set --secret {NAMESPACE}:registryPassword"
        )
