"""What others install: complete, of one version, and able to start where nothing of this repository is."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
import typer

from cli.commands.toolkit import dist
from cli.engine.environ import full_environment
from cli.toolkit import distributions

ROOT = Path(__file__).resolve().parents[4]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
_IMPORTED_AS = {
    "yaml": "pyyaml",
    "pyVmomi": "pyvmomi",
    "pyVim": "pyvmomi",
    "grpc": "pulumi",
    "google": "pulumi",
    "pydantic_core": "pydantic",
}
"""What a requirement is imported as, where that is not its own name; grpc and protobuf are the SDK's."""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return distributions.build(tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="module")
def installed(wheels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that has nothing but the distributions."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", str(folder)]
    subprocess.run([*pip, *map(str, wheels)], check=True)
    return folder


def _metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [each for each in archive.namelist() if each.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(name).decode())


def _imports(package: str) -> Iterator[str]:
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            yield from (name.split(".")[0] for name in names)


def test_all_have_the_checkouts_version(wheels: list[Path]) -> None:
    assert [(_metadata(each)["Name"], _metadata(each)["Version"]) for each in wheels] == [
        ("pulumi-resource-vcf", VERSION),
        ("pulumi-paif", VERSION),
        ("paif-policies", VERSION),
    ]


@pytest.mark.parametrize("folder", distributions.DISTRIBUTIONS)
def test_a_distribution_names_all_that_it_imports(wheels: list[Path], folder: str) -> None:
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = wheels[distributions.DISTRIBUTIONS.index(folder)]
    required = (_metadata(wheel).get_all("Requires-Dist") or []) + [project["project"]["name"]]
    named = {re.split(r"[^A-Za-z0-9_.-]", each)[0].lower() for each in required}
    packages = project["tool"]["paif"]["packages"]
    foreign = {name for package in packages for name in _imports(package)} - {*packages, *sys.stdlib_module_names}
    asked = {_IMPORTED_AS.get(name, name.replace("_", "-")) for name in foreign}
    assert asked <= named


@pytest.mark.parametrize("folder", ["pulumi_paif", "paif_catalog", "pulumi_resource_vcf"])
def test_a_distribution_has_every_file_of_its_packages(installed: Path, folder: str) -> None:
    left_out = {"pyproject.toml", "schema.json"}
    there = {
        path.relative_to(ROOT)
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name not in left_out
    }
    assert {each for each in there if not (installed / each).is_file()} == set()


@pytest.mark.parametrize("plugin", ["pulumi_paif/pulumi-resource-paif", "pulumi_resource_vcf/pulumi-resource-vcf"])
def test_an_installed_plugin_starts_with_the_callers_python(installed: Path, plugin: str) -> None:
    answer = subprocess.run(
        ["pulumi", "package", "get-schema", str(installed / plugin)],
        cwd=installed,
        env={**full_environment(lab=False), "PULUMI_BACKEND_URL": f"file://{installed}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert f'"version": "{VERSION}"' in answer.stdout


@pytest.mark.parametrize("plugin", ["pulumi_paif/pulumi-resource-paif", "pulumi_resource_vcf/pulumi-resource-vcf"])
def test_a_plugin_without_a_python_says_what_is_missing(installed: Path, plugin: str, tmp_path: Path) -> None:
    for name in ("sh", "dirname", "pwd"):
        (tmp_path / name).symlink_to(f"/bin/{name}" if Path(f"/bin/{name}").exists() else f"/usr/bin/{name}")
    answer = subprocess.run(
        [str(installed / plugin), "127.0.0.1:1"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    assert "Activate an environment with pulumi-" in answer.stderr
    assert os.linesep.join(answer.stderr.splitlines()[:-1]) == ""


def test_another_tag_than_the_versions_builds_nothing(tmp_path: Path) -> None:
    with pytest.raises(typer.Exit):
        dist(tmp_path / "dist", tag="v0.0.0")
    assert list(tmp_path.iterdir()) == []
    assert distributions.version() == VERSION
