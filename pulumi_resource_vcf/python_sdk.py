"""The Python classes of the resources, written from the package schema, so that both cannot differ.

`python -m pulumi_resource_vcf.python_sdk FOLDER` writes types.py, provider.py and a file for each resource there.
"""

from __future__ import annotations

import keyword
import re
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from .schema import package_schema

Schema = Mapping[str, Any]

_WIDTH: Final = 120
_PLAIN: Final = {"string": "str", "integer": "int", "boolean": "bool"}
_HEADER: Final = '''"""{what}

Written by `python -m pulumi_resource_vcf.python_sdk`, from the schema of the provider: change it there.
"""

from __future__ import annotations

'''
_PACKAGE: Final = "pulumi_paif.vcf"


def written(schema: Schema) -> dict[str, str]:
    """Text of the files, by name: the types, and one file for each resource and for the provider."""
    types = "\n\n".join(
        _type(_name(token), schema["types"][token], schema["types"])
        for token in _in_order(sorted(_reached(schema)), schema["types"])
    )
    files = {"types": ("Argument types of the vcf provider's resources.", types)}
    known = schema["types"]
    files["provider"] = ("The vcf provider.", _provider(schema["provider"], known))
    for token, each in schema["resources"].items():
        name = _name(token)
        files[_snake(name)] = (f"Resource {token}.", _resource(name, each, known))
    return {
        f"{name}.py": _HEADER.format(what=what) + _imports(name, text) + text for name, (what, text) in files.items()
    }


def _imports(file: str, text: str) -> str:
    """Import lines for what a file uses."""

    def used(*names: str) -> list[str]:
        return [name for name in names if re.search(rf"\b{name}\b", text)]

    lines = []
    if names := used("Mapping", "Sequence"):
        lines.append(f"from collections.abc import {', '.join(names)}")
    if names := used("dataclass"):
        lines.append("from dataclasses import dataclass")
    if used("StrEnum"):
        lines.append("from enum import StrEnum")
    if names := used("Any", "Literal"):
        lines.append(f"from typing import {', '.join(names)}")
    outside = ["import pulumi"] if re.search(r"\bpulumi\.[A-Z]", text) else []
    outside.append("from pulumi import Input")
    own = [f"from {_PACKAGE} import types"] if "types." in text else []
    if file != "types":
        own.append(f"from {_PACKAGE}.wire import {', '.join(used('VcfProvider', 'VcfResource', 'output'))}")
    blocks = ["\n".join(block) for block in (lines, outside, own) if block]
    return "\n\n".join(blocks) + "\n\n\n"


def _reached(schema: Schema) -> set[str]:
    """Tokens of the types that arguments of resources are made of."""
    found: set[str] = set()
    waiting = [each["inputProperties"] for each in schema["resources"].values()]
    while waiting:
        for token in re.findall(r"#/types/([\w:]+)", str(waiting.pop())):
            if token not in found:
                found.add(token)
                waiting.append(schema["types"][token])
    return found


def _in_order(tokens: list[str], types: Schema) -> list[str]:
    """Enumerations first, and every other type behind those that it holds."""
    found: list[str] = []

    def add(token: str) -> None:
        for each in re.findall(r"#/types/([\w:]+)", str(types[token])):
            add(each)
        if token not in found:
            found.append(token)

    for token in sorted(tokens, key=lambda each: "enum" not in types[each]):
        add(token)
    return found


def _name(token: str) -> str:
    return token.rpartition(":")[2]


def _snake(name: str) -> str:
    snake = re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()
    return f"{snake}_" if keyword.iskeyword(snake) else snake


def _spelled(schema: Schema, types: Schema, within: str = "", *, argument: bool = True) -> str:
    """A type as Python spells it; an argument may also come from another resource."""
    if "$ref" in schema:
        token = schema["$ref"].rpartition("/")[2]
        name = f"{within}{_name(token)}"
        if "enum" in types[token]:
            name += f" | Literal[{', '.join(_quoted(each['value']) for each in types[token]['enum'])}]"
    elif schema["type"] == "array":
        name = f"Sequence[{_spelled(schema['items'], types, within, argument=argument)}]"
    elif schema["type"] == "object":
        name = f"Mapping[str, {_spelled(schema['additionalProperties'], types, within, argument=argument)}]"
    else:
        name = _PLAIN[schema["type"]]
    return f"Input[{name}]" if argument else name


def _quoted(text: str) -> str:
    return f'"{text}"'


