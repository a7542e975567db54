"""Names that are used twice."""

from __future__ import annotations

import paif_catalog as catalog
from policies.naming.configuration import Context, NamingObservations, NamingSettings
from policies.naming.convention import NAMED_TYPES, kind_of, name_of, name_path, organization_of
from policies.naming.sources import CONVENTION
from policies.shared.machines import entries
from policies.shared.model import Findings, Resource, Rules, Severity, Violation
from policies.shared.selectors import is_type
from policies.shared.types import CONFIG_MAP, ROOT, SECRET, VSPHERE_VM

RULES: Rules[NamingSettings, NamingObservations] = Rules()


@RULES.rule(
    "name-collision",
    NAMED_TYPES + SECRET + CONFIG_MAP + ROOT,
    severity=Severity.HIGH,
    reason="two things with one name, or with one name after it was cut to its limit, overwrite each other",
    remedy="give each a name of its own within the limit of its kind (paif_catalog/naming.yaml)",
    source=CONVENTION,
)
def name_collision(resource: Resource, run: Context) -> Findings:
    if is_type(resource, ROOT):
        yield from _configured_collisions(run)
        return
    identity = identity_of(resource)
    if identity is None:
        return
    urn, name = run.observations.physical.get(identity, (resource.urn, ""))
    if urn != resource.urn:
        other = urn.rsplit("::", 1)[1]
        own = name_of(resource)
        length = f"within {len(identity[2])} characters" if len(name) > len(identity[2]) else "but for capitals"
        cut = "" if name == own else f", whose name {name} is the same {length}"
        yield Violation(f"{other} has the same name{cut}", name_path(resource), own)


def _limit(kind: str) -> int:
    return catalog.naming().kinds[kind].max_length if kind else 253


def identity_of(resource: Resource) -> tuple[str, str, str] | None:
    """What must be unique: kind, namespace, and the name as far as it counts. Raises UndecidedError."""
    name = name_of(resource)
    if name is None:
        return None
    provider = resource.provider.urn if resource.provider else ""
    if is_type(resource, VSPHERE_VM):
        # As vCenter compares them: the same name in another folder is another machine.
        folder = str(resource.get("folder", "") or "").strip("/")
        return "vSphere machine", f"{provider}/{resource.get('datacenterId', '')}/{folder}", name.lower()
    kind = kind_of(resource) or resource.type
    where = str(resource.get("metadata.namespace", "")) if resource.type.startswith("kubernetes:") else ""
    # What a namespace or class is called counts on its vCenter, whichever provider makes it.
    provider = provider if resource.type.startswith("kubernetes:") else ""
    return kind, f"{provider}/{where}", name[: _limit(kind_of(resource))]


def _configured_collisions(run: Context) -> Findings:
    """Names that the stack's configuration will give, before any of it exists."""
    organization = organization_of(run)
    lists = {
        "workstations": "workstation",
        "clusters": "cluster",
        "modelEndpoints": "endpoint",
        "vmClasses": "vm-class",
    }
    for key, kind in lists.items():
        code, limit = catalog.naming().kinds[kind].code, _limit(kind)
        taken: dict[str, str] = {}
        for entry in entries(run.environment, key):
            name = str(entry.get("name"))
            full_name = name if entry.get("existing") else f"{organization}-{run.stack}-{code}-{name}"
            other = taken.setdefault(full_name[:limit], full_name)
            if other != full_name:
                yield Violation(f"paif:{key}: {full_name} and {other} are the same within {limit} characters")
            elif (
                list(taken).count(full_name[:limit])
                and sum(1 for each in entries(run.environment, key) if str(each.get("name")) == name) > 1
            ):
                yield Violation(f"paif:{key}: {name} is used more than once")
