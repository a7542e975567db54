"""Recorded previews: what the engine said about one environment, read for people and free of secrets.

A recording is a folder per environment with
    preview.json   what `pulumi preview --json` printed (or `pulumi refresh --preview-only --json`, for drift)
    events.jsonl   its event log; policy results are in there only, since the engine leaves them out of preview.json
    failure.txt    only if it failed or was refused: why there is no preview, or what was printed on standard error
    seats.json     {"before": SEATS or null, "after": SEATS or null}, see ``Seats``
    gpu.json       {"before": [CAPACITY], "after": [CAPACITY]}, see ``Capacity``
and beside those folders, as `./paif changed --json` prints them,
    environments.json   the environments that the change touches
    removed.json        those whose stack file it removes
All are optional. What is read may come from a fork's build: it is data to be judged, never markup or an instruction.
Source of the formats: pulumi 3.259 pkg/display/json.go and sdk/go/common/apitype/events.go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import IntEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from catalog.redaction import HIDDEN, Redactor, is_secret_path, secret_values
from cli.causes import by_cause, real_errors, without_name

Action = Literal["create", "import", "update", "replace", "delete"]
Level = Literal["mandatory", "undecided", "advisory", "exempted"]
"""Mandatory refuses; undecided is known and enforced only during `up`; advisory warns; exempted was excused."""

ENVIRONMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""Names of environments as folders: what Pulumi takes as a stack's name."""

DATA_TYPES = (
    "*:PostgresCluster",
    "*:cluster.x-k8s.io/*:Cluster",
    "*:Namespace",
    "*:PersistentVolumeClaim",
    "*:PersistentVolume",
    "*:StatefulSet",
    "*:ContentLibrary",
    "*:ContentLibraryItem",
    "*:VirtualDisk",
    "*:VirtualMachine",
    "vcf:index:PostgresExtension",
    "vcf:index:PostgresSchema",
)
"""Resource types that hold data, or whose end takes along what does."""

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
_WORST: list[Action] = ["create", "import", "update", "delete", "replace"]
_MOST_BYTES = 128 << 20
_SHOWN_PATHS, _SHOWN_VALUE = 6, 60
_GENERIC = re.compile(
    r"(?:preview|refresh|update) failed|an unhandled error occurred: program exited with non-zero exit code: \d+"
)


class Severity(IntEnum):
    """How much a reviewer should worry, the worst first."""

    CRITICAL = 0
    HIGH = 1
    MEDIUM = 2
    LOW = 3
    NONE = 4


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Seats(_Model):
    """Licence seats: machines that take one, how many are entitled (None: not declared), and who takes how many."""

    used: int = Field(ge=0)
    entitled: int | None = Field(default=None, ge=0)
    by: dict[str, int] = {}


class Capacity(_Model):
    """GPUs or vGPUs of one kind: how many are asked for, of how many there are (None: not known)."""

    what: str
    used: int = Field(ge=0)
    total: int | None = Field(default=None, ge=0)


_Figure = TypeVar("_Figure")


class BeforeAfter(_Model, Generic[_Figure]):
    """A figure without and with the change; None: not known, or not there."""

    before: _Figure | None = None
    after: _Figure | None = None


_GUARDS = {"protect": "protection", "retainOnDelete": "retention"}
"""Options of a resource that keep it from being deleted, and what they are called in a comment."""


@dataclass(frozen=True)
class Change:
    """What happens to one resource; `details` are lines about its properties, without secrets.

    `protected` tells that the engine refuses it, `retained` that the object itself stays. `lifted` and `added` name the
    guards, protection and retention, that end or begin with it.
    """

    action: Action
    type: str
    name: str
    urn: str
    details: tuple[str, ...] = ()
    protected: bool = False
    retained: bool = False
    lifted: tuple[str, ...] = ()
    added: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        return self.type.rsplit(":", 1)[-1]

    @property
    def holds_data(self) -> bool:
        return any(fnmatchcase(self.type, pattern) for pattern in DATA_TYPES)

    @property
    def severity(self) -> Severity:
        if self.action in {"replace", "delete"}:
            return Severity.CRITICAL if self.holds_data and not self.retained else Severity.HIGH
        if self.lifted:
            return Severity.HIGH
        if self.action == "update":
            return Severity.MEDIUM if self.holds_data else Severity.LOW
        return Severity.NONE

    @property
    def order(self) -> tuple[Any, ...]:
        """Severity first; among equals what is replaced or deleted first, then by kind and name."""
        return (self.severity, -_WORST.index(self.action), self.kind, self.name, self.urn)


