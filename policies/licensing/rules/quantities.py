"""Whether there are licenses enough, in the unit that they are bought in."""

from __future__ import annotations

from collections.abc import Iterator

from policies.licensing.configuration import Context, LicensingObservations, LicensingSettings
from policies.licensing.counting.balance import TITLES, UNITS, Balance, Verdict, buy, table
from policies.licensing.counting.need import Need, Product
from policies.licensing.demands import demands_of_machines
from policies.licensing.sources import ISSUE, NVAIE_EULA, NVAIE_GUIDE, VGPU_LICENSING
from policies.licensing.usage import Usage, configured_usage, own_demands, quick_usage, registered_until, usage_of
from policies.shared.machines import machine_demands
from policies.shared.model import Findings, Resource, Rules, Severity, Undecided, Violation, mandatory_in
from policies.shared.types import KUBERNETES, MACHINES, ROOT

RULES: Rules[LicensingSettings, LicensingObservations] = Rules()
USERS = tuple(dict.fromkeys(KUBERNETES + MACHINES))
"""What needs licenses: machines, and containers of NVIDIA AI Enterprise."""


def _judged(usage: Usage, run: Context, wanted: Verdict) -> Iterator[tuple[Need, Balance]]:
    """Products of which this is what is wrong."""
    need, listed = usage
    allowed = run.kind in run.settings.evaluation_in
    yield from ((need, each) for each in listed.values() if each.verdict(evaluation_allowed=allowed) == wanted)


def _findings(resource: Resource, run: Context, wanted: Verdict) -> Iterator[tuple[Need, Balance, str] | Undecided]:
    """What is wrong by the configuration, told with the stack; by more than it shows, told where that begins.

    While nothing exists once is enough. During `up` others may be on their way already: each that comes later is
    refused as well.
    """
    if resource.type in ROOT:
        yield from ((*each, "the configuration needs") for each in _judged(configured_usage(run), run, wanted))
        return
    own: set[Product] = set()
    for each in own_demands(resource, run):
        if isinstance(each, Undecided):
            yield each
        else:
            own |= each.products
    if not own:
        return
    if "vws" in own:
        # What it takes of vWS is no longer there for B profiles.
        own.add("vpc")
    with_it = [balance for _, balance in _judged(quick_usage(registered_until(resource, run), run), run, wanted)]
    if not with_it:
        return
    told = {each.product: each for _, each in _judged(configured_usage(run), run, wanted)}
    if run.dry_run:
        before = quick_usage(registered_until(resource, run, included=False), run)
        told |= {each.product: each for _, each in _judged(before, run, wanted) if each.product not in told}
    for balance in with_it:
        known = told.get(balance.product)
        repeated = known is not None and (run.dry_run or known.missing >= balance.missing)
        if balance.product in own and not repeated:
            need, _ = usage_of(registered_until(resource, run), run)
            yield need, balance, "with this one they are"


@RULES.rule(
    "license-overuse",
    ROOT + USERS,
    severity=Severity.CRITICAL,
    reason="AI Enterprise is bought for every physical GPU that runs its software, on vGPU and DirectPath I/O alike; "
    "vWS, vPC and vApps for every running machine; the autoscaler's maximum and control planes count",
    remedy="ask for fewer machines or GPUs or lower maxReplicas, or buy what is missing and declare it in "
    "policies/config/licenses.yaml",
    source=f"{NVAIE_GUIDE}; docs/licenses.md has all sources",
)
def license_overuse(resource: Resource, run: Context) -> Findings:
    for each in _findings(resource, run, "overuse"):
        if isinstance(each, Undecided):
            yield each
            continue
        need, balance, how = each
        trial = balance.evaluation if run.kind in run.settings.evaluation_in else 0
        there = balance.covered + balance.allowed + trial
        what = f"{balance.used} {UNITS[balance.product]} of {there} ({TITLES[balance.product]})"
        text = f"{how} {what}:\n{table(balance, need)}\n  {buy(balance)}"
        yield Violation(text, cause=str(balance.product))


@RULES.rule(
    "entitlement-expired",
    ROOT + USERS,
    severity=Severity.CRITICAL,
    reason="machines that start after the last day get no license",
    remedy="renew it and declare the renewal beside it in policies/config/licenses.yaml",
    source=VGPU_LICENSING,
)
def entitlement_expired(resource: Resource, run: Context) -> Findings:
    for each in _findings(resource, run, "ended"):
        if isinstance(each, Undecided):
            continue
        need, balance, _ = each
        yield Violation(
            f"{balance.ended} {UNITS[balance.product]} of {TITLES[balance.product]} have ended on {balance.ended_on}, "
            f"and {balance.missing} of them are needed:\n{table(balance, need)}",
            cause=str(balance.product),
        )


@RULES.rule(
    "evaluation-in-production",
    ROOT + USERS,
    severity=Severity.HIGH,
    reason="an evaluation has terms of its own and ends on its day, whatever stands on it",
    remedy="declare production licenses, or list the kind of environment under licensing.evaluationIn when it may use "
    "an evaluation",
    source=f"{NVAIE_EULA} (1.2: offers for evaluation have terms of their own)",
)
def evaluation_in_production(resource: Resource, run: Context) -> Findings:
    for each in _findings(resource, run, "evaluation"):
        if isinstance(each, Undecided):
            continue
        _, balance, _ = each
        yield Violation(
            f"{balance.missing} of the {balance.used} {UNITS[balance.product]} of {TITLES[balance.product]} are an "
            f"evaluation's, and the environment is of kind {run.kind}",
            cause=str(balance.product),
        )


@RULES.rule(
    "vm-class-known",
    MACHINES,
    severity=Severity.MEDIUM,
    levels=mandatory_in("staging", "prod"),
    reason="whether a machine needs a license depends on its class",
    remedy="declare the class under existingClasses with its profiles or devices; none of both means it has no GPU",
    source=ISSUE,
)
def vm_class_known(resource: Resource, run: Context) -> Findings:
    yield from (each for each in demands_of_machines(machine_demands(resource), run) if isinstance(each, Undecided))
