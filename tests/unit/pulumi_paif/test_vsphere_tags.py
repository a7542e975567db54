from __future__ import annotations

from typing import Any

import pytest

from pulumi_paif._component import ComponentInputError
from pulumi_paif.vsphere_tags import VsphereTags, VsphereTagsArgs
from tests.unit.pulumi_paif.harness import Declared, declare

_CATEGORY, _TAG = "vsphere:index/tagCategory:TagCategory", "vsphere:index/tag:Tag"
_ARGS: VsphereTagsArgs = {"categories": {"owner": "paif.dev/owner", "persona": "Persona"}}
_MACHINE = {"owner": "ai", "persona": "data-scientist"}


def _declared(**change: Any) -> Declared:
    args: Any = {**_ARGS, **change}
    return declare(lambda: dict(zip(_MACHINE, VsphereTags("tags", args).of(_MACHINE), strict=True)))


def test_tags_and_categories_of_others_are_looked_up_and_nothing_is_made() -> None:
    declared = _declared()
    assert declared.types() == {}
    assert sorted(declared.calls, key=str) == [
        ("vsphere:index/getTag:getTag", {"categoryId": "id-of-Persona", "name": "data-scientist"}),
        ("vsphere:index/getTag:getTag", {"categoryId": "id-of-paif.dev/owner", "name": "ai"}),
        ("vsphere:index/getTagCategory:getTagCategory", {"name": "Persona"}),
        ("vsphere:index/getTagCategory:getTagCategory", {"name": "paif.dev/owner"}),
    ]
    assert declared.outputs == {"owner": "id-of-ai", "persona": "id-of-data-scientist"}


def test_a_category_that_is_made_takes_one_tag_of_a_virtual_machine() -> None:
    declared = _declared(create_categories=True, create={"owner": ["ai"], "persona": ["data-scientist"]})
    assert declared.types() == {_CATEGORY: 2, _TAG: 2}
    assert declared.calls == []
    assert declared.one(_CATEGORY, "tags-persona").inputs == {
        "name": "Persona",
        "cardinality": "SINGLE",
        "associableTypes": ["VirtualMachine"],
    }
    assert declared.one(_TAG, "tags-owner-ai").inputs == {"name": "ai", "categoryId": "x/tags-owner"}


def test_a_tag_is_made_in_a_category_of_somebody_else() -> None:
    declared = _declared(create={"owner": ["ai"]})
    assert declared.types() == {_TAG: 1}
    assert declared.one(_TAG).inputs == {"name": "ai", "categoryId": "id-of-paif.dev/owner"}


def test_a_tag_without_a_category_is_named_by_its_path() -> None:
    with pytest.raises(ComponentInputError, match=r"create.cost: expected one of owner, persona"):
        VsphereTags("tags", {**_ARGS, "create": {"cost": ["4711"]}})
