"""`./paif check` and `./paif check ENV`: what they judge, and what they leave alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import app as commands
from cli.configuration import stack_files
from cli.configuration.stack_files import Problems
from cli.engine import environ
from cli.policy import settings

_COMMITTED = Path(__file__).resolve().parents[4] / "stacks"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The committed stack files and one with mistakes."""
    for name in ("dev", "qa"):
        (tmp_path / f"Pulumi.{name}.yaml").write_bytes((_COMMITTED / f"Pulumi.{name}.yaml").read_bytes())
    wrong = (_COMMITTED / "Pulumi.dev.yaml").read_text(encoding="utf-8").replace("paif:kind: dev", "paif:kind: devel")
    (tmp_path / "Pulumi.bad.yaml").write_text(wrong, encoding="utf-8")
    monkeypatch.setattr(stack_files, "_FOLDER", tmp_path)
    monkeypatch.setattr(settings, "missing", lambda _: "")
    return tmp_path


def _lines(*arguments: str) -> tuple[int, list[str]]:
    result = CliRunner().invoke(commands.app, ["check", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, (result.stdout + result.stderr).splitlines()


def test_one_environment_is_checked_without_the_mistakes_of_others(folder: Path) -> None:
    assert _lines("dev") == (0, ["dev is fine"])
    code, said = _lines("bad")
    assert code == 2
    assert [line.partition(": ")[2].partition(" is ")[0] for line in said[1:]] == ["paif:kind"]
    code, said = _lines()
    assert code == 2
    assert [line for line in said if "Pulumi.bad.yaml" in line] == said[1:]


def test_what_one_environment_takes_from_another_is_told_at_the_one_that_is_asked_for(folder: Path) -> None:
    (folder / "Pulumi.bad.yaml").write_bytes((folder / "Pulumi.dev.yaml").read_bytes())
    for wanted, other in (("dev", "bad"), ("bad", "dev")):
        code, said = _lines(wanted)
        assert code == 2
        assert (
            f"paif:namespace.name is 'acme-dev-ns-ai': expected a namespace that no other environment uses; {other}"
            in (" ".join(said))
        )
        assert all(f"Pulumi.{wanted}.yaml" in line for line in said[1:])


@pytest.mark.parametrize("name", [b"caf\xe9", b"a\x1b[31m", b"a b", b"a\nb", b""])
def test_a_file_of_any_name_is_told_in_letters_that_can_be_printed(folder: Path, name: bytes) -> None:
    made = os.fsencode(folder) + b"/Pulumi." + name + b".yaml"
    Path(os.fsdecode(made)).write_bytes((folder / "Pulumi.qa.yaml").read_bytes())
    (folder / "Pulumi.bad.yaml").unlink()
    code, said = _lines()
    assert code == 2
    assert any("expected a stack named as a short DNS label" in line for line in said)
    assert all(line.isprintable() for line in said)
    assert _lines("--json")[0] == 2


def test_what_cannot_be_opened_is_a_problem_like_any_other(folder: Path) -> None:
    (folder / "Pulumi.bad.yaml").unlink()
    (folder / "Pulumi.bad.yaml").mkdir()
    (folder / "Pulumi.gone.yaml").symlink_to(folder / "nothing")
    code, said = _lines()
    assert code == 2
    assert [line.rpartition("expected ")[2] for line in said[1:]] == [
        "a file that can be read (Is a directory)",
        "a file that can be read (No such file or directory)",
    ]


def test_an_environment_that_is_not_there_is_told_with_the_nearest(folder: Path) -> None:
    with pytest.raises(Problems, match=r"did you mean 'dev'"):
        stack_files.check("dve")


def test_a_passphrase_that_the_lab_left_in_the_shell_is_not_taken_for_a_real_stack(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", environ.LAB_PASSPHRASE)
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE_FILE", raising=False)
    assert environ.passphrase(True) == environ.LAB_PASSPHRASE
    assert environ.passphrase(False) is None
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "theirs")
    assert environ.passphrase(False) == "theirs"
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")
    (tmp_path / "word").write_text("from a file\n")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", str(tmp_path / "word"))
    assert environ.passphrase(False) == "from a file"
