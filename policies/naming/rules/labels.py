"""Labels and tags."""

from __future__ import annotations

import re

import paif_catalog as catalog
from policies.naming.configuration import Context, NamingObservations, NamingSettings
from policies.naming.convention import organization_of
from policies.naming.sources import CONVENTION, K8S_LABELS
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
_LABEL_KEY = re.compile(r"(?:[a-z0-9](?:[-.a-z0-9]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def _required_labels(run: Context) -> dict[str, str]:
    """Required labels with the value they must have, where the configuration tells."""
    keys = catalog.naming().labels
    values = {
        "organization": organization_of(run),
        "environment": run.stack,
        "owner": run.environment.get("owner"),
        "costCenter": run.environment.get("costCenter"),
    }
    return {keys.get(name, name): str(values.get(name) or "") for name in run.settings.required_labels}


def _add_labels(resource: Resource, run: Context) -> dict[str, dict[str, str]]:
    present = resource.labels()
    missing = {key: value for key, value in _required_labels(run).items() if value and not present.get(key)}
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
    if missing:
        yield Violation(f"labels are missing: {', '.join(missing)}", "metadata.labels")


def _fix_environment_label(resource: Resource, run: Context) -> dict[str, dict[str, str]]:
    key = catalog.naming().labels["environment"]
    value = require_known(resource.labels().get(key))
    return {"metadata.labels": {key: run.stack}} if value not in {None, "", run.stack} else {}


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
    key = catalog.naming().labels["environment"]
    value = require_known(resource.labels().get(key))
    if value not in {None, "", run.stack}:
        yield Violation(f"the environment label is not {run.stack}", f"metadata.labels.{key}", value)


@RULES.rule(
    "persona-label",
    VM,
    severity=Severity.MEDIUM,
    reason="who works on a machine decides whether it may exist and who may log in",
    remedy="label it with the persona of its user",
    source=CONVENTION,
)
def persona_label(resource: Resource, run: Context) -> Findings:
    key = catalog.naming().labels["persona"]
    if not require_known(resource.labels().get(key)):
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
        if _LABEL_KEY.fullmatch(key) is None:
            yield Violation(f"{key!r} is no label key", path)
        elif isinstance(value, Unknown):
            yield Undecided(value.path)
        elif not isinstance(value, str) or _LABEL_VALUE.fullmatch(value) is None:
            yield Violation("this is no label value", path, value)
