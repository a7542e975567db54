"""What every look-up (Pulumi function) of the provider has in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from . import fields as f
from .resource import Context
from .values import Props


@dataclass(frozen=True)
class Function:
    """One look-up: `fields` holds arguments and results (`output`)."""

    token: str
    doc: str
    fields: f.Fields
    run: Callable[[Context, Props], Awaitable[Props]]


def out(kind: f.Kind, doc: str, items: f.Field | None = None) -> f.Field:
    """A result."""
    return f.Field(kind=kind, doc=doc, output=True, items=items)


def object_of(type_name: str, doc: str, members: Mapping[str, f.Field]) -> f.Field:
    """An object with these members, as an item of a list."""
    return f.Field(kind="object", doc=doc, type_name=type_name, fields=members)
