"""Fields that somebody else has set since: the API server refuses to overwrite them, and people are told their choice.

The engine's own text names neither the command that takes such a field over nor one that leaves it alone. The variable
that takes over is pulumi-kubernetes' own (4.25, `patchForce` in provider/pkg/await/await.go).
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from cli.engine.urns import kind_and_name
from cli.output.console import warn
from cli.preview.documents import read_event_log
from paif_catalog.redaction import scrub

TAKE_OVER = {"PULUMI_K8S_ENABLE_PATCH_FORCE": "true"}
"""The variable of a run that takes over what somebody else has set."""

_PULUMI_MANAGER_PREFIX = "pulumi-kubernetes-"
"""How the names begin that pulumi-kubernetes gives itself, a new one for each creation."""

_CONFLICT = re.compile(r"Apply failed with \d+ conflicts?: (?P<message>.*)", re.DOTALL)
_MANAGER = re.compile(r'conflicts? with "(?P<manager>[^"]+)"')
_FIELD = re.compile(r"(?:^|[\s:-])(?P<path>\.[A-Za-z][^\s,]*)")


@dataclass(frozen=True)
class Conflict:
    """One object with the fields that others have set: property paths such as spec.powerState, each with who it was."""

    urn: str
    fields: tuple[tuple[str, str], ...]

    @property
    def kind(self) -> str:
        return kind_and_name(self.urn)[0]

    @property
    def name(self) -> str:
        return kind_and_name(self.urn)[1]

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(path for path, _ in self.fields)

    def __str__(self) -> str:
        fields = "; ".join(f"{path}, set by {manager}" for path, manager in self.fields)
        return f"{self.kind} {self.name}: {fields or 'fields that the API server does not name'}"


class SelfConflictError(Exception):
    """All conflicts of a run are with fields that Pulumi itself has set, under a name of another creation."""

    def __init__(self, conflicts: list[Conflict]) -> None:
        self.conflicts = conflicts
        super().__init__("; ".join(str(each) for each in conflicts))


def is_self_conflict(conflicts: list[Conflict]) -> bool:
    """Whether Pulumi is in its own way: a creation that was cut off and repeated has set the fields twice."""
    managers = [manager for each in conflicts for _, manager in each.fields]
    return bool(managers) and all(manager.startswith(_PULUMI_MANAGER_PREFIX) for manager in managers)


def parse_conflicts(messages: Iterable[tuple[str, str]]) -> list[Conflict]:
    """The conflicts in error messages, given as pairs of URN and text, each object once and in their order."""
    conflicts: dict[str, Conflict] = {}
    for urn, text in messages:
        match = _CONFLICT.search(text)
        if match and urn:
            conflicts.setdefault(urn, Conflict(urn, tuple(_parse_fields(scrub(match["message"])))))
    return list(conflicts.values())


def _parse_fields(message: str) -> Iterator[tuple[str, str]]:
    # conflict with "a" using v1: .spec.x / conflicts with "a" using v1:\n- .spec.x\n- .spec.y\nconflicts with "b" …
    heads = list(_MANAGER.finditer(message))
    for head, following in zip(heads, [*heads[1:], None], strict=True):
        part = message[head.end() : following.start() if following else len(message)]
        for field in _FIELD.finditer(part):
            yield field["path"].lstrip("."), head["manager"]


def from_event_log(file: Path) -> list[Conflict]:
    """The conflicts that an event log of the engine tells of."""
    diagnostics = (event.get("diagnosticEvent") for event in read_event_log(file))
    return parse_conflicts(
        (str(each.get("urn", "")), str(each.get("message", "")))
        for each in diagnostics
        if isinstance(each, dict) and each.get("severity") == "error"
    )


def from_preview(preview: Any) -> list[Conflict]:
    """The conflicts in what `pulumi preview --json` printed."""
    diagnostics = preview.get("diagnostics") if isinstance(preview, dict) else None
    return parse_conflicts(
        (str(each.get("urn", "")), str(each.get("message", "")))
        for each in diagnostics or []
        if isinstance(each, dict) and each.get("severity") == "error"
    )


def describe(environment: str, conflicts: list[Conflict]) -> str:
    """What happened, and the two ways on."""
    listed = "\n".join(f"  {each}" for each in conflicts)
    return (
        f"{environment}: somebody else has changed what this environment sets, and the API server does not let it be "
        f"overwritten unasked:\n{listed}\n"
        f"to set it again as the stack file says:      ./paif up {environment} --take-over\n"
        f"to leave it as it is from now on:            ./paif drift {environment} --keep"
    )


@contextmanager
def reporting(environment: str) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Options and variables for runs of the engine after whose failure conflicts are told in words.

    Raises ``SelfConflictError`` instead where nobody else is in the way: then the run can be repeated with
    ``TAKE_OVER``.
    """
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder) / "events.jsonl"
        try:
            # The engine hides this option unless asked for what it calls debugging.
            yield ["--event-log", str(events)], {"PULUMI_DEBUG_COMMANDS": "true"}
        except typer.Exit:
            conflicts = from_event_log(events)
            if is_self_conflict(conflicts):
                raise SelfConflictError(conflicts) from None
            if conflicts:
                warn(describe(environment, conflicts))
            raise
