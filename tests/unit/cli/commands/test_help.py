"""What a person asks the command itself: its help, its version, completions; none of it needs a tool."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cli.app import app
from lab.state import ROOT

Words = tuple[str, ...]


def _commands(group: object, above: Words = ()) -> Iterator[Words]:
    yield above
    for name, command in getattr(group, "commands", {}).items():
        yield from _commands(command, (*above, name))


_COMMANDS = list(_commands(typer.main.get_command(app)))


@pytest.mark.parametrize("words", _COMMANDS, ids=" ".join)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_every_command_has_a_help_and_says_what_it_does(words: Words, option: str) -> None:
    answer = CliRunner().invoke(app, [*words, option])
    assert answer.exit_code == 0, answer.output
    said = [line.strip() for line in answer.stdout.splitlines() if line.strip()]
    assert said[0].startswith(f"Usage: {' '.join(('root', *words))}")
    assert said[1] not in {"Options:", "Arguments:", "Commands:"}


def test_further_arguments_go_where_the_help_says() -> None:
    """Those of `test` are pytest's, those of what runs the engine are pulumi's."""
    for words in _COMMANDS:
        said = CliRunner().invoke(app, [*words, "-h"]).stdout
        if "rest..." in said:
            expected, other = ("pytest", "pulumi") if words == ("test",) else ("pulumi", "pytest")
            line = next(line for line in said.splitlines() if "rest..." in line and "<" in line)
            assert expected in line
            assert other not in line


@pytest.fixture
def without_tools(tmp_path: Path) -> dict[str, str]:
    """A machine on which the Python environment is there and no tool is."""
    cache = tmp_path / "cache"
    cache.mkdir()
    real = (ROOT / ".venv").resolve()
    assert real.parent.name == "venv"
    (cache / "venv").symlink_to(real.parent)
    return {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PAIF_CACHE": str(cache), "PAIF_STATE": str(tmp_path / "s")}


def _paif(*arguments: str, extra: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / ".venv" / "bin" / "python"), str(ROOT / "paif"), *arguments]
    return subprocess.run(command, env=extra, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    "arguments", [("-h",), ("up", "-h"), ("lab", "fault", "--help"), ("--version",), ("completion", "bash")]
)
def test_whoever_asks_for_help_waits_for_no_tool(without_tools: dict[str, str], arguments: Words) -> None:
    answer = _paif(*arguments, extra=without_tools)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout
    assert answer.stderr == ""
    assert not Path(without_tools["PAIF_STATE"]).exists()


def test_the_version_is_that_of_the_project() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout.startswith("paif 0.")


_COMPLETES = """\
eval "$(./paif completion bash)"
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
"$(complete -p paif | sed 's/.* -F \\([^ ]*\\) .*/\\1/')" "$1"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (("./paif", "up", ""), {"dev", "qa", "staging", "prod"}),
        (("./paif", "lab", "st"), {"status"}),
        (("./paif", "up", "--u"), {"--until"}),
    ],
)
def test_a_shell_completes_commands_options_and_environments(
    without_tools: dict[str, str], typed: Words, offered: set[str]
) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    path = f"{ROOT / '.venv' / 'bin'}:{without_tools['PATH']}"
    answer = subprocess.run(
        [bash, "--norc", "-c", _COMPLETES, "bash", *typed],
        cwd=ROOT,
        env={**without_tools, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert answer.stderr == ""
    assert offered <= set(answer.stdout.split())
    assert not Path(without_tools["PAIF_STATE"]).exists()


@pytest.mark.parametrize(
    ("given", "pytests"),
    [
        ((), ("--numprocesses=3", "--dist=loadgroup", "--no-loadscope-reorder")),
        (("--", "-k", "one or two"), ("-k", "one or two")),
    ],
)
def test_the_tests_take_the_place_of_the_command_so_that_a_signal_reaches_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: Words, pytests: Words
) -> None:
    monkeypatch.setenv("PAIF_STATE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    replaced: list[list[str]] = []
    monkeypatch.setattr(os, "execve", lambda _, arguments, __: replaced.append(arguments))
    CliRunner().invoke(app, ["test", *given])
    assert [tuple(arguments[1:]) for arguments in replaced] == [("-m", "pytest", *pytests)]
