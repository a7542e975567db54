"""What VKS makes of a Cluster's specification: defaults, checks, node pools and nodes. Pure: no API is called here."""

from __future__ import annotations

import copy
import hashlib
import ipaddress
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

import paif_catalog as catalog

Object = dict[str, Any]

OS_IMAGE = "run.tanzu.vmware.com/resolve-os-image"
SKIP_REBASE = "kubernetes.vmware.com/skip-auto-cc-rebase"
RELEASE_LABEL = "run.tanzu.vmware.com/tkr"
"""Label of a Cluster with the object name of its release, in full: the version in its topology is the short one."""
MIN_SIZE = "cluster.x-k8s.io/cluster-api-autoscaler-node-group-min-size"
POOL_LABEL = "lab.paif.dev/pool"
DEVICES = "lab.paif.dev/devices"
"""Annotation of a simulated node: the GPUs that its VM holds, as JSON. What a driver would find on the PCI bus."""
GPU = "nvidia.com/gpu"
CONTROL_PLANE = "control-plane"

_DEFAULT_OS = "photon"
_BUILD = "-vkr."
_NODE_LABELS = re.compile(
    r"^(node-role\.kubernetes\.io|node-restriction\.kubernetes\.io|([^/]+\.)?node\.cluster\.x-k8s\.io)(/|$)"
)
_MIB_PER_KIB = 1024


@dataclass(frozen=True)
class KnownClass:
    """A ClusterClass of VKS: the Kubernetes minors that it takes, and the set of variables that it has."""

    min: str
    max: str
    variables: str
    central: bool = False
    """Lives in the central namespace; the others are copied into every namespace."""

    def takes(self, minor: tuple[int, int]) -> bool:
        return minor_of(self.min) <= minor <= minor_of(self.max)

    def is_kin_of(self, other: KnownClass) -> bool:
        """Whether a Cluster can go from one to the other as it is."""
        return (self.variables, self.central) == (other.variables, other.central)


@dataclass(frozen=True)
class Knowledge:
    """The content of vks.yaml: ClusterClasses, variables, operating systems, GPUs."""

    central_namespace: str
    classes: dict[str, KnownClass]
    variables: dict[str, dict[str, dict[str, Any]]]
    """By the name of a set: variables, each with its schema and whether it must be given."""
    worker_class: str
    systems: dict[str, dict[str, str]]
    containerd: str
    gpus: dict[str, dict[str, Any]]

    @classmethod
    def load(cls) -> Knowledge:
        data = yaml.safe_load(Path(__file__).with_name("vks.yaml").read_text(encoding="utf-8"))
        return cls(
            data["centralNamespace"],
            {name: KnownClass(**each) for name, each in data["classes"].items()},
            data["variables"],
            data["workerClass"],
            data["systems"],
            data["containerd"],
            data["gpus"],
        )


KNOWLEDGE = Knowledge.load()


@dataclass(frozen=True)
class Gpu:
    """One GPU of a VM: a vGPU profile or a DirectPath I/O device (``profile`` empty)."""

    profile: str = ""
    device: str = ""
    """``vendor:device`` in hexadecimal, of a DirectPath I/O device."""

    @property
    def labels(self) -> dict[str, str]:
        """What GPU feature discovery would say of a node with this GPU."""
        if self.profile:
            memory = int(re.sub(r".*-(\d+)\w*$", r"\1", self.profile)) * 1024
            product, family = self.profile.replace("_", "-").upper(), "ampere" if "a100" in self.profile else ""
        else:
            known = KNOWLEDGE.gpus.get(self.device, {})
            product, family = str(known.get("product", f"PCI-{self.device}".replace(":", "-"))), known.get("family", "")
            memory = int(known.get("memoryMib", 0))
        found = {"nvidia.com/gpu.product": product, "nvidia.com/gpu.memory": str(memory)}
        return found | ({"nvidia.com/gpu.family": str(family)} if family else {})


@dataclass(frozen=True)
class VmClass:
    """A VM class that the namespace may use; memory in MiB."""

    name: str
    cpus: int
    memory_mib: int
    gpus: tuple[Gpu, ...] = ()


@dataclass(frozen=True)
class OsImage:
    """A node image of a Kubernetes release: ``name`` ubuntu or photon, ``library`` the id of its content library."""

    name: str
    version: str
    library: str = ""

    @property
    def system(self) -> str:
        """Its entry in ``Knowledge.systems``."""
        return f"{self.name}-{self.version}"


@dataclass(frozen=True)
class Release:
    """A Kubernetes release, ``version`` with the plus sign."""

    version: str
    images: tuple[OsImage, ...]

    @property
    def object_name(self) -> str:
        """Its name as an object, where a plus sign is not allowed."""
        return self.version.replace("+", "---")

    @property
    def short(self) -> str:
        """Its version as a Cluster's topology has it: without the number of its build."""
        return short(self.version)

    @property
    def build(self) -> int:
        """The number after ``-vkr.``; 0 when it has none."""
        return int(self.version.partition(_BUILD)[2] or 0)

    @property
    def minor(self) -> tuple[int, int]:
        return minor_of(self.version)


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


def minor_of(version: str) -> tuple[int, int]:
    """(1, 32) of ``v1.32.0+vmware.6-fips`` or ``1.32``. Raises ``ValueError`` when there is none."""
    found = re.match(r"v?(\d+)\.(\d+)", version)
    if found is None:
        raise ValueError(f"{version!r} is not a Kubernetes version; expected one like v1.32.0+vmware.6-fips")
    return int(found[1]), int(found[2])


