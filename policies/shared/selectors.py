"""What rules of several packs ask of a resource to see whether it concerns them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from paif_catalog.redaction import leaves
from policies.shared.model import Resource, Undecided, Unknown, raw_value_at


def is_type(resource: Resource, types: tuple[str, ...]) -> bool:
    """Whether a resource is of one of the types; `*` stands for anything."""
    return any(fnmatchcase(resource.type, each) for each in types)


def is_gpu_operator(resource: Resource) -> bool:
    """Whether a Helm release is the NVIDIA GPU Operator's. Raises UndecidedError."""
    return str(resource.get("chart", "")).rsplit("/", 1)[-1] == "gpu-operator"


def has_vgpu_driver(resource: Resource) -> bool:
    """Whether a GPU Operator installs the vGPU guest driver. Raises UndecidedError."""
    return "vgpu" in f"{resource.get('values.driver.repository', '')}/{resource.get('values.driver.image', '')}"


def properties_named(resource: Resource, keys: Collection[str]) -> Iterator[tuple[str, str] | Undecided]:
    """Path and text of every property that is called so, wherever it is."""
    yield from _text_values(
        (path, value) for path, value in leaves(resource.properties) if path.rsplit(".", 1)[-1] in keys
    )


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