@dataclass(frozen=True)
class PolicyResult:
    """One finding of a policy; `also` are further resources of which it says the same."""

    level: Level
    pack: str
    rule: str
    severity: str
    resource: str
    text: str
    also: tuple[str, ...] = ()


@dataclass
class Recording:
    """What is known about the preview of one environment."""

    environment: str
    changes: list[Change] = field(default_factory=list)
    unchanged: int = 0
    failed: bool = False
    missing: bool = False
    problems: list[str] = field(default_factory=list)
    policies: list[PolicyResult] = field(default_factory=list)
    packs: list[str] = field(default_factory=list)
    rules_passed: int = 0
    seats: BeforeAfter[Seats] | None = None
    gpu: BeforeAfter[list[Capacity]] | None = None

    @property
    def refused(self) -> bool:
        return any(each.level == "mandatory" for each in self.policies)

    @property
    def at_risk(self) -> list[Change]:
        return [each for each in self.changes if each.severity is Severity.CRITICAL]

    def count(self, *actions: Action) -> int:
        return sum(each.action in actions for each in self.changes)


def names_in(folder: Path) -> list[str]:
    """Environments that a recording has a folder for, and those that it says should be there, in order."""
    found = {each.name for each in folder.iterdir() if each.is_dir()} if folder.is_dir() else set()
    expected = _json(folder / "environments.json")
    if isinstance(expected, list):
        found |= {each for each in expected if isinstance(each, str)}
    return sorted(name for name in found if ENVIRONMENT.fullmatch(name))


def touched_in(folder: Path) -> list[str] | None:
    """Environments that the change touches, or None when nobody could tell: no readable environments.json."""
    return _environments(folder / "environments.json")


def removed_in(folder: Path) -> list[str]:
    """Environments whose stack file the change removes."""
    return _environments(folder / "removed.json") or []


def _environments(file: Path) -> list[str] | None:
    listed = _json(file)
    if not isinstance(listed, list):
        return None
    names = [each for each in listed if isinstance(each, str) and ENVIRONMENT.fullmatch(each)]
    return sorted(set(names)) if len(names) == len(listed) else None


def read(folder: Path, environment: str) -> Recording:
    """The recording of one environment. What is unreadable is a problem of the recording, not an exception."""
    here = folder / environment
    recording = Recording(environment)
    preview, events = _json(here / "preview.json"), list(_lines(here / "events.jsonl"))
    failure = _text(here / "failure.txt").strip()
    if preview is None and not failure and not events:
        recording.missing = recording.failed = True
        return recording
    _read_engine(recording, preview, events, failure)
    recording.seats = _figures(here / "seats.json", BeforeAfter[Seats], recording)
    recording.gpu = _figures(here / "gpu.json", BeforeAfter[list[Capacity]], recording)
    return recording


def read_preview(environment: str, preview: Any) -> Recording:
    """What the engine's JSON alone says, such as that of `pulumi refresh --preview-only --json`."""
    recording = Recording(environment)
    _read_engine(recording, preview, [], "")
    return recording


def _read_engine(recording: Recording, preview: Any, events: list[dict[str, Any]], failure: str) -> None:
    redactor = redactor_of(preview)
    _read_steps(recording, _steps(preview), preview, redactor)
    _read_policies(recording, events, redactor)
    _read_problems(recording, preview, events, failure, redactor)


def redactor_of(preview: Any) -> Redactor:
    """What hides the secrets that a preview holds, also in texts beside it."""
    return Redactor(_secrets(_steps(preview)))


