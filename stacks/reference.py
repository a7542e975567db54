"""The reference docs/reference/configuration.md, made of the model of a stack file: `python -m stacks.reference`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from paif_catalog.predicates import GUARDS, Guards
from stacks.environment import json_schema

FILE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "configuration.md"

_INTRODUCTION = """\
# Configuration of an environment

<!-- Made by `python -m stacks.reference` from the model of a stack file: change stacks/environment, not this file. -->

A stack file `stacks/Pulumi.<environment>.yaml` has these keys under `config`. `./paif check` checks all of them without
contacting anything and names the line of each mistake; `./paif schema FILE` writes the JSON Schema, for editors. Sizes
are in GiB and vCPUs, as names say.
"""
_Schema = Mapping[str, Any]


def text() -> str:
    """The whole reference."""
    schema = json_schema()
    parts = [_INTRODUCTION, "\n## Top-level keys\n\n", *_table(schema["properties"]["config"])]
    for name, section in schema["$defs"].items():
        parts += [f"\n## {name}\n\n{_sentence(section.get('description', ''))}\n\n", *_table(section)]
    return "".join([*parts, "\n## Defaults by kind of environment\n\n", *_by_kind()])


def _table(section: _Schema) -> Iterator[str]:
    yield "| key | value | default | |\n|---|---|---|---|\n"
    for key, value in section["properties"].items():
        default = "required" if key in section.get("required", ()) else _default(value)
        yield f"| `{key}` | {_type(value)} | {default} | {_description(value)} |\n"


def _description(value: _Schema) -> str:
    inner = [*value.get("anyOf", ()), value.get("items", {})]
    found = value.get("description") or next((each["description"] for each in inner if "description" in each), "")
    return found.replace("|", "\\|")


def _default(value: _Schema) -> str:
    default = value.get("default")
    if default in (None, "", [], {}) or isinstance(default, dict):
        return "none"
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


def _type(value: _Schema) -> str:
    """What stands there, in words; a section as a link."""
    if "$ref" in value:
        name = value["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "enum" in value:
        return ", ".join(f"`{each}`" for each in value["enum"])
    if "anyOf" in value:
        return " or ".join(_type(each) for each in value["anyOf"] if each.get("type") != "null")
    if value.get("properties", {}).keys() == {"secure"}:
        return "encrypted text"
    if value["type"] == "array":
        return f"list of {_type(value['items'])}"
    if value["type"] == "object":
        return f"mapping of names to {_type(value['additionalProperties'])}"
    return {"string": "text", "boolean": "true or false"}.get(value["type"]) or _number(value)


def _number(value: _Schema) -> str:
    least = value.get("minimum", value["exclusiveMinimum"] + 1 if "exclusiveMinimum" in value else None)
    limits = (("from", least), ("to", value.get("maximum")))
    return " ".join(["number", *(f"{word} {limit}" for word, limit in limits if limit is not None)])


def _by_kind() -> Iterator[str]:
    yield f"| | {' | '.join(GUARDS)} |\n|---|{'---|' * len(GUARDS)}\n"
    for name, field in Guards.model_fields.items():
        values = [getattr(each, name) for each in GUARDS.values()]
        shown = [", ".join(each) if isinstance(each, tuple) else json.dumps(each) for each in values]
        yield f"| {field.description} | {' | '.join(shown)} |\n"
    yield (
        "\nThe policy packs demand the same of each kind, to be changed under `kinds` of their settings\n"
        "(docs/policies.md). A site's own kind is an entry in `paif_catalog/kinds.yaml`.\n"
    )


def _sentence(description: str) -> str:
    return " ".join(description.split())


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(text(), encoding="utf-8")
