from __future__ import annotations

from pathlib import Path

import pytest

from pulumi_paif.serving.schema import PackageAnalyzer, components

_FOLDER = Path(__file__).resolve().parents[3] / "pulumi_paif"


def test_every_component_is_in_the_package() -> None:
    modules = {path.stem for path in _FOLDER.glob("[a-z]*.py") if "(Component):" in path.read_text(encoding="utf-8")}
    assert {component.__module__.removeprefix("pulumi_paif.") for component in components()} == modules


@pytest.mark.parametrize("component", components(), ids=lambda component: component.__name__)
def test_arguments_and_outputs_of_a_component_are_typed_for_other_languages(component: type) -> None:
    found = PackageAnalyzer().analyze([component])["component_definitions"][component.__name__]
    assert found.inputs
    assert found.outputs
    assert [name for name, each in found.inputs.items() if not each.description] == []
