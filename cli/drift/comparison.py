"""What is really there, compared with the state: what drifted, what went with something else, what could not be asked.

It is `pulumi refresh --preview-only --json`, which reads every resource and changes nothing. The engine answers for all
that it could read even when some reads fail, and says which failed (pulumi 3.259: a refresh goes on past errors). What
lives in something that is gone is told with that and not by itself, and cannot be asked: the API server of a cluster
ends with its Cluster. A read that fails is never taken for "gone".

Of an object that pulumi-kubernetes takes for unchanged the JSON has the old state only, and to it an entry that
somebody has put at the end of a list, such as another open port, is no change (4.25, `pruneSlice`). So the objects as
they are come from the engine's event log, and a list that has grown since it was applied counts as changed.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Collection, Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import paif_catalog as catalog
from cli.engine import pulumi_cli
from cli.engine.stack import Stack
from cli.engine.urns import kind_and_name
from cli.output.console import Failed
from cli.preview.documents import mapping_at, mappings_at, read_event_log
from cli.preview.model import Change, Recording
from cli.preview.reader import read_preview
from paif_catalog.redaction import scrub
from stacks.run_options import RunOptions

_CLUSTER = "kubernetes:cluster.x-k8s.io/*:Cluster"
DERIVED_TYPES = {"vcf:index:Readiness", "vcf:index:NamespaceContents"}
_MAX_NAMES = 4


@dataclass(frozen=True)
class Comparison:
    """The state beside what is there. URNs throughout.

    `deleted_contents` went, or cannot be asked, since what they live in is gone. `unreachable` could not be compared
    although what they live in is there, each with what it lives in: objects of a cluster whose API server does not
    answer. `terminating` are being deleted at this moment. `properties` are the paths that differ, of what was changed;
    `extended_lists` those of them that are lists to which somebody has added entries.
    """

    recording: Recording
    deleted_contents: tuple[str, ...] = ()
    unreachable: dict[str, str] = field(default_factory=dict)
    terminating: tuple[str, ...] = ()
    properties: dict[str, tuple[str, ...]] = field(default_factory=dict)
    extended_lists: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def deleted(self) -> tuple[str, ...]:
        """What is gone by itself."""
        return tuple(each.urn for each in self.recording.changes if each.action == "delete")

    def incomplete_reasons(self) -> list[str]:
        """One sentence for each cluster whose objects could not be asked for, and for what is only half gone."""
        by_container: dict[str, list[str]] = {}
        for urn, container in self.unreachable.items():
            by_container.setdefault(container, []).append(urn)
        return [
            *(
                f"{_display_name(container)} does not answer: {_summarize(urns)} could not be compared"
                for container, urns in by_container.items()
            ),
            *(f"{_display_name(urn)} is being deleted at this moment" for urn in self.terminating),
        ]


def compare(stack: Stack) -> Comparison:
    """Compare now; nothing is changed.

    Raises ``Failed`` when what is there could not be read, but for `unreachable`.
    """
    return parse_comparison(stack.name, refresh_preview(stack))


def refresh_preview(stack: Stack) -> Any:
    """What `pulumi refresh --preview-only --json` says; nothing is changed. Raises ``Failed``."""
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder) / "events.jsonl"
        options = ["--preview-only", "--stack", stack.name, "--json", "--event-log", str(events)]
        shown = {"PULUMI_DEBUG_COMMANDS": "true"}
        answer = pulumi_cli.capture(stack, "refresh", *options, check=False, extra=shown)
        return _with_live_outputs(_parse_preview(stack, answer), read_event_log(events))


def _with_live_outputs(preview: Any, events: list[dict[str, Any]]) -> Any:
    """The preview with the outputs that each resource was found to have."""
    live = {}
    for event in events:
        metadata = mapping_at(mapping_at(event, "resOutputsEvent"), "metadata")
        outputs = mapping_at(metadata, "new").get("outputs")
        if metadata.get("urn") and isinstance(outputs, dict):
            live[metadata["urn"]] = outputs
    for step in mappings_at(preview, "steps"):
        if step.get("urn") in live and isinstance(step.get("newState"), dict):
            step["newState"]["outputs"] = live[step["urn"]]
    return preview


def program_preview(stack: Stack, variables: dict[str, str]) -> Any:
    """What `pulumi preview --json` says, without policy packs; nothing is changed. Raises ``Failed``."""
    extra = RunOptions(until="").variables() | variables
    answer = pulumi_cli.capture(stack, "preview", "--stack", stack.name, "--json", check=False, extra=extra)
    return _parse_preview(stack, answer)


def _parse_preview(stack: Stack, answer: subprocess.CompletedProcess[str]) -> Any:
    try:
        preview = json.loads(answer.stdout)
    except ValueError:
        error = scrub((answer.stderr or answer.stdout).strip())[-3000:]
        raise Failed(f"{stack.name} could not be compared with what is there:\n{error}") from None
    # One that was cut off prints what it had come to: no error, and no difference.
    if answer.returncode and not read_preview(stack.name, preview).failed:
        error = scrub(answer.stderr.strip())[-3000:]
        raise Failed(f"{stack.name} could not be compared: pulumi ended with status {answer.returncode}\n{error}")
    return preview


def parse_comparison(environment: str, preview: Any) -> Comparison:
    """What the engine's JSON of a refresh shows. Raises ``Failed`` for half an answer, but for `unreachable`."""
    steps = mappings_at(preview, "steps")
    states = {str(each.get("urn")): mapping_at(each, "oldState") for each in steps}
    deleted = {str(each.get("urn")) for each in steps if each.get("op") == "delete"}
    failed = [str(each.get("urn")) for each in mappings_at(preview, "diagnostics") if _is_failed_read(each)]
    # What a cluster that is gone still answers in its last seconds is gone too; elsewhere an answer is believed.
    deleted_contents = [
        urn
        for urn in states
        if any(each in deleted for each in _containers(urn, states))
        and (urn in deleted or urn in failed or _cluster_of(urn, states) in deleted)
    ]
    unreachable = {
        urn: cluster for urn in failed if urn not in deleted_contents and (cluster := _cluster_of(urn, states))
    }
    # What only tells of other resources differs with them.
    derived = (urn for urn, state in states.items() if state.get("type") in DERIVED_TYPES)
    normalized = (str(each.get("urn")) for each in steps if _is_server_default(each))
    settled = {*deleted_contents, *unreachable, *derived, *normalized}
    extended_lists = {
        str(each["urn"]): paths
        for each in steps
        if each.get("urn") not in settled and (paths := _mark_extended_lists(each))
    }
    recording = read_preview(environment, _filter_preview(preview, settled, hide_failure=set(failed) <= settled))
    if recording.failed:
        reasons = "\n".join(_group_by_reason(recording.problems))
        raise Failed(
            f"{environment} could not be compared with what is there; nothing was changed, and nothing is taken for "
            f"gone. Repeat when it answers:\n{reasons}"
        )
    recording.changes = [_with_contents(each, deleted_contents, states) for each in recording.changes]
    terminating = tuple(urn for urn in _terminating(steps) if urn not in settled)
    properties = {
        str(each["urn"]): tuple(sorted(mapping_at(each, "detailedDiff")))
        for each in steps
        if each.get("op") == "update" and each.get("urn") not in settled
    }
    return Comparison(recording, tuple(deleted_contents), unreachable, terminating, properties, extended_lists)


