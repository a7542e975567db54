"""What belongs to one version of the platform is written in its baseline and nowhere else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import paif_catalog as catalog
from tests.unit.sources import ROOT, parsed, sources

_PACKAGES = ["cli", "lab", "paif_catalog", "policies", "pulumi_paif", "pulumi_resource_vcf", "stacks", "tools"]
_API_VERSION = re.compile(r"(?P<group>[a-z0-9-]+(?:\.[a-z0-9-]+)+)/v\d+(?:(?:alpha|beta)\d+)?|v\d+(?:alpha|beta)\d+")
# What every Kubernetes has, and Helm, whatever the platform.
_EVERYWHERE = re.compile(r"(?!.*cluster\.x-k8s\.io)(?:.*\.)?(?:k8s\.io|helm\.sh)")
_CONDITION = re.compile(r"condition=(?!TYPE)(\w+)|@\.type==\"(\w+)\"")
# Also of nodes and pods, and of all that follows Kubernetes' conventions.
_OF_ALL_KINDS = {"Ready", "Available"}
# File, or folder, and what it may say.
_EXCEPTIONS = {
    # The provider is installed without the catalog. It reads what the Supervisor serves; this kind it knows in one
    # version only, and does not miss it where it is not served.
    "pulumi_resource_vcf/contents.py": {"cns.vmware.com/v1alpha2"},
    # Published under this name by Cluster API 1.9 and later, beside the conditions of the version that is served.
    "pulumi_resource_vcf/readiness/workers.py": {"v1beta2", "WorkersAvailable", "RollingOut"},
    # The lab's controllers publish conditions, in the order and with the reasons of those that they play.
    "lab/simulated/vks/look.py": {
        "v1beta2",
        "TopologyReconciled",
        "InfrastructureReady",
        "ControlPlaneReady",
        "WorkersAvailable",
        "RollingOut",
    },
    "lab/simulated/vm_service/operator.py": {"VirtualMachineCreated", "VirtualMachineTools", "GuestBootstrap"},
}


def _texts(tree: ast.Module) -> Iterator[str]:
    """All texts of a file, parts of formatted ones as well, without docstrings."""
    documentation = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.value


def _conditions() -> set[str]:
    known = [each for platform in catalog.all_baselines().values() for each in platform.conditions.conditions.values()]
    texts = [text for each in known for text in (*each.wait_for, *each.failed_by, *each.values.values())]
    return {one or other for text in texts for one, other in _CONDITION.findall(text)} - _OF_ALL_KINDS


def _platform_facts(path: Path) -> set[str]:
    conditions, found = _conditions(), set()
    for text in _texts(parsed(path)):
        for match in _API_VERSION.finditer(text):
            if match["group"] is None or not _EVERYWHERE.fullmatch(match["group"]):
                found.add(match[0])
        found |= {text} & conditions
        found |= {name for pair in _CONDITION.findall(text) for name in pair if name}
    return found


@pytest.mark.parametrize("package", _PACKAGES)
def test_api_versions_and_conditions_are_written_in_baselines_only(package: str) -> None:
    found = {str(path.relative_to(ROOT)): _platform_facts(path) for path in sources(package)}
    elsewhere = {file: facts - _EXCEPTIONS.get(file, set()) for file, facts in found.items()}
    assert {file: facts for file, facts in elsewhere.items() if facts} == {}


def test_no_exception_is_left_over() -> None:
    unused = {file: facts - _platform_facts(ROOT / file) for file, facts in _EXCEPTIONS.items()}
    assert {file: facts for file, facts in unused.items() if facts} == {}
