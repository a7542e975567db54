"""What an exported state needs licenses for: the resources of a stack as `pulumi stack export` writes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import paif_catalog as catalog
from paif_catalog.redaction import SIGNATURE
from policies.licensing.configuration import Context, LicensingObservations, LicensingSettings
from policies.licensing.counting.need import Demand
from policies.licensing.demands import demands_of_machines
from policies.licensing.observation import observe
from policies.licensing.pack import PACK
from policies.shared.model import Resource, Run, Undecided, UndecidedError, Unknown, WrongFormError
from policies.shared.selectors import is_type
from policies.shared.types import SECRET, VM_CLASS


class NoStateError(ValueError):
    """A document is no exported state."""


def stack_of(export: Any) -> tuple[str, str]:
    """Project and stack of an exported state. Raises NoStateError."""
    for each in _entries(export):
        stack, project = each["urn"].removeprefix("urn:pulumi:").split("::")[:2]
        return project, stack
    raise NoStateError("it has no resources")


def _entries(export: Any) -> Iterator[dict[str, Any]]:
    deployment = export.get("deployment") if isinstance(export, dict) else None
    listed = deployment.get("resources") if isinstance(deployment, dict) else None
    if not isinstance(deployment, dict):
        raise NoStateError("it has no deployment, which `pulumi stack export` writes")
    for each in listed or ():
        # What waits to be deleted was replaced already.
        if isinstance(each, dict) and str(each.get("urn", "")).count("::") >= 3 and not each.get("delete"):
            yield each


def state_demands(export: Any, settings: LicensingSettings) -> tuple[list[Demand], list[str]]:
    """What a state's resources ask for, and of which it cannot be told. Raises NoStateError."""
    project, stack = stack_of(export)
    resources = [_resource(each) for each in _entries(export)]
    platform = catalog.baseline(settings.platform_version or next(iter(catalog.all_baselines())))
    kind = settings.kind or "prod"
    run: Context = Run(stack, project, kind, settings.guards()[kind], platform, settings, LicensingObservations())
    undecided: dict[str, None] = {}
    # Classes and Secrets first: a state is in no order that matters here.
    for resource in sorted(resources, key=lambda each: not is_type(each, VM_CLASS + SECRET)):
        if is_type(resource, PACK.observed):
            try:
                observe(resource, run)
            except UndecidedError as error:
                undecided[f"{resource.urn}: {error.undecided.path}"] = None
            except WrongFormError as error:
                undecided[f"{resource.urn}: {error.path}"] = None
    found: list[Demand] = []
    for urn, machines in run.observations.machines.items():
        found += run.observations.containers.get(urn, ())
        for each in demands_of_machines(machines, run):
            if isinstance(each, Undecided):
                undecided[f"{urn}: {each.path}"] = None
            else:
                found.append(each)
    return found, [*undecided]


def _resource(entry: Mapping[str, Any]) -> Resource:
    properties = entry.get("inputs")
    plain = _plain(properties, "") if isinstance(properties, dict) else {}
    return Resource(entry["urn"], str(entry.get("type", "")), entry["urn"].rsplit("::", 1)[1], plain)


def _plain(value: Any, path: str) -> Any:
    """Inputs without the engine's marks: a secret cannot be read here, so that it is not known."""
    if isinstance(value, dict):
        if SIGNATURE in value:
            return Unknown(path)
        return {key: _plain(each, f"{path}.{key}" if path else key) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each, f"{path}.{index}") for index, each in enumerate(value)]
    return value
