"""What holds for all code: types are strict, style is clean, and the Go parts pass their own tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.obtain import ObtainError, go_command

ROOT = Path(__file__).resolve().parent.parent.parent
_PACKAGES = (
    "tools",
    "cli",
    "lab",
    "pulumi_paif",
    "paif_catalog",
    "stacks",
    "pulumi_resource_vcf",
    "policies",
    "tests/lab",
)


def _clean(*command: str, folder: Path = ROOT, extra: dict[str, str] | None = None) -> None:
    answer = subprocess.run(
        command, cwd=folder, env={**os.environ, **(extra or {})}, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, f"{answer.stdout[-3000:]}\n{answer.stderr[-1000:]}"


def test_types_are_strict_with_no_error() -> None:
    _clean(sys.executable, "-m", "mypy", *_PACKAGES)


def test_style_has_no_finding() -> None:
    _clean(sys.executable, "-m", "ruff", "check", ".")


def test_code_is_formatted() -> None:
    _clean(sys.executable, "-m", "ruff", "format", "--check", ".")


@pytest.mark.parametrize("module", ["lab/simulated/vcenter", "lab/simulated/gallery"])
def test_the_go_parts_pass_their_own_tests(module: str) -> None:
    try:
        go = go_command(lambda _: None)
    except ObtainError as error:
        pytest.skip(f"no Go at hand: {error}")
    _clean(go, "test", "./...", folder=ROOT / module, extra={"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"})


def test_no_go_file_is_above_500_lines() -> None:
    sizes = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in (ROOT / "lab").rglob("*.go")
        if not path.name.endswith("_test.go")
    }
    assert sizes, "the lab's Go parts are elsewhere; look for them there"
    assert {name: lines for name, lines in sizes.items() if lines > 500} == {}


def test_no_script_of_a_test_names_an_interpreter_below_the_checkout() -> None:
    """A checkout's path may have a space, which ends the interpreter's name in a script's first line."""
    wrong = "#!" + "{sys.executable}"
    found = [path.name for path in (ROOT / "tests").rglob("*.py") if wrong in path.read_text(encoding="utf-8")]
    assert found == []
