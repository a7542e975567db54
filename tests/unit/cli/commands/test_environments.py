"""What `up` and `preview` ask of the engine: always the packs, always a preview first, and nothing beyond its plan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import app as commands
from cli.configuration.stack_files import Problems
from cli.engine import destructive_steps, pulumi_cli, runs, stack_state
from cli.engine.stack import Stack
from cli.labctl import daemon
from cli.policy import packs
from lab.state import ROOT
from stacks.problems import located_problem, write_problems

_DATABASE = "urn:pulumi:dev::paif::kubernetes:databases/v1:PostgresCluster::acme-dev-db"
_SECRET = "urn:pulumi:dev::paif::kubernetes:core/v1:Secret::acme-dev-db-admin"
_VECTORS = "urn:pulumi:dev::paif::paif:index:VectorDatabase::vectors"


def _plan(plans: dict[str, Any]) -> str:
    return json.dumps({"manifest": {"time": "2026-11-27T00:00:00Z"}, "resourcePlans": plans})


class Asked(list[tuple[str, ...]]):
    """The engine's arguments, call by call; every call succeeds. `steps` are those that its plans allow."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: dict[str, list[str]] = {}
        self.state: list[dict[str, object]] = []

    def run(self, _: Stack, *arguments: str, **__: object) -> int:
        self.append(arguments)
        if "--save-plan" in arguments:
            plans = {urn: {"steps": steps} for urn, steps in self.steps.items()}
            Path(arguments[arguments.index("--save-plan") + 1]).write_text(_plan(plans))
        return 0

    @property
    def commands(self) -> list[str]:
        return [arguments[0] for arguments in self]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    calls = Asked()
    monkeypatch.setattr(runs, "prepare", lambda name, **_: Stack(name, lab=name != "site1"))
    monkeypatch.setattr(pulumi_cli, "run", calls.run)
    monkeypatch.setattr(daemon, "liveness_handle", lambda: None)
    monkeypatch.setattr(stack_state, "protected", lambda _: [])
    monkeypatch.setattr(stack_state, "outputs", lambda _: {"environment": {}})
    monkeypatch.setattr(stack_state, "export", lambda _: {"deployment": {"resources": calls.state}})
    return calls


@pytest.mark.parametrize("env", ["dev", "site1"])
@pytest.mark.parametrize("command", ["up", "preview"])
def test_the_packs_are_always_given(asked: Asked, command: str, env: str) -> None:
    given = [command, env, *(["--yes"] if command == "up" else [])]
    assert CliRunner().invoke(commands.app, given).exit_code == 0
    assert asked.commands == (["preview", "up"] if command == "up" else ["preview"])
    for arguments in asked:
        option, path = packs.policy_pack_options()
        assert arguments[arguments.index(option) + 1] == path


def test_up_does_what_its_preview_announced_and_asks_in_between(asked: Asked) -> None:
    refused = CliRunner().invoke(commands.app, ["up", "site1"], input="n\n")
    assert (refused.exit_code, asked.commands) == (1, ["preview"])
    assert CliRunner().invoke(commands.app, ["up", "site1"], input="y\n").exit_code == 0
    [_, preview, applied] = asked
    plan = preview[preview.index("--save-plan") + 1]
    assert Path(applied[applied.index("--plan") + 1]).parent == Path(plan).parent
    assert {"--skip-preview", "--yes", "--continue-on-error"} <= set(applied)
    assert not Path(plan).exists(), "what was planned holds names of what is secret and must not stay"


def test_options_for_the_run_alone_are_not_given_to_its_preview(asked: Asked) -> None:
    CliRunner().invoke(commands.app, ["up", "dev", "--", "--json", "--parallel", "2"])
    assert [("--json" in each, "--parallel" in each) for each in asked] == [(False, True), (True, True)]


def test_a_run_without_a_preview_is_refused(asked: Asked) -> None:
    assert CliRunner().invoke(commands.app, ["up", "dev", "--", "--skip-preview"]).exit_code == 2
    assert asked == []


