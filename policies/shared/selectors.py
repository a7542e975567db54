"""What rules of several packs ask of a resource to see whether it concerns them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from policies.shared.model import Resource, Undecided, Unknown, raw_value_at


def is_type(resource: Resource, types: tuple[str, ...]) -> bool:
    """Whether a resource is of one of the types; `*` stands for anything."""
    return matches(resource.type, types)


@cache
def matches(kind: str, types: tuple[str, ...]) -> bool:
    """Whether a type is one of these; `*` stands for anything."""
    return any(fnmatchcase(kind, each) for each in types)


def mapping_entries(resource: Resource, keys: Mapping[str, Collection[str]]) -> Iterator[tuple[str, str] | Undecided]:
    """Path and text of entries of mappings, such as a Secret's data: mapping -> keys in it."""
    for path, entry_keys in keys.items():
        mapping = raw_value_at(resource.properties, path)
        if isinstance(mapping, Unknown):
            yield Undecided(mapping.path)
        elif isinstance(mapping, dict):
            yield from _text_values((f"{path}.{key}", mapping[key]) for key in entry_keys if key in mapping)


def _text_values(values: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, str] | Undecided]:
    for path, value in values:
        if isinstance(value, Unknown):
            yield Undecided(value.path)
        elif isinstance(value, str):
            yield path, value
