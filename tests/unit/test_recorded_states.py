"""Recorded states: what is a lab's is told from what is a version's, and is filled in again."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from paif_catalog.redaction import SIGNATURE
from tests.lab.recorded_states import RECORDINGS, brought_to_life, recording, written

_STACKS = ("dev", "packages", "prod", "qa", "staging")
_SALT = {"type": "passphrase", "state": {"salt": "v1:salt"}}
_URN = "urn:pulumi:dev::paif::a:b:C$kubernetes:core/v1:ConfigMap::settings"


def _secret(kind: str, value: str) -> dict[str, str]:
    return {SIGNATURE: "1b47061264138c4ac30d75fd1eb44270", kind: value}


def _export(lab: str, *, kind: str = "plaintext", uid: str = "", **change: Any) -> dict[str, Any]:
    resource = {
        "urn": _URN,
        "custom": True,
        "type": "kubernetes:core/v1:ConfigMap",
        "id": "ns/settings",
        "created": f"at the time of {lab}",
        "inputs": {"data": {"key": "the version's"}, "key": _secret(kind, "the version's")},
        "outputs": {"uid": uid or f"uid of {lab}", "word": _secret(kind, f"{lab}'s"), "address": "198.18.0.10"},
        "parent": "urn:pulumi:dev::paif::a:b:C::settings",
        **change,
    }
    component = {
        "urn": "urn:pulumi:dev::paif::a:b:C::settings",
        "custom": False,
        "type": "a:b:C",
        "outputs": {"gone": f"of {lab}"},
    }
    return {"version": 3, "deployment": {"secrets_providers": _SALT, "resources": [component, resource]}}


@pytest.fixture
def recorded() -> dict[str, Any]:
    return recording(_export("blue"), _export("green"), _export("blue", kind="ciphertext"))


def test_what_differs_between_labs_is_left_out_and_all_else_stays(recorded: dict[str, Any]) -> None:
    text = written(recorded)
    assert json.loads(text) == recorded
    for word in ("blue", "plaintext", "198.18", "created"):
        assert word not in text
    [_, resource] = recorded["resources"]
    assert resource["inputs"] == {"data": {"key": "the version's"}, "key": _secret("ciphertext", "the version's")}


def test_what_is_a_labs_comes_from_the_state_of_today_and_all_else_stays(recorded: dict[str, Any]) -> None:
    today = _export("red", kind="ciphertext", inputs={"another": "form"}, parent="another")
    [component, resource] = brought_to_life(recorded, today)["deployment"]["resources"]
    assert resource["outputs"] == today["deployment"]["resources"][1]["outputs"]
    assert resource["inputs"]["data"] == {"key": "the version's"}
    assert resource["parent"] == component["urn"]


_MOVED = "urn:pulumi:dev::paif::a:b:D$kubernetes:core/v1:ConfigMap::"


@pytest.mark.parametrize(
    ("urn", "identity"),
    [(f"{_MOVED}renamed", "ns/settings"), (f"{_MOVED}settings", "ns/other"), (f"{_MOVED}renamed", "ns/other")],
    ids=["same object", "same name", "only one of its type"],
)
def test_a_resource_with_another_urn_is_found_again_and_keeps_the_urn_of_before(
    recorded: dict[str, Any], urn: str, identity: str
) -> None:
    [_, resource] = brought_to_life(recorded, _export("red", urn=urn, id=identity))["deployment"]["resources"]
    assert (resource["urn"], resource["outputs"]["uid"]) == (_URN, "uid of red")


def test_the_same_value_may_stand_elsewhere_today() -> None:
    labs = [_export(lab, id=f"uid of {lab}") for lab in ("blue", "green", "red")]
    recorded = recording(labs[0], labs[1], labs[0])
    del labs[2]["deployment"]["resources"][1]["outputs"]["uid"]
    [_, resource] = brought_to_life(recorded, labs[2])["deployment"]["resources"]
    assert resource["outputs"]["uid"] == "uid of red"


def test_what_today_does_not_tell_is_named_by_urn_and_property(recorded: dict[str, Any]) -> None:
    today = _export("red")
    del today["deployment"]["resources"][1]["outputs"]["uid"]
    with pytest.raises(ValueError, match=r"ConfigMap::settings: outputs\.uid: today's state has no such value"):
        brought_to_life(recorded, today)


def test_another_salt_or_another_program_is_told(recorded: dict[str, Any]) -> None:
    today = copy.deepcopy(_export("red"))
    today["deployment"]["secrets_providers"] = {"type": "passphrase", "state": {"salt": "v1:other"}}
    with pytest.raises(ValueError, match="encryptionsalt"):
        brought_to_life(recorded, today)
    with pytest.raises(ValueError, match="one program"):
        recording(_export("blue"), _export("green", urn="urn:pulumi:dev::paif::a:b:D::other"), _export("blue"))


@pytest.mark.parametrize("stack", _STACKS)
def test_recordings_hold_nothing_of_the_machine_they_were_made_on(stack: str) -> None:
    text = (RECORDINGS / f"{stack}.json").read_text(encoding="utf-8")
    for word in ("plaintext", "sourcePosition", "stackTrace", "-----BEGIN", "198.18.", "/root/", "/home/", "/tmp/"):
        assert word not in text, word