def _type(name: str, schema: Schema, types: Schema) -> str:
    if "enum" in schema:
        members = "".join(f"    {_constant(each['value'])} = {_quoted(each['value'])}\n" for each in schema["enum"])
        return f"class {name}(StrEnum):\n{_docstring(schema['description'], 4)}\n{members}"
    required = set(schema["required"])
    doc = _docstring(schema["description"] + _listed(schema["properties"]), 4)
    lines = "".join(
        f"    {_snake(key)}: {_spelled(each, types)}{_absent(required=key in required)}\n"
        for key, each in sorted(schema["properties"].items(), key=lambda item: item[0] not in required)
    )
    return f"@dataclass(frozen=True, kw_only=True)\nclass {name}:\n{doc}\n{lines}"


def _constant(value: str) -> str:
    return value.upper().replace("-", "_")


def _absent(*, required: bool) -> str:
    return "" if required else " | None = None"


def _arguments(properties: Schema, required: set[str], types: Schema) -> str:
    return "".join(
        f"        {_snake(key)}: {_spelled(each, types, 'types.')}{_absent(required=key in required)},\n"
        for key, each in sorted(properties.items(), key=lambda item: item[0] not in required)
    )


def _constructor(properties: Schema, required: set[str], types: Schema, outputs: list[str]) -> str:
    secrets = [key for key, each in properties.items() if each.get("secret")]
    given = "".join(f", {name}={_tuple(keys)}" for name, keys in (("secrets", secrets), ("outputs", outputs)) if keys)
    return (
        "    def __init__(\n        self,\n        resource_name: str,\n        *,\n"
        f"{_arguments(properties, required, types)}"
        "        opts: pulumi.ResourceOptions | None = None,\n    ) -> None:\n"
        f"{_docstring('Arguments:' + _listed(properties), 8)}"
        f"{_call(f'resource_name, locals(), opts{given}')}"
    )


def _call(arguments: str) -> str:
    line = f"        super().__init__({arguments})\n"
    return line if len(line) <= _WIDTH else f"        super().__init__(\n            {arguments}\n        )\n"


def _tuple(keys: list[str]) -> str:
    return f"({', '.join(map(_quoted, keys))}{',' if len(keys) == 1 else ''})"


def _provider(schema: Schema, types: Schema) -> str:
    doc = "Connection to a vCenter and a Supervisor. Everything is optional: resources say what they need."
    constructor = _constructor(schema["inputProperties"], set(), types, [])
    return f"class Provider(VcfProvider):\n{_docstring(doc, 4)}\n{constructor}"


def _resource(name: str, schema: Schema, types: Schema) -> str:
    inputs, properties = schema["inputProperties"], schema["properties"]
    outputs = [key for key in properties if key not in inputs]
    getters = "".join(_getter(key, each, types) for key, each in properties.items())
    return (
        f"class {name}(VcfResource):\n{_docstring(schema['description'], 4)}\n"
        f"{_constructor(inputs, set(schema['requiredInputs']), types, outputs)}{getters}"
    )


def _getter(key: str, schema: Schema, types: Schema) -> str:
    plain = "$ref" not in str(schema) and schema["type"] != "object"
    kind = _spelled(schema, types, argument=False) if plain else "Any"
    return (
        f"\n    @property\n    def {_snake(key)}(self) -> pulumi.Output[{kind}]:\n"
        f"{_docstring(schema['description'], 8)}        return output(self, {_quoted(key)})\n"
    )


def _listed(properties: Schema) -> str:
    """What each argument is, and what holds without it."""
    lines = []
    for key, each in properties.items():
        absent = f" Default: {each['default']}." if "default" in each else ""
        lines.append(f"\n- `{_snake(key)}`: {each['description']}{absent}")
    return "\n" + "".join(lines)


def _docstring(text: str, indent: int) -> str:
    """A docstring with lines of at most 120 characters; paragraphs and list items stay."""
    edge = " " * indent
    lines: list[str] = []
    for paragraph in text.replace("\\", "\\\\").split("\n"):
        deeper = "  " if paragraph.startswith("- ") else ""
        room = _WIDTH - indent - (3 if not lines else 0)
        lines += textwrap.wrap(paragraph, room, subsequent_indent=deeper, break_on_hyphens=False) or [""]
    if len(lines) == 1 and len(lines[0]) + indent + 6 <= _WIDTH:
        return f'{edge}"""{lines[0]}"""\n'
    body = "\n".join(f"{edge}{line}".rstrip() for line in lines).strip()
    return f'{edge}"""{body}\n{edge}"""\n'


if __name__ == "__main__":
    for file, text in written(package_schema()).items():
        (Path(sys.argv[1]) / file).write_text(text, encoding="utf-8")
