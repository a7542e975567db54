"""What is left alone is written into a stack file that otherwise stays as it is, and read back as what was meant."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cli.drift import ignored_properties
from cli.output.console import Failed
from lab.state import ROOT
from stacks.stackfile import read

_WANTED = {
    "VirtualMachine/acme-dev-dlvm-alice": ["spec.powerState"],
    "Namespace/acme-dev-ns-ai": ["accessList", 'metadata.labels["paif.dev/owner"]'],
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return Path(shutil.copy(ROOT / "stacks" / "Pulumi.dev.yaml", tmp_path))


def test_everything_else_in_the_file_stays(file: Path) -> None:
    before = file.read_text()
    added = ignored_properties.add_ignored(file, _WANTED)
    assert added[0] == "VirtualMachine/acme-dev-dlvm-alice: spec.powerState"
    assert len(added) == 3
    assert file.read_text().startswith(before)
    found = read(file)
    assert found.problems == []
    assert found.environment is not None
    assert found.environment.ignore_changes == _WANTED


def test_what_is_there_already_is_not_written_twice(file: Path) -> None:
    ignored_properties.add_ignored(file, _WANTED)
    before = file.read_text()
    assert ignored_properties.add_ignored(file, _WANTED) == []
    assert file.read_text() == before
    assert ignored_properties.add_ignored(file, {"Namespace/acme-dev-ns-ai": ["accessList", "storageSpecs"]}) == [
        "Namespace/acme-dev-ns-ai: storageSpecs"
    ]


@pytest.mark.parametrize("change", ["  paif:owner:    somebody\n", "  paif:note: {a: 1, a: 2}\n"])
def test_a_file_that_would_lose_its_form_is_left_and_the_text_is_told(file: Path, change: str) -> None:
    file.write_text(file.read_text() + change)
    before = file.read_text()
    with pytest.raises(
        Failed, match=r"paif:ignoreChanges:\n  VirtualMachine/acme-dev-dlvm-alice:\n    - spec.powerState"
    ):
        ignored_properties.add_ignored(file, _WANTED)
    assert file.read_text() == before


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ("spec.powerState", "spec.powerState"),
        ("spec.ports[1].port", "spec.ports"),
        ('spec.topology.variables[name="vmClass"].value', "spec.topology.variables"),
        ('metadata.labels["paif.dev/owner"]', 'metadata.labels["paif.dev/owner"]'),
    ],
)
def test_a_list_is_left_alone_as_a_whole(path: str, left: str) -> None:
    assert ignored_properties.ignorable_path(path) == left
