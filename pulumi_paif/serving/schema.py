"""The package schema, from the components' type annotations and docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated, Any, get_args, get_origin

import pulumi
from pulumi.provider.experimental.analyzer import (
    Analyzer,
    AnalyzeResult,
    Dependency,
    PropertyDefinition,
)
from pulumi.provider.experimental.schema import generate_schema
from pulumi.provider.experimental.util import camel_case

import pulumi_paif
from pulumi_paif._arguments import SECRET
from pulumi_paif.version import version

PACKAGE = "paif"
_PLUGINS = {"kubernetes": "pulumi-kubernetes", "vsphere": "pulumi-vsphere"}
"""Plugins whose resources the components make, and the Python packages that have their versions."""
_DESCRIPTION = (
    "Components of VMware Private AI Foundation with NVIDIA: namespaces, VM classes, databases with pgvector, "
    "model endpoints, Deep Learning VMs and GPU clusters."
)


class PackageAnalyzer(Analyzer):
    """The SDK's analyzer, which also knows secrets, enums beside their plain values, and providers as outputs."""

    def __init__(self) -> None:
        super().__init__(PACKAGE)
        self.secrets: set[tuple[str, str]] = set()
        """Secret properties: class and attribute in Python."""

    def analyze_property(self, arg: Any, typ: type, name: str, **options: Any) -> PropertyDefinition:
        """The definition of one property."""
        if get_origin(arg) is Annotated:
            inner, *marks = get_args(arg)
            if SECRET in marks:
                self.secrets.add((typ.__name__, name))
            return self.analyze_property(inner, typ, name, **options)
        if isinstance(arg, type) and issubclass(arg, pulumi.ProviderResource):
            # Named by its type, `pulumi package add` fails where the plugin's own schema has no version, as that of one
            # that was built from source.
            return PropertyDefinition(ref="pulumi.json#/Any", description=self.get_docstring(typ, name))
        return super().analyze_property(arg, typ, name, **options)


def components() -> list[type[pulumi.ComponentResource]]:
    """All components that the package exports."""
    exported = (getattr(pulumi_paif, name) for name in pulumi_paif.__all__)
    return [each for each in exported if isinstance(each, type) and issubclass(each, pulumi.ComponentResource)]


def analyzed(components: Sequence[type[pulumi.ComponentResource]]) -> tuple[AnalyzeResult, dict[str, Any]]:
    """What the SDK finds in the components, and the package schema of that."""
    analyzer = PackageAnalyzer()
    found = analyzer.analyze([*components])
    schema: dict[str, Any] = generate_schema(
        PACKAGE, version(), None, found["component_definitions"], found["type_definitions"], _dependencies()
    ).to_json()
    schema["description"] = _DESCRIPTION
    schema["license"] = "Apache-2.0"
    for kind, name in analyzer.secrets:
        for properties in _properties(schema, kind):
            properties[camel_case(name)]["secret"] = True
    return found, _tidy(schema)


def _properties(schema: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Where in the schema the attributes of a Python class are."""
    types, resources = schema["types"], schema["resources"]
    token = f"{PACKAGE}:index:{kind}"
    if token in types:
        return [types[token]["properties"]]
    if token in resources:
        return [resources[token]["properties"]]
    return [resources[token.removesuffix("Args")]["inputProperties"]]


def _dependencies() -> list[Dependency]:
    found = [Dependency("vcf", version())]
    for plugin, package in _PLUGINS.items():
        found.append(Dependency(plugin, _version_of(package)))
    return found


def _version_of(package: str) -> str:
    """The installed version; of an extra that is not installed, the one that this distribution asks for."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        asked = (re.fullmatch(rf"{package}==([\d.]+);.*", each) for each in metadata.requires("pulumi-paif") or ())
        return next(each[1] for each in asked if each)


def _tidy(value: Any) -> Any:
    """Without what is absent, docstrings as plain text, and types by names to which languages add `Args` themselves."""
    if isinstance(value, dict):
        return {_type_name(key): _tidy(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_tidy(each) for each in value]
    return _type_name(inspect.cleandoc(value)) if isinstance(value, str) else value


def _type_name(text: str) -> str:
    return text.removesuffix("Args") if f"{PACKAGE}:index:" in text else text
