"""Serves the components as a Pulumi package, so that programs in other languages can use them too."""

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if not __package__:
    # A script's own folder comes first on the path; the package is importable from the one around it only.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

if TYPE_CHECKING:
    import pulumi

NAMES = (
    "AiNamespace",
    "ContentLibrary",
    "CpuVmClass",
    "DeepLearningVm",
    "GpuCluster",
    "GpuOperator",
    "GpuVmClass",
    "ModelEndpoint",
    "PrivateAiServices",
    "VectorDatabase",
    "VsphereTags",
)


def components() -> "list[type[pulumi.ComponentResource]]":
    """All components: class SomeName of module some_name."""
    found = []
    for name in NAMES:
        module = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
        found.append(getattr(importlib.import_module(f"pulumi_paif.{module}"), name))
    return found


def run() -> None:
    """Serve the engine that started this process."""
    importlib.import_module("pulumi_paif.serving.host").serve(components())


if __name__ == "__main__":
    run()
