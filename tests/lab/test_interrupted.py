"""Tests that are cut off leave nothing running: not their lab, not what was under way in it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.lab.conftest import ROOT, wait_until

_TEST = "tests/lab/test_target_vcf.py"


def _running(folder: Path) -> Iterator[str]:
    """Names of the processes whose state directory is in ``folder``."""
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and str(folder) in process.environ().get("PAIF_STATE", ""):
                yield process.name()
        except psutil.Error:
            continue


def test_no_lab_of_tests_that_were_killed_is_left(tmp_path: Path) -> None:
    """The hardest end, on several processes: neither pytest nor its workers can do anything any more."""
    inner = tmp_path / "inner"
    command = [sys.executable, str(ROOT / "paif"), "test", "--", "-n", "1", "--basetemp", str(inner), _TEST]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as tests:
        try:
            wait_until(
                lambda: tests.poll() is not None or {"pulumi", "kube-apiserver"} <= set(_running(inner)),
                "an engine at work in a lab",
                300,
            )
            assert tests.poll() is None
        finally:
            tests.kill()
    wait_until(lambda: not list(_running(inner)), "everything has ended")
