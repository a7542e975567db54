"""Labels and tags."""

from __future__ import annotations

import re
from typing import Any

import paif_catalog as catalog
from policies.naming.configuration import Context, NamingObservations, NamingSettings
from policies.naming.convention import is_followed_by, organization_of
from policies.naming.sources import CONVENTION, K8S_LABELS
from policies.shared.configuration import is_label_key
from policies.shared.model import (
    Findings,
    Level,
    Resource,
    Rules,
    Severity,
    Undecided,
    Unknown,
    Violation,
    mandatory_in,
    require_known,
)
from policies.shared.sources import VSPHERE_PROVIDER
from policies.shared.types import KUBERNETES, LABELED, VM, VSPHERE_VM

RULES: Rules[NamingSettings, NamingObservations] = Rules()
_LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


def _required_labels(run: Context) -> dict[str, str]:
    """Required labels with the value they must have, where the configuration tells."""
    keys = catalog.naming().labels
    values = {
        "organization": organization_of(run),
        "environment": next(run.settings.codes_of(run.stack, run.kind), run.stack),
        "owner": run.environment.get("owner"),
        "costCenter": run.environment.get("costCenter"),
    }
    return {
        run.settings.label(name) if name in keys else name: str(values.get(name) or "")
        for name in run.settings.required_labels
    }


def _add_labels(resource: Resource, run: Context) -> dict[str, dict[str, str]]:
    present = resource.labels()
    missing = {key: value for key, value in _required_labels(run).items() if value and not present.get(key)}
    if not is_followed_by(resource, run):
        return {}
    # An object without any labels is left to its author: what would be put right is not one text, but a structure.
    return {"metadata.labels": missing} if missing and present else {}


@RULES.rule(
    "required-labels",
    LABELED,
    severity=Severity.MEDIUM,
    levels=mandatory_in("staging", "prod", otherwise=Level.REMEDIATE),
    reason="costs, incidents and clean-ups are assigned by owner, cost center and environment",
    remedy="label it; the components do so by themselves",
    source=CONVENTION,
    remediate=_add_labels,
)
def required_labels(resource: Resource, run: Context) -> Findings:
    present = resource.labels()
    missing = [key for key in _required_labels(run) if not require_known(present.get(key))]
    if missing and is_followed_by(resource, run):
        yield Violation(f"labels are missing: {', '.join(missing)}", "metadata.labels")


def _wrong_environment(resource: Resource, run: Context) -> tuple[str, str, Any]:
    """The environment label's key, the value it should have, and the wrong one; "" where it is right or missing."""
    key = run.settings.label("environment")
    value = require_known(resource.labels().get(key))
    codes = list(run.settings.codes_of(run.stack, run.kind))
    right = value in {None, "", run.stack, *codes}
    return key, codes[0] if codes else run.stack, "" if right else value


def _fix_environment_label(resource: Resource, run: Context) -> dict[str, dict[str, str]]:
    key, expected, value = _wrong_environment(resource, run)
    return {"metadata.labels": {key: expected}} if value else {}


@RULES.rule(
    "environment-label",
    KUBERNETES,
    severity=Severity.HIGH,
    levels=mandatory_in("staging", "prod", otherwise=Level.REMEDIATE),
    reason="costs and clean-ups of one environment must not hit another",
    remedy="set the environment label to the stack's name",
    source=CONVENTION,
    remediate=_fix_environment_label,
)
def environment_label(resource: Resource, run: Context) -> Findings:
    key, expected, value = _wrong_environment(resource, run)
    if value:
        yield Violation(f"the environment label is not {expected}", f"metadata.labels.{key}", value)


@RULES.rule(
    "persona-label",
    VM,
    severity=Severity.MEDIUM,
    reason="who works on a machine decides whether it may exist and who may log in",
    remedy="label it with the persona of its user",
    source=CONVENTION,
)
def persona_label(resource: Resource, run: Context) -> Findings:
    key = run.settings.label("persona")
    if is_followed_by(resource, run) and not require_known(resource.labels().get(key)):
        yield Violation(f"label {key} is missing", "metadata.labels")


@RULES.rule(
    "vsphere-tags",
    VSPHERE_VM,
    severity=Severity.MEDIUM,
    levels=mandatory_in("staging", "prod"),
    reason="in vCenter a machine is found by its tags, and backup and chargeback go by them; they are counted only, "
    "since a tag is attached by its id, which tells nothing of its category",
    remedy="attach tags for owner, cost center, environment and persona; or set requireVsphereTags to false",
    source=f"{VSPHERE_PROVIDER}/virtual_machine.md (tags)",
)
def vsphere_tags(resource: Resource, run: Context) -> Findings:
    if not run.settings.require_vsphere_tags:
        return
    # A machine has a user, whose persona is labeled by a rule of its own where labels are.
    required = list(dict.fromkeys((*run.settings.required_labels, "persona")))
    attached = {each.path if isinstance(each, Unknown) else str(each) for each in resource.items("tags")}
    if len(attached) < len(required):
        text = f"{len(attached)} tags are attached, at least {len(required)} are needed: {', '.join(required)}"
        yield Violation(text, "tags")


@RULES.rule(
    "label-syntax",
    KUBERNETES,
    severity=Severity.MEDIUM,
    reason="Kubernetes refuses other labels when the object is created",
    remedy="use letters, digits, '-', '_' and '.', at most 63 characters",
    source=K8S_LABELS,
)
def label_syntax(resource: Resource, run: Context) -> Findings:
    for key, value in resource.labels().items():
        path = f"metadata.labels.{key}"
        if not is_label_key(key):
            yield Violation(f"{key!r} is no label key", path)
        elif isinstance(value, Unknown):
            yield Undecided(value.path)
        elif not isinstance(value, str) or _LABEL_VALUE.fullmatch(value) is None:
            yield Violation("this is no label value", path, value)
