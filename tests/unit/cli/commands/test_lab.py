"""`lab fault` takes what it knows, says what it did, and for what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import app as commands
from cli.labctl import daemon
from lab.faults import FAULTS, check_fault


@pytest.fixture
def faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the faults of a lab that is up."""
    monkeypatch.setattr(daemon, "lab_directory", lambda: tmp_path)
    monkeypatch.setattr(daemon, "running", object)
    return tmp_path / "faults.json"


def _said(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(commands.app, ["lab", "fault", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, (result.stdout + result.stderr).strip()


def test_what_is_switched_is_said_with_what_it_is_for(faults: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, said = _said("no-capacity", "class=acme-dev-class-x")
    assert code == 0
    assert said == (
        "no-capacity is on: no host has room for VMs of a class, class acme-dev-class-x; "
        "`./paif lab fault no-capacity --off` ends it"
    )
    assert "rate 0.3, status 500; `" in _said("api-errors", "status=500")[1]
    assert json.loads(faults.read_text()) == {
        "no-capacity": {"class": "acme-dev-class-x"},
        "api-errors": {"rate": 0.3, "status": 500},
    }
    assert "on class=acme-dev-class-x" in " ".join(_said()[1].split())
    assert _said("no-capacity", "--off") == (0, "no-capacity is off")
    assert _said("no-capacity", "--off") == (0, "no-capacity was off already")
    _said("image-pull")
    assert _said("--off") == (0, "api-errors, image-pull are off")
    assert _said("--off") == (0, "no fault was on")
    assert json.loads(faults.read_text()) == {}
    monkeypatch.setattr(daemon, "running", lambda: None)
    assert "once the lab is up" in _said("image-pull")[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no-capacty"], "unknown fault 'no-capacty' (did you mean no-capacity?); expected one of api-errors, "),
        (["no-capacty", "--off"], "unknown fault 'no-capacty' (did you mean no-capacity?)"),
        (
            ["no-capacity", "clas=x"],
            "has no parameter 'clas' (did you mean class?); expected class: the full name of a",
        ),
        (["image-pull", "rate=1"], "has no parameter 'rate'; expected namespace: the namespace"),
        (["license-server-down", "x=1"], "has no parameter 'x'; expected none"),
        (["api-errors", "rate=2"], "api-errors rate=2: expected a share from 0 to 1"),
        (["api-errors", "rate=nan"], "api-errors rate=nan: expected a share from 0 to 1"),
        (["api-errors", "rate=often"], "api-errors rate=often: expected a share from 0 to 1"),
        (["api-errors", "status=200"], "api-errors status=200: expected an HTTP status from 400 to 599"),
        (["api-errors", "status=503.5"], "api-errors status=503.5: expected an HTTP status from 400 to 599"),
        (["api-delay", "ms=-1"], "api-delay ms=-1: expected milliseconds"),
        (["no-capacity", "class="], "no-capacity class=: expected the full name of a VM class"),
        (["no-capacity", "class"], "'class' is no parameter; expected KEY=VALUE"),
        (["no-capacity", "class=a", "class=b"], "'class=b' is no parameter (it is there twice)"),
        (
            ["no-capacity", "class=a", "--off"],
            "--off takes no parameters; expected `./paif lab fault no-capacity --off`",
        ),
    ],
)
def test_what_is_wrong_is_refused_with_what_was_expected_and_switches_nothing(
    faults: Path, arguments: list[str], said: str
) -> None:
    code, answer = _said(*arguments)
    assert code == 2
    assert said in answer
    assert not faults.exists()


def test_what_is_left_open_is_not_written_since_an_empty_name_would_narrow_to_nothing() -> None:
    found: dict[str, dict[str, Any]] = {name: dict(check_fault(name, {})) for name in FAULTS}
    assert {name: each for name, each in found.items() if each} == {
        "api-errors": {"rate": 0.3, "status": 503},
        "api-delay": {"ms": 500},
    }
