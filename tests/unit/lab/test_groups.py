"""The table of lab tests' groups names files that there are, and each once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.lab import conftest


def test_every_file_of_a_group_is_there_and_in_no_other_group() -> None:
    named = Counter(name for files in conftest.GROUPS.values() for name in files)
    there = {path.stem.removeprefix("test_") for path in Path(conftest.__file__).parent.glob("test_*.py")}
    assert named.keys() <= there
    assert set(named.values()) == {1}
