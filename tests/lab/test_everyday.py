"""What a person meets every day: a stack file with anchors, one library for all, and outputs that tell the truth.

The environment goes up to its database only: nothing of it needs more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.conftest import Paif

_NAME = "daily"
_WORKSTATIONS = """\
  paif:workstations:
    - &machine {name: alice, owner: "Zoë O'Brien (ML)", persona: data-scientist, class: vgpu-a100-20c}
    - {<<: *machine, name: bob, owner: bob, persona: mlops-engineer}
"""


@pytest.fixture(scope="module")
def daily(paif: Paif, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paif]:
    """A checkout with an environment like dev, up to its data."""
    there = paif.elsewhere(tmp_path_factory.mktemp("daily"))
    text = (there.root / "stacks" / "Pulumi.dev.yaml").read_text(encoding="utf-8")
    start, end = text.index("  paif:workstations:"), text.index("  paif:clusters:")
    text = text[:start] + _WORKSTATIONS + text[end:]
    text = text.replace("acme-dev-ns-ai", f"acme-{_NAME}-ns-ai")
    text = text.replace("kubernetesLibrary: kubernetes-releases", "kubernetesLibrary: dlvm-images")
    (there.root / "stacks" / f"Pulumi.{_NAME}.yaml").write_text(text, encoding="utf-8")
    settings = there.root / "policies" / "config" / "paif"
    (settings / f"{_NAME}.yaml").write_bytes((settings / "dev.yaml").read_bytes())
    assert there("check", _NAME).stdout.strip() == f"{_NAME} is fine"
    there("up", _NAME, "--until", "data")
    yield there
    there("destroy", _NAME)


def _namespace(daily: Paif) -> dict[str, Any]:
    resources = daily.export(_NAME)["deployment"]["resources"]
    [found] = [each for each in resources if each["type"] == "vcf:index:Namespace"]
    inputs: dict[str, Any] = found["inputs"]
    return inputs


def test_one_library_holds_images_and_releases(daily: Paif) -> None:
    assert _namespace(daily)["contentLibraries"] == ["dlvm-images"]


def test_the_outputs_tell_what_is_there_what_was_never_made_and_what_is_gone(daily: Paif) -> None:
    def told(name: str) -> str:
        lines = (line.strip() for line in daily("outputs", _NAME).stdout.splitlines())
        return next(line for line in lines if line.startswith(f"{name}  "))

    assert "pgvector" in told("database")
    for name in ("alice", "bob", "cluster gpu", "OpenAI API", "model llama"):
        assert f"not made yet: `./paif up {_NAME}` makes it" in told(name)
    assert f"`./paif outputs {_NAME} database.host`" in daily("outputs", _NAME).stdout
    assert "None" not in daily("outputs", _NAME).stdout
    [extension] = [
        each["urn"]
        for each in daily.export(_NAME)["deployment"]["resources"]
        if each["type"] == "vcf:index:PostgresExtension"
    ]
    daily("destroy", _NAME, "--", "--target", extension)
    assert "removed since the last `up`" in told("database")
    daily("up", _NAME, "--until", "data")
    assert "pgvector" in told("database")


def test_a_wrong_license_token_is_refused_once(daily: Paif) -> None:
    file = daily.root / "stacks" / f"Pulumi.{_NAME}.yaml"
    good = file.read_bytes()
    try:
        wrong = "aaa.bbb.ccc"
        daily.pulumi("config", "set", "--secret", "paif:licenseToken", wrong, "--stack", _NAME)
        answer = daily("preview", _NAME, check=False)
        assert answer.returncode == 1
        said = answer.stdout + answer.stderr
        assert said.count("[mandatory]") == 1
        assert "license-token-form" in said
        assert "context canceled" not in said
        assert wrong not in said
        report = json.loads(daily("policy", "check", _NAME, "--json", check=False).stdout)
        assert [each["rule"] for each in report["findings"] if each["level"] == "mandatory"] == ["license-token-form"]
    finally:
        file.write_bytes(good)
