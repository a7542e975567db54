"""What is installed is pinned: each requirement at a version that pyproject.toml allows, nothing without a hash."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_ROOT = Path(__file__).resolve().parents[3]
_PROJECT = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
_WANTED = [*_PROJECT["dependencies"], *(each for extra in _PROJECT["optional-dependencies"].values() for each in extra)]


def _pinned(name: str) -> dict[str, str]:
    """Version and what follows it, by name."""
    text = (_ROOT / "requirements" / name).read_text()
    return {
        canonicalize_name(found[1]): found[2]
        for found in re.finditer(r"(?m)^([A-Za-z0-9._-]+)(?:\[.*\])?==(.+)$", text)
    }


@pytest.mark.parametrize("wanted", _WANTED)
def test_a_requirement_is_pinned_at_a_version_that_it_allows(wanted: str) -> None:
    requirement = Requirement(wanted)
    pinned = _pinned("all.txt")
    name = canonicalize_name(requirement.name)
    assert name in pinned
    assert requirement.specifier.contains(pinned[name].split()[0])


@pytest.mark.parametrize("file", ["all.txt", "go.txt"])
def test_nothing_is_installed_without_a_hash(file: str) -> None:
    text = (_ROOT / "requirements" / file).read_text()
    entries = re.split(r"(?m)^(?=[A-Za-z0-9])", text)[1:]
    assert entries
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
