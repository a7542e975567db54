"""By what the engine knows the resources of a complete environment: another type, name or parent replaces one."""

from __future__ import annotations

from pathlib import Path

import pulumi
import pytest

from stacks.program import build
from stacks.run_options import RunOptions
from tests.unit.pulumi_paif.harness import declare
from tests.unit.stacks.samples import environment
from tests.unit.stacks.site import ANSWERS
from tests.unit.stacks.test_program import CONNECTIONS

_KNOWN = Path(__file__).with_name("resources.txt")
"""A line for each resource: parent, type and name. One that changes here needs an alias in the program."""


def _parent(urn: str) -> str:
    # Mocks keep the first stack that a process had, whatever its name.
    return "the-stack" if "::pulumi:pulumi:Stack::" in urn else urn.rsplit("::", 1)[-1]


def test_no_resource_gets_another_type_name_or_parent() -> None:
    declared = declare(lambda: build(environment(), CONNECTIONS, RunOptions()), ANSWERS)
    there = {f"{_parent(each.request.parent)} {each.type} {each.name}" for each in declared.registrations}
    assert sorted(there) == _KNOWN.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(("lacks", "key"), [("gallery", "paif:gallery"), ("oidc", "paif:aiServices.oidc")])
def test_what_cannot_be_made_ends_the_program_and_is_not_left_out(lacks: str, key: str) -> None:
    ends = CONNECTIONS.model_copy(update={lacks: None})
    with pytest.raises(pulumi.RunError, match=f"{key} is missing"):
        declare(lambda: build(environment(), ends, RunOptions()), ANSWERS)