def short(version: str) -> str:
    """A release as a Cluster's topology has it, of any of its spellings."""
    return version.replace("---", "+").partition(_BUILD)[0]


def find_release(version: str, releases: Iterable[Release]) -> Release | None:
    """The release that ``version`` names, in full or as an object's name; of a short one or a prefix, the newest."""
    wanted = version.replace("---", "+")
    begins = (f"{wanted}.", f"{wanted}+") if re.fullmatch(r"v\d+\.\d+(\.\d+)?", wanted) else (f"{wanted}{_BUILD}",)
    matching = [each for each in releases if each.version == wanted or each.version.startswith(begins)]
    return max(matching, key=lambda each: [int(part) for part in re.findall(r"\d+", each.version)], default=None)


def release_of(cluster: Object, releases: Iterable[Release]) -> Release | None:
    """The release of a stored Cluster: its label names it in full."""
    releases = tuple(releases)
    version = cluster["spec"]["topology"]["version"]
    label = (cluster["metadata"].get("labels") or {}).get(RELEASE_LABEL)
    named = next((each for each in releases if each.object_name == label), None)
    return named if named is not None and named.short == short(version) else find_release(version, releases)


def _variables(entries: Iterable[Object] | None) -> dict[str, Any]:
    return {entry["name"]: entry.get("value") for entry in entries or ()}


def _pools(topology: Object) -> list[Object]:
    return list((topology.get("workers") or {}).get("machineDeployments") or [])


def _annotations(part: Object) -> dict[str, str]:
    return dict((part.get("metadata") or {}).get("annotations") or {})


def normalise(cluster: Object, previous: Object | None, releases: Iterable[Release]) -> Object:
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
            name for name, known in KNOWLEDGE.classes.items() if known.is_kin_of(like) and known.takes(release.minor)
        ]
        topology["class"] = max([asked, *kin], key=_age)


def _age(name: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", name)]


def rejections(cluster: Object, previous: Object | None, releases: Iterable[Release]) -> list[str]:
    """Why VKS refuses the Cluster as ``normalise`` has made it, each with its path. The rest is Cluster API's own."""
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
    if replicas not in (1, 3):
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
        for where, part in _parts(topology)
        for each in _image_problems(part, release)
    ]
    return found


def _window_problem(topology: Object, release: Release) -> str | None:
    known = KNOWLEDGE.classes.get(topology.get("class", ""))
    if known is None or known.takes(release.minor):
        return None
    return f"{release.version} is outside the window {known.min} to {known.max} of ClusterClass {topology['class']}"


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
    for where, part in _parts(topology):
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
            found += [f"{where}: {each}" for each in _image_problems(part, release)]
    return list(dict.fromkeys(found))


def _parts(topology: Object) -> list[tuple[str, Object]]:
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


def _image_problems(part: Object, release: Release) -> list[str]:
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
    for where, part in _parts(topology):
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


def node_object(pool: Pool, name: str, vm: Mapping[str, Any]) -> Object:
    """The Node that the kubelet of this VM would register: without GPUs, which only a device plugin can announce."""
    system = KNOWLEDGE.systems[pool.system]
    labels = {
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/os": "linux",
        "kubernetes.io/hostname": name,
        "node.kubernetes.io/instance-type": pool.vm_class.name,
        POOL_LABEL: pool.name,
    } | dict(pool.labels)
    taints = [dict(taint) for taint in pool.taints]
    if pool.control_plane:
        labels["node-role.kubernetes.io/control-plane"] = ""
        taints.append({"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"})
    resources = {
        "cpu": str(pool.vm_class.cpus),
        "memory": f"{pool.vm_class.memory_mib * _MIB_PER_KIB}Ki",
        "ephemeral-storage": "100Gi",
        "pods": "110",
    }
    release = short(pool.version)
    return {
        "metadata": {
            "name": name,
            "labels": labels,
            "annotations": {DEVICES: json.dumps([vars(gpu) for gpu in pool.vm_class.gpus])},
        },
        "spec": {"providerID": f"vsphere://{vm['bios_uuid']}", "taints": taints},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": vm["ip"]},
                {"type": "Hostname", "address": name},
            ],
            "capacity": resources,
            "allocatable": resources,
            "nodeInfo": {
                "architecture": "amd64",
                "operatingSystem": "linux",
                "osImage": system["image"],
                "kernelVersion": system["kernel"],
                "containerRuntimeVersion": KNOWLEDGE.containerd,
                "kubeletVersion": release,
                "kubeProxyVersion": release,
                "machineID": str(vm["instance_uuid"]).replace("-", ""),
                "systemUUID": vm["bios_uuid"],
                "bootID": vm["instance_uuid"],
            },
        },
    }


@dataclass(frozen=True)
class Step:
    """What to do next to a pool: nodes to make and nodes to remove, by name."""

    create: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()


def next_step(wanted: list[str], existing: Iterable[str], ready: Iterable[str], max_surge: int) -> Step:
    """The next step from the ``existing`` nodes to the ``wanted`` ones; an empty one when nothing is left to do.

    Growing and shrinking go at once. Replacing goes node by node: first the new one when there may be one more than
    wanted (``max_surge``), and the old one only once the new one is ``ready``.
    """
    there, good = set(existing), set(ready)
    missing = tuple(name for name in wanted if name not in there)
    surplus = tuple(sorted(there - set(wanted)))
    if not missing or not surplus:
        settled = all(name in good for name in wanted if name in there)
        return Step(create=missing, remove=surplus if settled else ())
    room = len(wanted) + max_surge - len(there)
    if room > 0:
        return Step(create=missing[:1])
    if any(name not in good for name in wanted if name in there):
        return Step()
    return Step(remove=surplus[:1])
