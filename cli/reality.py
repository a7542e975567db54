"""What is really there, compared with the state: what drifted, what went with something else, what could not be asked.

It is `pulumi refresh --preview-only --json`, which reads every resource and changes nothing. The engine answers for all
that it could read even when some reads fail, and says which failed (pulumi 3.259: a refresh goes on past errors). What
lives in something that is gone is told with that and not by itself, and cannot be asked: the API server of a cluster
ends with its Cluster. A read that fails is never taken for "gone".
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from cli import engine
from cli.output import Failed
from cli.recording import Change, Recording, read_preview
from cli.redaction import scrub
from lab.state import ROOT

_CLUSTER = "kubernetes:cluster.x-k8s.io/*:Cluster"
_NAMED = 4


@dataclass(frozen=True)
class Comparison:
    """The state beside what is there. URNs throughout.

    `contents` went, or cannot be asked, since what they live in is gone. `missed` could not be compared although what
    they live in is there, each with what it lives in: objects of a cluster whose API server does not answer. `ending`
    are being deleted at this moment. `properties` are the paths that differ, of what was changed.
    """

    recording: Recording
    contents: tuple[str, ...] = ()
    missed: dict[str, str] = field(default_factory=dict)
    ending: tuple[str, ...] = ()
    properties: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def gone(self) -> tuple[str, ...]:
        """What is gone by itself."""
        return tuple(each.urn for each in self.recording.changes if each.action == "delete")

    def not_compared(self) -> list[str]:
        """One sentence for each cluster whose objects could not be asked for."""
        found: dict[str, list[str]] = {}
        for urn, container in self.missed.items():
            found.setdefault(container, []).append(urn)
        return [
            f"{_called(container)} does not answer: {_listed(urns)} could not be compared"
            for container, urns in found.items()
        ]


def ask(stack: engine.Stack) -> Comparison:
    """Compare now; nothing is changed. Raises ``Failed`` when what is there could not be read, but for `missed`."""
    return comparison(stack.name, refresh_preview(stack))


def refresh_preview(stack: engine.Stack) -> Any:
    """What `pulumi refresh --preview-only --json` says; nothing is changed. Raises ``Failed``."""
    answer = subprocess.run(
        ["pulumi", "refresh", "--preview-only", "--stack", stack.name, "--json", "--non-interactive"],
        cwd=ROOT,
        env=engine.full_environment(lab=stack.lab),
        capture_output=True,
        text=True,
        check=False,
    )
    return _answered(stack, answer)


def program_preview(stack: engine.Stack, variables: dict[str, str]) -> Any:
    """What `pulumi preview --json` says, without policy packs; nothing is changed. Raises ``Failed``."""
    answer = subprocess.run(
        ["pulumi", "preview", "--stack", stack.name, "--json", "--non-interactive"],
        cwd=ROOT,
        env=engine.full_environment(lab=stack.lab) | {"PAIF_UNTIL": ""} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    return _answered(stack, answer)


def _answered(stack: engine.Stack, answer: subprocess.CompletedProcess[str]) -> Any:
    try:
        found = json.loads(answer.stdout)
    except ValueError:
        said = scrub((answer.stderr or answer.stdout).strip())[-3000:]
        raise Failed(f"{stack.name} could not be compared with what is there:\n{said}") from None
    # One that was cut off prints what it had come to: no error, and no difference.
    if answer.returncode and not read_preview(stack.name, found).failed:
        said = scrub(answer.stderr.strip())[-3000:]
        raise Failed(f"{stack.name} could not be compared: pulumi ended with status {answer.returncode}\n{said}")
    return found


def comparison(environment: str, preview: Any) -> Comparison:
    """What the engine's JSON of a refresh shows. Raises ``Failed`` for half an answer, but for `missed`."""
    steps = _listed_in(preview, "steps")
    states = {str(each.get("urn")): _mapping(each, "oldState") for each in steps}
    gone = {str(each.get("urn")) for each in steps if each.get("op") == "delete"}
    failed = [str(each.get("urn")) for each in _listed_in(preview, "diagnostics") if _is_failed_read(each)]
    # What a cluster that is gone still answers in its last seconds is gone too; elsewhere an answer is believed.
    contents = [
        urn
        for urn in states
        if any(each in gone for each in _around(urn, states))
        and (urn in gone or urn in failed or _cluster_of(urn, states) in gone)
    ]
    missed = {urn: cluster for urn in failed if urn not in contents and (cluster := _cluster_of(urn, states))}
    settled = {*contents, *missed}
    recording = read_preview(environment, _without(preview, settled, all_told=set(failed) <= settled))
    if recording.failed:
        reasons = "\n".join(recording.problems)
        raise Failed(f"{environment} could not be compared with what is there:\n{reasons}")
    recording.changes = [_with_contents(each, contents, states) for each in recording.changes]
    ending = tuple(urn for urn in _ending(steps) if urn not in settled)
    properties = {
        str(each["urn"]): tuple(sorted(_mapping(each, "detailedDiff")))
        for each in steps
        if each.get("op") == "update" and each.get("urn") not in settled
    }
    return Comparison(recording, tuple(contents), missed, ending, properties)


