"""What a resource is called, and how the convention has it."""

from __future__ import annotations

import re
from functools import cache

import paif_catalog as catalog
from policies.naming.configuration import Context, filled
from policies.shared.deep_learning_vms import is_deep_learning_vm
from policies.shared.model import Resource, value_at
from policies.shared.selectors import is_type
from policies.shared.types import CLUSTER, DATABASE, ENDPOINT, NAMESPACE, RELEASE, SUPERVISOR, VM_CLASS, WORKSTATION

DNS_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?")
_KINDS: tuple[tuple[tuple[str, ...], str], ...] = (
    (WORKSTATION, "workstation"),
    (CLUSTER, "cluster"),
    (DATABASE, "database"),
    (ENDPOINT, "endpoint"),
    (NAMESPACE + SUPERVISOR, "namespace"),
    (VM_CLASS, "vm-class"),
)
NAMED_TYPES = WORKSTATION + CLUSTER + DATABASE + ENDPOINT + NAMESPACE + VM_CLASS


def kind_of(resource: Resource) -> str:
    """Kind of the naming catalog, or nothing for a type that has none."""
    return next((kind for types, kind in _KINDS if is_type(resource, types)), "")


def is_followed_by(resource: Resource, run: Context) -> bool:
    """Whether the convention is about a resource: of machines only those that people work on with a GPU.

    A bastion or a file server is none. A clone with a PCI device is one also where nothing else tells.
    """
    if not is_type(resource, WORKSTATION):
        return True
    return bool(resource.items("pciDeviceIds")) or is_deep_learning_vm(resource, run)


def name_path(resource: Resource) -> str:
    """Property that holds the name on the platform, or what such a name begins with."""
    if resource.type.startswith("vcfa:"):
        return "namePrefix"
    if is_type(resource, NAMESPACE) and resource.get("metadata.name") is None and resource.get("metadata.generateName"):
        return "metadata.generateName"
    return "metadata.name" if resource.type.startswith("kubernetes:") and not is_type(resource, RELEASE) else "name"


def name_of(resource: Resource) -> str | None:
    """The name on the platform; None when the engine or the server makes it up. Raises UndecidedError."""
    path = name_path(resource)
    value = resource.get(path)
    if isinstance(value, str) and path in {"namePrefix", "metadata.generateName"}:
        value = value.rstrip("-")
    return value if isinstance(value, str) and value else None


def names_of(resource: Resource) -> list[tuple[str, str]]:
    """Path and name of everything that a resource gives a name: a Supervisor to namespaces. Raises UndecidedError."""
    if is_type(resource, SUPERVISOR):
        listed = enumerate(resource.items("namespaces"))
        named = [(f"namespaces.{index}.name", value_at(each, "name")) for index, each in listed]
    else:
        named = [(name_path(resource), name_of(resource))]
    return [(path, name) for path, name in named if isinstance(name, str) and name]


def organization_of(run: Context) -> str:
    """The organization's token, or nothing when neither settings nor configuration tell it."""
    return run.settings.organization or str(run.environment.get("organization") or "")


@cache
def _compiled(pattern: str, kind: str, organization: str, environments: tuple[str, ...]) -> re.Pattern[str]:
    """A pattern of a kind as a regular expression; an environment in it is one of those."""
    parts = {
        "organization": re.escape(organization) if organization else "[a-z][a-z0-9]*",
        "environment": f"(?P<environment>{'|'.join(map(re.escape, environments))})",
        "kind": re.escape(catalog.naming().kinds[kind].code),
        # An endpoint is often named like its model, whose name has a version in it.
        "name": rf"(?P<name>[a-z0-9](?:[-{'.' if kind == 'endpoint' else ''}a-z0-9]*[a-z0-9])?)",
    }
    return re.compile(filled(pattern, parts))


def _expressions(kind: str, run: Context) -> list[re.Pattern[str]]:
    environments = tuple(dict.fromkeys((run.stack, *run.settings.codes_of(run.stack, run.kind))))
    patterns = run.settings.patterns_of(kind)
    return [_compiled(each, kind, organization_of(run), environments) for each in patterns]


def matches(name: str, kind: str, run: Context) -> list[re.Match[str]]:
    """How a name follows the patterns of its kind; none when it follows none, whatever environment it says."""
    found = [each.fullmatch(name) for each in _expressions(kind, run)]
    return [each for each in found if each is not None]


def other_environment(match: re.Match[str], run: Context) -> str:
    """What a name calls its environment, when that is not the stack; else nothing."""
    said = match.groupdict().get("environment")
    own = {run.stack, *run.settings.codes_of(run.stack, run.kind)}
    return said if said is not None and said not in own else ""


def shown_patterns(kind: str, run: Context) -> str:
    """The patterns of a kind for people."""
    code = next(run.settings.codes_of(run.stack, run.kind), run.stack)
    parts = {"organization": organization_of(run) or "<organization>", "environment": code}
    parts |= {"kind": catalog.naming().kinds[kind].code, "name": "<name>"}
    shown = (re.sub(r"\{([a-z]\w*)\}", lambda match: parts[match[1]], each) for each in run.settings.patterns_of(kind))
    return " or ".join(shown)
