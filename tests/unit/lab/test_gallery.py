"""The model gallery is Go: its own tests run here too, so that one command runs everything."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

GALLERY = Path(__file__).resolve().parents[3] / "lab" / "gallery"


def test_gallery_keeps_its_own_rules() -> None:
    go = shutil.which("go")
    if go is None:
        pytest.skip("no Go on PATH: the gallery's own tests need it")
    run = subprocess.run([go, "test", "./..."], cwd=GALLERY, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
