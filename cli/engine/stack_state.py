"""The state of a stack: read as the engine exports it, and changed by importing it again."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any

from cli.engine import pulumi_cli
from cli.engine.stack import Stack
from lab.state import state_directory, write_json
from paif_catalog.redaction import SIGNATURE


def export(stack: Stack, *, show_secrets: bool = False) -> dict[str, Any]:
    """The stack's state as the engine exports it; secrets stay encrypted unless they are asked for."""
    options = ["--show-secrets"] if show_secrets else []
    answer = pulumi_cli.capture(stack, "stack", "export", "--stack", stack.name, *options)
    state: dict[str, Any] = json.loads(answer.stdout)
    return state


def plaintext(value: Any) -> Any:
    """A value of an exported state, out of its secret; None when that is encrypted."""
    if isinstance(value, dict) and SIGNATURE in value:
        return json.loads(value["plaintext"]) if "plaintext" in value else None
    return value


def outputs(stack: Stack, *, secrets: bool = False) -> dict[str, Any]:
    """The stack's outputs; a secret is ``[secret]`` unless ``secrets`` asks for it in the clear."""
    arguments = ["stack", "output", "--stack", stack.name, "--json", *(["--show-secrets"] if secrets else [])]
    found: dict[str, Any] = json.loads(pulumi_cli.capture(stack, *arguments).stdout)
    return found


def drop_pending_operations(stack: Stack) -> None:
    """Forget operations that never ended. Creations are repeated and adopt what exists, or what they had begun was
    removed; nothing else is touched."""
    state = export(stack)
    state["deployment"].pop("pending_operations", None)
    _replace_state(stack, state)


def edit(stack: Stack, change: Callable[[dict[str, dict[str, Any]]], bool]) -> None:
    """Change the state's resources, given by URN; nothing is written when ``change`` returns false."""
    state = export(stack)
    if change({each["urn"]: each for each in state["deployment"].get("resources", [])}):
        _replace_state(stack, state)


def remove_resources(stack: Stack, urns: Collection[str]) -> None:
    """Take resources out of the state, and every reference to them; nothing outside of it is changed.

    For what is known to be gone only: whatever is still there would be made a second time, or stay for ever.
    """
    if not urns:
        return
    state = export(stack)
    resources = [each for each in state["deployment"].get("resources", []) if each["urn"] not in urns]
    for each in resources:
        for key in ("dependencies", "replaceWith"):
            if each.get(key):
                each[key] = [urn for urn in each[key] if urn not in urns]
        if each.get("propertyDependencies"):
            each["propertyDependencies"] = {
                name: [urn for urn in found or [] if urn not in urns]
                for name, found in each["propertyDependencies"].items()
            }
        if each.get("deletedWith") in urns:
            del each["deletedWith"]
    state["deployment"]["resources"] = resources
    _replace_state(stack, state)


def unprotect(stack: Stack) -> int:
    """Mark everything in the state as neither protected nor retained; returns how many resources that changed."""
    state = export(stack)
    guarded = [
        each for each in state["deployment"].get("resources", []) if each.get("protect") or each.get("retainOnDelete")
    ]
    for each in guarded:
        each.pop("protect", None)
        each.pop("retainOnDelete", None)
    if guarded:
        _replace_state(stack, state)
    return len(guarded)


def protected(stack: Stack) -> list[str]:
    """Names of the resources that must not be deleted."""
    resources = (export(stack).get("deployment") or {}).get("resources") or []
    return [each["urn"].rsplit("::", 1)[-1] for each in resources if each.get("protect")]


def phases(stack: Stack) -> set[str]:
    """The phases that the stack's state holds."""
    kind = "paif:phase:"
    resources = (export(stack).get("deployment") or {}).get("resources") or []
    return {each["type"].removeprefix(kind) for each in resources if each["type"].startswith(kind)}


def _replace_state(stack: Stack, state: dict[str, Any]) -> None:
    path = state_directory() / "run" / f"{stack.name}.state.json"
    try:
        write_json(path, state)
        pulumi_cli.capture(stack, "stack", "import", "--stack", stack.name, "--file", str(path))
    finally:
        path.unlink(missing_ok=True)
