"""Puts right what rules can put right: only texts below one mapping change; all else stays as it came."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from policies.shared.diagnostics import error_location
from policies.shared.model import Resource, Rule, Run, UndecidedError, WrongFormError
from policies.shared.pack import VERSION
from policies.shared.properties import set_strings


def put_right(
    pack: str, rules: Iterable[Rule[Any, Any]], resource: Resource, run: Run[Any, Any], request: Any, response: Any
) -> None:
    """Add what each rule changes of the resource to the engine's answer."""
    for rule in rules:
        if rule.remediate is None:
            continue
        try:
            changes = rule.remediate(resource, run)
        except (UndecidedError, WrongFormError):
            continue
        except Exception as error:
            remediation = response.remediations.add(policyName=rule.name, policyPackName=pack)
            remediation.diagnostic = f"could not be put right: {error_location(error)}"
            continue
        if changes:
            properties = request.properties
            for path, texts in changes.items():
                set_strings(properties, path, texts)
            response.remediations.add(
                policyName=rule.name,
                policyPackName=pack,
                policyPackVersion=VERSION,
                description=rule.reason,
                properties=properties,
            )
