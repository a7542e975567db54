"""What the policy packs say, from the engine's event log."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

from cli.engine.urns import type_and_name
from cli.output.causes import by_cause, without_name
from cli.preview.documents import mapping_at
from cli.preview.model import Level, PolicyResult, Recording
from paif_catalog.redaction import Redactor


def read_policies(recording: Recording, events: list[dict[str, Any]], redactor: Redactor) -> None:
    """Put into the recording what each rule says, the worst first."""
    passed: set[tuple[str, str]] = set()
    failed: set[tuple[str, str]] = set()
    packs: set[str] = set()
    results: set[PolicyResult] = set()
    for event in events:
        for key in ("policyAnalyzeSummaryEvent", "policyAnalyzeStackSummaryEvent"):
            summary = mapping_at(event, key)
            pack = str(summary.get("policyPackName", ""))
            packs |= {pack} if pack else set()
            passed |= {(pack, str(each)) for each in summary.get("passed") or []}
            failed |= {(pack, str(each)) for each in summary.get("failed") or []}
        violation = mapping_at(event, "policyEvent")
        if violation:
            result = _policy_result(violation, redactor)
            packs.add(result.pack)
            results.add(result)
    levels = get_args(Level)
    severities = ["critical", "high", "medium", "low", ""]
    ordered = sorted(
        results,
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
        replace(first, other_resources=tuple(dict.fromkeys(each.resource for each in others)))
        for first, *others in by_cause(
            ordered, lambda each: (each.level, each.pack, each.rule, each.severity, without_name(each.text)[1])
        )
    ]
    recording.packs = sorted(redactor.text(pack) for pack in packs)
    reported = {(each.pack, each.rule) for each in results}
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
        resource=redactor.text(type_and_name(str(event.get("resourceUrn", "")))[1]),
        text=redactor.text(text),
    )
