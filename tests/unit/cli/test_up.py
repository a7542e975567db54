"""What `up` and `preview` ask of the engine: always the policy packs, always a preview first."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import app as commands
from cli import engine, labctl, policy
from cli.configuration import Problems
from lab.state import ROOT
from stacks.problems import contradiction, write_problems


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The engine's arguments, call by call; every call succeeds."""
    calls: list[tuple[str, ...]] = []

    def run(_: engine.Stack, *arguments: str, **__: object) -> int:
        calls.append(arguments)
        return 0

    monkeypatch.setattr(commands, "_prepare", lambda name, **_: engine.Stack(name, lab=name != "site1"))
    monkeypatch.setattr(engine, "run", run)
    monkeypatch.setattr(labctl, "daemon_handle", lambda: None)
    monkeypatch.setattr(engine, "protected", lambda _: [])
    monkeypatch.setattr(engine, "outputs", lambda _: {"environment": {}})
    return calls


@pytest.mark.parametrize("env", ["dev", "site1"])
@pytest.mark.parametrize("command", ["up", "preview"])
def test_the_packs_are_always_given(asked: list[tuple[str, ...]], command: str, env: str) -> None:
    assert CliRunner().invoke(commands.app, [command, env]).exit_code == 0
    [arguments] = asked
    assert arguments[0] == command
    option, path = policy.arguments()
    assert arguments[arguments.index(option) + 1] == path


@pytest.mark.parametrize("command", ["refresh", "destroy"])
def test_what_makes_nothing_needs_no_packs(asked: list[tuple[str, ...]], command: str) -> None:
    assert CliRunner().invoke(commands.app, [command, "dev"]).exit_code == 0
    assert "--policy-pack" not in asked[0]


def test_up_previews_first_unless_the_user_says_otherwise(asked: list[tuple[str, ...]]) -> None:
    CliRunner().invoke(commands.app, ["up", "dev"])
    CliRunner().invoke(commands.app, ["up", "dev", "--", "--skip-preview"])
    assert ["--skip-preview" in each for each in asked] == [False, True]


def test_destroy_asks_wherever_something_of_value_may_be(asked: list[tuple[str, ...]]) -> None:
    for arguments in (["destroy", "site1"], ["destroy", "site1", "--yes"], ["destroy", "dev"]):
        CliRunner().invoke(commands.app, arguments)
    # The engine asks nobody when it does not preview.
    assert [("--yes" in each, "--skip-preview" in each) for each in asked] == [
        (False, False),
        (True, True),
        (True, True),
    ]


def test_a_phase_limit_of_the_shell_deletes_nothing(
    asked: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[dict[str, str]] = []

    def run(*_: object, extra: dict[str, str], **__: object) -> int:
        given.append(extra)
        return 0

    monkeypatch.setattr(engine, "run", run)
    monkeypatch.setenv("PAIF_UNTIL", "foundation")
    CliRunner().invoke(commands.app, ["up", "dev"])
    assert [each["PAIF_UNTIL"] for each in given] == [""]


def test_what_the_infrastructure_lacks_is_told_at_its_line_with_status_2(
    asked: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*_: object, extra: dict[str, str], **__: object) -> int:
        write_problems(Path(extra["PAIF_PROBLEMS"]), [contradiction(("gpu", "model"), "a GPU that is there", "A100")])
        return 255

    monkeypatch.setattr(engine, "run", run)
    with pytest.raises(Problems) as raised:
        CliRunner().invoke(commands.app, ["up", "dev"], catch_exceptions=False)
    [problem] = raised.value.problems
    line = (ROOT / problem.file).read_text().splitlines()[problem.line - 1]
    assert "model: A100" in line
    assert problem.message == "paif:gpu.model is 'A100': expected a GPU that is there"


def test_a_failed_run_ends_with_1_and_says_where_the_reasons_are(
    asked: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "run", lambda *_, **__: 255)
    result = CliRunner().invoke(commands.app, ["up", "dev"])
    assert result.exit_code == 1
    assert "under Policies or Diagnostics" in result.stderr


def test_outputs_are_told_by_persona_unless_a_program_reads(asked: list[tuple[str, ...]]) -> None:
    told = CliRunner().invoke(commands.app, ["up", "dev"])
    read = CliRunner().invoke(commands.app, ["up", "dev", "--", "--json"])
    assert ["--suppress-outputs" in each for each in asked] == [True, False]
    assert ("platform engineers" in told.output, "platform engineers" in read.output) == (True, False)
