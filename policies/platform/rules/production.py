"""Guards of production."""

from __future__ import annotations

from policies.platform.configuration import Context, PlatformObservations, PlatformSettings
from policies.platform.sources import GUARD, VKS
from policies.shared.clusters import is_vks_cluster
from policies.shared.model import Findings, Resource, Rules, Severity, Violation, value_at
from policies.shared.selectors import is_type
from policies.shared.types import CLUSTER, DATABASE, ENDPOINT

RULES: Rules[PlatformSettings, PlatformObservations] = Rules()

_DSM = "https://developer.broadcom.com/xapis/vmware-data-services-manager-kubernetes-api/9.0.1.0/"
_REPLICAS = (1, 3, 5)
"""Machines that VKS takes as a control plane."""


@RULES.rule(
    "endpoint-replicas",
    ENDPOINT,
    severity=Severity.HIGH,
    reason="one replica is an outage at every update and every lost host",
    remedy="raise replicas, or lower endpointReplicas of this kind of environment (kinds of the settings)",
    source=GUARD,
)
def endpoint_replicas(resource: Resource, run: Context) -> Findings:
    minimum = run.guards.endpoint_replicas
    replicas = resource.get("spec.replicas", 1)
    if replicas < minimum:
        yield Violation(f"in {run.kind} expected at least {minimum}", "spec.replicas", replicas)


@RULES.rule(
    "database-high-availability",
    DATABASE,
    severity=Severity.HIGH,
    reason="a single database machine takes Private AI Services down with it",
    remedy="set replicas to 1 (primary, monitor and replica)",
    source=_DSM,
)
def database_high_availability(resource: Resource, run: Context) -> Findings:
    if run.guards.high_availability and resource.get("spec.replicas", 0) < 1:
        yield Violation(f"in {run.kind} expected a replica", "spec.replicas", resource.get("spec.replicas", 0))


@RULES.rule(
    "database-backup",
    DATABASE,
    severity=Severity.CRITICAL,
    reason="vectors and metadata cannot be made again from the models",
    remedy="set backupLocation and a schedule with a full backup",
    source=_DSM,
)
def database_backup(resource: Resource, run: Context) -> Findings:
    if not run.guards.backed_up:
        return
    if not resource.get("spec.backupLocation.name"):
        yield Violation("the database is not backed up", "spec.backupLocation")
    elif not any(value_at(each, "type") == "full" for each in resource.items("spec.backupConfig.schedules")):
        yield Violation("no full backup is scheduled", "spec.backupConfig.schedules")


@RULES.rule(
    "backup-retention",
    DATABASE,
    severity=Severity.MEDIUM,
    reason="a mistake is often found days later, when a younger backup holds it too",
    remedy="raise backupRetentionDays",
    source=GUARD,
)
def backup_retention(resource: Resource, run: Context) -> Findings:
    if not run.guards.backed_up:
        return
    days = resource.get("spec.backupConfig.backupRetentionDays")
    minimum = run.settings.backup_retention_days
    if isinstance(days, int) and days < minimum:
        yield Violation(f"expected at least {minimum} days", "spec.backupConfig.backupRetentionDays", days)


@RULES.rule(
    "protection",
    DATABASE + CLUSTER,
    severity=Severity.HIGH,
    reason="one wrong rename replaces what holds data or serves people",
    remedy="protect it (option protect; in a stack file paif:protection); ./paif unprotect lifts it for a removal",
    source="https://www.pulumi.com/docs/iac/concepts/resources/options/protect/",
)
def protection(resource: Resource, run: Context) -> Findings:
    # A deliberate removal says so in the run's own configuration, never here.
    resource.get("metadata.name")
    if is_type(resource, CLUSTER) and not is_vks_cluster(resource):
        return
    if run.guards.protected and not resource.protect:
        yield Violation(f"in {run.kind} expected the option protect")


@RULES.rule(
    "control-plane-replicas",
    CLUSTER,
    severity=Severity.HIGH,
    reason="a control plane of one machine is down during every upgrade",
    remedy="use 3 machines or more",
    source=GUARD,
)
def control_plane_replicas(resource: Resource, run: Context) -> Findings:
    if not is_vks_cluster(resource):
        return
    minimum = run.guards.control_plane_replicas
    path = "spec.topology.controlPlane.replicas"
    replicas = resource.get(path, 1)
    if replicas < minimum:
        yield Violation(f"in {run.kind} expected at least {minimum}", path, replicas)


@RULES.rule(
    "control-plane-odd",
    CLUSTER,
    severity=Severity.MEDIUM,
    reason="etcd needs a majority: an even number tolerates no more failures than one less; VKS takes 1, 3 or 5",
    remedy="use 1, 3 or 5 machines",
    source=f"https://etcd.io/docs/v3.5/faq/; {VKS} (control_plane.replicas)",
)
def control_plane_odd(resource: Resource, run: Context) -> Findings:
    path = "spec.topology.controlPlane.replicas"
    replicas = resource.get(path, 1)
    if is_vks_cluster(resource) and replicas not in _REPLICAS:
        yield Violation("expected 1, 3 or 5", path, replicas)
