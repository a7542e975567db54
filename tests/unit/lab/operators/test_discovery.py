"""A simulated system is a folder: what it registers is found there, and nowhere else is it named."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

import lab.simulated
from lab.operators.__main__ import modules
from lab.state import ROOT


def test_a_folder_with_an_operator_is_all_that_a_new_one_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("made_up/operator.py", "made_up/data.py", "other/webhooks.py", "silent/server.py"):
        file = tmp_path / "made_up_systems" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
        (file.parent / "__init__.py").write_text("")
    (tmp_path / "made_up_systems" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = modules(importlib.import_module("made_up_systems"))
    assert found == ["made_up_systems.made_up.operator", "made_up_systems.other.webhooks"]


def test_every_system_that_registers_handlers_is_found() -> None:
    written = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "lab" / "simulated").rglob("*.py")
        if "@kopf.on" in (text := path.read_text(encoding="utf-8")) or "\n@on_change" in text
    }
    assert written
    assert set(modules(lab.simulated)) == written
