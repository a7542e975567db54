"""Dates of what is owned."""

from __future__ import annotations

import datetime as dt

from policies.licensing.configuration import Context, LicensingObservations, LicensingSettings, licenses_of
from policies.licensing.counting.balance import PRODUCTS, TITLES, UNITS
from policies.licensing.counting.owned import Purchase, in_force
from policies.licensing.sources import ISSUE
from policies.shared.model import Findings, Level, Resource, Rules, Severity, Violation, everywhere
from policies.shared.types import ROOT

RULES: Rules[LicensingSettings, LicensingObservations] = Rules()


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
    licenses = licenses_of(run)
    listed: list[tuple[str, str, list[Purchase]]] = [
        (TITLES[each], UNITS[each], licenses.purchases(each)) for each in PRODUCTS
    ]
    listed.append(("the PAIF add-on", "cores", [*licenses.paif_add_on.owned]))
    for what, unit, purchases in listed:
        for day in sorted({each.ends for each in purchases if each.ends is not None}):
            if not run.today <= day <= run.today + dt.timedelta(days=run.settings.warn_days):
                continue
            fewer = in_force(purchases, run.today) - in_force(purchases, day + dt.timedelta(days=1))
            if fewer > 0:
                yield Violation(f"{fewer} {unit} of {what} end on {day}, in {(day - run.today).days} days")
