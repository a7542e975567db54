"""Versions of the platform and of what runs on it."""

from __future__ import annotations

import re

import paif_catalog as catalog
from policies.platform.configuration import Context, PlatformObservations, PlatformSettings
from policies.platform.sources import VKS, VKS_CLASSES
from policies.shared.clusters import is_vks_cluster
from policies.shared.model import Findings, Resource, Rules, Severity, Undecided, Violation, raw_value_at, require_known
from policies.shared.operators import gpu_operators
from policies.shared.selectors import is_type
from policies.shared.sources import OWN
from policies.shared.types import CLUSTER, DATABASE, EXTENSION, GPU_OPERATOR

RULES: Rules[PlatformSettings, PlatformObservations] = Rules()

_VERSIONS = f"{OWN}: versions.yaml of the platform's version (paif_catalog/baselines), each with its address"
_APIS = f"{OWN}: api_versions.yaml of the platform's version (paif_catalog/baselines), each with its address"
_CLASSES = f"{VKS_CLASSES} (variables by class); cluster_classes.yaml of the platform's version: captured live"


def _unsupported(version: str, fact: str, run: Context) -> str:
    """The catalog's range when a version is outside it, else nothing."""
    constraint = run.platform.versions[fact].constraint
    return "" if not constraint or catalog.satisfies(version, constraint) else constraint


@RULES.rule(
    "gpu-operator-version",
    GPU_OPERATOR,
    severity=Severity.HIGH,
    reason="the baseline was put together and tried with these versions; others bring other drivers and settings",
    remedy="use a chart version of the catalog's range",
    source=_VERSIONS,
)
def gpu_operator_version(resource: Resource, run: Context) -> Findings:
    for operator in gpu_operators(resource):
        # An object of the operator says its version only where a chart has made it.
        version, path = require_known(operator.version), operator.version_path
        if not version and operator.form != "driver":
            version, path = operator.get("operator.version"), f"{operator.path}.operator.version"
        if version:
            if expected := _unsupported(str(version), "gpu-operator", run):
                yield Violation(f"expected {expected}", path, version)
        elif operator.brought:
            declare = f"say it as {path}, which is the version of the operator's image"
            yield Undecided(f"the version of the GPU Operator that the chart brings ({operator.path})", declare)
        elif operator.form == "chart":
            yield Violation("no version is given: the newest one would be taken", operator.version_path)


@RULES.rule(
    "kubernetes-release",
    CLUSTER,
    severity=Severity.HIGH,
    reason="the Supervisor offers other releases with other versions of VKS only",
    remedy="use a release of the catalog's range, such as v1.32.0+vmware.6-fips-vkr.2",
    source=VKS,
)
def kubernetes_release(resource: Resource, run: Context) -> Findings:
    if not is_vks_cluster(resource):
        return
    path = "spec.topology.version"
    version = str(resource.get(path, ""))
    if catalog.Release.parse(version) is None:
        yield Violation("this is no release of VKS", path, version)
    elif expected := _unsupported(version, "kubernetes-release", run):
        yield Violation(f"expected {expected}", path, version)


@RULES.rule(
    "cluster-class",
    CLUSTER,
    severity=Severity.HIGH,
    reason="each ClusterClass takes certain Kubernetes minors, and lives in the central namespace only from v3.4.0 on",
    remedy="use the catalog's class, and classNamespace only with classes of the central namespace",
    source=_CLASSES,
)
def cluster_class(resource: Resource, run: Context) -> Findings:
    if not is_vks_cluster(resource):
        return
    classes = run.platform.cluster_classes
    name, path = resource.get("spec.topology.class"), "spec.topology.class"
    if name is None:
        name, path = resource.get("spec.topology.classRef.name"), "spec.topology.classRef.name"
    # What the server has raised a class to, by itself, is not what the program asks for.
    upgrade_ignored = path in resource.ignore_changes or path.removesuffix(".name") in resource.ignore_changes
    if name not in classes.classes:
        if not upgrade_ignored:
            yield Violation("the class is not in the catalog", path, name)
        return
    found, release = classes.classes[name], str(resource.get("spec.topology.version", ""))
    if re.match(r"v\d", release) and not found.takes(release):
        yield Violation(f"the class takes Kubernetes {' to '.join(found.kubernetes)}, not {release}", path, name)
    namespace = resource.get("spec.topology.classNamespace") or resource.get("spec.topology.classRef.namespace")
    if bool(namespace) != found.central and not upgrade_ignored:
        expected = classes.central_namespace if found.central else "none: the class is copied into each namespace"
        yield Violation(f"expected {expected}", "spec.topology.classNamespace", namespace)


@RULES.rule(
    "api-version",
    (
        "kubernetes:run.tanzu.vmware.com/*:*",
        "kubernetes:cluster.x-k8s.io/*:Cluster",
        "kubernetes:vmoperator.vmware.com/*:*",
        "kubernetes:pais.vcf.broadcom.com/*:*",
    ),
    severity=Severity.HIGH,
    reason="the Supervisor of this baseline serves these APIs in one version that is neither deprecated nor to come",
    remedy="use the API version of the catalog",
    source=_APIS,
)
def api_version(resource: Resource, run: Context) -> Findings:
    group_version, kind = resource.type.removeprefix("kubernetes:").rsplit(":", 1)
    group = group_version.split("/", 1)[0]
    if is_type(resource, CLUSTER) and not is_vks_cluster(resource):
        return
    if group == "run.tanzu.vmware.com":
        yield Violation(f"{kind} is deprecated: use Cluster of cluster.x-k8s.io")
    elif group == "pais.vcf.broadcom.com":
        expected = run.platform.api_version("PAISConfiguration")
        yield Violation(f"this API group does not exist: use {expected}")
    elif group_version in {f"{group}/{each}" for each in run.platform.api_versions.groups[group].served}:
        return
    elif group_version != (expected := run.platform.api_versions.of_group(group)):
        yield Violation(f"expected {expected}", "apiVersion", raw_value_at(resource.properties, "apiVersion"))


@RULES.rule(
    "postgres-version",
    DATABASE,
    severity=Severity.HIGH,
    reason="Private AI Services of this baseline are built for this PostgreSQL",
    remedy="use a DSM release of the catalog's range, such as the one of dsm-postgresql",
    source=_VERSIONS,
)
def postgres_version(resource: Resource, run: Context) -> Findings:
    version = str(resource.get("spec.version", ""))
    expected = _unsupported(version, "postgresql", run)
    if expected:
        yield Violation(f"expected {expected}", "spec.version", version)


@RULES.rule(
    "pgvector-version",
    EXTENSION,
    severity=Severity.MEDIUM,
    reason="older versions lack the index types that knowledge bases use",
    remedy="leave the version out, or take one of the catalog's range",
    source=_VERSIONS,
)
def pgvector_version(resource: Resource, run: Context) -> Findings:
    version = resource.get("version")
    if resource.get("extension") == "vector" and version and (expected := _unsupported(str(version), "pgvector", run)):
        yield Violation(f"expected {expected}", "version", version)
