"""What VKS makes of a Cluster's topology: its problems, its node pools. Pure: no API is called here."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from lab.operators.resources import Object
from lab.simulated.vks.knowledge import KNOWLEDGE
from lab.simulated.vks.releases import OsImage, Release, release_of
from lab.simulated.vks.vm_classes import VmClass

OS_IMAGE = "run.tanzu.vmware.com/resolve-os-image"
MIN_SIZE = "cluster.x-k8s.io/cluster-api-autoscaler-node-group-min-size"
POOL_LABEL = "lab.paif.dev/pool"
CONTROL_PLANE = "control-plane"

_DEFAULT_OS = "photon"
_NODE_LABELS = re.compile(
    r"^(node-role\.kubernetes\.io|node-restriction\.kubernetes\.io|([^/]+\.)?node\.cluster\.x-k8s\.io)(/|$)"
)


@dataclass(frozen=True)
class Surroundings:
    """What the namespace of a Cluster offers."""

    vm_classes: Mapping[str, VmClass] = field(default_factory=dict)
    storage_classes: frozenset[str] = frozenset()
    releases: tuple[Release, ...] = ()


@dataclass(frozen=True)
class Pool:
    """Nodes that are alike: the control plane, or a node pool. ``template`` changes when its nodes must be replaced."""

    name: str
    replicas: int
    vm_class: VmClass
    system: str
    version: str
    labels: Mapping[str, str]
    taints: tuple[Mapping[str, str], ...]
    max_surge: int
    template: str

    @property
    def control_plane(self) -> bool:
        return self.name == CONTROL_PLANE

    def node_names(self, cluster: str) -> list[str]:
        """Names of its nodes, in the order they are made; a new template gives new names."""
        prefix = cluster if self.control_plane else f"{cluster}-{self.name}"
        return [
            f"{prefix}-{self.template}-{hashlib.sha256(f'{self.template}{at}'.encode()).hexdigest()[:5]}"
            for at in range(self.replicas)
        ]


def _variables(entries: Iterable[Object] | None) -> dict[str, Any]:
    return {entry["name"]: entry.get("value") for entry in entries or ()}


def _pools(topology: Object) -> list[Object]:
    return list((topology.get("workers") or {}).get("machineDeployments") or [])


def _annotations(part: Object) -> dict[str, str]:
    return dict((part.get("metadata") or {}).get("annotations") or {})


def problems(cluster: Object, around: Surroundings) -> list[str]:
    """Why the topology cannot be made where the Cluster is. Each says what was found and what there is."""
    topology = cluster["spec"]["topology"]
    found = []
    if topology["class"] not in KNOWLEDGE.classes:
        known = ", ".join(KNOWLEDGE.classes)
        found.append(f"ClusterClass {topology['class']} does not exist in the namespace; there are {known}")
    release = release_of(cluster, around.releases)
    if release is None:
        known = ", ".join(each.version for each in around.releases) or "none"
        found.append(f"no KubernetesRelease matches version {topology['version']}; the content libraries hold {known}")
    shared = _variables(topology.get("variables"))
    for where, part in parts_of(topology):
        given = shared | _variables((part.get("variables") or {}).get("overrides"))
        if given.get("vmClass") not in around.vm_classes:
            known = ", ".join(sorted(around.vm_classes)) or "none"
            found.append(
                f"{where}: VM class {given.get('vmClass')} is not available in the namespace; there are {known}"
            )
        if given.get("storageClass") not in around.storage_classes:
            known = ", ".join(sorted(around.storage_classes)) or "none"
            found.append(
                f"{where}: storage class {given.get('storageClass')} is not available in the namespace;"
                f" there are {known}"
            )
        if release is not None:
            found += [f"{where}: {each}" for each in image_problems(part, release)]
    return list(dict.fromkeys(found))


def parts_of(topology: Object) -> list[tuple[str, Object]]:
    control_plane = topology.get("controlPlane") or {}
    return [("control plane", control_plane), *((f"node pool {pool['name']}", pool) for pool in _pools(topology))]


def _selector(part: Object) -> dict[str, str]:
    text = _annotations(part).get(OS_IMAGE, "")
    pairs = (item.partition("=") for item in text.split(",") if item.strip())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _images(part: Object, release: Release) -> list[OsImage]:
    wanted = {"os-name": _DEFAULT_OS} | _selector(part)
    return [
        image
        for image in release.images
        if image.name == wanted["os-name"]
        and wanted.get("os-version", image.version) == image.version
        and wanted.get("content-library", image.library) == image.library
    ]


def image_problems(part: Object, release: Release) -> list[str]:
    unknown = _selector(part).keys() - {"os-name", "os-version", "os-type", "os-arch", "content-library"}
    if unknown:
        return [f"annotation {OS_IMAGE} has unknown keys {', '.join(sorted(unknown))}"]
    matching = _images(part, release)
    if len(matching) == 1:
        return []
    wanted = _annotations(part).get(OS_IMAGE, f"os-name={_DEFAULT_OS}, the default")
    listed = "; ".join(f"{each.name} {each.version} in library {each.library}" for each in matching or release.images)
    if not matching:
        return [f"no OS image of {release.version} matches {wanted}; there are {listed}"]
    return [f"{len(matching)} OS images of {release.version} match {wanted} ({listed}): select one of them"]


def secret_references(cluster: Object) -> list[tuple[str, str]]:
    """(Secret, key) of every certificate authority that the cluster's nodes are to trust."""
    given = _variables(cluster["spec"]["topology"].get("variables")).get("osConfiguration") or {}
    authorities = (given.get("trust") or {}).get("additionalTrustedCAs") or []
    references: list[Object] = [(each.get("caCert") or {}).get("secretRef") or {} for each in authorities]
    return [(each["name"], each["key"]) for each in references if "name" in each and "key" in each]


