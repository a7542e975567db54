"""Policy packs by themselves: complete, of the library's version, started where nothing of this repository is."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
from pathlib import Path

import pytest
import yaml

from cli.toolkit import distributions, policy_packs
from policies.testing import RequestedResource, started

ROOT = Path(__file__).resolve().parents[4]
VERSION = distributions.version()
_MACHINE = RequestedResource(
    "kubernetes:vmoperator.vmware.com/v1alpha3:VirtualMachine",
    "carol",
    {"metadata": {"name": "Carol", "labels": {"paif.dev/persona": "nobody"}}, "spec": {"className": "unknown"}},
)


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpacked archives of all packs, and nothing else."""
    made, there = tmp_path_factory.mktemp("made"), tmp_path_factory.mktemp("elsewhere")
    for archive in policy_packs.build(made):
        with tarfile.open(archive) as content:
            content.extractall(there, filter="data")
    return there


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with what the packs require, whose other packages are those of set-up."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    [packages] = folder.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf-8")
    return folder


def _folder(packs: Path, pack: str) -> Path:
    return packs / f"{policy_packs.title(pack)}-{VERSION}"


def _environment(python: Path) -> dict[str, str]:
    return {"VIRTUAL_ENV": str(python), "PYTHONPATH": ""}


@pytest.mark.parametrize("pack", policy_packs.PACKS)
def test_a_built_pack_judges_without_the_checkout(packs: Path, python: Path, pack: str) -> None:
    file = _folder(packs, pack) / policy_packs.executable(pack)
    with started(file, project="shop", **_environment(python)) as process:
        info = process.start(pack=pack, stack="team", settings={"kind": "dev"} if pack != "all" else {})
        assert info.version == VERSION
        process.analyze(_MACHINE, "team")
        found = [*process.analyze(_MACHINE, "team"), *process.analyze_stack()]
    # No lookup of the checkout's own settings, and no commands of it.
    assert "./paif" not in "".join(each.message for each in found)
    assert len(info.policies) > 20


@pytest.mark.parametrize("pack", policy_packs.PACKS)
def test_the_folder_is_what_newer_language_hosts_start(packs: Path, python: Path, pack: str) -> None:
    folder = _folder(packs, pack)
    project = yaml.safe_load((folder / "PulumiPolicy.yaml").read_text())
    assert project["version"] == VERSION
    assert project["runtime"] == {"name": "python", "options": {"virtualenv": ".venv"}}
    command = [str(python / "bin" / "python"), "-m", "pulumi.policy", "127.0.0.1:1", str(folder)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=folder, env={**os.environ, **_environment(python)}
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip().isdigit()
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.mark.parametrize("pack", policy_packs.PACKS)
def test_a_pack_has_no_settings_of_our_environments_and_only_its_own_rules(packs: Path, pack: str) -> None:
    folder = _folder(packs, pack)
    assert not (folder / "policies" / "config").exists()
    others = {each for each in ("naming", "licensing", "platform") if (folder / "policies" / each).exists()}
    assert others == ({pack} if pack != "all" else {"naming", "licensing", "platform"})
    named = {each.split("=")[0].split(">")[0].strip() for each in (folder / "requirements.txt").read_text().split()}
    imported = {
        name.split(".")[0]
        for path in folder.rglob("*.py")
        if path.name != "testing.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (
            [each.name for each in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    foreign = imported - set(sys.stdlib_module_names) - {"policies", "paif_catalog", "grpc", "google", "pydantic_core"}
    assert {"pyyaml" if each == "yaml" else each for each in foreign} <= named


def test_a_pack_without_a_python_says_how_to_make_one(packs: Path, tmp_path: Path) -> None:
    for name in ("sh", "dirname", "pwd"):
        (tmp_path / name).symlink_to(f"/bin/{name}" if Path(f"/bin/{name}").exists() else f"/usr/bin/{name}")
    file = _folder(packs, "naming") / policy_packs.executable("naming")
    answer = subprocess.run(
        [str(file), "127.0.0.1:1"], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 1
    assert "-m venv" in answer.stderr
    assert str(file.parent / "requirements.txt") in answer.stderr


def test_the_same_checkout_makes_the_same_archive(tmp_path: Path) -> None:
    first = {each.name: each.read_bytes() for each in policy_packs.build(tmp_path / "one")}
    assert {each.name: each.read_bytes() for each in policy_packs.build(tmp_path / "two")} == first


def test_a_site_tests_rules_of_its_own_with_our_harness(packs: Path, python: Path) -> None:
    answer = subprocess.run(
        [str(python / "bin" / "python"), "-m", "pytest", "-q", "-p", "policies.testing", "-p", "no:cacheprovider", "."],
        cwd=ROOT / "examples" / "policy-pack",
        env={
            **os.environ,
            "PYTHONPATH": str(_folder(packs, "naming")),
            "PYTHON": str(python / "bin" / "python"),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "4 passed" in answer.stdout
