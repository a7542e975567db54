"""The workflows are valid, call nothing but ./paif, and give no right to the code of a pull request."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.obtain import ObtainError, go_command

ROOT = Path(__file__).resolve().parents[3]
GITHUB = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
GITLAB = [ROOT / ".gitlab-ci.yml", *sorted((ROOT / "ci" / "gitlab").glob("*.yml"))]
ALLOWED = {
    "actions/checkout@v4",
    "actions/upload-artifact@v4",
    "actions/download-artifact@v4",
    "github/codeql-action/upload-sarif@v3",
}


def load(path: Path) -> dict[str, Any]:
    data: dict[Any, Any] = yaml.safe_load(path.read_text())
    # YAML 1.1 reads the key `on` as true.
    return {("on" if key is True else str(key)): value for key, value in data.items()}


def named(name: str) -> dict[str, Any]:
    return load(ROOT / ".github" / "workflows" / name)


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job.get("steps", [])]


def gitlab_scripts() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in GITLAB:
        for name, job in load(path).items():
            if isinstance(job, dict) and "script" in job:
                found[name] = job["script"]
    return found


def test_github_workflows_pass_actionlint() -> None:
    command = [shutil.which("actionlint") or ""]
    if not command[0]:
        try:
            # Built once for a user, from the module that tools/actionlint pins.
            command = [go_command(lambda _: None), "-C", str(ROOT / "tools" / "actionlint"), "tool", "actionlint"]
        except ObtainError as error:
            pytest.skip(f"neither actionlint nor a Go to build it at hand: {error}")
    run = subprocess.run(
        [*command, "-no-color", *map(str, GITHUB)],
        env={**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def schema_check(schema: str, paths: list[Path], *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *options, *map(str, paths)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_github_workflows_fit_their_schema() -> None:
    run = schema_check("vendor.github-workflows", GITHUB)
    assert run.returncode == 0, run.stdout


def test_gitlab_pipelines_fit_their_schema() -> None:
    run = schema_check("vendor.gitlab-ci", GITLAB, "--data-transform", "gitlab-ci")
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("path", GITHUB, ids=lambda path: path.name)
def test_no_workflow_runs_a_forks_code_with_the_repositorys_rights(path: Path) -> None:
    workflow = load(path)
    assert "pull_request_target" not in workflow["on"]
    if "workflow_run" in workflow["on"]:
        for step in steps(workflow):
            if not str(step.get("uses", "")).startswith("github/codeql-action/upload-sarif"):
                assert "ref" not in step.get("with", {}), "after workflow_run only the default branch is checked out"


@pytest.mark.parametrize("path", GITHUB, ids=lambda path: path.name)
def test_rights_are_stated_and_checkouts_leave_no_token(path: Path) -> None:
    workflow = load(path)
    assert "permissions" in workflow
    assert all(value in {"read"} for value in (workflow["permissions"] or {}).values())
    for step in steps(workflow):
        if str(step.get("uses", "")).startswith("actions/checkout"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", GITHUB, ids=lambda path: path.name)
def test_only_the_known_actions_are_used(path: Path) -> None:
    workflow = load(path)
    used = {step["uses"] for step in steps(workflow) if "uses" in step}
    used |= {job["uses"] for job in workflow["jobs"].values() if "uses" in job}
    assert used <= ALLOWED | {"./.github/workflows/promote-environment.yml"}


@pytest.mark.parametrize("path", GITHUB, ids=lambda path: path.name)
def test_values_from_outside_reach_scripts_as_variables_only(path: Path) -> None:
    for step in steps(load(path)):
        assert "${{" not in step.get("run", ""), "an expression in a script is code whoever wrote its value"


def test_pull_requests_are_previewed_without_any_right_to_write_and_without_up() -> None:
    workflow = named("preview.yml")
    assert set(workflow["on"]) == {"pull_request"}
    assert workflow["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in workflow["jobs"].values())
    text = "\n".join(step.get("run", "") for step in steps(workflow))
    assert re.search(r"paif (up|destroy|refresh)\b", text) is None
    assert "GITHUB_TOKEN" not in str(workflow)


def test_pull_requests_are_previewed_as_merged_and_compared_with_what_they_are_merged_into() -> None:
    previewing = steps(named("preview.yml"))
    checkouts = [step for step in previewing if str(step.get("uses", "")).startswith("actions/checkout")]
    assert all("ref" not in step["with"] and step["with"]["fetch-depth"] == 0 for step in checkouts)
    based = [step for step in previewing if "--base" in step.get("run", "")]
    assert len(based) == len(checkouts) == 2
    assert all(step["env"]["BASE"] == "HEAD^1" for step in based)


def test_only_the_posting_step_holds_the_token() -> None:
    holders = [step for step in steps(named("preview-comment.yml")) if "GITHUB_TOKEN" in step.get("env", {})]
    assert [step["run"].split()[:3] for step in holders] == [["./paif", "pr-comment", "post"]]


def test_a_preview_that_came_to_no_end_of_its_own_is_told_too() -> None:
    assert "conclusion" not in named("preview-comment.yml")["jobs"]["comment"]["if"]


def test_up_applies_the_plan_that_was_approved() -> None:
    jobs = named("promote-environment.yml")["jobs"]
    assert jobs["up"]["needs"] == "plan"
    assert jobs["up"]["environment"] == "${{ inputs.environment }}"
    assert jobs["plan"]["environment"] == "${{ inputs.environment }}-plan"
    [command] = [step["run"] for step in jobs["up"]["steps"] if "run" in step]
    assert command == './paif up "$ENVIRONMENT" --yes -- --plan "$PLAN"'


def test_up_runs_from_the_main_branch_only_and_one_environment_after_the_other() -> None:
    workflow = named("promote.yml")
    assert workflow["on"]["push"]["branches"] == ["main"]
    assert all("github.ref == 'refs/heads/main'" in job["if"] for job in workflow["jobs"].values())
    assert [job.get("needs") for job in workflow["jobs"].values()] == [None, "dev", "qa", "staging"]
    assert all("!failure()" in job["if"] for job in list(workflow["jobs"].values())[1:])
    for path in GITHUB:
        if path.name != "promote-environment.yml":
            assert not any("paif up" in step.get("run", "") for step in steps(load(path)))


def test_scripts_call_paif_and_what_moves_its_files() -> None:
    known = {"./paif", "mkdir", "echo", "head", "git", "cd", "--link"}
    scripts = [step["run"] for path in GITHUB for step in steps(load(path)) if "run" in step]
    scripts += [line for lines in gitlab_scripts().values() for line in lines]
    assert scripts
    for script in scripts:
        assert {line.split()[0] for line in script.splitlines() if line.strip()} <= known, script


def test_gitlab_runs_up_from_the_default_branch_only_and_asks_for_staging_and_prod() -> None:
    pipeline = load(ROOT / "ci" / "gitlab" / "promote.yml")
    ups = {name: job for name, job in pipeline.items() if name.startswith("up ")}
    assert set(ups) == {"up dev", "up qa", "up staging", "up prod"}
    for name, job in ups.items():
        [rule] = job["rules"]
        assert "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH" in rule["if"]
        asked = name.removeprefix("up ") in {"staging", "prod"}
        assert rule.get("when") == ("manual" if asked else None)
        # A manual job that may fail would let the next environment go on without it.
        assert rule.get("allow_failure") == (False if asked else None)
    assert pipeline[".up"]["script"] == ['./paif up "$ENVIRONMENT" --yes -- --plan "$CI_PROJECT_DIR/plan/plan.json"']
    others = {name: lines for name, lines in gitlab_scripts().items() if name != ".up"}
    assert not any("paif up" in line for lines in others.values() for line in lines)


def test_gitlabs_merge_requests_need_no_protected_variable() -> None:
    jobs = {name: job for name, job in load(ROOT / "ci" / "gitlab" / "preview.yml").items() if isinstance(job, dict)}
    named_there = {job["environment"]["name"] for job in jobs.values() if "environment" in job}
    assert named_there == {"$ENVIRONMENT-preview", "comment"}, "docs/pull-requests.md: all others are Protected"
    for file in ("promote.yml", "drift.yml"):
        rules = [rule["if"] for job in load(ROOT / "ci" / "gitlab" / file).values() for rule in job.get("rules", [])]
        assert rules
        for rule in rules:
            assert "$CI_DEFAULT_BRANCH" in rule or '$CI_PIPELINE_SOURCE == "schedule"' in rule


def test_gitlab_posts_with_the_target_branchs_code_and_a_token_of_an_environment_of_its_own() -> None:
    job = load(ROOT / "ci" / "gitlab" / "preview.yml")["comment"]
    script = job["script"]
    change = next(index for index, line in enumerate(script) if line.startswith("cd "))
    assert script[0] == "mkdir -p recording", "without one, nothing would tell that no preview was made"
    assert "$CI_MERGE_REQUEST_TARGET_BRANCH_NAME" in script[1]
    assert all("./paif" not in line for line in script[:change])
    assert job["environment"]["name"] == "comment"
    [rule] = job["rules"]
    assert "$CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_MERGE_REQUEST_PROJECT_ID" in rule["if"]
    assert rule["when"] == "always"


def test_every_command_and_option_that_a_workflow_uses_exists() -> None:
    import typer

    from cli.commands.drift import drift_command
    from cli.commands.policy import policy_app
    from cli.commands.pull_request import changed_command, pr_comment_app

    app = typer.Typer()
    app.add_typer(pr_comment_app, name="pr-comment")
    app.add_typer(policy_app, name="policy")
    app.command("changed")(changed_command)
    app.command("drift")(drift_command)
    root = typer.main.get_command(app)
    texts = [path.read_text() for path in [*GITHUB, *GITLAB]]
    calls = re.findall(
        r"\./paif (pr-comment \w+|policy \w+|changed|drift)((?:[^\n|>]|>-\n)*(?:\n\s+--[^\n]*)*)", "\n".join(texts)
    )
    assert {call for call, _ in calls} == {
        "pr-comment record",
        "pr-comment render",
        "pr-comment post",
        "policy audit",
        "changed",
        "drift",
    }
    for call, rest in calls:
        command: Any = root
        for word in call.split():
            command = command.commands[word]
        options = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= options, call


def test_options_after_two_dashes_reach_the_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from cli import app as commands
    from cli.engine import pulumi_cli, runs, stack_state
    from cli.engine.stack import Stack

    seen: list[tuple[str, ...]] = []
    plan = tmp_path / "plan.json"
    plan.write_text('{"manifest": {"time": "2026-11-27T00:00:00Z"}}')
    monkeypatch.setattr(runs, "prepare", lambda name, **_: Stack(name, lab=False))

    def run(_: Stack, *arguments: str, **__: object) -> int:
        seen.append(arguments)
        bound.append(Path(arguments[arguments.index("--plan") + 1]).read_text())
        return 0

    bound: list[str] = []
    monkeypatch.setattr(pulumi_cli, "run", run)
    monkeypatch.setattr(stack_state, "outputs", lambda _: {"environment": {}})
    monkeypatch.setattr(stack_state, "export", lambda _: {})
    result = CliRunner().invoke(commands.app, ["up", "prod", "--yes", "--", "--plan", str(plan)])
    assert result.exit_code == 0, result.output
    assert "--yes" in seen[0]
    assert seen[0].count("--plan") == 1
    assert bound == [plan.read_text()]


def test_a_release_builds_the_tagged_version_tries_it_and_publishes_nothing() -> None:
    workflow = named("release.yml")
    assert workflow["on"] == {"push": {"tags": ["v*"]}}
    assert workflow["permissions"] == {"contents": "read"}
    runs = [step["run"] for step in steps(workflow) if "run" in step]
    assert runs == [
        './paif dist dist --tag "$TAG"',
        "./paif test -- -n0 -q tests/unit/cli/toolkit tests/lab/test_examples.py",
    ]


def test_the_findings_that_a_preview_records_are_what_forges_are_given() -> None:
    job = load(ROOT / "ci" / "gitlab" / "preview.yml")[".preview"]
    given = {Path(each).name for each in job["artifacts"]["reports"].values()}
    # All that ends in .sarif below the recordings is uploaded.
    uploaded = [step for step in steps(named("preview-comment.yml")) if "upload-sarif" in str(step.get("uses"))]
    assert [step["with"]["sarif_file"] for step in uploaded] == ["recording"]
    written = {"policies.junit.xml", "policies.code-quality.json", "policies.sarif"}
    source = (ROOT / "cli" / "pull_request" / "record.py").read_text()
    assert given < written
    assert all(f'"{name}"' in source for name in written)


def test_who_uploads_findings_runs_nothing_of_the_pull_request() -> None:
    job = named("preview-comment.yml")["jobs"]["code-scanning"]
    assert not any("run" in step or "checkout" in str(step.get("uses")) for step in job["steps"])


def test_the_nightly_audit_keeps_its_evidence_also_when_something_is_refused() -> None:
    github = named("drift.yml")["jobs"]["drift"]["steps"]
    audit = next(index for index, step in enumerate(github) if "policy audit" in step.get("run", ""))
    assert all(step["if"] == "always()" for step in github[audit:])
    gitlab = load(ROOT / "ci" / "gitlab" / "drift.yml")[".drift"]
    assert any("policy audit" in line for line in gitlab["script"])
    assert gitlab["artifacts"]["when"] == "always"
