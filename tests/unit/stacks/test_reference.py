"""The reference of the configuration is that of the model, and says something of every key."""

from __future__ import annotations

from stacks.environment import json_schema
from stacks.reference import FILE, text


def test_the_committed_reference_is_that_of_the_model() -> None:
    assert FILE.read_text(encoding="utf-8") == text(), "run: python -m stacks.reference"


def test_every_key_says_what_it_is() -> None:
    rows = [row.split(" | ") for row in text().splitlines() if row.startswith("| `")]
    assert [row[0] for row in rows if len(row) != 4 or (not row[3].strip(" |") and "](#" not in row[1])] == []
    # What fits any text says nothing of this one.
    assert [row[0] for row in rows if row[3].startswith("some text")] == []
    keys = len(json_schema()["properties"]["config"]["properties"])
    assert len(rows) == keys + sum(len(each["properties"]) for each in json_schema()["$defs"].values())
