"""Names of what the platform runs: pattern, environment, form and length."""

from __future__ import annotations

import re

import paif_catalog as catalog
from policies.naming.configuration import Context, NamingObservations, NamingSettings
from policies.naming.convention import (
    DNS_LABEL,
    NAMED_TYPES,
    is_followed_by,
    kind_of,
    matches,
    name_of,
    name_path,
    names_of,
    organization_of,
    other_environment,
    shown_patterns,
)
from policies.naming.sources import CONVENTION, K8S_NAMES
from policies.shared.model import Findings, Resource, Rules, Severity, Violation, everywhere, value_at
from policies.shared.selectors import is_type
from policies.shared.types import (
    ENDPOINT,
    KUBERNETES,
    KUBERNETES_NAMESPACE,
    NAMESPACE,
    RELEASE,
    ROOT,
    SUPERVISOR,
    VM,
    VM_CLASS,
    VSPHERE_VM,
)

RULES: Rules[NamingSettings, NamingObservations] = Rules()

_RFC1123 = "https://www.rfc-editor.org/rfc/rfc1123"
_VSPHERE = "https://kb.vmware.com/s/article/2051649 (80 characters); the rest: paif_catalog/naming.yaml"
_DNS_NAMED = (
    *(each for each in NAMED_TYPES if each not in VSPHERE_VM),
    *SUPERVISOR,
    *KUBERNETES_NAMESPACE,
    "kubernetes:core/v1:Service",
)
"""What the platform makes host names of. Guests of machines that are made through vSphere have names of their own."""


def _adopted(resource: Resource) -> bool:
    return bool(resource.get("adopt", False))


@RULES.rule(
    "name-pattern",
    NAMED_TYPES + SUPERVISOR,
    severity=Severity.MEDIUM,
    levels=everywhere(),
    reason="a name tells whose it is, which environment it belongs to and what it is, in every list of every tool",
    remedy="rename it by the pattern, or set `patterns` of the pack for this kind of resource",
    source=CONVENTION,
)
def name_pattern(resource: Resource, run: Context) -> Findings:
    if _adopted(resource) or not is_followed_by(resource, run):
        return
    kind = kind_of(resource)
    for path, name in names_of(resource):
        if not matches(name, kind, run):
            yield Violation(f"the name does not follow {shown_patterns(kind, run)}", path, name)


@RULES.rule(
    "name-environment",
    NAMED_TYPES + SUPERVISOR,
    severity=Severity.HIGH,
    reason="something of one environment under another's name is changed or deleted by mistake",
    remedy="use the stack's own name as the environment in it",
    source=CONVENTION,
)
def name_environment(resource: Resource, run: Context) -> Findings:
    if _adopted(resource):
        return
    for path, name in names_of(resource):
        followed = matches(name, kind_of(resource), run)
        said = [other_environment(each, run) for each in followed]
        other = said[0] if said and all(said) else "" if said else _other_environment(name, run)
        if other:
            yield Violation(f"the name belongs to environment {other}, the stack is {run.stack}", path, name)


def _other_environment(name: str, run: Context) -> str:
    """Which environment a name has first behind the organization, when it is not the stack's own; else nothing."""
    organization = organization_of(run)
    own = organization and name.startswith(f"{organization}-")
    rest = name[len(organization) + 1 :] if own else name.partition("-")[2]
    own_names = (run.stack, *run.settings.codes_of(run.stack, run.kind))
    others = {*run.settings.guards(), *run.settings.environment_codes} - {*own_names}
    # One part more than the environment's place: a site's pattern may put the kind before it.
    for _ in range(2):
        if any(f"{rest}-".startswith(f"{each}-") for each in own_names):
            return ""
        token, _, rest = rest.partition("-")
        if token in others:
            return token
    return ""


@RULES.rule(
    "name-dns-label",
    _DNS_NAMED,
    severity=Severity.HIGH,
    reason="the platform makes host names and addresses of it and refuses anything else, some time after the start",
    remedy="use lower-case letters, digits and inner hyphens only",
    source=_RFC1123,
)
def name_dns_label(resource: Resource, run: Context) -> Findings:
    for path, name in names_of(resource):
        labels = name.split(".") if is_type(resource, ENDPOINT) else [name]
        if not all(map(DNS_LABEL.fullmatch, labels)):
            yield Violation("the name is no DNS label (RFC 1123)", path, name)


@RULES.rule(
    "name-length-kubernetes",
    KUBERNETES,
    severity=Severity.HIGH,
    reason="longer names are refused, or the names that are derived from them are cut and then collide",
    remedy="shorten the name; paif_catalog/naming.yaml has the limit of each kind and why it is so",
    source=K8S_NAMES,
)
def name_length_kubernetes(resource: Resource, run: Context) -> Findings:
    if is_type(resource, RELEASE):
        return
    name = name_of(resource)
    if name is None:
        return
    kind = kind_of(resource)
    labels = is_type(resource, KUBERNETES_NAMESPACE) or resource.type.endswith(":Service")
    limit = catalog.naming().kinds[kind].max_length if kind else 63 if labels else 253
    if len(name) > limit:
        yield Violation(f"the name has {len(name)} characters, at most {limit} fit", name_path(resource), name)


@RULES.rule(
    "name-length-vsphere",
    VSPHERE_VM + VM_CLASS + NAMESPACE + SUPERVISOR,
    severity=Severity.HIGH,
    reason="vSphere refuses longer names, and the Supervisor longer names of classes and namespaces",
    remedy="shorten the name; paif_catalog/naming.yaml has the limit of each kind",
    source=_VSPHERE,
)
def name_length_vsphere(resource: Resource, run: Context) -> Findings:
    naming = catalog.naming()
    machine = is_type(resource, VSPHERE_VM)
    limit = naming.vsphere_max_length if machine else naming.kinds[kind_of(resource)].max_length
    for path, name in names_of(resource):
        if len(name) > limit:
            yield Violation(f"the name has {len(name)} characters, at most {limit} fit", path, name)


@RULES.rule(
    "environment-name",
    ROOT,
    severity=Severity.MEDIUM,
    reason="the stack's name becomes part of every name of the environment",
    remedy="name the stack as a short DNS label: a letter first, at most 20 characters",
    source=CONVENTION,
)
def environment_name(resource: Resource, run: Context) -> Findings:
    if re.fullmatch(r"[a-z](?:[-a-z0-9]{0,18}[a-z0-9])?", run.stack) is None:
        yield Violation(f"stack {run.stack!r} is no short DNS label")
    kind = run.environment.get("kind")
    if isinstance(kind, str) and run.stack in run.settings.guards() and kind != run.stack:
        yield Violation(f"stack {run.stack} says that it is of kind {kind}: names and rules would disagree")


@RULES.rule(
    "guest-host-name",
    VM,
    severity=Severity.MEDIUM,
    reason="the image sets it as the guest's host name and fails its first boot when it cannot",
    remedy="give property hostname a DNS label of at most 63 characters, best the machine's own name",
    source=_RFC1123,
)
def guest_host_name(resource: Resource, run: Context) -> Findings:
    for index, each in enumerate(resource.items("spec.bootstrap.vAppConfig.properties")):
        if value_at(each, "key") != "hostname":
            continue
        value = value_at(each, "value.value")
        if isinstance(value, str) and (len(value) > 63 or DNS_LABEL.fullmatch(value) is None):
            path = f"spec.bootstrap.vAppConfig.properties.{index}.value.value"
            yield Violation("the host name is no DNS label of at most 63 characters", path, value)
