"""What the engine's preview does to each resource. Source of the format: pulumi 3.259 pkg/display/json.go."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from cli.engine.urns import type_and_name
from cli.preview.documents import mapping_at, mappings_at
from cli.preview.model import ACTIONS_BY_RISK, UNKNOWN, Action, Change, Recording
from paif_catalog.redaction import HIDDEN, Redactor, is_secret_path, secret_values

_ACTIONS: dict[str, Action | None] = {
    "same": None,
    "read": None,
    "refresh": None,
    "discard": None,
    "remove-pending-replace": None,
    "create": "create",
    "import": "import",
    "update": "update",
    "delete": "delete",
    "replace": "replace",
    "create-replacement": "replace",
    "delete-replaced": "replace",
    "read-replacement": "replace",
    "discard-replaced": "replace",
    "import-replacement": "replace",
}
_SHOWN_PATHS, _SHOWN_VALUE = 6, 60
_GUARDS = {"protect": "protection", "retainOnDelete": "retention"}
"""Options of a resource that keep it from being deleted, and what they are called in a comment."""


def preview_redactor(preview: Any) -> Redactor:
    """What hides the secrets that a preview holds, also in texts beside it."""
    return Redactor(_secrets(preview_steps(preview)))


def _secrets(steps: list[dict[str, Any]]) -> Iterator[str]:
    for step in steps:
        for key in ("oldState", "newState"):
            state = mapping_at(step, key)
            for part in ("inputs", "outputs"):
                yield from secret_values(str(state.get("type", "")), state.get(part))


def preview_steps(preview: Any) -> list[dict[str, Any]]:
    """The steps of a preview that say which resource they are about."""
    return [each for each in mappings_at(preview, "steps") if isinstance(each.get("urn"), str)]


def guard_changes(step: dict[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The guards that a step lifts from a resource that stays, and those that it adds."""
    old, new = mapping_at(step, "oldState"), mapping_at(step, "newState")
    if not old or not new:
        return (), ()
    differing = [(key, word) for key, word in _GUARDS.items() if bool(old.get(key)) != bool(new.get(key))]
    lifted = tuple(word for key, word in differing if old.get(key))
    return lifted, tuple(word for key, word in differing if new.get(key))


def read_steps(recording: Recording, steps: list[dict[str, Any]], preview: Any, redactor: Redactor) -> None:
    """Put into the recording what happens to each resource, the worst first."""
    changes: dict[tuple[str, int], Change] = {}
    for index, step in enumerate(steps):
        urn = step["urn"]
        kind, name = type_and_name(urn)
        op = str(step.get("op"))
        # An operation of a newer engine is shown rather than hidden.
        action = _ACTIONS.get(op, "update")
        old, new = mapping_at(step, "oldState"), mapping_at(step, "newState")
        lifted, added = guard_changes(step)
        if op == "same" and (lifted or added):
            # The engine changes no property, only what its state says of the resource.
            action = "update"
        structure = not (old or new).get("custom", True) or kind.startswith("pulumi:pulumi:")
        if action is None or structure or (kind.startswith("pulumi:providers:") and action == "create"):
            continue
        change = Change(
            action=action,
            type=redactor.text(kind),
            name=redactor.text(name),
            urn=redactor.text(urn),
            details=tuple(_details(step, kind, old, new, redactor)),
            # A replacement that lifts the protection goes through (pulumi 3.259 step_generator.go).
            protected=bool(old.get("protect")) and "protection" not in lifted,
            retained=bool(old.get("retainOnDelete")),
            lifted=lifted,
            added=added,
        )
        # Names that are alike because what told them apart is hidden are still of several resources.
        key = (urn, index if HIDDEN in urn else -1)
        known = changes.get(key)
        if known is None or ACTIONS_BY_RISK.index(action) > ACTIONS_BY_RISK.index(known.action):
            changes[key] = change
    recording.changes = sorted(changes.values(), key=lambda each: each.order)
    same = mapping_at(preview, "changeSummary").get("same")
    recording.unchanged = same if isinstance(same, int) else 0


def _details(
    step: dict[str, Any], kind: str, old: dict[str, Any], new: dict[str, Any], redactor: Redactor
) -> Iterator[str]:
    if not old or not new:
        return
    differences = mapping_at(step, "detailedDiff")
    reasons = [
        each for key in ("replaceReasons", "diffReasons") for each in step.get(key) or [] if isinstance(each, str)
    ]
    paths = sorted(differences, key=lambda each: ("replace" not in str(differences[each]), each))
    paths = paths or sorted(set(reasons))
    changed = []
    for path in paths:
        old_value, new_value = _value_at(old, path), _value_at(new, path)
        # Nothing differs in sight where both are hidden.
        changed += list(_nested_differences(path, old_value, new_value)) or [(path, old_value, new_value)]
    for path, old_value, new_value in changed[:_SHOWN_PATHS]:
        difference = next((differences[each] for each in paths if path.startswith(each) and each in differences), None)
        forces = "replace" in str(difference.get("kind") if isinstance(difference, dict) else "")
        before = _display_value(old_value, path, kind, redactor)
        after = _display_value(new_value, path, kind, redactor)
        values = f": {before} → {after}" if before != after else ""
        yield f"{redactor.text(path)}{values}{' (forces replacement)' if forces else ''}"
    if len(changed) > _SHOWN_PATHS:
        yield f"{len(changed) - _SHOWN_PATHS} more properties"


def _nested_differences(path: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    """What differs in two values, as far down as they are alike; an entry of a list that only one has is told whole."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            below = f"{path}.{key}" if re.fullmatch(r"\w+", key) else f'{path}["{key}"]'
            if old.get(key) != new.get(key):
                yield from _nested_differences(below, old.get(key), new.get(key))
        return
    if isinstance(old, list) and isinstance(new, list):
        removed = [(index, each) for index, each in enumerate(old) if each not in new]
        added = [(index, each) for index, each in enumerate(new) if each not in old]
        if removed or added:
            before, after = dict(removed), dict(added)
            for index in sorted(before.keys() | after.keys()):
                if index in before and index in after:
                    yield from _nested_differences(f"{path}[{index}]", before[index], after[index])
                else:
                    yield f"{path}[{index}]", before.get(index), after.get(index)
            return
    yield path, old, new


def _keys(path: str) -> list[str]:
    """A property path such as data["a.b"][0].c as its keys."""
    return [quoted or plain for quoted, plain in re.findall(r'\["((?:[^"\\]|\\.)*)"\]|([^.\[\]]+)', path)]


def _value_at(state: dict[str, Any], path: str) -> Any:
    keys = _keys(path)
    for part in ("inputs", "outputs"):
        value: Any = state.get(part)
        for key in keys:
            if isinstance(value, dict):
                value = value.get(key)
            elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
                value = value[int(key)]
            else:
                value = None
        if value is not None:
            return value
    return None


def _display_value(value: Any, path: str, kind: str, redactor: Redactor) -> str:
    if value is None:
        return "(none)"
    if is_secret_path(kind, ".".join(_keys(path))):
        return HIDDEN
    if isinstance(value, dict | list):
        value = json.dumps(redactor.data(value, kind, ".".join(_keys(path))), ensure_ascii=False)
    if value == UNKNOWN:
        return "not known yet"
    text = redactor.text(str(value))
    return text if len(text) <= _SHOWN_VALUE else f"{text[: _SHOWN_VALUE - 1]}…"
