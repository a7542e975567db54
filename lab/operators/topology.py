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

Object = dict[str, Any]

OS_IMAGE = "run.tanzu.vmware.com/resolve-os-image"
SKIP_REBASE = "kubernetes.vmware.com/skip-auto-cc-rebase"
RELEASE_LABEL = "run.tanzu.vmware.com/kr"
MIN_SIZE = "cluster.x-k8s.io/cluster-api-autoscaler-node-group-min-size"
POOL_LABEL = "lab.paif.dev/pool"
DEVICES = "lab.paif.dev/devices"
"""Annotation of a simulated node: the GPUs that its VM holds, as JSON. What a driver would find on the PCI bus."""
GPU = "nvidia.com/gpu"
CONTROL_PLANE = "control-plane"

_DEFAULT_OS = "photon"
_CERTIFICATE_ROTATION = {"enabled": True, "renewalDaysBeforeExpiry": 90}
_JSON_TYPES: dict[str, type] = {"string": str, "array": list, "object": dict}
_NODE_LABELS = re.compile(
    r"^(node-role\.kubernetes\.io|node-restriction\.kubernetes\.io|([^/]+\.)?node\.cluster\.x-k8s\.io)(/|$)"
)
_MIB_PER_KIB = 1024


@dataclass(frozen=True)
class Knowledge:
    """The content of vks.yaml: ClusterClasses, variables, operating systems, GPUs."""

    classes: dict[str, dict[str, str]]
    variables: dict[str, dict[str, Any]]
    worker_class: str
    systems: dict[str, dict[str, str]]
    containerd: str
    gpus: dict[str, dict[str, Any]]

    @classmethod
    def load(cls) -> Knowledge:
        data = yaml.safe_load(Path(__file__).with_name("vks.yaml").read_text(encoding="utf-8"))
        return cls(
            data["classes"],
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


def find_release(version: str, releases: Iterable[Release]) -> Release | None:
    """The release that ``version`` names: exactly, without its ``-vkr`` suffix, or in the form of an object's name."""
    wanted = version.replace("---", "+")
    matching = [each for each in releases if each.version == wanted or each.version.startswith(f"{wanted}-vkr.")]
    return max(matching, key=lambda each: each.version, default=None)


def _variables(entries: Iterable[Object] | None) -> dict[str, Any]:
    return {entry["name"]: entry.get("value") for entry in entries or ()}


def _pools(topology: Object) -> list[Object]:
    return list((topology.get("workers") or {}).get("machineDeployments") or [])


def _annotations(part: Object) -> dict[str, str]:
    return dict((part.get("metadata") or {}).get("annotations") or {})


def normalise(cluster: Object, previous: Object | None, releases: Iterable[Release]) -> Object:
    """The Cluster as the platform's admission stores it.

    The release is written in full, ``kubernetes.certificateRotation`` is filled in, the release's name becomes a label,
    and a version bump moves the class to the newest one that fits unless the cluster's annotation forbids it.
    ``previous`` is the stored object on update.
    """
    result = copy.deepcopy(cluster)
    topology = result.get("spec", {}).get("topology")
    if not topology:
        return result
    release = find_release(topology.get("version", ""), releases)
    if release is not None:
        before = (previous or {}).get("spec", {}).get("topology", {}).get("version", release.version)
        known = find_release(before, releases)
        skip = SKIP_REBASE in (result["metadata"].get("annotations") or {})
        if known is not None and known.version != release.version and not skip:
            topology["class"] = _newest_class(release.minor) or topology["class"]
        topology["version"] = release.version
        result["metadata"].setdefault("labels", {})[RELEASE_LABEL] = release.object_name
    variables = topology.setdefault("variables", [])
    kubernetes = next((each for each in variables if each["name"] == "kubernetes"), None)
    if kubernetes is None:
        variables.append({"name": "kubernetes", "value": {"certificateRotation": dict(_CERTIFICATE_ROTATION)}})
    elif isinstance(kubernetes.get("value"), dict):
        kubernetes["value"].setdefault("certificateRotation", dict(_CERTIFICATE_ROTATION))
    return result


def _newest_class(minor: tuple[int, int]) -> str | None:
    fitting = [name for name, window in KNOWLEDGE.classes.items() if _in_window(minor, window)]
    return max(fitting, key=lambda name: [int(part) for part in re.findall(r"\d+", name)], default=None)


def _in_window(minor: tuple[int, int], window: Mapping[str, str]) -> bool:
    return minor_of(window["min"]) <= minor <= minor_of(window["max"])


def rejections(cluster: Object) -> list[str]:
    """Why the admission refuses the Cluster: what can be seen from the object alone. Each with its path."""
    spec = cluster.get("spec") or {}
    found: list[str] = []
    services = ((spec.get("clusterNetwork") or {}).get("services") or {}).get("cidrBlocks") or []
    if not services:
        found.append("spec.clusterNetwork.services.cidrBlocks: Required value: a VKS cluster needs one")
    found += _network_problems(spec.get("clusterNetwork") or {})
    topology = spec.get("topology")
    if not topology:
        return [*found, "spec.topology: Required value: VKS clusters are made from a ClusterClass"]
    found += _variable_problems(topology.get("variables"), "spec.topology.variables", pool=False)
    given = _variables(topology.get("variables"))
    found += [
        f"spec.topology.variables: Required value: variable {name!r} must be set"
        for name, variable in KNOWLEDGE.variables.items()
        if variable.get("required") and name not in given
    ]
    replicas = (topology.get("controlPlane") or {}).get("replicas", 1)
    if replicas not in (1, 3, 5):
        found.append(f"spec.topology.controlPlane.replicas: Invalid value: {replicas}: expected 1, 3 or 5")
    for at, pool in enumerate(_pools(topology)):
        path = f"spec.topology.workers.machineDeployments[{at}]"
        if pool["class"] != KNOWLEDGE.worker_class:
            found.append(f"{path}.class: Invalid value: {pool['class']!r}: expected {KNOWLEDGE.worker_class!r}")
        overrides = (pool.get("variables") or {}).get("overrides")
        found += _variable_problems(overrides, f"{path}.variables.overrides", pool=True)
        if "replicas" in pool and MIN_SIZE in _annotations(pool):
            found.append(f"{path}.replicas: Forbidden: the autoscaler's annotations size this pool")
    return found


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


def _variable_problems(entries: Iterable[Object] | None, path: str, *, pool: bool) -> list[str]:
    found = []
    for name, value in _variables(entries).items():
        variable = KNOWLEDGE.variables.get(name)
        fits = variable is not None and isinstance(value, _JSON_TYPES[variable["type"]])
        if variable is None:
            known = ", ".join(KNOWLEDGE.variables)
            found.append(f"{path}[{name}]: Invalid value: variable is not defined; the class has {known}")
        elif pool and not variable.get("pool"):
            found.append(f"{path}[{name}]: Forbidden: this variable holds for the whole cluster")
        elif not fits:
            found.append(f"{path}[{name}].value: Invalid value: must be of type {variable['type']}")
        elif name == "node":
            found += [
                f"{path}[node].value.taints[{at}].value: Required value: a taint needs key, value and effect"
                for at, taint in enumerate(value.get("taints") or [])
                if "value" not in taint
            ]
    return found


def problems(cluster: Object, around: Surroundings) -> list[str]:
    """Why the topology cannot be made where the Cluster is. Each says what was found and what there is."""
    topology = cluster["spec"]["topology"]
    found = []
    window = KNOWLEDGE.classes.get(topology["class"])
    if window is None:
        known = ", ".join(KNOWLEDGE.classes)
        found.append(f"ClusterClass {topology['class']} does not exist in the namespace; there are {known}")
    release = find_release(topology["version"], around.releases)
    if release is None:
        known = ", ".join(each.version for each in around.releases) or "none"
        found.append(f"no KubernetesRelease matches version {topology['version']}; the content libraries hold {known}")
    elif window is not None and not _in_window(release.minor, window):
        found.append(
            f"version {topology['version']} is outside the window {window['min']} to {window['max']} of ClusterClass"
            f" {topology['class']}"
        )
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
    release = find_release(topology["version"], around.releases)
    if release is None:
        raise ValueError(f"no release matches {topology['version']}: problems() must be asked first")
    # What the admission would have filled in must not look like a change when it was filled in later.
    shared = _variables(normalise(cluster, None, around.releases)["spec"]["topology"]["variables"])
    made = []
    for where, part in _parts(topology):
        control_plane = where == "control plane"
        given = shared | _variables((part.get("variables") or {}).get("overrides"))
        node = given.get("node") or {}
        metadata_labels = (part.get("metadata") or {}).get("labels") or {}
        image = _images(part, release)[0]
        template = {"class": topology["class"], "version": release.version, "image": image.name, "given": given}
        digest = hashlib.sha256(json.dumps([cluster["metadata"]["uid"], template], sort_keys=True).encode())
        minimum = _annotations(part).get(MIN_SIZE, "1")
        surge = ((part.get("strategy") or {}).get("rollingUpdate") or {}).get("maxSurge", 1)
        made.append(
            Pool(
                name=CONTROL_PLANE if control_plane else part["name"],
                replicas=int(part.get("replicas", minimum)),
                vm_class=around.vm_classes[given["vmClass"]],
                system=image.name,
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
    release = pool.version.partition("-vkr.")[0]
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
