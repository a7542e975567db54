"""A second version of the platform, which does not exist: a folder of data beside the real one, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from paif_catalog import baselines

FIRST = "vcf-9.0.1"
SECOND = "vcf-10.0-made-up"
_CHANGES: dict[str, list[tuple[str, str]]] = {
    "api_versions.yaml": [
        ("cluster.x-k8s.io:\n    {version: v1beta1", "cluster.x-k8s.io:\n    {version: v1beta2"),
        ("vmoperator.vmware.com:\n    {version: v1alpha3", "vmoperator.vmware.com:\n    {version: v1alpha7"),
        (
            "  databases.dataservices.vmware.com:\n    {version: v1alpha1",
            "  databases.dataservices.vmware.com:\n    {version: v1",
        ),
        ("pais.vmware.com:\n    {version: v1alpha1", "pais.vmware.com:\n    {version: v2"),
    ],
    "conditions.yaml": [
        ("vmoperator.vmware.com/v1alpha3/", "vmoperator.vmware.com/v1alpha7/"),
        ("databases.dataservices.vmware.com/v1alpha1/", "databases.dataservices.vmware.com/v1/"),
        ("pais.vmware.com/v1alpha1/", "pais.vmware.com/v2/"),
        ("condition=VirtualMachineCreated", "condition=Created"),
    ],
    "versions.yaml": [
        (
            'version: "v1.32.0+vmware.6-fips-vkr.2", constraint: ">=1.32,<1.33"',
            'version: "v1.34.1+vmware.1-fips-vkr.1", constraint: ">=1.34,<1.35"',
        ),
        ("builtin-generic-v3.2.0", "builtin-generic-v4.0.0"),
        ("16.8+vmware.v9.0.1.0", "17.7+vmware.v10.0.0.0"),
        ('version: "v24.9.0", constraint: ">=24.9,<25"', 'version: "v25.3.0", constraint: ">=25.3,<26"'),
        ('version: "16.8", constraint: ">=16,<17"', 'version: "17.7", constraint: ">=17,<18"'),
    ],
    "cluster_classes.yaml": [
        ("best-effort-xlarge", "best-effort-mega"),
        ("builtin-generic-v3.2.0:", "builtin-generic-v3.8.0:"),
        ("builtin-generic-v3.5.0:", "builtin-generic-v4.0.0:"),
    ],
    "dlvm_properties.yaml": [("  user: vmware\n", "  user: ubuntu\n")],
}


def side_by_side(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the catalog know both, of which the second says otherwise what `_CHANGES` has."""
    shutil.copytree(baselines.FOLDER / FIRST, folder / FIRST)
    shutil.copytree(baselines.FOLDER / FIRST, folder / SECOND)
    for name, changes in _CHANGES.items():
        file = folder / SECOND / name
        text = file.read_text(encoding="utf-8")
        for before, after in changes:
            assert before in text, f"{name} has no {before!r} any more"
            text = text.replace(before, after)
        file.write_text(text, encoding="utf-8")
    monkeypatch.setattr(baselines, "FOLDER", folder)
