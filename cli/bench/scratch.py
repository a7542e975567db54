"""A project of its own that runs this checkout's program on another stack file, without touching the checkout."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from lab.process import die_with_parent
from lab.state import ROOT

_OWN_LAB = "PAIF_BENCH_OWN_LAB"
_REQUIRED_KEYS = (
    "target",
    "kind",
    "platform",
    "organization",
    "owner",
    "costCenter",
    "gpu",
    "vcenter",
    "supervisor",
    "content",
)


def write_yaml(path: Path, value: dict[str, Any]) -> None:
    with path.open("w", encoding="utf-8") as stream:
        YAML(typ="safe").dump(value, stream)


def lab_configuration() -> dict[str, Any]:
    """The keys that every environment on the lab needs, as dev has them."""
    dev = YAML(typ="safe").load((ROOT / "stacks" / "Pulumi.dev.yaml").read_text(encoding="utf-8"))["config"]
    return {key: value for key, value in dev.items() if key.removeprefix("paif:") in _REQUIRED_KEYS}


def isolated_lab_variables(state: Path) -> dict[str, str]:
    """Variables of a process whose lab, stacks and backend are those of the state directory ``state`` only.

    The lab ends with the process that asks for it, however that ends.
    """
    shared = {"PULUMI_HOME", "PAIF_CACHE", "PAIF_MIRROR"}
    foreign = ("PULUMI_", "PAIF_")
    variables = {name: value for name, value in os.environ.items() if not name.startswith(foreign) or name in shared}
    return variables | {"PAIF_STATE": str(state), "PAIF_LAB_OWNER": str(os.getpid())}


def has_own_lab() -> bool:
    """Whether this process has been started by ``run_on_own_lab``."""
    return _OWN_LAB in os.environ


def run_on_own_lab(*arguments: str) -> int:
    """Run ``./paif`` with these arguments on a lab that nobody else uses, and end the lab; the exit status.

    On the user's lab environments hold GPUs that a benchmark then waits for in vain, and slow down what is measured.
    """
    with tempfile.TemporaryDirectory(prefix="paif-bench-") as folder:
        variables = isolated_lab_variables(Path(folder) / "state") | {_OWN_LAB: "1"}
        paif = [sys.executable, str(ROOT / "paif")]
        try:
            return subprocess.run(
                [*paif, *arguments],
                cwd=ROOT,
                env=variables,
                check=False,
                preexec_fn=lambda: die_with_parent(signal.SIGINT),
            ).returncode
        finally:
            subprocess.run([*paif, "lab", "down"], cwd=ROOT, env=variables, check=False, capture_output=True)


def copy_checkout(folder: Path) -> None:
    """Copy what git tracks here, and what is new and not ignored, into ``folder``."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def scratch_project(folder: Path, stack: str, config: dict[str, Any]) -> None:
    """Make ``folder`` a project whose only stack is ``stack`` with ``config``; the code is this checkout's."""
    for name in ("pulumi_paif", "paif_catalog", "pulumi_resource_vcf", ".venv"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "stacks").mkdir()
    for path in (ROOT / "stacks").iterdir():
        if not path.name.startswith("Pulumi."):
            (folder / "stacks" / path.name).symlink_to(path)
    shutil.copyfile(ROOT / "Pulumi.yaml", folder / "Pulumi.yaml")
    write_yaml(folder / "stacks" / f"Pulumi.{stack}.yaml", {"config": config})
