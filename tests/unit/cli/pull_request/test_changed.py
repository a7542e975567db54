"""A change is previewed wherever it may matter, and nowhere else."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cli.commands import pull_request as commands
from cli.pull_request import changed
from cli.toolkit import checkout

ALL = ["dev", "prod", "qa", "staging"]


def test_own_files_of_an_environment_touch_that_one_only() -> None:
    assert changed.affected_environments(["stacks/Pulumi.qa.yaml", "policies/config/paif/prod.yaml"], ALL) == [
        "prod",
        "qa",
    ]


@pytest.mark.parametrize(
    "file",
    [
        "stacks/program.py",
        "pulumi_paif/vcf/types.py",
        "paif_catalog/baselines/vcf-9.0.1/versions.yaml",
        "policies/naming/rules/names.py",
        "pulumi_resource_vcf/__main__.py",
        "Pulumi.yaml",
        "pyproject.toml",
        "requirements/all.txt",
        "tools/tools.toml",
        "lab/simulated/vcenter/inventory.yaml",
        "cli/engine/runs.py",
        "something/new",
        "stacks/Pulumi.qa.yaml.bak",
    ],
)
def test_what_all_share_and_what_is_not_known_touches_all(file: str) -> None:
    assert changed.affected_environments(["docs/lab.md", file], ALL) == ALL


def test_documents_tests_and_workflows_touch_none() -> None:
    files = ["README.md", "docs/lab.md", "docs/a/b.png", "tests/unit/ci/x.py", ".github/workflows/preview.yml"]
    assert changed.affected_environments([*files, "ci/gitlab/drift.yml", ".gitlab-ci.yml", "LICENSE"], ALL) == []


def test_removed_stack_file_is_no_environment_to_preview_but_a_removed_one() -> None:
    files = ["stacks/Pulumi.old.yaml", "stacks/Pulumi.qa.yaml", "policies/config/paif/never.yaml", "stacks/program.py"]
    assert changed.affected_environments(files[:1], ALL) == []
    assert changed.removed_environments(files, ALL) == ["old"]


def run_git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"]
    answer = subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return answer.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def git(*arguments: str) -> None:
        run_git(tmp_path, *arguments)

    (tmp_path / "stacks").mkdir()
    for name in ("dev", "qa"):
        (tmp_path / "stacks" / f"Pulumi.{name}.yaml").write_text(f"config: {{paif:kind: {name}}}\n")
    git("init", "-q", "-b", "main")
    git("add", ".")
    git("commit", "-q", "-m", "one")
    git("checkout", "-q", "-b", "topic")
    (tmp_path / "stacks" / "Pulumi.qa.yaml").rename(tmp_path / "stacks" / "Pulumi.qa2.yaml")
    git("add", ".")
    git("commit", "-q", "-m", "two")
    git("checkout", "-q", "main")
    (tmp_path / "Pulumi.yaml").write_text("name: paif\n")
    git("add", ".")
    git("commit", "-q", "-m", "what main did meanwhile")
    git("checkout", "-q", "topic")
    monkeypatch.setattr(checkout, "ROOT", tmp_path)
    return tmp_path


def test_renamed_file_counts_under_both_names_and_mains_own_changes_do_not_count(repository: Path) -> None:
    assert sorted(changed.files_since("main")) == ["stacks/Pulumi.qa.yaml", "stacks/Pulumi.qa2.yaml"]


def test_change_begins_where_it_left_the_revision(repository: Path) -> None:
    assert changed.merge_base("main") == run_git(repository, "rev-parse", "main^")
    assert changed.merge_base("nowhere") is None
    assert changed.merge_base("--output=x") is None


def test_in_a_merge_commit_the_change_is_against_its_first_parent(repository: Path) -> None:
    run_git(repository, "checkout", "-q", "main")
    run_git(repository, "merge", "-q", "--no-ff", "-m", "as the forge merges it", "topic")
    assert sorted(changed.files_since("HEAD^1")) == ["stacks/Pulumi.qa.yaml", "stacks/Pulumi.qa2.yaml"]
    assert changed.merge_base("HEAD^1") == run_git(repository, "rev-parse", "HEAD^1")


@pytest.mark.parametrize("revision", ["nowhere", "--output=x"])
def test_bad_revision_is_bad_input(repository: Path, revision: str) -> None:
    with pytest.raises(typer.Exit) as caught:
        changed.files_since(revision)
    assert caught.value.exit_code == 2
    assert not (repository / "x...HEAD").exists()


def test_command_prints_one_line_of_json_for_a_matrix(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "stack_names", lambda: ["dev", "qa2"])
    app = typer.Typer()
    app.command()(commands.changed_command)
    run = CliRunner().invoke(app, ["--base", "main", "--json"])
    assert run.output.count("\n") == 1
    assert json.loads(run.output) == ["qa2"]
    assert CliRunner().invoke(app, ["--base", "main"]).output == "qa2\n"
    assert json.loads(CliRunner().invoke(app, ["--base", "main", "--json", "--removed"]).output) == ["qa"]
