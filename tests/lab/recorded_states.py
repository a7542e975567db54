"""States that an earlier version of the toolkit wrote, brought to life on a lab of today.

A recording is what an earlier version had of a stack, without what belongs to the lab on which it was made. What that
is, two labs tell: a value that differs between exports of one version, one program and two labs is the lab's (uids,
addresses, authorities, passwords), and everything else is the version's. In its place stands {"$lab": number}, the same
number for the same value. To bring it to life, the values of the lab at hand are filled in, taken from the same places
of the state that today's version has of the same stack there. What the version wrote stays as it was: URNs, types,
parents, dependencies, providers, inputs, and which resources there are. Secrets stay encrypted all the way.

`python -m tests.lab.recorded_states FIRST SECOND RECORDING` makes one, out of two folders with the exports
STACK.json and STACK.secrets.json (`pulumi stack export`, and the same with `--show-secrets`) of each stack.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from paif_catalog.redaction import SIGNATURE

RECORDINGS = Path(__file__).resolve().parent.parent / "data" / "states_of_before"

_LAB = "$lab"
_OF_THE_MACHINE = ("created", "modified", "sourcePosition", "stackTrace")
_WITH_VALUES = ("id", "inputs", "outputs")
_PROVIDERS = "pulumi:providers:"
_ADDRESS = re.compile(r"\b198\.1[89]\.\d+\.\d+\b")
"""Addresses that the lab gives out in turn, and so now and then the same ones on two labs."""

Resource = dict[str, Any]
Place = tuple[str | int, ...]


def recording(first: Mapping[str, Any], second: Mapping[str, Any], encrypted: Mapping[str, Any]) -> dict[str, Any]:
    """What a version wrote, of its exports on two labs with secrets shown, and of the first one as it is.

    Raises ValueError when both do not have the same resources.
    """
    others = {each["urn"]: each for each in second["deployment"]["resources"]}
    ours = {each["urn"]: each for each in encrypted["deployment"]["resources"]}
    shown = first["deployment"]["resources"]
    if {each["urn"] for each in shown} != others.keys() or ours.keys() != others.keys():
        raise ValueError("expected exports of one program: they do not have the same resources")
    numbers: dict[str, int] = {}
    resources = []
    for each in shown:
        kept = {name: value for name, value in ours[each["urn"]].items() if name not in _OF_THE_MACHINE}
        for name in _WITH_VALUES:
            # Others refer to a provider by its id, which is nobody's but the engine's.
            if name in each and not (name == "id" and each["type"].startswith(_PROVIDERS)):
                kept[name] = _marked(each[name], others[each["urn"]].get(name), kept[name], numbers)
        resources.append(kept)
    deployment = encrypted["deployment"]
    return {"secrets_providers": deployment["secrets_providers"], "resources": resources}


def _marked(first: Any, second: Any, encrypted: Any, numbers: dict[str, int]) -> Any:
    if (
        isinstance(first, dict)
        and isinstance(second, dict)
        and first.keys() == second.keys()
        and SIGNATURE not in first
    ):
        return {key: _marked(first[key], second[key], encrypted[key], numbers) for key in first}
    if isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        return [_marked(*each, numbers) for each in zip(first, second, encrypted, strict=True)]
    if first == second and not (isinstance(first, str) and _ADDRESS.search(first)):
        return encrypted
    return {_LAB: numbers.setdefault(json.dumps([first, second], sort_keys=True), len(numbers))}


def written(recorded: Mapping[str, Any]) -> str:
    """A recording as text, with a line for each resource."""
    lines = ",\n".join(json.dumps(each, sort_keys=True, separators=(",", ":")) for each in recorded["resources"])
    return f'{{"secrets_providers":{json.dumps(recorded["secrets_providers"])},"resources":[\n{lines}\n]}}\n'


def brought_to_life(recorded: Mapping[str, Any], present: Mapping[str, Any]) -> dict[str, Any]:
    """A recording as an export that can be imported where `present` is the export of the same stack.

    Raises ValueError naming URN and property where `present` does not tell the lab's value.
    """
    deployment = present["deployment"]
    if recorded["secrets_providers"] != deployment["secrets_providers"]:
        raise ValueError("expected the salt with which the recording's secrets are encrypted: encryptionsalt differs")
    today = [(each, _counterpart(each, deployment["resources"])) for each in recorded["resources"]]
    known: dict[int, Any] = {}
    for before, now in today:
        for place, number in _blanks(before):
            found, value = _value(now, place)
            if found:
                known.setdefault(number, value)
    missing = [
        f"{before['urn']}: {_words(place)}: today's state has no such value, of {now['urn'] if now else 'no resource'}"
        for before, now in today
        # Nothing is made out of what a component gave out.
        if before["custom"]
        for place, number in _blanks(before)
        if number not in known
    ]
    if missing:
        raise ValueError("cannot bring the recorded state to life:\n" + "\n".join(missing))
    resources = [_filled(before, (), now, known) for before, now in today]
    return {"version": present["version"], "deployment": {**deployment, "resources": resources}}


def _counterpart(before: Resource, today: Sequence[Resource]) -> Resource | None:
    """The same resource of today: of its URN, else the one of its type with its id, with its name, or at all."""
    alike = [each for each in today if before["custom"] and each["type"] == before["type"]]
    choices: tuple[list[Resource], ...] = (
        [each for each in today if each["urn"] == before["urn"]],
        [each for each in alike if each.get("id") == before.get("id")],
        [each for each in alike if each["urn"].rsplit("::", 1)[1] == before["urn"].rsplit("::", 1)[1]],
        alike,
    )
    return next((found[0] for found in choices if len(found) == 1), None)


def _blanks(value: Any, place: Place = ()) -> Iterator[tuple[Place, int]]:
    """Where values of the lab are missing, and their numbers."""
    if isinstance(value, dict):
        if _LAB in value:
            yield place, value[_LAB]
            return
        for key, each in value.items():
            yield from _blanks(each, (*place, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _blanks(each, (*place, index))


def _value(resource: Resource | None, place: Place) -> tuple[bool, Any]:
    """Whether a resource has something at a place, and what."""
    found: Any = resource
    for key in place:
        try:
            found = found[key]
        except (LookupError, TypeError):
            return False, None
    return found is not None, found


def _filled(value: Any, place: Place, now: Resource | None, known: Mapping[int, Any]) -> Any:
    if isinstance(value, dict):
        if _LAB in value:
            found, own = _value(now, place)
            return own if found else known.get(value[_LAB])
        return {key: _filled(each, (*place, key), now, known) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, (*place, index), now, known) for index, each in enumerate(value)]
    return value


def _words(place: Place) -> str:
    return ".".join(map(str, place))


def read(stack: str) -> dict[str, Any]:
    """The recording of a stack."""
    found: dict[str, Any] = json.loads((RECORDINGS / f"{stack}.json").read_text(encoding="utf-8"))
    return found


def _make(first: Path, second: Path, folder: Path) -> None:
    for shown in sorted(first.glob("*.secrets.json")):
        stack = shown.name.removesuffix(".secrets.json")
        exports = (shown, second / shown.name, first / f"{stack}.json")
        made = recording(*(json.loads(each.read_text(encoding="utf-8")) for each in exports))
        (folder / f"{stack}.json").write_text(written(made), encoding="utf-8")


if __name__ == "__main__":
    _make(*map(Path, sys.argv[1:4]))