def pools(cluster: Object, around: Surroundings) -> list[Pool]:
    """The control plane and the node pools, in the order they are made. The Cluster must have no problems."""
    topology = cluster["spec"]["topology"]
    release = release_of(cluster, around.releases)
    if release is None:
        raise ValueError(f"no release matches {topology['version']}: problems() must be asked first")
    shared = _variables(topology.get("variables"))
    made = []
    for where, part in parts_of(topology):
        control_plane = where == "control plane"
        given = shared | _variables((part.get("variables") or {}).get("overrides"))
        node = given.get("node") or {}
        metadata_labels = (part.get("metadata") or {}).get("labels") or {}
        image = _images(part, release)[0]
        template = {"class": topology["class"], "version": release.version, "image": image.system, "given": given}
        digest = hashlib.sha256(json.dumps([cluster["metadata"]["uid"], template], sort_keys=True).encode())
        minimum = _annotations(part).get(MIN_SIZE, "1")
        surge = ((part.get("strategy") or {}).get("rollingUpdate") or {}).get("maxSurge", 1)
        made.append(
            Pool(
                name=CONTROL_PLANE if control_plane else part["name"],
                replicas=int(part.get("replicas", minimum)),
                vm_class=around.vm_classes[given["vmClass"]],
                system=image.system,
                version=release.version,
                # Cluster API gives only labels of these domains from a pool to its nodes.
                labels={key: str(value) for key, value in metadata_labels.items() if _NODE_LABELS.match(key)}
                | {key: str(value) for key, value in (node.get("labels") or {}).items()},
                taints=tuple(node.get("taints") or ()),
                max_surge=1 if isinstance(surge, str) else int(surge),
                template=digest.hexdigest()[:5],
            )
        )
    return made


def pod_security(cluster: Object) -> str:
    """The guest API server's AdmissionConfiguration as YAML: VKS enforces the restricted standard by default.

    A namespace that needs more carries the label pod-security.kubernetes.io/enforce.
    """
    given = _variables(cluster["spec"]["topology"].get("variables")).get("kubernetes") or {}
    wanted = (given.get("security") or {}).get("podSecurityStandard") or {}
    standard = "privileged" if wanted.get("deactivated") else "restricted"
    defaults = {mode: wanted.get(mode) or standard for mode in ("enforce", "audit", "warn")}
    defaults |= {f"{mode}-version": wanted.get(f"{mode}Version") or "latest" for mode in ("enforce", "audit", "warn")}
    configuration = {
        "apiVersion": "pod-security.admission.config.k8s.io/v1",
        "kind": "PodSecurityConfiguration",
        "defaults": defaults,
        "exemptions": {"namespaces": ["kube-system"]},
    }
    plugin = {"name": "PodSecurity", "configuration": configuration}
    kind = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration"}
    return yaml.safe_dump(kind | {"plugins": [plugin]})
