"""Runs one rule on one resource, and sorts what it says."""

from __future__ import annotations

from typing import Any

from policies.shared.diagnostics import error_location
from policies.shared.model import (
    Level,
    Resource,
    Rule,
    Run,
    Undecided,
    UndecidedError,
    Unreadable,
    Violation,
    WrongFormError,
)


def judge(
    rule: Rule[Any, Any], resource: Resource, run: Run[Any, Any], level: Level
) -> tuple[list[Violation], list[Undecided], str]:
    """What a rule objects to, what it could not decide, and where it crashed, or nothing.

    A value of a form that nobody can read is told once, whichever rules needed it. Of a patch only what it names is
    judged: what it leaves out stands in the object already.
    """
    violations: list[Violation] = []
    undecided: list[Undecided] = []
    crash = ""
    try:
        for each in rule.check(resource, run):
            (undecided if isinstance(each, Undecided) else violations).append(each)  # type: ignore[arg-type]
    except UndecidedError as error:
        undecided.append(error.undecided)
    except WrongFormError as error:
        violations += _told_once(Unreadable(error.path, error.value, error.expected), resource, level)
    except Exception as error:
        crash = error_location(error)
    unreadable = {each.path: each for each in resource.unreadable}
    for path in dict.fromkeys(each.path for each in undecided if each.path in unreadable):
        violations += _told_once(unreadable[path], resource, level)
    undecided = [each for each in undecided if each.path not in unreadable]
    if resource.partial:
        violations = [each for each in violations if _names(resource, each.path)]
    return violations, undecided, crash


def _told_once(value: Unreadable, resource: Resource, level: Level) -> list[Violation]:
    if value.path in resource.told:
        return []
    if level in {Level.MANDATORY, Level.REMEDIATE}:
        resource.told.add(value.path)
    return [wrong_form(value)]


def wrong_form(value: Unreadable) -> Violation:
    """What is wrong about a value of a form that nobody can read."""
    problem = f"expected {value.expected}, this is {_kind_of(value.value)}"
    # What holds others may hold secrets that only their own paths tell.
    scalar = not isinstance(value.value, dict | list)
    return Violation(problem, value.path, value.value) if scalar else Violation(problem, value.path)


def _kind_of(value: Any) -> str:
    for kind, name in ((bool, "true or false"), (dict, "a mapping"), (list, "a list"), (str, "text")):
        if isinstance(value, kind):
            return name
    return "null" if value is None else "a number"


def _names(resource: Resource, path: str) -> bool:
    """Whether a patch names a property: paths go through lists as well."""
    data: Any = resource.properties
    for part in path.split(".") if path else ():
        if isinstance(data, list):
            data = data[int(part)] if part.isdigit() and int(part) < len(data) else None
        elif isinstance(data, dict) and part in data:
            data = data[part]
        else:
            # A key that holds dots itself, such as an annotation's, ends the way there is.
            return isinstance(data, dict) and any("." in str(key) and str(key) in path for key in data)
        if data is None:
            return False
    return True
