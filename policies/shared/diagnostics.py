"""What a pack says of a resource, free of secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from policies.shared.configuration import Exemption
from policies.shared.model import Resource, Rule, Run, Undecided, Violation
from policies.shared.redaction import Redactor


def violation_message(rule: Rule[Any, Any], resource: Resource, violation: Violation, redactor: Redactor) -> str:
    """What is refused, why, and what to do."""
    # Each part by itself: a resource called like a secret, before its colon, would hide the first word of the problem.
    label, path = redactor.text(resource.label), violation.path
    where = f" ({path})" if path else ""
    if violation.has_value:
        where = f" ({path} is {redactor.value(path, violation.value)})"
    return f"{label}: {redactor.text(violation.problem + where)}\nwhy: {rule.reason}\ndo: {rule.remedy}"


def undecided_message(resource: Resource, what: Undecided, redactor: Redactor) -> str:
    """What cannot be checked yet, and how it could be."""
    label, path, declare = map(redactor.text, (resource.label, what.path, what.declare))
    if declare:
        return f"{label}: undecided: nothing so far tells {path}\ndo: {declare}"
    return f"{label}: undecided: {path} is not known yet; it is checked during `up`"


def unresolved_message(
    rule: Rule[Any, Any], resource: Resource, what: Undecided, run: Run[Any, Any], redactor: Redactor
) -> str:
    """What is refused because it cannot be checked."""
    label, path, declare = map(redactor.text, (resource.label, what.path, what.declare))
    if declare:
        where = "in this run" if run.dry_run else "before it"
        return f"{label}: nothing {where} tells {path}, so that it cannot be checked\nwhy: {rule.reason}\ndo: {declare}"
    return f"{label}: {path} is still not known, so that it cannot be checked\ndo: {rule.remedy}"


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
