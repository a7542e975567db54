"""Schemas of the two packages as the engine reads them, and the reference pages that follow from them.

`python -m cli.toolkit.package_reference` writes both; a test compares.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.engine.environ import full_environment
from lab.state import ROOT


@dataclass(frozen=True)
class Package:
    """A package: the folder with its plugin and its schema.json, and its page."""

    name: str
    folder: str
    page: str
    title: str

    @property
    def plugin(self) -> Path:
        """The executable that the engine starts."""
        return ROOT / self.folder / f"pulumi-resource-{self.name}"

    @property
    def golden(self) -> Path:
        """The schema that is checked in."""
        return ROOT / self.folder / "schema.json"


PACKAGES = (
    Package("paif", "pulumi_paif", "docs/reference/components.md", "Components"),
    Package("vcf", "pulumi_resource_vcf", "docs/reference/provider.md", "Provider"),
)


def schema_of(package: Package, scratch: Path) -> str:
    """The schema as `pulumi package get-schema` prints it. Raises ``subprocess.CalledProcessError``."""
    return subprocess.run(
        ["pulumi", "package", "get-schema", str(package.plugin)],
        cwd=scratch,
        env={**full_environment(lab=False), "PULUMI_BACKEND_URL": f"file://{scratch}"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def page_of(package: Package) -> str:
    """The reference page, from the schema that is checked in."""
    schema = json.loads(package.golden.read_text(encoding="utf-8"))
    lines = [
        f"# {package.title}",
        "",
        f"<!-- Written by `python -m cli.toolkit.package_reference`, from {package.folder}/schema.json. -->",
        "",
        f"Package `{package.name}`. {schema['description']} Names are those of the schema; in Python they are written "
        "with underscores (`vm_class`). **Bold**: required.",
        "",
    ]
    needs = ", ".join(f"{each['name']} {each['version']}" for each in schema.get("dependencies", []))
    lines += [f"Needs the plugins {needs}.", ""] if needs else []
    if "provider" in schema and schema["provider"].get("inputProperties"):
        lines += ["## Configuration", "", *_table(schema["provider"]["inputProperties"], ()), ""]
    for token, each in schema["resources"].items():
        lines += [f"## {_name(token)}", "", *_text(each["description"]), ""]
        lines += ["Arguments:", "", *_table(each.get("inputProperties", {}), each.get("requiredInputs", ())), ""]
        given = {key: value for key, value in each["properties"].items() if key not in each.get("inputProperties", {})}
        lines += ["Outputs:", "", *_table(given, ()), ""] if given else []
    for token, each in schema.get("functions", {}).items():
        inputs = each.get("inputs", {})
        lines += [f"## {_name(token)}", "", *_text(each["description"]), ""]
        lines += ["Arguments:", "", *_table(inputs.get("properties", {}), inputs.get("required", ())), ""]
        lines += ["Results:", "", *_table(each.get("outputs", {}).get("properties", {}), ()), ""]
    lines += ["## Types", ""]
    for token, each in schema.get("types", {}).items():
        lines += [f"### {_name(token)}", "", *_text(each.get("description", "")), ""]
        if "enum" in each:
            lines += [f"- `{value['value']}`{_after(value.get('description'))}" for value in each["enum"]]
        else:
            lines += _table(each["properties"], each.get("required", ()))
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _table(properties: Mapping[str, Any], required: Any) -> list[str]:
    rows = ["| name | type | |", "|---|---|---|"]
    for name, each in properties.items():
        shown = f"**{name}**" if name in required else name
        default = f" Default: `{each['default']}`." if "default" in each else ""
        text = " ".join(each.get("description", "").split()).replace("|", "\\|")
        rows.append(f"| {shown} | {_type(each)} | {text}{default} |")
    return rows if len(rows) > 2 else ["none"]


def _type(each: Mapping[str, Any]) -> str:
    secret = ", secret" if each.get("secret") else ""
    if "$ref" in each:
        known = each["$ref"].startswith("#/types/")
        name = _name(each["$ref"])
        return (f"[{name}](#{name.lower()})" if known else "any") + secret
    if each["type"] == "array":
        return f"list of {_type(each['items'])}{secret}"
    if each["type"] == "object":
        return f"map of {_type(each.get('additionalProperties', {'type': 'string'}))}{secret}"
    return f"{each['type']}{secret}"


def _text(description: str) -> list[str]:
    return [line.rstrip() for line in description.strip().splitlines()]


def _after(description: str | None) -> str:
    return f": {' '.join(description.split())}" if description else ""


def _name(token: str) -> str:
    return token.rsplit(":", 1)[-1].rsplit("/", 1)[-1]


if __name__ == "__main__":
    for one in PACKAGES:
        one.golden.write_text(schema_of(one, ROOT), encoding="utf-8")
        (ROOT / one.page).parent.mkdir(exist_ok=True)
        (ROOT / one.page).write_text(page_of(one), encoding="utf-8")
