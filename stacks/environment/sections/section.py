"""What all sections of a stack file have in common, and what a value says of itself beside its type.

Rules and look-ups find such values by their mark, wherever they stand; so a section that has one is in no list.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from stacks.problems import Path


@dataclass(frozen=True)
class FullName:
    """Mark of a name of which a full one is made; `kind` is a key of the naming catalog.

    In a list it is there once.
    """

    kind: str


@dataclass(frozen=True)
class UsesVmClass:
    """Mark of the name of a VM class: one of the environment's or of the Supervisor's own."""


@dataclass(frozen=True)
class UsesStoragePolicy:
    """Mark of a storage policy: one of the namespace's, of which the first is meant by None."""


VmClassName = Annotated[
    str, UsesVmClass(), Field(description="VM class: one of paif:vmClasses, or one of the Supervisor's own")
]
StoragePolicy = Annotated[
    str | None,
    UsesStoragePolicy(),
    Field(description="storage policy: one of paif:namespace.storage, by default the first"),
]

_Mark = TypeVar("_Mark")


class Section(BaseModel):
    """A mapping of a stack file: no value of another type, no key that the model does not have."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=to_camel,
        validate_by_name=False,
        validate_by_alias=True,
        hide_input_in_errors=True,
        defer_build=True,
    )

    def marked(self, mark: type[_Mark], path: Path = ()) -> Iterator[tuple[Path, _Mark, Any]]:
        """Every value here and below that carries such a mark, with its place below `path`; None is no value."""
        for name, info in type(self).model_fields.items():
            value, where = getattr(self, name), (*path, info.alias or name)
            if value is not None:
                yield from ((where, each, value) for each in info.metadata if isinstance(each, mark))
            if isinstance(value, Section):
                yield from value.marked(mark, where)
            elif isinstance(value, list):
                for index, entry in enumerate(value):
                    if isinstance(entry, Section):
                        yield from entry.marked(mark, (*where, index))