@pytest.mark.parametrize("steps", [["delete"], ["create-replacement", "replace", "delete-replaced"]])
@pytest.mark.parametrize("env", ["dev", "site1"])
def test_what_holds_data_goes_only_when_it_is_allowed_by_name(asked: Asked, env: str, steps: list[str]) -> None:
    asked.steps = {_DATABASE: steps, _SECRET: steps}
    refused = CliRunner().invoke(commands.app, ["up", env, "--yes"])
    assert (refused.exit_code, asked.commands) == (1, ["preview"])
    assert "PostgresCluster acme-dev-db" in refused.output
    assert "--allow-delete acme-dev-db" in refused.output
    assert "acme-dev-db-admin" not in refused.output, "a Secret by itself is nobody's data"
    for name in ("acme-dev-db-2", "acme"):
        assert CliRunner().invoke(commands.app, ["up", env, "--yes", "--allow-delete", name]).exit_code == 1
    assert asked.commands.count("up") == 0
    assert CliRunner().invoke(commands.app, ["up", env, "--yes", "--allow-delete", "acme-dev-db"]).exit_code == 0
    allowed = CliRunner().invoke(commands.app, ["up", env, "--yes"], env={"PAIF_ALLOW_DELETE": "x acme-dev-db"})
    assert allowed.exit_code == 0
    assert asked.commands.count("up") == 2


def test_the_name_of_the_component_allows_what_belongs_to_it(asked: Asked) -> None:
    asked.steps = {_DATABASE: ["delete"]}
    asked.state = [
        {"urn": _VECTORS, "type": "paif:index:VectorDatabase"},
        {"urn": _DATABASE, "type": "kubernetes:databases/v1:PostgresCluster", "parent": _VECTORS},
    ]
    assert CliRunner().invoke(commands.app, ["up", "dev", "--allow-delete", "vectors"]).exit_code == 0


@pytest.mark.parametrize(
    "state",
    [
        {"type": "x:PostgresCluster", "retainOnDelete": True},
        {"type": "vcf:index:Namespace", "outputs": {"owner": "[pulumi urn adopted {}]"}},
    ],
)
def test_what_stays_needs_nobodys_leave(asked: Asked, state: dict[str, Any]) -> None:
    asked.steps = {_DATABASE: ["delete"]}
    asked.state = [{"urn": _DATABASE, **state}]
    told = CliRunner().invoke(commands.app, ["up", "dev"])
    assert told.exit_code == 0
    assert "it stays" in told.output


def test_a_component_is_no_object(asked: Asked) -> None:
    asked.steps = {"urn:pulumi:dev::paif::paif:index:ModelEndpoint::acme-dev-ep-llama": ["delete"]}
    assert CliRunner().invoke(commands.app, ["up", "dev"]).exit_code == 0


@pytest.mark.parametrize("steps", [["same"], ["update"], ["create"], ["read"]])
def test_what_takes_nothing_away_asks_nothing(asked: Asked, steps: list[str]) -> None:
    asked.steps = {_DATABASE: steps}
    assert CliRunner().invoke(commands.app, ["up", "dev"]).exit_code == 0


@pytest.mark.parametrize("form", [["--plan", "{}"], ["--plan={}"]])
def test_a_plan_of_the_user_is_looked_through_as_well(asked: Asked, tmp_path: Path, form: list[str]) -> None:
    file = tmp_path / "plan.json"
    given = ["up", "dev", "--yes", "--", *(each.format(file) for each in form)]
    file.write_text("{}")
    assert CliRunner().invoke(commands.app, given, catch_exceptions=True).exit_code == 1
    file.write_text(_plan({_DATABASE: {"steps": ["delete"]}}))
    assert CliRunner().invoke(commands.app, given).exit_code == 1
    assert asked == []
    given[3:3] = ["--allow-delete", "acme-dev-db"]
    assert CliRunner().invoke(commands.app, given).exit_code == 0
    assert asked.commands == ["up"]
    assert "--skip-preview" not in asked[0], "the preview sees a plan that is no longer true"


