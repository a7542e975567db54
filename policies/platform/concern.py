"""Whether rules on sources and clusters concern a resource at all: a shop's web server is nobody's Private AI."""

from __future__ import annotations

from policies.platform.configuration import Context
from policies.shared.model import Resource
from policies.shared.private_ai import is_one


def stack_is_private_ai(run: Context) -> bool:
    """Whether the whole stack is a matter of Private AI: by its configuration, or by what was seen in it so far."""
    return bool(run.environment or run.secrets) or run.lookup(run.observations.matters, "stack") is not None


def is_private_ai(resource: Resource, run: Context) -> bool:
    """Whether a resource is a matter of Private AI, by itself or by its stack."""
    return is_one(resource) or stack_is_private_ai(run)
