"""The schemas that are checked in are those that the engine reads, whole, and the pages follow from them."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.toolkit.package_reference import PACKAGES, Package, page_of, schema_of

ROOT = Path(__file__).resolve().parents[4]
_AGAIN = "run: .venv/bin/python -m cli.toolkit.package_reference"
_packages = pytest.mark.parametrize("package", PACKAGES, ids=lambda each: each.name)


def _golden(package: Package) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(package.golden.read_text(encoding="utf-8"))
    return found


def _properties(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property of the package, by where it is."""
    places = {"configuration": schema.get("provider", {}).get("inputProperties", {})}
    for token, each in {**schema["resources"], **schema.get("types", {})}.items():
        places[f"{token} in"], places[token] = each.get("inputProperties", {}), each.get("properties", {})
    for token, each in schema.get("functions", {}).items():
        places[f"{token} in"] = each.get("inputs", {}).get("properties", {})
        places[token] = each.get("outputs", {}).get("properties", {})
    for place, properties in places.items():
        for name, each in properties.items():
            yield f"{place} {name}", each


@_packages
def test_the_schema_that_is_checked_in_is_what_the_engine_reads(package: Package, tmp_path: Path) -> None:
    assert schema_of(package, tmp_path) == package.golden.read_text(encoding="utf-8"), _AGAIN


@_packages
def test_the_page_follows_from_the_schema(package: Package) -> None:
    assert page_of(package) == (ROOT / package.page).read_text(encoding="utf-8"), _AGAIN


@_packages
def test_the_version_is_the_checkouts(package: Package) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert _golden(package)["version"] == project["version"]


@_packages
def test_everything_is_described_in_sentences(package: Package) -> None:
    schema = _golden(package)
    described = dict(_properties(schema)) | schema["resources"]
    # What a product's or a form's own spelling begins stays as it is.
    spelled = re.compile(r"([A-Z`]|vCenter|vGPU|vCPUs|project/).*[.?]", re.S)
    assert [place for place, each in described.items() if not spelled.fullmatch(each.get("description", ""))] == []


@_packages
def test_what_is_named_like_a_secret_is_marked_as_one(package: Package) -> None:
    hidden = ("password", "kubeconfig", "licenseToken", "ngcApiKey", "adminPassword")
    found = {place: each for place, each in _properties(_golden(package)) if place.rsplit(" ", 1)[1] in hidden}
    assert found
    assert [place for place, each in found.items() if not each.get("secret")] == []


def test_components_name_the_plugins_that_they_need() -> None:
    needs = {each["name"]: each["version"] for each in _golden(PACKAGES[0])["dependencies"]}
    assert set(needs) == {"kubernetes", "vcf", "vsphere"}
    assert needs["vcf"] == _golden(PACKAGES[1])["version"]


def test_closed_sets_are_enums() -> None:
    types = _golden(PACKAGES[0])["types"]
    enums = {token.rsplit(":", 1)[1] for token, each in types.items() if "enum" in each}
    assert enums == {
        "EndpointType",
        "GpuMode",
        "InferenceEngine",
        "NamespaceRole",
        "Persona",
        "SubjectType",
        "Weekday",
    }
