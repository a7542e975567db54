"""What a resource is called, and how the convention has it."""

from __future__ import annotations

import re

import paif_catalog as catalog
from policies.naming.configuration import PATTERN, Context
from policies.shared.model import Resource
from policies.shared.selectors import is_type
from policies.shared.types import CLUSTER, DATABASE, ENDPOINT, NAMESPACE, RELEASE, VM_CLASS, WORKSTATION

DNS_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?")
_KINDS: tuple[tuple[tuple[str, ...], str], ...] = (
    (WORKSTATION, "workstation"),
    (CLUSTER, "cluster"),
    (DATABASE, "database"),
    (ENDPOINT, "endpoint"),
    (NAMESPACE, "namespace"),
    (VM_CLASS, "vm-class"),
)
NAMED_TYPES = WORKSTATION + CLUSTER + DATABASE + ENDPOINT + NAMESPACE + VM_CLASS


def kind_of(resource: Resource) -> str:
    """Kind of the naming catalog, or nothing for a type that has none."""
    return next((kind for types, kind in _KINDS if is_type(resource, types)), "")


def name_path(resource: Resource) -> str:
    """Property that holds the name on the platform."""
    return "metadata.name" if resource.type.startswith("kubernetes:") and not is_type(resource, RELEASE) else "name"


def name_of(resource: Resource) -> str | None:
    """The name on the platform; None when the engine or the server makes it up. Raises UndecidedError."""
    value = resource.get(name_path(resource))
    return value if isinstance(value, str) and value else None


def organization_of(run: Context) -> str:
    """The organization's token, or nothing when neither settings nor configuration tell it."""
    return run.settings.organization or str(run.environment.get("organization") or "")


def pattern_of(kind: str, run: Context) -> tuple[str, re.Pattern[str]]:
    """The pattern of a kind for people, and as a regular expression with groups environment and name."""
    pattern = run.settings.patterns.get(kind, PATTERN)
    organization = organization_of(run)
    parts = {
        "organization": re.escape(organization) if organization else "[a-z][a-z0-9]*",
        "environment": rf"(?P<environment>{re.escape(run.stack)})",
        "kind": re.escape(catalog.naming().kinds[kind].code),
        # An endpoint is often named like its model, whose name has a version in it.
        "name": rf"(?P<name>[a-z0-9](?:[-{'.' if kind == 'endpoint' else ''}a-z0-9]*[a-z0-9])?)",
    }
    expression = "".join(
        parts.get(piece[1:-1], "") if piece.startswith("{") else re.escape(piece)
        for piece in re.split(r"(\{\w+\})", pattern)
    )
    known_parts = {"organization": organization or "<organization>", "environment": run.stack}
    known_parts |= {"kind": catalog.naming().kinds[kind].code, "name": "<name>"}
    return re.sub(r"\{(\w+)\}", lambda match: known_parts.get(match[1], match[0]), pattern), re.compile(expression)
