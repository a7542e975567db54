"""Values of a form that the platform does not take."""

from __future__ import annotations

from policies.platform.configuration import Context, PlatformObservations, PlatformSettings
from policies.shared.judging import wrong_form
from policies.shared.model import Findings, Resource, Rules, Severity
from policies.shared.sources import WRONG_FORM

RULES: Rules[PlatformSettings, PlatformObservations] = Rules()


@RULES.rule(
    "unreadable-value",
    ("kubernetes:*", "vsphere:*", "vcf:*", "vcfa:*"),
    severity=Severity.HIGH,
    reason="what has another form than the platform takes there is refused by it, after others were created, and no "
    "rule can judge it",
    remedy="give the value in the form that is expected",
    source=WRONG_FORM,
)
def unreadable_value(resource: Resource, run: Context) -> Findings:
    for each in resource.unreadable:
        if each.path not in resource.told:
            resource.told.add(each.path)
            yield wrong_form(each)
