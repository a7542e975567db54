"""A complete environment as plain data, changed by tests, and written as the stack file that says the same."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

import paif_catalog as catalog
from stacks.environment import SECRETS, Environment, validate

COMPLETE: dict[str, Any] = {
    "target": "lab",
    "kind": "dev",
    "platform": catalog.baseline().name,
    "organization": "acme",
    "owner": "ai-platform",
    "costCenter": "cc-1",
    "gpu": {"mode": "vgpu", "model": "A100"},
    "vcenter": {"computeCluster": "pai-gpu"},
    "supervisor": {"name": "pai-supervisor"},
    "namespace": {"name": "acme-dev-ns-ai", "storage": [{"policy": "pai-gold", "limitGib": 1024}]},
    "content": {"dlvmLibrary": "dlvm-images", "dlvmImage": "dlvm-9.0.1-simulated", "kubernetesLibrary": "kubernetes"},
    "vmClasses": [
        {"name": "a100-20c", "cpuCount": 8, "memoryGib": 64, "profile": "grid_a100-20c"},
        {"name": "a100-40c", "cpuCount": 16, "memoryGib": 128, "profile": "grid_a100-40c"},
    ],
    "database": {"infrastructurePolicy": "pai-infra"},
    "aiServices": {"authorizedGroups": ["mlops"]},
    "modelEndpoints": [
        {
            "name": "llama",
            "type": "Completions",
            "engine": "vLLM",
            "class": "a100-40c",
            "model": {"repository": "models/meta/llama", "reference": "v1"},
        },
        {
            "name": "bge",
            "type": "Embeddings",
            "engine": "Infinity",
            "class": "best-effort-xlarge",
            "model": {"repository": "models/baai/bge", "reference": "v1"},
        },
    ],
    "workstations": [
        {"name": "alice", "owner": "alice", "persona": "data-scientist", "class": "a100-20c"},
        {"name": "bob", "owner": "bob", "persona": "mlops-engineer", "class": "a100-20c"},
    ],
    "clusters": [
        {
            "name": "gpu",
            "pools": [
                {"name": "cpu", "class": "best-effort-large", "replicas": 1},
                {"name": "gpu", "class": "a100-40c", "replicas": 2},
            ],
        }
    ],
    "licenseToken": "license-in-plain-text",
    "ngcApiKey": "ngc-key-in-plain-text",
    "workstationPassword": "password-in-plain-text",
}

PEM = """\
-----BEGIN CERTIFICATE-----
MIIBdzCCAR2gAwIBAgIUbTIFkoqeJRlpo0z8IAp5lhJGzogwCgYIKoZIzj0EAwIw
ETEPMA0GA1UEAwwGbm9ib2R5MB4XDTI2MTEyNzEwMTcwM1oXDTI2MTEyODEwMTcw
M1owETEPMA0GA1UEAwwGbm9ib2R5MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
thaBK7c1DXH61GK7i5U3wjTx/GK7zZFQcft0Mjh0EPMkyVOj+ACmVAkhJXwj+z3O
O+iCY57pKRRl1yfWgmmD+qNTMFEwHQYDVR0OBBYEFM+RXWCBU/N29PWPw2XKh1Ua
skZiMB8GA1UdIwQYMBaAFM+RXWCBU/N29PWPw2XKh1UaskZiMA8GA1UdEwEB/wQF
MAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIhAMTqVNSrq9X3oXAX9rSKDRzf7IxhhAnc
LkmGhbsWVX0yAiAHEDhm8Wo+dVgvJwChAfejMUpcQ0nQDr3ZLcBf1iwhvQ==
-----END CERTIFICATE-----
"""
"""An authority of nobody, valid for a day."""

_GONE = object()
GONE: Any = _GONE
"""As the value of a change: take the key away."""


def changed(changes: dict[str, Any]) -> dict[str, Any]:
    """The complete environment with values put, or taken away, at dotted paths such as vmClasses.0.profile."""
    data = deepcopy(COMPLETE)
    for path, value in changes.items():
        *parents, last = [int(part) if part.isdecimal() else part for part in path.split(".")]
        place: Any = data
        for part in parents:
            place = place[part]
        if value is _GONE:
            del place[last]
        elif isinstance(place, list) and last == len(place):
            place.append(value)
        else:
            place[last] = value
    return data


def environment(changes: dict[str, Any] | None = None, name: str = "dev") -> Environment:
    """A valid environment. Fails with its problems otherwise."""
    found, problems = validate(changed(changes or {}), name, frozenset(SECRETS))
    assert found is not None, "\n".join(problem.message for _, problem in problems)
    return found


def messages(changes: dict[str, Any]) -> list[str]:
    """Problems of a changed environment, as messages."""
    return [problem.message for _, problem in validate(changed(changes), "dev", frozenset(SECRETS))[1]]


def stack_file(folder: Path, data: dict[str, Any], name: str = "dev") -> Path:
    """Write a stack file with these values; secrets stand there encrypted."""
    config = {f"paif:{key}": {"secure": "v1:AAAA"} if key in SECRETS else value for key, value in data.items()}
    file = folder / f"Pulumi.{name}.yaml"
    with file.open("w", encoding="utf-8") as stream:
        YAML().dump({"config": config}, stream)
    return file