def slim(preview: Any) -> dict[str, Any]:
    """A preview without what nobody reviews (unchanged resources, stack traces, managed fields) and without secrets.

    It is what a build may keep: whoever may read the project may fetch it.
    """
    redactor = redactor_of(preview)
    kept = []
    for step in _steps(preview):
        if step.get("op") == "read" or (step.get("op") == "same" and not any(_guards(step))):
            continue
        differences = _mapping(step, "detailedDiff")
        kept.append(
            {"op": step.get("op")}
            | redactor.data({key: step[key] for key in ("urn", "diffReasons", "replaceReasons") if step.get(key)})
            | {"detailedDiff": {redactor.text(path): differences[path] for path in differences}}
            | {
                key: _slim_state(step[key], redactor)
                for key in ("oldState", "newState")
                if isinstance(step.get(key), dict)
            }
        )
    rest = preview if isinstance(preview, dict) else {}
    diagnostics = [
        {
            "urn": redactor.text(str(each.get("urn", ""))),
            "severity": each["severity"],
            "message": redactor.text(str(each.get("message", ""))),
        }
        for each in _list(preview, "diagnostics")
        if each.get("severity") in {"error", "warning"}
    ]
    return {"steps": kept, "diagnostics": diagnostics, "changeSummary": rest.get("changeSummary") or {}}


def slim_events(lines: Iterator[dict[str, Any]] | list[dict[str, Any]], preview: Any) -> list[dict[str, Any]]:
    """Policy results and the summary of an event log, without secrets."""
    redactor = redactor_of(preview)
    kept = []
    for line in lines:
        for key in ("policyEvent", "policyAnalyzeSummaryEvent", "policyAnalyzeStackSummaryEvent", "summaryEvent"):
            if isinstance(line.get(key), dict):
                event = {name: value for name, value in line[key].items() if name != "PolicyPacks"}
                kept.append({key: redactor.data(event)})
    return kept


def events_of(file: Path) -> list[dict[str, Any]]:
    """The lines of an event log that are readable."""
    return list(_lines(file))


def _slim_state(state: dict[str, Any], redactor: Redactor) -> dict[str, Any]:
    plain = ("type", "urn", "custom", "protect", "retainOnDelete")
    kept: dict[str, Any] = redactor.data({key: state[key] for key in plain if key in state})
    for key in ("inputs", "outputs"):
        if isinstance(state.get(key), dict):
            properties = {name: value for name, value in state[key].items() if not name.startswith("__")}
            if isinstance(properties.get("metadata"), dict):
                properties["metadata"] = {k: v for k, v in properties["metadata"].items() if k != "managedFields"}
            kept[key] = redactor.data(properties, str(state.get("type", "")))
    return kept


def _text(file: Path) -> str:
    try:
        # A link in somebody's recording would lead to files of the machine that renders it.
        if file.is_symlink() or file.parent.is_symlink() or file.stat().st_size > _MOST_BYTES:
            return ""
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _json(file: Path) -> Any:
    try:
        return json.loads(_text(file))
    except (ValueError, RecursionError):
        return None


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    for line in _text(file).splitlines():
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict):
            yield event


