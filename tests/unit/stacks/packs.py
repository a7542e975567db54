"""The pack `platform` in this process, on what a program has declared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from policies.platform.pack import PACK
from policies.shared.analyzer import Analyzer
from policies.shared.model import Level
from policies.shared.properties import decode
from policies.shared.protocol import LEVELS, messages
from tests.policy.harness import struct
from tests.unit.pulumi_paif.harness import Declared


def refusals(declared: Declared, config: Mapping[str, Any], stack: str = "dev") -> set[str]:
    """Rules about versions that refuse something, in the environment with this configuration."""
    analyzer = Analyzer(PACK)
    texts = {f"paif:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    analyzer.configure_stack(
        messages.AnalyzerStackConfigureRequest(stack=stack, project="paif", dry_run=True, config=texts)
    )
    response = messages.AnalyzeResponse()
    for each in declared.registrations:
        request = messages.AnalyzeRequest(
            type=each.type,
            urn=f"urn:pulumi:{stack}::paif::{each.type}::{each.name}",
            name=each.name,
            properties=struct({key: value for key, value in each.inputs.items() if value is not None}),
        )
        analyzer.analyze(request, partial(decode, request), response)
    return {
        each.policyName for each in response.diagnostics if each.enforcementLevel == LEVELS[Level.MANDATORY]
    } & _OF_VERSIONS


_OF_VERSIONS = {
    "api-version",
    "cluster-class",
    "gpu-operator-version",
    "kubernetes-release",
    "ovf-property-known",
    "pgvector-version",
    "postgres-version",
}
