"""A project of its own that runs this checkout's program on another stack file, without touching the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from lab.state import ROOT

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