def _list(data: Any, key: str) -> list[dict[str, Any]]:
    found = data.get(key) if isinstance(data, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _mapping(data: Any, key: str) -> dict[str, Any]:
    found = data.get(key) if isinstance(data, dict) else None
    return found if isinstance(found, dict) else {}


def _figures(file: Path, model: type[BaseModel], recording: Recording) -> Any:
    text = _text(file)
    if not text:
        return None
    try:
        return model.model_validate_json(text)
    except ValidationError:
        recording.problems.append(f"{file.name} of the recording is not of the expected form")
        return None


def _steps(preview: Any) -> list[dict[str, Any]]:
    return [each for each in _list(preview, "steps") if isinstance(each.get("urn"), str)]


def _secrets(steps: list[dict[str, Any]]) -> Iterator[str]:
    for step in steps:
        for key in ("oldState", "newState"):
            state = _mapping(step, key)
            for part in ("inputs", "outputs"):
                yield from secret_values(str(state.get("type", "")), state.get(part))


def _split(urn: str) -> tuple[str, str]:
    """Type and name of a URN."""
    parts = urn.split("::", 3)
    if len(parts) < 4:
        return "", urn
    return parts[2].rsplit("$", 1)[-1], parts[3]


def _guards(step: dict[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The guards that a step lifts from a resource that stays, and those that it adds."""
    old, new = _mapping(step, "oldState"), _mapping(step, "newState")
    if not old or not new:
        return (), ()
    differing = [(key, word) for key, word in _GUARDS.items() if bool(old.get(key)) != bool(new.get(key))]
    lifted = tuple(word for key, word in differing if old.get(key))
    return lifted, tuple(word for key, word in differing if new.get(key))


def _read_steps(recording: Recording, steps: list[dict[str, Any]], preview: Any, redactor: Redactor) -> None:
    found: dict[tuple[str, int], Change] = {}
    for index, step in enumerate(steps):
        urn = step["urn"]
        kind, name = _split(urn)
        op = str(step.get("op"))
        # An operation of a newer engine is shown rather than hidden.
        action = _ACTIONS.get(op, "update")
        old, new = _mapping(step, "oldState"), _mapping(step, "newState")
        lifted, added = _guards(step)
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
        known = found.get(key)
        if known is None or _WORST.index(action) > _WORST.index(known.action):
            found[key] = change
    recording.changes = sorted(found.values(), key=lambda each: each.order)
    same = _mapping(preview, "changeSummary").get("same")
    recording.unchanged = same if isinstance(same, int) else 0


def _details(
    step: dict[str, Any], kind: str, old: dict[str, Any], new: dict[str, Any], redactor: Redactor
) -> Iterator[str]:
    if not old or not new:
        return
    differences = _mapping(step, "detailedDiff")
    reasons = [
        each for key in ("replaceReasons", "diffReasons") for each in step.get(key) or [] if isinstance(each, str)
    ]
    paths = sorted(differences, key=lambda each: ("replace" not in str(differences[each]), each))
    paths = paths or sorted(set(reasons))
    within = []
    for path in paths:
        was, now = _at(old, path), _at(new, path)
        # Nothing differs in sight where both are hidden.
        within += list(_within(path, was, now)) or [(path, was, now)]
    for path, was, now in within[:_SHOWN_PATHS]:
        difference = next((differences[each] for each in paths if path.startswith(each) and each in differences), None)
        forces = "replace" in str(difference.get("kind") if isinstance(difference, dict) else "")
        before = _shown(was, path, kind, redactor)
        after = _shown(now, path, kind, redactor)
        values = f": {before} → {after}" if before != after else ""
        yield f"{redactor.text(path)}{values}{' (forces replacement)' if forces else ''}"
    if len(within) > _SHOWN_PATHS:
        yield f"{len(within) - _SHOWN_PATHS} more properties"


def _within(path: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    """What differs in two values, as far down as they are alike; an entry of a list that only one has is told whole."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            below = f"{path}.{key}" if re.fullmatch(r"\w+", key) else f'{path}["{key}"]'
            if old.get(key) != new.get(key):
                yield from _within(below, old.get(key), new.get(key))
        return
    if isinstance(old, list) and isinstance(new, list):
        lost = [(index, each) for index, each in enumerate(old) if each not in new]
        came = [(index, each) for index, each in enumerate(new) if each not in old]
        if lost or came:
            before, after = dict(lost), dict(came)
            for index in sorted(before.keys() | after.keys()):
                if index in before and index in after:
                    yield from _within(f"{path}[{index}]", before[index], after[index])
                else:
                    yield f"{path}[{index}]", before.get(index), after.get(index)
            return
    yield path, old, new


def _keys(path: str) -> list[str]:
    """A property path such as data["a.b"][0].c as its keys."""
    return [quoted or plain for quoted, plain in re.findall(r'\["((?:[^"\\]|\\.)*)"\]|([^.\[\]]+)', path)]


def _at(state: dict[str, Any], path: str) -> Any:
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


def _shown(value: Any, path: str, kind: str, redactor: Redactor) -> str:
    if value is None:
        return "(none)"
    if is_secret_path(kind, ".".join(_keys(path))):
        return HIDDEN
    if isinstance(value, dict | list):
        value = json.dumps(redactor.data(value, kind, ".".join(_keys(path))), ensure_ascii=False)
    if value == "04da6b54-80e4-46f7-96ec-b56ff0331ba9":  # what the engine writes for a value that is not known yet
        return "not known yet"
    text = redactor.text(str(value))
    return text if len(text) <= _SHOWN_VALUE else f"{text[: _SHOWN_VALUE - 1]}…"


def _read_policies(recording: Recording, events: list[dict[str, Any]], redactor: Redactor) -> None:
    passed: set[tuple[str, str]] = set()
    failed: set[tuple[str, str]] = set()
    packs: set[str] = set()
    found: set[PolicyResult] = set()
    for event in events:
        for key in ("policyAnalyzeSummaryEvent", "policyAnalyzeStackSummaryEvent"):
            summary = _mapping(event, key)
            pack = str(summary.get("policyPackName", ""))
            packs |= {pack} if pack else set()
            passed |= {(pack, str(each)) for each in summary.get("passed") or []}
            failed |= {(pack, str(each)) for each in summary.get("failed") or []}
        violation = _mapping(event, "policyEvent")
        if violation:
            result = _policy_result(violation, redactor)
            packs.add(result.pack)
            found.add(result)
    levels = get_args(Level)
    severities = ["critical", "high", "medium", "low", ""]
    ordered = sorted(
        found,
        key=lambda each: (
            levels.index(each.level),
            severities.index(each.severity) if each.severity in severities else len(severities),
            each.pack,
            each.rule,
            each.resource,
            each.text,
        ),
    )
    recording.policies = [
        replace(first, also=tuple(dict.fromkeys(each.resource for each in others)))
        for first, *others in by_cause(
            ordered, lambda each: (each.level, each.pack, each.rule, each.severity, without_name(each.text)[1])
        )
    ]
    recording.packs = sorted(redactor.text(pack) for pack in packs)
    reported = {(each.pack, each.rule) for each in found}
    recording.rules_passed = len(passed - failed - reported)


def _policy_result(event: dict[str, Any], redactor: Redactor) -> PolicyResult:
    text = str(event.get("message", "")).strip()
    level: Level = "advisory"
    if event.get("enforcementLevel") in {"mandatory", "remediate"}:
        level = "mandatory"
    elif ": undecided: " in text:
        level = "undecided"
    elif text.startswith("exempted "):
        level = "exempted"
    return PolicyResult(
        level=level,
        pack=redactor.text(str(event.get("policyPackName", ""))),
        rule=redactor.text(str(event.get("policyName", ""))),
        severity=redactor.text(str(event.get("severity", ""))),
        resource=redactor.text(_split(str(event.get("resourceUrn", "")))[1]),
        text=redactor.text(text),
    )


def _read_problems(
    recording: Recording, preview: Any, events: list[dict[str, Any]], failure: str, redactor: Redactor
) -> None:
    errors = [each for each in _list(preview, "diagnostics") if each.get("severity") == "error"]
    ended = any(_mapping(event, "summaryEvent").get("result") == "failed" for event in events)
    texts: list[str] = []
    for each in errors:
        text = re.sub(r"^error: ", "", str(each.get("message", "")).strip())
        if not _GENERIC.fullmatch(text):
            name = _split(str(each["urn"]))[1] if each.get("urn") else ""
            texts.append(f"{name}: {text}" if name else text)
    # It is written for an exit status of failure only, whose reason the engine has mostly told better by then.
    if failure and (preview is None or (not texts and not recording.refused)):
        texts.append(failure)
    if preview is None and not failure:
        texts.append("The recording of the preview is unreadable; see the log of its job.")
    recording.failed = bool(texts) or preview is None or ((bool(errors) or ended) and not recording.refused)
    recording.problems += list(dict.fromkeys(redactor.text(_without_traceback(text)) for text in real_errors(texts)))
    if recording.failed and not recording.problems:
        recording.problems.append("The engine gave no reason; see the log of the preview's job.")


def _without_traceback(text: str) -> str:
    """The text with Python tracebacks cut down to their last line, which says what went wrong.

    Also without pulumi-kubernetes' advice to forget everything on a cluster that does not answer at this moment.
    """
    text = re.sub(r"Traceback \(most recent call last\):\n(?:[ \t]+.*\n)+", "", text)
    return re.sub(
        r" If the cluster was deleted, you can remove this resource .*? set to \"true\"", "", text, flags=re.S
    )
