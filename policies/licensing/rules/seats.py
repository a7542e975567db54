"""Seats: how many machines take one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from policies.licensing.configuration import (
    Context,
    Edition,
    LicensingObservations,
    LicensingSettings,
    edition_of,
    entitled,
)
from policies.licensing.sources import ISSUE, VGPU_LICENSING
from policies.shared.machines import GpuClass, MachineDemand, configured_demands, demand_gpu, machine_demands
from policies.shared.model import Findings, Resource, Rules, Severity, Undecided, Unknown, Violation, mandatory_in
from policies.shared.types import MACHINES, ROOT

RULES: Rules[LicensingSettings, LicensingObservations] = Rules()


def _seat_usage(
    demands: Iterable[MachineDemand], run: Context
) -> Iterator[tuple[MachineDemand, list[Edition]] | Undecided]:
    """Those of the machines that take seats, and of which editions: a machine takes one of each that its vGPUs need."""
    classes: dict[str, GpuClass | Undecided | None] = {}
    for pool in demands:
        if isinstance(pool.vm_class, Unknown):
            yield Undecided(pool.vm_class.path)
            continue
        name = str(pool.vm_class)
        if pool.gpu is not None or name not in classes:
            classes[name] = demand_gpu(pool, run, run.observations.classes)
        found = classes[name]
        if isinstance(found, Undecided):
            yield found
        elif found is not None and found.profiles and pool.count:
            yield pool, sorted({edition_of(each) for each in found.profiles})


def _table(used: Mapping[str, int], seats: int) -> str:
    rows = [*used.items(), ("in all", sum(used.values())), ("entitled", seats)]
    width = max(len(who) for who, _ in rows)
    return "\n".join(f"  {who:<{width}}  {count:>5}" for who, count in rows)


def _seat_violations(demands: Iterable[MachineDemand], run: Context) -> Iterator[tuple[Edition, str]]:
    """Each edition of which the machines take more seats than there are, with who takes how many of it."""
    used: dict[Edition, Counter[str]] = {}
    for each in _seat_usage(demands, run):
        if not isinstance(each, Undecided):
            pool, editions = each
            for edition in editions:
                used.setdefault(edition, Counter())[pool.consumer] += pool.count
    seats = entitled(run.settings.entitlements, run.today)
    for edition, by in used.items():
        if by.total() > seats[edition]:
            yield edition, f"{by.total()} vGPU seats of {seats[edition]} ({edition}):\n{_table(by, seats[edition])}"


@RULES.rule(
    "vgpu-seats",
    ROOT,
    severity=Severity.CRITICAL,
    reason="every vGPU machine takes a seat of the edition that its profile's series needs: workstations, nodes at the "
    "autoscaler's maximum, replicas of endpoints",
    remedy="ask for fewer machines or lower maxReplicas, or buy seats and declare them under licensing.entitlements",
    source=VGPU_LICENSING,
)
def vgpu_seats(resource: Resource, run: Context) -> Findings:
    if not run.settings.entitlements:
        return
    # A class that the configuration does not describe is told by its resource: vgpu-seats-in-use counts with it.
    for _, table in _seat_violations(configured_demands(run.environment), run):
        yield Violation(f"the configuration takes {table}")


@RULES.rule(
    "vgpu-seats-in-use",
    MACHINES,
    severity=Severity.CRITICAL,
    reason="a program may ask for more machines than its configuration shows; each one takes a seat of its edition",
    remedy="ask for fewer machines, or buy seats and declare them under licensing.entitlements",
    source=VGPU_LICENSING,
)
def vgpu_seats_in_use(resource: Resource, run: Context) -> Findings:
    if not run.settings.entitlements:
        return
    own_editions: set[Edition] = set()
    for each in _seat_usage(machine_demands(resource), run):
        if isinstance(each, Undecided):
            yield each
        else:
            own_editions |= {*each[1]}
    if not own_editions:
        return
    for edition, table in _seat_violations(_registered_until(resource, run), run):
        if edition in own_editions:
            yield Violation(f"with this one there are {table}")


def _registered_until(resource: Resource, run: Context) -> Iterator[MachineDemand]:
    """Machines of this resource and of those before it: who came later answers for the seats that are missing."""
    for urn, listed in run.observations.machines.items():
        yield from listed
        if urn == resource.urn:
            return


@RULES.rule(
    "vm-class-known",
    MACHINES,
    severity=Severity.MEDIUM,
    levels=mandatory_in("staging", "prod"),
    reason="whether a machine takes a seat depends on its class",
    remedy="declare the class under existingClasses with its profiles or devices; none of both means it has no GPU",
    source=ISSUE,
)
def vm_class_known(resource: Resource, run: Context) -> Findings:
    yield from (each for each in _seat_usage(machine_demands(resource), run) if isinstance(each, Undecided))
