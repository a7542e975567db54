"""Files that Helm reads of a private chart repository: what they hold, and what is left of a login afterwards."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest

from stacks import charts

_PROGRAM = """
import os, sys
from pathlib import Path
from stacks import charts
charts.ROOT = Path(sys.argv[1])
if sys.argv[2] == "without memory":
    del os.memfd_create
name = charts.login_file("dev", "oci://registry.test:5000/a/b", "robot$u", "of-the-robot")
print(Path(name).read_text(), flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("kernel", ["with memory", "without memory"])
def test_a_login_is_readable_while_the_program_runs_and_gone_afterwards(tmp_path: Path, kernel: str) -> None:
    file = tmp_path / ".paif" / "charts" / "dev.json"
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(tmp_path), kernel],
        cwd=Path(charts.__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        said = json.loads(program.stdout.readline())
        auth = base64.b64encode(b"robot$u:of-the-robot").decode()
        assert said == {"auths": {"registry.test:5000": {"auth": auth}}}
        # Another process of the same user reads it, as the plugin does.
        assert json.loads(file.read_text()) == said
        assert file.is_symlink() == (kernel == "with memory")
        assert file.stat().st_mode & 0o077 == 0 or file.is_symlink()
        program.communicate("")
    assert not file.exists()
    assert list(file.parent.iterdir()) == []


def test_a_login_of_a_program_that_was_killed_is_nowhere(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(tmp_path), "with memory"],
        cwd=Path(charts.__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        program.stdout.readline()
        program.kill()
    assert not (tmp_path / ".paif" / "charts" / "dev.json").exists()


def test_paths_say_the_same_on_every_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "ROOT", tmp_path)
    (tmp_path / "stacks").mkdir()
    monkeypatch.chdir(tmp_path / "stacks")
    name = charts.authority_file("dev", "-----BEGIN CERTIFICATE-----")
    assert name == "../.paif/charts/dev.pem"
    assert Path(name).read_text() == "-----BEGIN CERTIFICATE-----"
    assert charts.login_file("dev", "oci://r.test/a", "u", "p") == "../.paif/charts/dev.json"
