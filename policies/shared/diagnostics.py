"""What a pack says of a resource, free of secrets."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

from policies.shared.configuration import Exemption
from policies.shared.model import Resource, Rule, Run, Undecided, Violation
from policies.shared.redaction import Redactor

OWN_PROJECT = "paif"
"""The Pulumi project of this toolkit, which has its commands."""


def messages_of(
    rule: Rule[Any, Any],
    resource: Resource,
    run: Run[Any, Any],
    redactor: Redactor,
    *,
    violations: Sequence[Violation],
    crash: str,
    missing: Sequence[Undecided],
) -> list[tuple[str, Hashable]]:
    """What is refused of a resource, each with its cause, which other resources may share.

    `crash` is where the check failed, `missing` what nothing tells any more.
    """
    label = redactor.text(resource.label)
    found: list[tuple[str, Hashable]] = []
    for violation in violations:
        message = _violation_message(rule, resource, run, violation, redactor)
        found.append((message, (rule.name, violation.cause or message.removeprefix(label))))
    if crash:
        message = (
            f"{resource.label}: the check itself failed, so the resource counts as violating ({crash})\n"
            f"do: report the rule {rule.name}; an exemption lets the resource through"
        )
        found.append((message, (rule.name, crash)))
    for each in missing:
        message = _unresolved_message(rule, resource, each, run, redactor)
        # What nothing tells is one cause, whichever rules of whichever pack need it.
        found.append((message, (each.path, each.declare) if each.declare else (rule.name, message.removeprefix(label))))
    return found


def remedy_for(project: str, rule: Rule[Any, Any]) -> str:
    """What to do; commands of this toolkit only where the project is this one."""
    if project in ("", OWN_PROJECT):
        return rule.remedy
    return "; ".join(part for part in rule.remedy.split("; ") if "./paif" not in part) or rule.remedy


def _violation_message(
    rule: Rule[Any, Any], resource: Resource, run: Run[Any, Any], violation: Violation, redactor: Redactor
) -> str:
    """What is refused, why, and what to do."""
    # Each part by itself: a resource called like a secret, before its colon, would hide the first word of the problem.
    label, path = redactor.text(resource.label), violation.path
    where = f" ({path})" if path else ""
    if violation.has_value:
        where = f" ({path} is {redactor.value(path, violation.value)})"
    return (
        f"{label}: {redactor.text(violation.problem + where)}\nwhy: {rule.reason}\ndo: {remedy_for(run.project, rule)}"
    )


def undecided_message(resource: Resource, what: Undecided, redactor: Redactor) -> str:
    """What cannot be checked yet, and how it could be."""
    label, path, declare = map(redactor.text, (resource.label, what.path, what.declare))
    if declare:
        return f"{label}: undecided: nothing so far tells {path}\ndo: {declare}"
    return f"{label}: undecided: {path} is not known yet; it is checked during `up`"


def _unresolved_message(
    rule: Rule[Any, Any], resource: Resource, what: Undecided, run: Run[Any, Any], redactor: Redactor
) -> str:
    """What is refused because it cannot be checked."""
    label, path, declare = map(redactor.text, (resource.label, what.path, what.declare))
    if declare:
        where = "in this run" if run.dry_run else "before it"
        return f"{label}: nothing {where} tells {path}, so that it cannot be checked\nwhy: {rule.reason}\ndo: {declare}"
    return f"{label}: {path} is still not known, so that it cannot be checked\ndo: {remedy_for(run.project, rule)}"


def exemption_terms(exemption: Exemption) -> str:
    """Until when an exemption holds, who answers for it, and why."""
    return f"until {exemption.expires} by {exemption.owner}: {exemption.reason}"


def error_location(error: Exception) -> str:
    """Kind of an error and where it arose. Not its text, which may hold a property's value."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
    return f"{type(error).__name__}{place}"
