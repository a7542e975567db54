"""What a build may keep of a preview: only what is reviewed, and no secrets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cli.preview.documents import mapping_at, mappings_at
from cli.preview.steps import guard_changes, preview_redactor, preview_steps
from paif_catalog.redaction import Redactor


def slim(preview: Any) -> dict[str, Any]:
    """A preview without what nobody reviews (unchanged resources, stack traces, managed fields) and without secrets.

    It is what a build may keep: whoever may read the project may fetch it.
    """
    redactor = preview_redactor(preview)
    reviewed = []
    for step in preview_steps(preview):
        if step.get("op") == "read" or (step.get("op") == "same" and not any(guard_changes(step))):
            continue
        differences = mapping_at(step, "detailedDiff")
        reviewed.append(
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
        for each in mappings_at(preview, "diagnostics")
        if each.get("severity") in {"error", "warning"}
    ]
    return {"steps": reviewed, "diagnostics": diagnostics, "changeSummary": rest.get("changeSummary") or {}}


def slim_events(lines: Iterable[dict[str, Any]], preview: Any) -> list[dict[str, Any]]:
    """Policy results and the summary of an event log, without secrets."""
    redactor = preview_redactor(preview)
    reviewed = []
    for line in lines:
        for key in ("policyEvent", "policyAnalyzeSummaryEvent", "policyAnalyzeStackSummaryEvent", "summaryEvent"):
            if isinstance(line.get(key), dict):
                event = {name: value for name, value in line[key].items() if name != "PolicyPacks"}
                reviewed.append({key: redactor.data(event)})
    return reviewed


def _slim_state(state: dict[str, Any], redactor: Redactor) -> dict[str, Any]:
    plain = ("type", "urn", "custom", "protect", "retainOnDelete")
    reviewed: dict[str, Any] = redactor.data({key: state[key] for key in plain if key in state})
    for key in ("inputs", "outputs"):
        if isinstance(state.get(key), dict):
            properties = {name: value for name, value in state[key].items() if not name.startswith("__")}
            if isinstance(properties.get("metadata"), dict):
                properties["metadata"] = {k: v for k, v in properties["metadata"].items() if k != "managedFields"}
            reviewed[key] = redactor.data(properties, str(state.get("type", "")))
    return reviewed