def _is_server_default(step: dict[str, Any]) -> bool:
    """Whether a Cluster differs only by what the server makes of a release and a class: neither is drift.

    Takes such differences out of the step. docs/decisions/0017 has what the server does.
    """
    old, new, differing = mapping_at(step, "oldState"), mapping_at(step, "newState"), mapping_at(step, "detailedDiff")
    if step.get("op") != "update" or not differing or not fnmatchcase(str(old.get("type", "")), _CLUSTER):
        return False
    desired, live = (
        mapping_at(mapping_at(mapping_at(state, part), "spec"), "topology")
        for state, part in ((old, "inputs"), (new, "outputs"))
    )
    if catalog.Release.agree(str(desired.get("version")), str(live.get("version"))):
        differing.pop("spec.topology.version", None)
    newer = any(
        each.cluster_classes.is_newer(str(live.get("class")), str(desired.get("class")))
        for each in catalog.all_baselines().values()
    )
    if "class" in desired and "class" in live and newer:
        for name in ("class", "classNamespace"):
            differing.pop(f"spec.topology.{name}", None)
    return not differing


def _mark_extended_lists(step: dict[str, Any]) -> tuple[str, ...]:
    """Make a step a change of the lists that have grown since; their paths."""
    old, new = mapping_at(step, "oldState"), mapping_at(step, "newState")
    if not new or old.get("external") or not str(old.get("type", "")).startswith("kubernetes:"):
        return ()
    desired, applied, live = mapping_at(old, "inputs"), mapping_at(old, "outputs"), mapping_at(new, "outputs")
    extended = dict(_extended_lists(desired, applied, live, ""))
    if extended:
        step["op"] = "update"
        # By the side of the list itself, an entry that only moved is no change.
        differing = mapping_at(step, "detailedDiff").items()
        step["detailedDiff"] = {
            **{path: kind for path, kind in differing if path.partition("[")[0] not in extended},
            **{path: {"kind": "update"} for path in extended},
        }
        new["inputs"] = deepcopy(mapping_at(new, "inputs") or desired)
        for path, entries in extended.items():
            set_at(new["inputs"], path, entries)
    return tuple(extended)


def _extended_lists(desired: Any, applied: Any, live: Any, path: str) -> Iterator[tuple[str, list[Any]]]:
    if isinstance(desired, dict) and isinstance(applied, dict) and isinstance(live, dict):
        for key in desired:
            if key.isidentifier():
                yield from _extended_lists(desired[key], applied.get(key), live.get(key), f"{path}.{key}".lstrip("."))
    elif (
        isinstance(desired, list) and isinstance(applied, list) and isinstance(live, list) and len(live) > len(applied)
    ):
        yield path, live


