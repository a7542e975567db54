"""The documents' commands are blocks that can be run, and name what the command line has; they run in tests/lab."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from ruamel.yaml import YAML

from cli.app import app
from stacks.environment import SECRETS, validate
from tests.documents import DOCUMENTS, ROOT, blocks, commands, outside_of_blocks
from tests.unit.stacks.samples import COMPLETE

_LANGUAGES = {"sh": "commands", "yaml": "a piece of a file", "json": "a piece of a file", "text": "a picture"}
_COMMAND = re.compile(r" {4,}(?:\./paif|pulumi|eval|export|git|mkdir|[A-Z_]+=\S+) ")
_SPAN = re.compile(r"`([^`\n]*\./paif[^`\n]*)`")


def _names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


@pytest.mark.parametrize("path", DOCUMENTS, ids=_names(DOCUMENTS))
def test_every_block_says_what_it_is_and_commands_stand_in_blocks(path: Path) -> None:
    for block in blocks(path):
        assert block.language in _LANGUAGES, f"{block}: expected one of {', '.join(_LANGUAGES)} behind the fence"
        assert block.language == "sh" or not block.not_run, f"{block}: only commands are run"
    loose = [f"{path}:{number}" for number, line in outside_of_blocks(path) if _COMMAND.match(line)]
    assert loose == [], "commands that no test runs; put them between ```sh and ```"
    marks = path.read_text(encoding="utf-8").count("<!-- not run")
    assert marks == sum(bool(block.not_run) for block in blocks(path)), "a mark that stands before no block"


@pytest.mark.parametrize("block", commands(), ids=str)
def test_a_block_is_a_script(block: Any) -> None:
    answer = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)
    assert answer.stderr == ""
    assert "…" not in block.text, "a reader cannot paste that"


def _called() -> Iterator[tuple[str, list[str]]]:
    """Every call of ./paif in blocks and in running text, with where it stands, as words."""
    for block in commands():
        for line in block.text.splitlines():
            yield from ((str(block), call) for call in _calls(line))
    for path in DOCUMENTS:
        text = "\n".join(line for _, line in outside_of_blocks(path))
        for span in _SPAN.findall(text):
            yield from ((str(path.relative_to(ROOT)), call) for call in _calls(span))


def _calls(line: str) -> Iterator[list[str]]:
    for part in line.split("./paif")[1:]:
        text = re.split(r" \| |[)<>;&]", part, maxsplit=1)[0]
        yield shlex.split(text, comments=True)


_CALLS = list(_called())


def test_there_are_calls_to_check() -> None:
    assert len(_CALLS) > 50


@pytest.mark.parametrize(("place", "words"), _CALLS, ids=[f"{place} {' '.join(words)}" for place, words in _CALLS])
def test_every_command_and_option_that_is_named_is_there(place: str, words: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    words = words[: words.index("--")] if "--" in words else words
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    if words and hasattr(command, "commands") and re.fullmatch(r"[a-z]", words[0][:1]):
        # `./paif up|preview|refresh` names several.
        assert set(words[0].split("|")) <= set(command.commands), f"{place}: no such command"
    known = {option for parameter in command.params for option in parameter.opts} | {"-h", "--help"}
    given = [word.partition("=")[0] for word in words if word.startswith("-")]
    assert set(given) <= known, f"{place}: no such option"


_PIECES = [
    block for path in DOCUMENTS for block in blocks(path) if block.language == "yaml" and block.text.startswith("paif:")
]


@pytest.mark.parametrize("block", _PIECES, ids=str)
def test_a_piece_of_a_stack_file_is_one_that_is_taken(block: Any) -> None:
    """In a complete environment on a real VCF; what it needs beside it is not its mistake."""
    given = {key.removeprefix("paif:"): value for key, value in YAML(typ="safe").load(block.text).items()}
    _, problems = validate(COMPLETE | {"target": "vcf"} | given, "site1", frozenset(SECRETS))
    assert [problem.message for path, problem in problems if path and path[0] in given] == []
