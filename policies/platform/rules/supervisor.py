"""The Supervisor: its zones, and the networks around its clusters."""

from __future__ import annotations

import ipaddress

from policies.platform.configuration import Context, PlatformObservations, PlatformSettings
from policies.platform.rules.clusters import networks_in_use
from policies.platform.sources import CAPI
from policies.shared.machines import entries
from policies.shared.model import Findings, Resource, Rules, Severity, Violation
from policies.shared.types import ROOT

RULES: Rules[PlatformSettings, PlatformObservations] = Rules()


@RULES.rule(
    "supervisor-single-zone",
    ("vsphere:index/supervisorV2:SupervisorV2",),
    severity=Severity.HIGH,
    reason="Private AI Services run on a Supervisor with one zone only",
    remedy="use one zone, or another Supervisor for Private AI Services",
    source="https://drpranayjha.com/?p=6996 (single-zone Supervisor; a practitioner's page, not the vendor's)",
)
def supervisor_single_zone(resource: Resource, run: Context) -> Findings:
    zones = resource.items("zones")
    if len(zones) > 1:
        yield Violation(f"{len(zones)} zones", "zones")


@RULES.rule(
    "configured-networks",
    ROOT,
    severity=Severity.HIGH,
    reason="overlapping networks are found in the configuration, before the first cluster exists",
    remedy="use pod and service networks that nothing else uses",
    source=CAPI,
)
def configured_networks(resource: Resource, run: Context) -> Findings:
    used = networks_in_use(run)
    for cluster in entries(run.environment, "clusters"):
        for key in ("podNetwork", "serviceNetwork"):
            text = cluster.get(key)
            if not isinstance(text, str):
                continue
            try:
                network = ipaddress.ip_network(text, strict=False)
                hits = [each for each in used if network.overlaps(ipaddress.ip_network(each, strict=False))]
            except (TypeError, ValueError):
                continue
            for hit in hits:
                yield Violation(f"cluster {cluster.get('name')}: {key} {text} overlaps {hit}")
