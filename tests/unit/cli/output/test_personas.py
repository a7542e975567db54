"""What a person reads of an environment's outputs: every persona's own, and no secret, no certificate."""

from __future__ import annotations

import json
from typing import Any

import pytest
import typer

from cli.output.console import Failed, show
from cli.output.personas import StackView, personas, value_at
from stacks.environment import Environment
from tests.unit.stacks.samples import GONE, environment

_PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
_OUTPUTS: dict[str, Any] = {
    "environment": {"kind": "dev", "gpuMode": "vgpu", "namespace": "acme-dev-ns-ai", "organization": "acme"},
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
    "mlopsEngineer": {
        "gallery": {"registry": "harbor.test", "username": "robot", "password": "[secret]", "caBundle": _PEM},
        "models": {"llama": {"routingName": "meta/llama", "digest": f"sha256:{'0' * 64}", "type": "Completions"}},
    },
    "appDeveloper": {
        "baseUrl": "https://pais.example/v1",
        "caBundle": _PEM,
        "models": {"llama": "meta/llama"},
        "oidc": {"issuer": "https://idp.test", "clientId": "pais"},
    },
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


_MADE = frozenset(
    {
        ("VirtualMachine", "acme-dev-dlvm-alice"),
        ("ModelEndpoint", "acme-dev-ep-llama"),
        ("PAISConfiguration", "acme-dev-ns-pais"),
        ("PostgresExtension", "acme-dev-pg-vectors-vector"),
        ("Cluster", "acme-dev-vks-gpu"),
    }
)


def _sheet(
    outputs: dict[str, Any] | None = None,
    asked: Environment | None = None,
    made: frozenset[tuple[str, str]] = _MADE,
) -> str:
    return personas("dev", _OUTPUTS if outputs is None else outputs, StackView(asked, made))


def _section(text: str, title: str) -> str:
    return text.partition(f"\n{title}\n")[2].partition("\n\n")[0]


def test_each_persona_finds_its_own_and_no_certificate_is_among_it() -> None:
    text = _sheet()
    for part in (
        "data scientists",
        "ssh vmware@198.19.0.1",
        "application developers",
        "https://pais.example/v1",
        "pgadmin@db.example:5432/pais",
        "clusters.gpu.kubeconfig --show-secrets",
    ):
        assert part in text
    assert "CERTIFICATE" not in text
    for title in ("data scientists", "application developers"):
        for part in ("https://pais.example/v1", "meta/llama", "https://idp.test, client pais", "appDeveloper.caBundle"):
            assert part in _section(text, title), (title, part)
    for part in ("harbor.test as robot", "mlopsEngineer.gallery.password --show-secrets", "gallery.caBundle"):
        assert part in _section(text, "MLOps engineers")


def test_who_has_nothing_there_has_no_section() -> None:
    outputs = {key: value for key, value in _OUTPUTS.items() if key not in {"mlopsEngineer", "dataScientist"}}
    text = _sheet(outputs)
    assert "MLOps engineers" not in text
    assert "data scientists" not in text


def test_every_command_that_the_sheet_names_finds_its_value() -> None:
    shown = json.loads(json.dumps(_OUTPUTS).replace("[secret]", "hunter2"))
    named = [part.split("`")[0].split() for part in _sheet().split("`./paif outputs dev ")[1:]]
    paths = [words[0] for words in named if not words[0].startswith("--")]
    assert len(paths) >= 4
    for path in paths:
        assert value_at(shown, path)


def test_what_was_provisioned_up_to_a_phase_is_told_without_the_rest() -> None:
    text = _sheet({"environment": _OUTPUTS["environment"]})
    assert "namespace acme-dev-ns-ai" in text
    assert "database" not in text
    assert "`./paif outputs dev environment.namespace`" in text


def test_an_environment_that_is_not_up_says_what_brings_it_up() -> None:
    with pytest.raises(Failed, match=r"`\./paif up dev`"):
        _sheet({}, made=frozenset())


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


def _told(text: str, name: str) -> list[str]:
    return [
        line.strip().partition("  ")[2].strip() for line in text.splitlines() if line.strip().startswith(f"{name}  ")
    ]


_NAMES = ("alice", "model llama", "database", "cluster gpu", "OpenAI API")


def test_what_a_failed_run_did_not_make_is_said_to_be_missing() -> None:
    def hollow(value: Any) -> Any:
        return {key: hollow(each) for key, each in value.items()} if isinstance(value, dict) else None

    outputs = {**hollow(_OUTPUTS), "environment": _OUTPUTS["environment"]}
    for told in (line for name in _NAMES for line in _told(_sheet(outputs), name)):
        assert told.startswith("there, but a run that failed did not tell of it")
    text = _sheet(outputs, made=frozenset({("Namespace", "acme-dev-ns-ai")}))
    assert "None" not in text
    for name in _NAMES:
        assert _told(text, name)
        assert all(told.startswith("not made yet: `./paif up dev` makes it") for told in _told(text, name)), name
    assert "--show-secrets" not in text
    assert "caBundle" not in text
    assert "database.host" not in text


def test_what_is_gone_since_is_said_to_be_removed() -> None:
    text = _sheet(made=frozenset({("PAISConfiguration", "acme-dev-ns-pais")}))
    for name in ("alice", "model llama", "database", "cluster gpu"):
        assert _told(text, name)
        assert all(told.startswith("removed since the last `up`; `./paif up dev` m") for told in _told(text, name)), (
            name
        )
    assert "ssh vmware" not in text
    # Something else's name that ends alike is not it.
    other = _MADE - {("Cluster", "acme-dev-vks-gpu")} | {("Cluster", "acme-dev-vks-big-gpu")}
    assert "removed since" in _told(_sheet(made=other), "cluster gpu")[0]


def test_what_the_stack_file_asks_for_and_no_run_has_told_of_is_not_made_yet() -> None:
    asked = environment({"clusters.1": {**environment().clusters[0].model_dump(by_alias=True), "name": "more"}})
    text = _sheet(asked=asked)
    for name in ("bob", "model bge", "cluster more"):
        assert all(told.startswith("not made yet") for told in _told(text, name)), name
        assert _told(text, name)
    assert "not made yet" not in "".join(_told(text, "alice"))
    first = _sheet({}, asked=asked, made=frozenset({("Namespace", "acme-dev-ns-ai")}))
    assert first.startswith("dev: kind dev, vgpu, its namespace is not made yet")
    assert "None" not in first
    assert all("not made yet" in told for name in (*_NAMES, "bob") for told in _told(first, name))
    assert "one value" not in first


def test_what_the_stack_file_no_longer_asks_for_is_said_to_leave() -> None:
    text = _sheet(asked=environment({"clusters": [], "workstations.0": GONE}))
    for name in ("alice", "cluster gpu"):
        assert "no longer in the stack file: the next `up` removes it" in _told(text, name)[0]


def test_a_value_that_was_never_made_is_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as refused:
        value_at({"database": {"host": None}}, "database.host")
    assert refused.value.exit_code == 1
    assert "database.host is not made yet" in capsys.readouterr().err
