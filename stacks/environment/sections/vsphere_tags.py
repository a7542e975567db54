"""`paif:vsphereTags`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

import paif_catalog as catalog
from stacks.environment.sections.section import Section
from stacks.environment.types import NonEmptyText

TagCategory = Annotated[
    NonEmptyText | None, Field(description="name of the tag category; the key of the label of this name by default")
]
TagKey = Literal["organization", "environment", "owner", "costCenter", "persona"]


class TagCategories(Section):
    """Names of the tag categories, where they are not those of the catalog's labels, e.g. paif.dev/owner."""

    organization: TagCategory = None
    environment: TagCategory = None
    owner: TagCategory = None
    cost_center: TagCategory = None
    persona: TagCategory = None


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
