"""Serves the components as a Pulumi package, so that programs in other languages can use them too."""

import importlib
import sys
from pathlib import Path

# The script's own folder comes first on the path; the package is importable from the repository's root only.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

import pulumi  # noqa: E402 (the path comes first)
from pulumi.provider.experimental import component_provider_host  # noqa: E402

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


def components() -> list[type[pulumi.ComponentResource]]:
    """All components: class SomeName of module some_name."""
    found = []
    for name in NAMES:
        module = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
        found.append(getattr(importlib.import_module(f"pulumi_paif.{module}"), name))
    return found


if __name__ == "__main__":
    component_provider_host(components(), name="paif")
