"""What a run needs of each product, by its configuration and by the resources so far, beside what it may use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from policies.licensing.configuration import Context, licenses_of
from policies.licensing.counting.balance import Balance, balances
from policies.licensing.counting.need import Demand, Need, Product, need_of
from policies.licensing.demands import container_demands, demands_of_configuration, demands_of_machines
from policies.shared.machines import configured_model, machine_demands
from policies.shared.model import Resource, Undecided

Usage = tuple[Need, Mapping[Product, Balance]]


def usage_of(demands: Iterable[Demand], run: Context) -> Usage:
    """What these demands need, beside what the run's environment may use."""
    need = need_of(demands, mixed=run.settings.mixed_size_gpus, expected=configured_model(run.environment))
    return need, balances(need, licenses_of(run), (f"{run.project}/{run.stack}", run.stack), run.today)


def configured_usage(run: Context) -> Usage:
    """What the configuration asks for. A class that it does not describe is told by its resource."""
    return usage_of(demands_of_configuration(run.environment, run.stack, run.settings.existing_classes), run)


def quick_usage(demands: Iterable[Demand], run: Context) -> Usage:
    """The same figures without who asks for what: demands of one kind are counted together."""
    counts: Counter[tuple[object, ...]] = Counter()
    kinds: dict[tuple[object, ...], Demand] = {}
    for each in demands:
        kind = each.kind
        kinds.setdefault(kind, each)
        counts[kind] += each.count
    return usage_of((replace(each, count=counts[kind]) for kind, each in kinds.items()), run)


def own_demands(resource: Resource, run: Context) -> Iterator[Demand | Undecided]:
    """What one resource asks for. Raises UndecidedError where its containers leave that open."""
    observed = run.observations.containers.get(resource.urn)
    yield from container_demands(resource, run.settings) if observed is None else observed
    yield from demands_of_machines(machine_demands(resource), run)


def registered_until(resource: Resource, run: Context, *, included: bool = True) -> Iterator[Demand]:
    """What was asked for by resources before this one, and by this one.

    Who came later answers for what is missing. What is not decided counts once it is.
    """
    seen = run.observations
    # Whatever becomes known of a class or a Secret may change what others ask for.
    run.all_entries(seen.classes)
    run.all_entries(seen.software)
    for urn, machines in seen.machines.items():
        if urn == resource.urn and not included:
            return
        if urn not in seen.resolved:
            found = (each for each in demands_of_machines(machines, run) if not isinstance(each, Undecided))
            seen.resolved[urn] = (*seen.containers.get(urn, ()), *found)
        yield from seen.resolved[urn]
        if urn == resource.urn:
            return
