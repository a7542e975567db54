"""What the pack `licensing` remembers of a run."""

from __future__ import annotations

from policies.licensing.configuration import Context
from policies.licensing.demands import container_demands, starts_software
from policies.licensing.rules.license_tokens import OVF_TOKEN_KEY, brings_token
from policies.licensing.rules.quantities import USERS
from policies.shared.boot_texts import boot_texts
from policies.shared.machines import machine_demands, observe_class
from policies.shared.model import Resource, Undecided, UndecidedError, Unknown, WrongFormError, raw_value_at
from policies.shared.selectors import is_type
from policies.shared.types import MACHINES, SECRET, VM_CLASS


def observe(resource: Resource, run: Context) -> None:
    """Note classes, Secrets with a license token, and machines; what is not known yet counts when it is."""
    if is_type(resource, VM_CLASS):
        run.observations.resolved.clear()
        observe_class(resource, run, run.observations.classes)
    elif is_type(resource, SECRET):
        _observe_secret(resource, run)
    else:
        _observe_demands(resource, run)


def _observe_demands(resource: Resource, run: Context) -> None:
    """Note what needs a GPU, in the order of registration; who is not known yet is told by the rules that ask."""
    containers = container_demands(resource, run.settings)
    machines = list(machine_demands(resource)) if is_type(resource, MACHINES) else []
    if containers or machines:
        run.observations.containers[resource.urn] = containers
        run.observations.machines[resource.urn] = machines
        run.observations.resolved.pop(resource.urn, None)


def _observe_secret(resource: Resource, run: Context) -> None:
    name, namespace = (raw_value_at(resource.properties, f"metadata.{each}") for each in ("name", "namespace"))
    if isinstance(name, Unknown):
        run.record_unnamed(run.observations.tokens)
        return
    if isinstance(namespace, Unknown):
        run.record(run.observations.tokens, (None, str(name)), Undecided(f"namespace of Secret {name}"))
        return
    if starts_software(resource, run.settings):
        run.observations.resolved.clear()
        run.record(run.observations.software, (str(namespace or ""), str(name)), True)
    has: bool | Undecided
    try:
        has = OVF_TOKEN_KEY in {**resource.mapping("data"), **resource.mapping("stringData")}
        for each in () if has else boot_texts(resource):
            if isinstance(each, Undecided):
                has = has or each
            elif brings_token(each[1]):
                has = True
    except (UndecidedError, WrongFormError):
        has = Undecided(f"content of Secret {name}")
    run.record(run.observations.tokens, (str(namespace or ""), str(name)), has)


OBSERVED = VM_CLASS + SECRET + USERS