def _is_failed_read(diagnostic: dict[str, Any]) -> bool:
    return diagnostic.get("severity") == "error" and bool(diagnostic.get("urn"))


def _without(preview: Any, settled: Collection[str], *, all_told: bool) -> Any:
    """The preview without what is told otherwise; the engine's "preview failed" goes when nothing else has failed."""
    diagnostics = [each for each in _listed_in(preview, "diagnostics") if each.get("urn") not in settled]
    if all_told and settled:
        diagnostics = [each for each in diagnostics if not re.match(r"(error: )?preview failed", _message(each))]
    steps = [each for each in _listed_in(preview, "steps") if each.get("urn") not in settled]
    return {**(preview if isinstance(preview, dict) else {}), "steps": steps, "diagnostics": diagnostics}


def _message(diagnostic: dict[str, Any]) -> str:
    return str(diagnostic.get("message", "")).strip()


def _around(urn: str, states: dict[str, dict[str, Any]]) -> Iterator[str]:
    """What a resource lives in, from near to far."""
    seen = {urn}
    while (found := _container(urn, states)) and found not in seen:
        yield found
        seen.add(found)
        urn = found


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
    needed = states.get(provider, {}).get("dependencies") or []
    return next((each for each in needed if fnmatchcase(states.get(each, {}).get("type", ""), _CLUSTER)), "")


def _ending(steps: list[dict[str, Any]]) -> Iterator[str]:
    for step in steps:
        outputs = _mapping(_mapping(step, "newState"), "outputs")
        # Of an object of Kubernetes, of a namespace in vCenter.
        if _mapping(outputs, "metadata").get("deletionTimestamp") or outputs.get("configStatus") == "REMOVING":
            yield str(step.get("urn"))


def _with_contents(change: Change, contents: list[str], states: dict[str, dict[str, Any]]) -> Change:
    """What is gone, with what went with it."""
    within = [urn for urn in contents if change.urn in _around(urn, states) and states[urn].get("custom")]
    within = [urn for urn in within if not states[urn]["type"].startswith("pulumi:providers:")]
    if not within:
        return change
    return replace(change, details=(*change.details, scrub(f"with what was in it: {_listed(within)}")))


def _listed(urns: list[str]) -> str:
    named = ", ".join(_called(urn) for urn in urns[:_NAMED])
    return named if len(urns) <= _NAMED else f"{named} and {len(urns) - _NAMED} more"


def _called(urn: str) -> str:
    """Kind and name of a resource."""
    kind, name = urn.rsplit("::", 2)[-2:]
    return f"{kind.rsplit('$', 1)[-1].rsplit(':', 1)[-1]} {name}"


def called(urns: Collection[str]) -> str:
    """Kinds and names of resources, as a sentence has them."""
    return ", ".join(_called(urn) for urn in urns)


def _listed_in(data: Any, key: str) -> list[dict[str, Any]]:
    found = data.get(key) if isinstance(data, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _mapping(data: dict[str, Any], key: str) -> dict[str, Any]:
    found = data.get(key)
    return found if isinstance(found, dict) else {}
