"""Dates of entitlements."""

from __future__ import annotations

import datetime as dt

from policies.licensing.configuration import Context, LicensingObservations, LicensingSettings
from policies.licensing.declarations import class_vgpu_profiles
from policies.licensing.sources import ISSUE, NVAIE_EULA, VGPU_LICENSING
from policies.shared.model import Findings, Level, Resource, Rules, Severity, Violation, everywhere
from policies.shared.types import ROOT, VM_CLASS

RULES: Rules[LicensingSettings, LicensingObservations] = Rules()


@RULES.rule(
    "entitlement-expired",
    ROOT + VM_CLASS,
    severity=Severity.CRITICAL,
    reason="machines that start after the last day get no license",
    remedy="renew the entitlement and declare its new date",
    source=VGPU_LICENSING,
)
def entitlement_expired(resource: Resource, run: Context) -> Findings:
    if resource.type not in ROOT and not class_vgpu_profiles(resource):
        return
    for each in run.settings.entitlements:
        if each.expires < run.today:
            kind = "evaluation" if each.evaluation else "entitlement"
            yield Violation(f"the {each.edition} {kind} with {each.seats} seats has expired on {each.expires}")


@RULES.rule(
    "entitlement-expires-soon",
    ROOT,
    severity=Severity.MEDIUM,
    levels=everywhere(Level.ADVISORY),
    reason="renewals take weeks, and machines stop working on the day",
    remedy="renew it",
    source=ISSUE,
)
def entitlement_expires_soon(resource: Resource, run: Context) -> Findings:
    dates = [(f"{each.edition} entitlement", each.expires) for each in run.settings.entitlements]
    if run.settings.paif_add_on is not None:
        dates.append(("PAIF add-on", run.settings.paif_add_on.expires))
    for what, day in dates:
        if run.today <= day <= run.today + dt.timedelta(days=run.settings.warn_days):
            yield Violation(f"the {what} ends on {day}, in {(day - run.today).days} days")


@RULES.rule(
    "evaluation-in-production",
    ROOT + VM_CLASS,
    severity=Severity.HIGH,
    reason="an evaluation has terms of its own and ends on its day, whatever stands on it",
    remedy="buy seats for this environment",
    source=f"{NVAIE_EULA} (1.2: offers for evaluation have terms of their own)",
)
def evaluation_in_production(resource: Resource, run: Context) -> Findings:
    if resource.type not in ROOT and not class_vgpu_profiles(resource):
        return
    if run.kind in run.settings.evaluation_in:
        return
    for each in run.settings.entitlements:
        if each.evaluation:
            yield Violation(f"the {each.edition} entitlement is an evaluation, the environment is of kind {run.kind}")
