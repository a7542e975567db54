"""Names of Secrets, node pools and Helm releases."""

from __future__ import annotations

import re

from policies.naming.configuration import Context, NamingObservations, NamingSettings
from policies.naming.convention import DNS_LABEL, name_of
from policies.naming.sources import K8S_NAMES
from policies.shared.machines import node_pools
from policies.shared.model import Findings, Resource, Rules, Severity, Violation
from policies.shared.types import CLUSTER, CONFIG_MAP, RELEASE, SECRET

RULES: Rules[NamingSettings, NamingObservations] = Rules()

_HELM = "https://helm.sh/docs/chart_template_guide/builtin_objects/ (release names: at most 53 characters)"

_SUBDOMAIN = re.compile(r"[a-z0-9](?:[-.a-z0-9]*[a-z0-9])?")


@RULES.rule(
    "secret-name",
    SECRET + CONFIG_MAP,
    severity=Severity.MEDIUM,
    reason="other objects refer to it by name, and the name is shown where the content is not",
    remedy="use a lower-case DNS name of at most 63 characters that says what it is for",
    source=K8S_NAMES,
)
def secret_name(resource: Resource, run: Context) -> Findings:
    name = name_of(resource)
    if name is None:
        return
    if len(name) > 63 or _SUBDOMAIN.fullmatch(name) is None:
        yield Violation("the name is no lower-case DNS name of at most 63 characters", "metadata.name", name)


@RULES.rule(
    "node-pool-name",
    CLUSTER,
    severity=Severity.HIGH,
    reason="names of nodes are made of cluster and pool with two hashes behind, and must fit 63 characters",
    remedy="use short DNS labels, each once per cluster",
    source="https://github.com/kubernetes-sigs/cluster-api/tree/v1.9.0 (names of topology machine deployments)",
)
def node_pool_name(resource: Resource, run: Context) -> Findings:
    cluster = name_of(resource) or ""
    names: list[str] = []
    for pool in node_pools(resource):
        name, path = pool.name, f"{pool.path}.name"
        if DNS_LABEL.fullmatch(name) is None:
            yield Violation("the name of the pool is no DNS label", path, name)
        elif name in names:
            yield Violation("two pools have the same name", path, name)
        elif len(cluster) + len(name) + 18 > 63 + len("-") * 2:
            yield Violation(
                f"cluster and pool have {len(cluster) + len(name)} characters; with the hashes no node name fits",
                path,
                name,
            )
        names.append(name)


@RULES.rule(
    "helm-release-name",
    RELEASE,
    severity=Severity.MEDIUM,
    reason="Helm refuses longer release names, after the cluster is there",
    remedy="use a DNS label of at most 53 characters",
    source=_HELM,
)
def helm_release_name(resource: Resource, run: Context) -> Findings:
    name = name_of(resource)
    if name is not None and (len(name) > 53 or DNS_LABEL.fullmatch(name) is None):
        yield Violation("the release name is no DNS label of at most 53 characters", "name", name)
