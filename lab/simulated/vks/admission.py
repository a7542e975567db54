"""What VKS makes of a Cluster before it is stored, and what it refuses. Pure: no API is called here."""

from __future__ import annotations

import copy
import ipaddress
import re
from collections.abc import Iterable

import paif_catalog as catalog
from lab.operators.resources import Object
from lab.platform import PLATFORM
from lab.simulated.vks.knowledge import KNOWLEDGE
from lab.simulated.vks.releases import RELEASE_LABEL, Release, find_release, release_of
from lab.simulated.vks.topology import image_problems, parts_of
from paif_catalog.predicates import CONTROL_PLANE_REPLICAS

SKIP_REBASE = PLATFORM.cluster_classes.skip_rebase_annotation


def normalize(cluster: Object, previous: Object | None, releases: Iterable[Release]) -> Object:
    """The Cluster as VKS stores it: the release short, its full name as a label, the class raised.

    ``previous`` is the stored object on update. A new Cluster gets the newest class that takes its release, another
    release does the same unless the Cluster's annotation forbids it, and nothing ever lowers it.
    """
    result = copy.deepcopy(cluster)
    topology = (result.get("spec") or {}).get("topology")
    if not topology or not topology.get("version"):
        return result
    releases = tuple(releases)
    asked, there = topology["version"], None
    if previous is not None and (previous["spec"].get("topology") or {}).get("version") == asked:
        there = release_of(previous, releases)
    release = there or find_release(asked, releases)
    if release is not None:
        topology["version"] = release.short
        result["metadata"].setdefault("labels", {})[RELEASE_LABEL] = release.object_name
        _raise_class(result, previous, release)
    return result


def _raise_class(cluster: Object, previous: Object | None, release: Release) -> None:
    topology = cluster["spec"]["topology"]
    before = ((previous or {}).get("spec") or {}).get("topology") or {}
    asked = str(topology.get("class", ""))
    if asked not in KNOWLEDGE.classes:
        return
    if before.get("class") in KNOWLEDGE.classes and _age(before["class"]) > _age(asked):
        asked = topology["class"] = before["class"]
        topology |= {key: before[key] for key in ("classNamespace",) if key in before}
    skips = SKIP_REBASE in (cluster["metadata"].get("annotations") or {})
    if not before or (before.get("version") != topology["version"] and not skips):
        # Copies are raised to copies: what is in the central namespace only comes with a later VKS.
        like = KNOWLEDGE.classes[asked]
        kin = [
            name
            for name, known in KNOWLEDGE.classes.items()
            if known.is_kin_of(like) and known.catalogd.takes(release.version)
        ]
        topology["class"] = max([asked, *kin], key=_age)


def _age(name: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", name)]


def rejections(cluster: Object, previous: Object | None, releases: Iterable[Release]) -> list[str]:
    """Why VKS refuses the Cluster as ``normalize`` has made it, each with its path. The rest is Cluster API's own."""
    spec = cluster.get("spec") or {}
    found: list[str] = []
    services = ((spec.get("clusterNetwork") or {}).get("services") or {}).get("cidrBlocks") or []
    if not services:
        found.append("spec.clusterNetwork.services.cidrBlocks: Required value: a VKS cluster needs one")
    found += _network_problems(spec.get("clusterNetwork") or {})
    topology = spec.get("topology")
    if not topology:
        required = "spec.topology: Required value: VKS clusters are made from a ClusterClass"
        return found if previous is not None else [*found, required]
    replicas = (topology.get("controlPlane") or {}).get("replicas", 1)
    if replicas not in CONTROL_PLANE_REPLICAS:
        found.append(f"spec.topology.controlPlane.replicas: Invalid value: {replicas}: expected 1 or 3")
    releases = tuple(releases)
    release = release_of(cluster, releases)
    if release is None and catalog.Release.parse(str(topology.get("version"))) is None:
        return found
    if release is None:
        known = ", ".join(each.version for each in releases) or "none"
        found.append(
            f"spec.topology.version: Invalid value: {topology.get('version')!r}: no KubernetesRelease matches; the"
            f" content libraries hold {known}"
        )
        return found
    if (problem := _window_problem(topology, release)) is not None:
        found.append(f"spec.topology.version: Invalid value: {problem}")
    if previous is not None and (previous["spec"].get("topology") or {}).get("version") == release.short:
        before = release_of(previous, releases)
        if before is not None and before.build > release.build:
            found.append(
                f"spec.topology.version: Invalid value: version cannot be decreased from {before.version} to"
                f" {release.version}"
            )
    found += [
        f"could not resolve the OS image of {where}: {each}"
        for where, part in parts_of(topology)
        for each in image_problems(part, release)
    ]
    return found


def _window_problem(topology: Object, release: Release) -> str | None:
    known = KNOWLEDGE.classes.get(topology.get("class", ""))
    if known is None or known.catalogd.takes(release.version):
        return None
    window = " to ".join(known.catalogd.kubernetes)
    return f"{release.version} is outside the window {window} of ClusterClass {topology['class']}"


def _network_problems(network: Object) -> list[str]:
    ranges: list[tuple[str, ipaddress.IPv4Network | ipaddress.IPv6Network]] = []
    for kind in ("pods", "services"):
        for block in (network.get(kind) or {}).get("cidrBlocks") or []:
            try:
                ranges.append((kind, ipaddress.ip_network(block, strict=False)))
            except ValueError as error:
                return [f"spec.clusterNetwork.{kind}.cidrBlocks: Invalid value: {block!r}: {error}"]
    for at, (kind, first) in enumerate(ranges):
        for other, second in ranges[at + 1 :]:
            if first.version == second.version and first.overlaps(second):
                return [f"spec.clusterNetwork: Invalid value: {kind} {first} and {other} {second} overlap"]
    return []
