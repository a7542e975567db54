"""The package schema, for Pulumi YAML, code generation and documentation. Follows from the declared fields."""

from __future__ import annotations

from typing import Any

from . import fields as f
from .functions import FUNCTIONS
from .registry import CONFIG, RESOURCES
from .version import version


def package_schema() -> dict[str, Any]:
    """Pulumi package schema (https://www.pulumi.com/docs/iac/extending-pulumi/schema/)."""
    types: dict[str, Any] = {}
    inputs = _properties(CONFIG, types)
    resources = {
        resource.tok: {
            "description": f"{resource.doc}\n\nImport id: {resource.import_id}.",
            "inputProperties": _properties(f.inputs_of(resource.fields), types),
            "requiredInputs": _required(f.inputs_of(resource.fields)),
            "properties": _properties(resource.fields, types),
            "required": sorted(
                {*_required(resource.fields), *(name for name, field in resource.fields.items() if field.output)}
            ),
        }
        for resource in RESOURCES.values()
    }
    functions = {
        function.token: {
            "description": function.doc,
            "inputs": {
                "properties": _properties(f.inputs_of(function.fields), types),
                "required": _required(function.fields),
            },
            "outputs": {"properties": _properties(function.fields, types), "required": sorted(function.fields)},
        }
        for function in FUNCTIONS.values()
    }
    return {
        "name": "vcf",
        "version": version(),
        "description": "Supervisor namespaces, VM classes, PostgreSQL objects and gallery models of VMware Cloud "
        "Foundation.",
        "config": {"variables": inputs},
        "provider": {"inputProperties": inputs},
        "types": types,
        "resources": resources,
        "functions": functions,
        "language": {"python": {"pyproject": {"enabled": True}}},
    }


def _required(fields: f.Fields) -> list[str]:
    return sorted(name for name, field in fields.items() if field.required)


def _properties(fields: f.Fields, types: dict[str, Any]) -> dict[str, Any]:
    return {name: _property(field, types) for name, field in fields.items()}


def _property(field: f.Field, types: dict[str, Any]) -> dict[str, Any]:
    result = _type(field, types)
    if field.doc:
        result["description"] = f.sentence(field.doc)
    if field.default is not None:
        result["default"] = field.default
    if field.secret:
        result["secret"] = True
    if field.replaces:
        result["willReplaceOnChanges"] = True
    return result


def _type(field: f.Field, types: dict[str, Any]) -> dict[str, Any]:
    if field.choices:
        token = f"vcf:index:{field.type_name}"
        values = [{"name": each.title().replace("-", ""), "value": each} for each in field.choices]
        types[token] = {"type": "string", "description": f.sentence(field.doc), "enum": values}
        return {"$ref": f"#/types/{token}"}
    if field.kind == "array" and field.items:
        return {"type": "array", "items": _type(field.items, types)}
    if field.kind == "object" and field.fields is not None:
        token = f"vcf:index:{field.type_name}"
        types[token] = {
            "type": "object",
            "description": f.sentence(field.doc),
            "properties": _properties(field.fields, types),
            "required": _required(field.fields),
        }
        return {"$ref": f"#/types/{token}"}
    if field.kind == "object" and field.entries is not None:
        return {"type": "object", "additionalProperties": _type(field.entries, types)}
    if field.kind == "object":
        return {"type": "object", "additionalProperties": {"type": "string"}}
    return {"type": field.kind}
