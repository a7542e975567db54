"""What an environment gets when its stack file does not say otherwise, by its kind."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from paif_catalog.predicates import KINDS, guards_of


def with_defaults(data: dict[str, Any]) -> dict[str, Any]:
    """A copy with the defaults of the environment's kind put where nothing is said."""
    kind = data.get("kind")
    if kind not in KINDS:
        return data
    defaults = guards_of(kind)
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
        protection.setdefault("protect", defaults.protected)
        protection.setdefault("retain", defaults.protected)
    return data


def mappings(entries: Any) -> list[dict[str, Any]]:
    """The mappings of what may be a list; what else is in it is wrong, and told elsewhere."""
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
