"""Which version of the platform the lab plays: the one that is named, from its first start on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import paif_catalog as catalog
from cli import app as commands
from cli.labctl import daemon
from cli.output.console import Failed
from tests.unit.paif_catalog.platforms import FIRST, SECOND, side_by_side


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a lab that was never started, of which two platforms are known."""
    monkeypatch.setenv("PAIF_STATE", str(tmp_path))
    monkeypatch.setattr(daemon, "up", lambda: 1.0)
    side_by_side(tmp_path / "baselines", monkeypatch)
    return tmp_path / "lab"


def _played(lab: Path) -> str:
    return str(json.loads((lab / "platform.json").read_text()))


def test_a_lab_plays_the_platform_that_is_named_and_goes_on_with_it(lab: Path) -> None:
    assert CliRunner().invoke(commands.app, ["lab", "up", "--platform", SECOND]).exit_code == 0
    assert _played(lab) == SECOND
    daemon.choose_platform()
    assert _played(lab) == SECOND
    with pytest.raises(Failed, match=f"the lab plays {SECOND}; `./paif lab reset`"):
        daemon.choose_platform(FIRST)


def test_a_platform_that_is_not_known_is_wrong_input(lab: Path) -> None:
    told = CliRunner().invoke(commands.app, ["lab", "up", "--platform", "vcf-9.0.2"])
    assert told.exit_code == 2
    assert f"--platform vcf-9.0.2: expected one of {SECOND}, {FIRST} (did you mean {FIRST!r}?)" in " ".join(
        told.output.split()
    )
    assert not lab.exists()


def test_where_several_are_known_a_new_lab_has_to_be_told(lab: Path) -> None:
    with pytest.raises(Failed, match="since there are several"):
        daemon.choose_platform()


def test_the_only_platform_that_is_known_needs_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAIF_STATE", str(tmp_path))
    daemon.choose_platform()
    assert _played(tmp_path / "lab") == catalog.baseline().name
