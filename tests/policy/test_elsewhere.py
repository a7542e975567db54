"""The built packs with the real engine, from projects that know nothing of this one: an empty Python, an empty YAML."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from cli.toolkit import distributions, policy_packs
from tests.policy.harness import ROOT
from tools.obtain import ObtainError, cached_tool, obtain
from tools.spec import load

pytestmark = [
    pytest.mark.skipif(shutil.which("pulumi") is None, reason="no pulumi on PATH; ./paif test has it"),
    pytest.mark.xdist_group("elsewhere"),
]


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with all packs, outside of the checkout."""
    return policy_packs.stage("all", tmp_path_factory.mktemp("packs"))


def _run(where: Path, *arguments: str, path: str = "") -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PATH": f"{path}{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}",
        "VIRTUAL_ENV": str(ROOT / ".venv"),
        "PULUMI_HOME": str(where / "home"),
        "PULUMI_BACKEND_URL": f"file://{where}",
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PAIF_POLICY_REPORT": "",
    }
    environment.pop("PYTHONPATH", None)
    return subprocess.run(
        ["pulumi", *arguments, "--non-interactive"],
        cwd=where,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def _judged(where: Path, pack: Path, path: str = "") -> None:
    """A preview with the packs refuses what is wrong with the stack, and takes what is right."""
    file = str(pack / policy_packs.executable("all"))
    for stack, status, mark in (("Prod_EU", 255, "❌ naming"), ("team", 0, "✅ paif")):
        assert _run(where, "stack", "init", stack, path=path).returncode == 0
        answer = _run(where, "preview", "--stack", stack, "--policy-pack", file, path=path)
        assert (answer.returncode == 0) is (status == 0), answer.stdout + answer.stderr
        assert f"{mark}@v{distributions.version()}" in answer.stdout
        assert ("is no short DNS label" in answer.stdout) is (status != 0)
        assert "`./paif" not in answer.stdout


def test_an_empty_python_project_is_judged(pack: Path, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    (tmp_path / "__main__.py").write_text("")
    _judged(tmp_path, pack)


def test_an_empty_yaml_project_is_judged(pack: Path, tmp_path: Path) -> None:
    tools = load()
    try:
        # Built once for a user, as the examples' tests do.
        yaml = obtain(tools["pulumi-language-yaml"], lambda _: None, beside=cached_tool(tools["pulumi"]))
    except ObtainError as error:
        pytest.skip(f"no language host of YAML: {error}")
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: yaml\nresources: {}\n")
    _judged(tmp_path, pack, f"{yaml.folder}:")


def test_publishing_needs_the_vendors_service_and_says_so(pack: Path, tmp_path: Path) -> None:
    # That is as far as publishing goes without an account: the folder is read, and the backend refuses.
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    answer = _run(tmp_path, "policy", "publish", "--cwd", str(pack))
    assert answer.returncode != 0
    assert "DIY backend does not support resource policy" in answer.stderr
