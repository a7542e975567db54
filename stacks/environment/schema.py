"""The JSON Schema of a stack file."""

from __future__ import annotations

from typing import Any

from stacks.environment.model import SECRETS, Environment
from stacks.problems import NAMESPACE


def json_schema() -> dict[str, Any]:
    """JSON Schema of a stack file, for editors: the keys of this project under `config`, each with its namespace."""
    schema = Environment.model_json_schema(by_alias=True)
    encrypted = {"type": "object", "properties": {"secure": {"type": "string"}}, "required": ["secure"]}
    properties = {
        f"{NAMESPACE}:{key}": ({**encrypted, "description": value.get("description", "")} if key in SECRETS else value)
        for key, value in schema["properties"].items()
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Stack file of an environment",
        "type": "object",
        "properties": {
            "encryptionsalt": {"type": "string"},
            "secretsprovider": {"type": "string"},
            "encryptedkey": {"type": "string"},
            "environment": {},
            "config": {
                "type": "object",
                "properties": properties,
                "required": [f"{NAMESPACE}:{key}" for key in schema["required"]],
                "patternProperties": {f"^(?!{NAMESPACE}:)": {}},
                "additionalProperties": False,
            },
        },
        "required": ["config"],
        "$defs": schema["$defs"],
    }
