"""The distributions that others install: what is in them is said by the packages, version and pins by the checkout."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cli.output.console import Failed
from lab.state import ROOT

DISTRIBUTIONS = ("pulumi_resource_vcf", "pulumi_paif", "policies")
"""Folders with a pyproject.toml of a distribution, in the order in which they need each other."""


def build(folder: Path) -> list[Path]:
    """Build a wheel of each into ``folder``, without network; returns the files.

    Raises ``Failed`` with what the build said.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [_wheel(name, _project(), folder) for name in DISTRIBUTIONS]


def version() -> str:
    """The version of all."""
    return str(_project()["version"])


def _project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return found


def _wheel(name: str, root: dict[str, Any], folder: Path) -> Path:
    # In a folder of its own, since what a build leaves behind is part of the next one.
    with tempfile.TemporaryDirectory() as scratch:
        source, made = Path(scratch) / "source", Path(scratch) / "made"
        source.mkdir()
        _stage(name, root, source)
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
        answer = subprocess.run(
            [*command, "--wheel-dir", str(made), str(source)], capture_output=True, text=True, check=False
        )
        if answer.returncode:
            raise Failed(f"the distribution of {name} cannot be built:\n{answer.stdout}{answer.stderr}".strip())
        [wheel] = made.glob("*.whl")
        return Path(shutil.copy2(wheel, folder / wheel.name))


def _stage(name: str, root: dict[str, Any], source: Path) -> None:
    """Put what the distribution is made of into ``source``."""
    project = ROOT / name / "pyproject.toml"
    shutil.copy2(project, source)
    asked = tomllib.loads(project.read_text(encoding="utf-8"))["tool"]["paif"]
    for package in asked["packages"]:
        left_out = shutil.ignore_patterns("__pycache__", "pyproject.toml")
        shutil.copytree(ROOT / package, source / package, ignore=left_out)
        (source / package / "VERSION").write_text(f"{root['version']}\n", encoding="utf-8")
    shutil.copy2(ROOT / "LICENSE", source)
    version, pins = root["version"], _pins(root)
    (source / "VERSION").write_text(f"{version}\n", encoding="utf-8")
    beside = [f"{each}=={version}" for each in asked.get("beside", ())]
    _requirements(source / "requirements.txt", [*(pins[each] for each in asked["requires"]), *beside])
    for extra, needed in asked.get("extra", {}).items():
        _requirements(source / f"requirements-{extra}.txt", [pins[each] for each in needed])


def write_requirements(path: Path, names: Iterable[str]) -> None:
    """Write what the project says of these packages as a file for pip."""
    pins = _pins(_project())
    _requirements(path, [pins[each] for each in names])


def _pins(root: dict[str, Any]) -> dict[str, str]:
    optional = (each for listed in root["optional-dependencies"].values() for each in listed)
    return {_name(each): each for each in (*root["dependencies"], *optional)}


def _requirements(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9_.-]+", requirement)
    return found.group() if found else requirement
