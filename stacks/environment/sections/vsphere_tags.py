"""`paif:vsphereTags`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

import paif_catalog as catalog
from stacks.environment.sections.section import Section
from stacks.environment.types import NonEmptyText

TagKey = Literal["organisation", "environment", "owner", "costCentre", "persona"]


class TagCategories(Section):
    """Names of the tag categories, where they are not those of the catalogue's labels, e.g. paif.dev/owner."""

    organisation: NonEmptyText | None = None
    environment: NonEmptyText | None = None
    owner: NonEmptyText | None = None
    cost_centre: NonEmptyText | None = None
    persona: NonEmptyText | None = None


class VsphereTags(Section):
    """Tags on the machines of route vsphere. They are looked up, unless this environment is the one that makes them.

    One environment of a vCenter can make a category, and one a tag: `./paif check` finds it when two want to.
    """

    categories: TagCategories = TagCategories()
    create_categories: bool = Field(default=False, description="make the categories here")
    create: list[TagKey] = Field(default=[], description="kinds of tags that are made here, e.g. environment")

    def category(self, key: str) -> str:
        """Name of the category of a kind of tag."""
        given: dict[str, str | None] = self.categories.model_dump(by_alias=True)
        return given[key] or catalog.naming().labels[key]
