"""What an environment gets when its stack file does not say otherwise, by its kind."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Defaults:
    """What an environment of one kind gets when its stack file does not say otherwise."""

    endpoint_replicas: int
    control_plane_replicas: int
    high_availability: bool
    protect: bool


DEFAULTS: dict[str, Defaults] = {
    "dev": Defaults(endpoint_replicas=1, control_plane_replicas=1, high_availability=False, protect=False),
    "qa": Defaults(endpoint_replicas=1, control_plane_replicas=1, high_availability=False, protect=False),
    "staging": Defaults(endpoint_replicas=2, control_plane_replicas=3, high_availability=True, protect=False),
    "prod": Defaults(endpoint_replicas=3, control_plane_replicas=3, high_availability=True, protect=True),
}


def with_defaults(data: dict[str, Any]) -> dict[str, Any]:
    """A copy with the defaults of the environment's kind put where nothing is said."""
    kind = data.get("kind")
    defaults = DEFAULTS.get(kind) if isinstance(kind, str) else None
    if defaults is None:
        return data
    data = deepcopy(data)
    for endpoint in mappings(data.get("modelEndpoints")):
        endpoint.setdefault("replicas", defaults.endpoint_replicas)
    for cluster in mappings(data.get("clusters")):
        plane = cluster.setdefault("controlPlane", {})
        if isinstance(plane, dict):
            plane.setdefault("replicas", defaults.control_plane_replicas)
    for database in mappings([data.get("database")]):
        if not database.keys() & {"existing", "external"}:
            database.setdefault("highAvailability", defaults.high_availability)
    protection = data.setdefault("protection", {})
    if isinstance(protection, dict):
        protection.setdefault("protect", defaults.protect)
        protection.setdefault("retain", defaults.protect)
    return data


def mappings(entries: Any) -> list[dict[str, Any]]:
    """The mappings of what may be a list; what else is in it is wrong, and told elsewhere."""
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
