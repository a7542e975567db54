"""What a person reads of an environment's outputs: every persona's own, and no secret, no certificate."""

from __future__ import annotations

import json
from typing import Any

import pytest
import typer

from cli.output import Failed, show
from cli.outputs import personas, value_at

_PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
_OUTPUTS: dict[str, Any] = {
    "environment": {"kind": "dev", "gpuMode": "vgpu", "namespace": "acme-dev-ns-ai"},
    "dataScientist": {
        "login": {"user": "vmware"},
        "workstations": {
            "alice": {
                "ssh": "ssh vmware@198.19.0.1",
                "jupyter": "https://198.19.0.1:8888",
                "password": "[secret]",
            }
        },
    },
    "appDeveloper": {"baseUrl": "https://pais.example/v1", "caBundle": _PEM, "models": {"llama": "meta/llama"}},
    "database": {
        "host": "db.example",
        "port": 5432,
        "name": "pais",
        "username": "pgadmin",
        "password": "[secret]",
        "pgvector": "0.8.0",
        "caBundle": _PEM,
    },
    "clusters": {"gpu": {"name": "acme-dev-vks-gpu", "kubeconfig": "[secret]", "gpuOperator": "ready"}},
    "versions": {"baseline": "vcf-9.0.1"},
}


def test_each_persona_finds_its_own_and_no_certificate_is_among_it() -> None:
    text = personas("dev", _OUTPUTS)
    for part in (
        "data scientists",
        "ssh vmware@198.19.0.1",
        "application developers",
        "https://pais.example/v1",
        "pgadmin@db.example:5432/pais",
        "clusters.gpu.kubeconfig --show-secrets",
    ):
        assert part in text
    assert "MLOps engineers" not in text
    assert "CERTIFICATE" not in text


def test_every_command_that_the_sheet_names_finds_its_value() -> None:
    shown = json.loads(json.dumps(_OUTPUTS).replace("[secret]", "hunter2"))
    named = [part.split("`")[0].split() for part in personas("dev", _OUTPUTS).split("`./paif outputs dev ")[1:]]
    paths = [words[0] for words in named if not words[0].startswith("--")]
    assert len(paths) >= 4
    for path in paths:
        assert value_at(shown, path)


def test_what_was_provisioned_up_to_a_phase_is_told_without_the_rest() -> None:
    assert "namespace acme-dev-ns-ai" in personas("dev", {"environment": _OUTPUTS["environment"]})


def test_an_environment_that_is_not_up_says_what_brings_it_up() -> None:
    with pytest.raises(Failed, match=r"`\./paif up dev`"):
        personas("dev", {})


def test_a_value_is_found_by_its_path() -> None:
    assert value_at(_OUTPUTS, "database.port") == "5432"
    assert value_at(_OUTPUTS, "appDeveloper.caBundle") == _PEM


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("database.hots", "did you mean 'host'"),
        ("database.host.x", "expected one of nothing below database.host"),
        ("database.password", "is secret: add --show-secrets"),
    ],
)
def test_a_path_that_leads_nowhere_or_to_a_secret_is_bad_input(
    path: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as refused:
        value_at(_OUTPUTS, path)
    assert refused.value.exit_code == 2
    assert said in capsys.readouterr().err


def test_a_value_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    for value in ("pw:100:x:key:[red]", "2001:db8:a:b:1"):
        show(value)
        assert capsys.readouterr().out == f"{value}\n"


def test_what_a_failed_run_did_not_make_is_said_to_be_missing() -> None:
    def hollow(value: Any) -> Any:
        return {key: hollow(each) for key, each in value.items()} if isinstance(value, dict) else None

    told = personas("dev", {**hollow(_OUTPUTS), "environment": _OUTPUTS["environment"]})
    assert "None" not in told
    for name in ("alice", "model llama", "database", "cluster gpu", "OpenAI API"):
        [line] = [line for line in told.splitlines() if line.split("  ")[1:2] == [name]]
        assert "not made" in line
