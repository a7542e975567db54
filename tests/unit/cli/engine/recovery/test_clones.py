"""Which machines in vCenter a run that was cut off left unfinished: wrong answers delete somebody's workstation."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from cli.engine.recovery import clones

_EARLIER, _SUCCESS, _LATER = (datetime(2026, 1, 1, hour, tzinfo=UTC) for hour in (9, 10, 11))
_MACHINE = "vsphere:index/virtualMachine:VirtualMachine"


def _mark(stack: str = "qa", name: str = "alice") -> str:
    return f"Managed by Pulumi: urn:pulumi:{stack}::paif::paif:index:DeepLearningVm::{name}"


def _state(*pending: str, kind: str = "creating") -> dict[str, Any]:
    operations = [{"type": kind, "resource": {"type": _MACHINE, "inputs": {"annotation": each}}} for each in pending]
    return {"deployment": {"pending_operations": operations}}


def _left(annotation: str, created: datetime | None) -> clones.UnfinishedClone:
    return clones.UnfinishedClone("vm", annotation, created, None)


@pytest.mark.parametrize(
    ("machine", "state", "removed"),
    [
        pytest.param(_left(_mark(), _EARLIER), _state(_mark()), True, id="its creation is pending"),
        pytest.param(_left(_mark(), None), _state(_mark()), True, id="pending, of unknown age"),
        pytest.param(_left(_mark(), _LATER), _state(), True, id="younger than the last success"),
        pytest.param(_left(_mark(), _EARLIER), _state(), False, id="older: taken out of the state on purpose"),
        pytest.param(_left(_mark(), None), _state(), False, id="of unknown age, not pending"),
        pytest.param(_left(_mark("prod"), _LATER), _state(), False, id="of another stack"),
        pytest.param(_left(_mark("qa-2"), _LATER), _state(), False, id="of a stack with a longer name"),
        pytest.param(_left("a person's note", _LATER), _state(), False, id="of a person"),
        pytest.param(_left(_mark(), _EARLIER), _state(_mark(), kind="deleting"), False, id="its deletion is pending"),
        pytest.param(_left(_mark(name="bob"), _EARLIER), _state(_mark()), False, id="another one is pending"),
    ],
)
def test_only_what_a_cut_off_run_began_counts_as_unfinished(
    machine: clones.UnfinishedClone, state: dict[str, Any], removed: bool
) -> None:
    assert (clones.unfinished(state, [machine], "qa::paif", _SUCCESS) == [machine]) is removed


def test_every_marked_machine_is_unfinished_when_no_run_succeeded() -> None:
    machine = _left(_mark(), _EARLIER)
    assert clones.unfinished(_state(), [machine], "qa::paif", None) == [machine]


def test_an_annotation_that_is_missing_matches_nothing() -> None:
    assert clones.pending_annotations(_state("")) == set()


def test_the_password_comes_out_of_the_state_and_is_not_shown() -> None:
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "plaintext": '"hidden-word"'}
    inputs = {"vsphereServer": "vc.test", "user": "u@d", "password": secret}
    found = clones.account({"deployment": {"resources": [{"type": "pulumi:providers:vsphere", "inputs": inputs}]}})
    assert found.password == "hidden-word"
    assert "hidden-word" not in repr(found)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("VSPHERE.LOCAL\\Administrator", "administrator@vsphere.local", True),
        ("administrator@lab.test", "administrator@lab.test", True),
        ("OTHER\\administrator", "administrator@lab.test", False),
    ],
)
def test_a_user_is_known_in_both_spellings(one: str, other: str, same: bool) -> None:
    assert clones._same_user(one, other) is same
