"""Where an environment goes is known before anything is asked: a lab that is down is told in words."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pulumi
import pytest

from stacks.connections import connections
from tests.unit.environment.samples import environment


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a lab that has been up."""
    monkeypatch.setenv("PAIF_STATE", str(tmp_path))
    folder = tmp_path / "lab"
    folder.mkdir()
    ends = {
        "vcenter": {"server": "127.0.0.1:1", "username": "u", "password": "p"},
        "supervisor": {"name": "s", "kubeconfig": "k"},
    }
    (folder / "endpoints.json").write_text(json.dumps(ends))
    return folder


def _ended() -> int:
    with subprocess.Popen(["true"]) as process:
        return process.pid


@pytest.mark.parametrize("control", [None, "", "{}", '{"pid": "x"}', "ended"])
def test_a_lab_that_is_down_is_told_with_what_starts_it(lab: Path, control: str | None) -> None:
    if control is not None:
        text = json.dumps({"pid": _ended()}) if control == "ended" else control
        (lab / "control.json").write_text(text)
    with pytest.raises(pulumi.RunError, match=r"not running: start it with ./paif lab up"):
        connections(environment())


def test_the_endpoints_of_a_lab_that_runs_are_those_it_wrote(lab: Path) -> None:
    (lab / "control.json").write_text(json.dumps({"pid": os.getpid()}))
    assert connections(environment()).vcenter.server == "127.0.0.1:1"
    (lab / "endpoints.json").unlink()
    with pytest.raises(pulumi.RunError, match="has not come up yet"):
        connections(environment())