@pytest.mark.parametrize("command", ["refresh", "destroy"])
def test_what_makes_nothing_needs_no_packs(asked: Asked, command: str) -> None:
    assert CliRunner().invoke(commands.app, [command, "dev", "--", "--parallel", "2"]).exit_code == 0
    assert "--policy-pack" not in asked[0]


def test_destroy_asks_wherever_something_of_value_may_be(asked: Asked) -> None:
    for arguments in (["destroy", "site1"], ["destroy", "site1", "--yes"], ["destroy", "dev"]):
        CliRunner().invoke(commands.app, arguments)
    # The engine asks nobody when it does not preview.
    assert [("--yes" in each, "--skip-preview" in each) for each in asked] == [
        (False, False),
        (True, True),
        (True, True),
    ]


def test_a_phase_limit_of_the_shell_deletes_nothing(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, str]] = []

    def run(stack: Stack, *arguments: str, extra: dict[str, str], **_: object) -> int:
        given.append(extra)
        return asked.run(stack, *arguments)

    monkeypatch.setattr(pulumi_cli, "run", run)
    monkeypatch.setenv("PAIF_UNTIL", "foundation")
    CliRunner().invoke(commands.app, ["up", "dev"])
    assert {each["PAIF_UNTIL"] for each in given} == {""}


def test_what_the_infrastructure_lacks_is_told_at_its_line_with_status_2(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*_: object, extra: dict[str, str], **__: object) -> int:
        write_problems(Path(extra["PAIF_PROBLEMS"]), [located_problem(("gpu", "model"), "a GPU that is there", "A100")])
        return 255

    monkeypatch.setattr(pulumi_cli, "run", run)
    with pytest.raises(Problems) as raised:
        CliRunner().invoke(commands.app, ["up", "dev"], catch_exceptions=False)
    [problem] = raised.value.problems
    line = (ROOT / problem.file).read_text().splitlines()[problem.line - 1]
    assert "model: A100" in line
    assert problem.message == "paif:gpu.model is 'A100': expected a GPU that is there"


def test_a_failed_run_ends_with_1_and_says_where_the_reasons_are(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulumi_cli, "run", lambda *_, **__: 255)
    result = CliRunner().invoke(commands.app, ["up", "dev"])
    assert result.exit_code == 1
    assert "under Policies or Diagnostics" in result.stderr


def test_outputs_are_told_by_persona_unless_a_program_reads(asked: Asked) -> None:
    told = CliRunner().invoke(commands.app, ["up", "dev"])
    read = CliRunner().invoke(commands.app, ["up", "dev", "--", "--json"])
    assert ["--suppress-outputs" in each for each in asked if each[0] == "up"] == [True, False]
    assert ("platform engineers" in told.output, "platform engineers" in read.output) == (True, False)


def test_what_the_stack_tells_is_not_bound_by_the_plan_and_what_is_done_is(tmp_path: Path) -> None:
    stack = "urn:pulumi:dev::paif::pulumi:pulumi:Stack::paif-dev"
    planned = {
        "goal": {"outputDiff": {"updates": {"models": {"a": 1}}, "adds": {"clusters": {}}, "deletes": ["old"]}},
        "state": {"models": {"a": 1}, "clusters": {}, "versions": {}},
        "steps": ["same"],
    }
    given, relaxed = tmp_path / "plan.json", tmp_path / "relaxed.json"
    given.write_text(_plan({stack: planned, _DATABASE: {"goal": {"outputDiff": {}}, "steps": ["update"]}}))
    destructive_steps.relax_outputs(given, relaxed)
    found = json.loads(relaxed.read_text())["resourcePlans"]
    assert found[_DATABASE] == json.loads(given.read_text())["resourcePlans"][_DATABASE]
    changes = found[stack]["goal"]["outputDiff"]
    assert set(changes["adds"]) == {"models", "clusters", "versions"}
    assert len(set(changes["adds"].values())) == 1
    assert changes["deletes"] == ["old"]
    assert relaxed.stat().st_mode & 0o077 == 0
    assert destructive_steps.existing_outputs(given) == ["models", "versions"]
