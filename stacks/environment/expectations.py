"""A mistake that the model finds, in words: what was expected there, and the nearest name."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel

from paif_catalog.nearest_names import nearest
from paif_catalog.predicates import PERSONAS
from stacks.environment.model import Environment
from stacks.problems import Path, join_names

_FORMER_KEYS = {"kept": "ignoreChanges"}
"""Keys that were called otherwise before, where the new name does not look like the old one."""
_TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def expectation(error: Any, path: Path) -> tuple[str, str]:
    """What was expected at `path`, and the nearest valid name."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        keys = known_keys(path[:-1])
        return f"one of the keys {join_names(keys)}", nearest_key(path)
    if kind == "missing":
        hint = _description(path)
        return f"a value: this key is required{f' ({hint})' if hint else ''}", ""
    if kind == "literal_error":
        if path[-1:] == ("persona",) and error["input"] == "app-developer":
            return (
                f"{' or '.join(PERSONAS)}: application developers get endpoint URLs and no Deep Learning VM, "
                "since they need no GPU to call an API",
                "",
            )
        choices = re.findall(r"'([^']*)'", context["expected"])
        return f"one of {context['expected'].replace(chr(39), '')}", nearest(error["input"], choices)
    if kind == "paif":
        return context["expected"], context.get("near", "")
    bounds = {
        "greater_than": "more than {gt}",
        "greater_than_equal": "at least {ge}",
        "less_than_equal": "at most {le}",
    }
    if kind in bounds:
        return bounds[kind].format(**context), ""
    if kind == "too_short":
        return f"at least {context['min_length']} entry", ""
    return _TYPES.get(kind, error["msg"]), ""


def _model_of(annotation: Any) -> Any:
    """The model or container inside an annotation such as `list[Model]` or `Model | None`."""
    if get_origin(annotation) is Annotated:
        return _model_of(get_args(annotation)[0])
    arguments = [argument for argument in get_args(annotation) if argument is not type(None)]
    return _model_of(arguments[-1]) if arguments and get_origin(annotation) is not Literal else annotation


def _fields(path: Path) -> dict[str, Any]:
    model: Any = Environment
    for part in path:
        if isinstance(part, str) and isinstance(model, type) and issubclass(model, BaseModel):
            fields = {info.alias or name: info for name, info in model.model_fields.items()}
            model = _model_of(fields[part].annotation) if part in fields else None
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return {}
    return {info.alias or name: info for name, info in model.model_fields.items()}


def known_keys(path: Path) -> list[str]:
    """Keys that the model has below `path`."""
    return list(_fields(path))


def nearest_key(path: Path) -> str:
    """The key that one which is not known was meant to be: what it is called now, or the nearest name; "" for none."""
    keys, key = known_keys(path[:-1]), str(path[-1])
    return _FORMER_KEYS[key] if _FORMER_KEYS.get(key) in keys else nearest(key, keys)


def _description(path: Path) -> str:
    info = _fields(path[:-1]).get(str(path[-1]))
    return (info.description or "") if info is not None else ""
