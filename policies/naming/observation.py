"""What the pack `naming` remembers of a run."""

from __future__ import annotations

from policies.naming.configuration import Context
from policies.naming.convention import NAMED_TYPES, name_of
from policies.naming.rules.collisions import identity_of
from policies.naming.rules.models import route_of
from policies.shared.model import Resource
from policies.shared.selectors import is_type
from policies.shared.types import CONFIG_MAP, ENDPOINT, SECRET


def observe(resource: Resource, run: Context) -> None:
    """Note the names that a resource takes; what is not known yet takes none."""
    identity, name = identity_of(resource), name_of(resource)
    if identity is not None and name is not None:
        run.observations.physical.setdefault(identity, (resource.urn, name))
    if is_type(resource, ENDPOINT):
        route = route_of(resource)
        if route is not None:
            run.observations.routes.setdefault(route, resource.urn)


OBSERVED = NAMED_TYPES + SECRET + CONFIG_MAP
