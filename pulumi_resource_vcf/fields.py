"""Declared properties of a resource or function: checks, comparison and the package schema all follow from them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .errors import Problem, listed, nearest
from .values import Props, Unknown, has_unknown

Kind = Literal["string", "integer", "boolean", "array", "object"]
_A = {"string": "a string", "integer": "an integer", "boolean": "true or false", "array": "a list", "object": "a map"}


@dataclass(frozen=True, kw_only=True)
class Field:
    """One property. A closed set, `choices`, has a `type_name` as an object has.

    `expected` says in words what `pattern` or `parse` demand. `parse` normalizes a string and raises ValueError (its
    text is the expectation). `replaces`: a change needs a new object. `unordered`: a list compared as a bag.
    `kept`: left out, the object keeps what it has, so leaving out is no change.
    `entries`: what every value of a map with free keys is.
    `output`: computed, never an input; `source` names the inputs it follows from (a change of them makes it unknown
    at preview).
    """

    kind: Kind
    doc: str
    required: bool = False
    secret: bool = False
    replaces: bool = False
    output: bool = False
    source: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    pattern: str = ""
    expected: str = ""
    parse: Callable[[str], str] | None = None
    minimum: int | None = None
    maximum: int | None = None
    default: Any = None
    items: Field | None = None
    entries: Field | None = None
    fields: Mapping[str, Field] | None = None
    type_name: str = ""
    unordered: bool = False
    kept: bool = False


Fields = Mapping[str, Field]


def sentence(doc: str) -> str:
    """A property's description as a whole sentence, for those who read the schema."""
    first = doc.partition(" ")[0]
    # A name such as vCenter, or a form such as project/…/model, begins as it is written.
    begun = doc if re.search(r"[^a-z,;:'-]", first) else doc[0].upper() + doc[1:]
    return begun if begun.endswith((".", "?")) else f"{begun}."


def inputs_of(fields: Fields) -> dict[str, Field]:
    """The properties a program may set."""
    return {name: field for name, field in fields.items() if not field.output}


def secret_fields(fields: Fields) -> set[str]:
    """Names of the properties that are always secret."""
    return {name for name, field in fields.items() if field.secret}


def check(fields: Fields, given: Mapping[str, Any], path: str = "") -> tuple[Props, list[Problem]]:
    """Normalized inputs and every problem in them. Unknown values pass: they are checked again once known."""
    allowed = inputs_of(fields)
    problems = [
        Problem(
            path + name,
            "there is no such property" + (nearest(name, allowed) or f"; the properties are {listed(allowed, 20)}"),
        )
        for name in given
        if name not in allowed
    ]
    result: Props = {}
    for name, field in allowed.items():
        value = given.get(name)
        if value is None:
            if field.required:
                problems.append(Problem(path + name, f"is missing; expected {_expectation(field)} ({field.doc})"))
            elif field.default is not None:
                result[name] = field.default
            continue
        result[name], found = _check_value(field, value, path + name)
        problems += found
    return result, problems


def _expectation(field: Field) -> str:
    if field.choices:
        return "one of " + ", ".join(field.choices)
    if field.expected:
        return field.expected
    if field.minimum is not None and field.maximum is not None:
        return f"an integer from {field.minimum} to {field.maximum}"
    if field.minimum is not None:
        return f"an integer of at least {field.minimum}"
    return _A[field.kind]


def _wrong(field: Field, value: Any, path: str) -> Problem:
    shown = "a value that is not shown because it is secret" if field.secret else json.dumps(value, default=repr)
    hint = nearest(value, field.choices) if isinstance(value, str) and field.choices else ""
    return Problem(path, f"got {shown}; expected {_expectation(field)}{hint}")


def _check_value(field: Field, value: Any, path: str) -> tuple[Any, list[Problem]]:
    match value:
        case Unknown():
            return value, []
        case str() if field.kind == "string":
            return _check_string(field, value, path)
        case bool() if field.kind == "boolean":
            return value, []
        case int() | float() if field.kind == "integer" and not isinstance(value, bool):
            low = field.minimum is not None and value < field.minimum
            high = field.maximum is not None and value > field.maximum
            return (value, [_wrong(field, value, path)]) if low or high or value != int(value) else (int(value), [])
        case list() if field.kind == "array" and field.items is not None:
            checked = [_check_value(field.items, item, f"{path}[{i}]") for i, item in enumerate(value)]
            return [item for item, _ in checked], [problem for _, found in checked for problem in found]
        case dict() if field.kind == "object" and field.fields is not None:
            return check(field.fields, value, path + ".")
        case dict() if field.kind == "object" and field.entries is not None:
            entries = {key: _check_value(field.entries, each, f"{path}.{key}") for key, each in value.items()}
            problems = [problem for _, found in entries.values() for problem in found]
            return {key: each for key, (each, _) in entries.items()}, problems
        case dict() if field.kind == "object":
            return value, []
        case _:
            return value, [_wrong(field, value, path)]


def _check_string(field: Field, value: str, path: str) -> tuple[str, list[Problem]]:
    if field.choices and value not in field.choices:
        return value, [_wrong(field, value, path)]
    if field.pattern and not re.fullmatch(field.pattern, value):
        return value, [_wrong(field, value, path)]
    if field.parse:
        try:
            return field.parse(value), []
        except ValueError as error:
            return value, [_wrong(field, value, path)] if field.expected else [Problem(path, str(error))]
    return (value, []) if value or not field.required else (value, [_wrong(field, value, path)])


def same(field: Field, old: Any, new: Any) -> bool:
    """Whether two values mean the same; one that is not known yet counts as a change."""
    if has_unknown(new):
        return False
    if new is None and (field.kept or not old):
        return True
    return bool(canonical(field, old) == canonical(field, new))


def canonical(field: Field, value: Any) -> Any:
    """A form in which equal meanings compare equal: unordered lists sorted."""
    if isinstance(value, list) and field.items is not None:
        items = [canonical(field.items, item) for item in value]
        return sorted(items, key=lambda item: json.dumps(item, sort_keys=True)) if field.unordered else items
    if isinstance(value, dict) and field.fields is not None:
        return {k: canonical(field.fields[k], v) if k in field.fields else v for k, v in value.items()}
    if isinstance(value, dict) and field.entries is not None:
        return {k: canonical(field.entries, v) for k, v in value.items()}
    return value