def set_at(data: dict[str, Any], path: str, value: Any) -> None:
    """Set what is at a path of plain keys, such as spec.ports."""
    *way, last = path.split(".")
    for key in way:
        data = data[key]
    data[last] = value


def get_at(data: Any, path: str) -> Any:
    """What is at a path of plain keys; None where there is nothing."""
    for key in path.split("."):
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _group_by_reason(problems: list[str]) -> list[str]:
    """Each reason once, with the first names that it was given for: a server that is down is one reason, not forty."""
    by_reason: dict[str, list[str]] = {}
    for problem in problems:
        name, separator, reason = problem.partition(": ")
        by_reason.setdefault(reason if separator else problem, []).append(name if separator else "")
    return [f"{_first_of(names)}: {reason}" if any(names) else reason for reason, names in by_reason.items()]


def _first_of(names: list[str]) -> str:
    shown = ", ".join(names[:_MAX_NAMES])
    return shown if len(names) <= _MAX_NAMES else f"{shown} and {len(names) - _MAX_NAMES} more"


def _is_failed_read(diagnostic: dict[str, Any]) -> bool:
    return diagnostic.get("severity") == "error" and bool(diagnostic.get("urn"))


def _filter_preview(preview: Any, excluded: Collection[str], *, hide_failure: bool) -> Any:
    """The preview without what is told otherwise; the engine's "preview failed" goes when nothing else has failed."""
    diagnostics = [each for each in mappings_at(preview, "diagnostics") if each.get("urn") not in excluded]
    if hide_failure and excluded:
        diagnostics = [each for each in diagnostics if not re.match(r"(error: )?preview failed", _message(each))]
    steps = [each for each in mappings_at(preview, "steps") if each.get("urn") not in excluded]
    return {**(preview if isinstance(preview, dict) else {}), "steps": steps, "diagnostics": diagnostics}


def _message(diagnostic: dict[str, Any]) -> str:
    return str(diagnostic.get("message", "")).strip()


def _containers(urn: str, states: dict[str, dict[str, Any]]) -> Iterator[str]:
    """What a resource lives in, from near to far."""
    seen = {urn}
    while (container := _container(urn, states)) and container not in seen:
        yield container
        seen.add(container)
        urn = container


def _container(urn: str, states: dict[str, dict[str, Any]]) -> str:
    """What a resource ends with: by the option, or the cluster or namespace that an object is in; "" without any."""
    state = states.get(urn, {})
    if state.get("deletedWith") in states:
        return str(state["deletedWith"])
    if state.get("external"):
        # Somebody else makes it for the resource that it is read after.
        return next((each for each in reversed(state.get("dependencies") or []) if each in states), "")
    if not str(state.get("type", "")).startswith("kubernetes:"):
        return ""
    if cluster := _cluster_of(urn, states):
        return cluster
    namespace = str(state.get("id", "")).partition("/")[0]
    return next(
        (each for each, it in states.items() if it.get("type") == "vcf:index:Namespace" and it.get("id") == namespace),
        "",
    )


def _cluster_of(urn: str, states: dict[str, dict[str, Any]]) -> str:
    """The Cluster whose API server an object is on; "" for one of the Supervisor."""
    provider = str(states.get(urn, {}).get("provider", "")).rpartition("::")[0]
    dependencies = states.get(provider, {}).get("dependencies") or []
    return next((each for each in dependencies if fnmatchcase(states.get(each, {}).get("type", ""), _CLUSTER)), "")


def _terminating(steps: list[dict[str, Any]]) -> Iterator[str]:
    for step in steps:
        outputs = mapping_at(mapping_at(step, "newState"), "outputs")
        # Of an object of Kubernetes, of a namespace in vCenter.
        if mapping_at(outputs, "metadata").get("deletionTimestamp") or outputs.get("configStatus") == "REMOVING":
            yield str(step.get("urn"))


def _with_contents(change: Change, contents: list[str], states: dict[str, dict[str, Any]]) -> Change:
    """What is gone, with what went with it."""
    contained = [urn for urn in contents if change.urn in _containers(urn, states) and states[urn].get("custom")]
    contained = [urn for urn in contained if not states[urn]["type"].startswith("pulumi:providers:")]
    if not contained:
        return change
    return replace(change, details=(*change.details, scrub(f"with what was in it: {_summarize(contained)}")))


def _summarize(urns: list[str]) -> str:
    return _first_of([_display_name(urn) for urn in urns])


def _display_name(urn: str) -> str:
    """Kind and name of a resource."""
    return " ".join(kind_and_name(urn))


def display_names(urns: Collection[str]) -> str:
    """Kinds and names of resources, as a sentence has them."""
    return ", ".join(_display_name(urn) for urn in urns)
