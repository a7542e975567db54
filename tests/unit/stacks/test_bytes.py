"""Whatever bytes stand in a file that people edit: problems with a line, never a traceback, and nothing of a secret."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from cli.policy import settings
from stacks.stackfile import read
from tests.unit.stacks.samples import COMPLETE, stack_file

_PIECES = [
    *(b"\xe9", b"\x00", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\x1b[31m", b"\x85", b"\r", b"\t"),
    *(b'"\\ud800"', b'"\\U0011ffff"', b'"\\x00"', b"'", b'"', b"&a ", b"*a", b"<<: ", b"<<: *a\n", b"? ", b": ", b"- "),
    *(b"[", b"]", b"{", b"}", b",", b"#", b"|\n", b">\n", b"!!int ", b"!!map ", b"!x ", b"!!binary ", b"%YAML 9.9\n"),
    *(b"---\n", b"...\n", b"\n", b"  ", b"null", b"~", b".inf", b"2024-02-30", b"2024-02-03", b"9" * 5000, b"[" * 900),
    *(b"0x" + b"f" * 400, b"1e999", b"secure: v1:x", b"{secure: {secure: x}}", "ü\u2028\ufeff\U0001f600".encode()),
]


def _spoiled(chance: random.Random, good: bytes) -> bytes:
    """A file with pieces put in, taken out or written over at random places."""
    text = bytearray(good)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(text) + 1)
        piece = chance.choice(_PIECES) if chance.random() < 0.8 else chance.randbytes(chance.randint(1, 8))
        text[place : place + chance.choice((0, 0, len(piece), 30))] = piece
    return bytes(text)


@pytest.mark.parametrize("seed", range(20))
def test_a_stack_file_of_any_bytes_is_an_environment_or_has_problems_with_a_line(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - it must be the same again
    file = stack_file(tmp_path, COMPLETE)
    good = file.read_bytes()
    contents = [_spoiled(chance, good) for _ in range(40)]
    contents += [b"".join(chance.choices(_PIECES, k=chance.randint(0, 12))), chance.randbytes(200)]
    for content in contents:
        file.write_bytes(content)
        found = read(file)
        assert (found.environment is None) == bool(found.problems), content
        for problem in found.problems:
            assert 1 <= problem.line <= content.count(b"\n") + content.count(b"\r") + content.count(b"\x85") + 3
            assert str(problem).encode().isascii() or str(problem).isprintable(), problem


@pytest.mark.parametrize("seed", range(20))
def test_settings_of_any_bytes_are_right_or_have_problems_with_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - it must be the same again
    file = tmp_path / "dev.yaml"
    monkeypatch.setattr(settings, "settings_file", lambda _: file)
    monkeypatch.setattr(settings, "licenses_file", lambda: tmp_path / "none.yaml")
    good = settings.template("dev", "dev", "acme").replace("naming:", "naming: &a").encode()
    good = good.replace(b"# hostDriver", b"hostDriver")
    for content in [*(_spoiled(chance, good) for _ in range(40)), chance.randbytes(200)]:
        file.write_bytes(content)
        for problem in settings.problems("dev"):
            assert problem.line >= 1
            assert str(problem).isprintable(), problem


def test_utf_16_is_told_as_such_and_a_mark_of_utf_8_is_passed_over_as_pulumi_does(tmp_path: Path) -> None:
    file = stack_file(tmp_path, COMPLETE)
    text = file.read_text(encoding="utf-8")
    file.write_text(text, encoding="utf-8-sig")
    assert read(file).problems == []
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        file.write_text(text, encoding=encoding)
        [problem] = read(file).problems
        assert "UTF-16" in problem.expected, encoding
        assert (problem.line, problem.path) == (1, "YAML")


@pytest.mark.parametrize(
    ("content", "line", "expected"),
    [
        (b"kind: dev\nnaming: caf\xe9\n", 2, "text in UTF-8"),
        (b"kind: dev\nnaming: &a\n  x: *a\n", 2, "a value that does not contain itself (*alias)"),
        (b"kind: dev\nkind: dev\n", 2, "each key once (line 1 has it too)"),
        (b"kind: dev\nnaming: {organization: !x acme}\n", 2, "valid YAML (could not determine a constructor"),
        (b"kind: dev\nlicensing: {exemptions: [{expires: 2027-02-30}]}\n", 1, "valid YAML (day is out of range"),
    ],
)
def test_what_is_wrong_with_a_settings_file_itself_is_told_at_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, line: int, expected: str
) -> None:
    file = tmp_path / "dev.yaml"
    monkeypatch.setattr(settings, "settings_file", lambda _: file)
    file.write_bytes(content)
    [problem] = settings.problems("dev")
    assert problem.line == line
    assert problem.expected.startswith(expected), problem


def test_aliases_that_stand_for_millions_of_values_are_refused_before_they_are_counted_out(tmp_path: Path) -> None:
    lines = ["x-0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text("\n".join([*lines, "config: {paif:conditions: *a29}"]))
    [problem] = read(file).problems
    assert problem.expected == "at most 100000 values, with what *aliases stand for"
