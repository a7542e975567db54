"""``./paif env``: what plain pulumi needs is there, also for an environment that is not complete yet."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.app import app
from cli.configuration import stack_files
from cli.configuration.scaffold import TEMPLATE
from cli.configuration.stack_files import Problems
from cli.engine import shell

_ENGINE = """\
#!/bin/sh
echo "$@" >> "$PAIF_STATE/asked"
[ "$3" = dev ] && exit 255
mkdir -p "$PAIF_STATE/pulumi/.pulumi/stacks/paif"
touch "$PAIF_STATE/pulumi/.pulumi/stacks/paif/$3.json"
"""


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory with a stand-in of the engine, which cannot make dev's stack."""
    monkeypatch.setenv("PAIF_STATE", str(tmp_path))
    monkeypatch.delenv("PAIF_BIN", raising=False)
    program = tmp_path / "bin" / "pulumi"
    program.parent.mkdir()
    program.write_text(_ENGINE)
    program.chmod(0o755)
    return tmp_path


@pytest.fixture
def stacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of stack files instead of the committed ones."""
    folder = tmp_path / "stacks"
    folder.mkdir()
    monkeypatch.setattr(stack_files, "_FOLDER", folder)
    return folder


def _asked(state: Path) -> list[str]:
    asked = state / "asked"
    return asked.read_text().splitlines() if asked.exists() else []


def test_every_environment_on_the_lab_has_a_stack_afterwards_and_is_made_once(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert any(line.startswith("export PULUMI_BACKEND_URL='file://") for line in shell.lines("qa"))
    names = ("dev", "prod", "qa", "staging")
    assert _asked(state) == [f"stack init {name} --no-select --non-interactive" for name in names]
    # One that cannot be made keeps no shell from its variables.
    assert "dev has no stack yet" in capsys.readouterr().err
    shell.lines("dev")
    assert _asked(state)[len(names) :] == ["stack init dev --no-select --non-interactive"]


def test_what_a_kill_left_unreadable_keeps_no_shell_from_its_stacks(state: Path) -> None:
    left = [state / "pulumi" / ".pulumi" / name for name in ("meta.yaml.attrs", "stacks/paif/qa.json.attrs")]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    shell.lines("dev")
    assert [path for path in left if path.exists()] == []


def test_no_stack_is_made_where_a_site_keeps_its_state(state: Path, stacks: Path) -> None:
    (stacks / "Pulumi.site1.yaml").write_text(TEMPLATE.format(name="site1", kind="dev", organization="acme"))
    shell.lines("site1")
    assert _asked(state) == []


def test_an_environment_that_is_not_complete_yet_is_a_warning_and_the_variables_are_set(
    state: Path, stacks: Path
) -> None:
    (stacks / "Pulumi.site1.yaml").write_text(TEMPLATE.format(name="site1", kind="dev", organization="acme"))
    answer = CliRunner().invoke(app, ["env", "site1"])
    assert answer.exit_code == 0, answer.stderr
    assert all(line.startswith(("export ", "unset ")) for line in answer.stdout.splitlines())
    assert f"export PAIF_STATE={state}" in answer.stdout
    assert "site1 is not complete yet" in answer.stderr
    assert "paif:licenseToken: expected" in answer.stderr


@pytest.mark.parametrize("text", ["config: {}", "a: [", "config: {paif:target: cloud}"])
def test_an_environment_that_does_not_say_where_it_goes_has_no_variables(state: Path, stacks: Path, text: str) -> None:
    (stacks / "Pulumi.site1.yaml").write_text(text)
    with pytest.raises(Problems):
        shell.lines("site1")
