"""What belongs to the platform."""

from __future__ import annotations

from policies.naming.configuration import Context, NamingObservations, NamingSettings
from policies.naming.convention import NAMED_TYPES, name_of, name_path
from policies.naming.sources import K8S_LABELS, K8S_NAMESPACES
from policies.shared.model import Findings, Level, Resource, Rules, Severity, Violation, everywhere
from policies.shared.types import CONFIG_MAP, KUBERNETES, KUBERNETES_NAMESPACE, SECRET

RULES: Rules[NamingSettings, NamingObservations] = Rules()


@RULES.rule(
    "reserved-prefix",
    NAMED_TYPES + KUBERNETES_NAMESPACE + SECRET + CONFIG_MAP,
    severity=Severity.HIGH,
    reason="names with these prefixes belong to the platform, which may take over or delete what has them",
    remedy="choose another name",
    source=f"{K8S_NAMESPACES} (kube-); the Supervisor's vmware-system- and svc- by paif_catalog/naming.yaml",
)
def reserved_prefix(resource: Resource, run: Context) -> Findings:
    name = name_of(resource)
    found = [prefix for prefix in run.settings.reserved_prefixes if name is not None and name.startswith(prefix)]
    if found:
        yield Violation(f"prefix {found[0]!r} is reserved", name_path(resource), name)


@RULES.rule(
    "reserved-label",
    KUBERNETES,
    severity=Severity.LOW,
    levels=everywhere(Level.ADVISORY),
    reason="labels of these domains are read and written by controllers of the platform",
    remedy="use a domain of your own for your labels",
    source=K8S_LABELS,
)
def reserved_label(resource: Resource, run: Context) -> Findings:
    well_known = ("app.kubernetes.io/", "pod-security.kubernetes.io/", "topology.kubernetes.io/")
    for key in resource.labels():
        domain = key.split("/", 1)[0] if "/" in key else ""
        if key.startswith(well_known):
            continue
        if any(domain == each or domain.endswith(f".{each}") for each in run.settings.reserved_label_domains):
            yield Violation(f"label {key} is in a reserved domain", f"metadata.labels.{key}")
