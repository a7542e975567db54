"""VKS (a simulation): a Cluster becomes a second real API server whose nodes run nowhere.

The control plane is started by ``lab.kubernetes``, kwok plays the kubelets, and each node takes its VM from the vCenter
simulation, so that memory and GPUs count. Everything is found again after a restart: nodes in the guest's API, VMs by
their owner in vCenter, the rest in the Cluster's status.

As with Cluster API 1.9 none of the conditions of v1beta1 waits for workers: they hold as soon as the control plane
does, and go on holding while pools change. ``status.v1beta2.conditions`` has WorkersAvailable and RollingOut, late:
after a change they are those of before for a moment, though ``observedGeneration`` is up to date.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import re
import secrets
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import kopf
import yaml

from lab.control import Part, PartFailedError, Ready
from lab.kubernetes import admin_kubeconfig, control_plane_names, kubeconfig_path, start_cluster, stop_cluster
from lab.operators import gpu_operator, machines, topology
from lab.operators.common import (
    CLUSTER,
    KUBERNETES_RELEASE,
    NODE,
    OS_IMAGE,
    RESOURCE_QUOTA,
    SECRET,
    VIRTUAL_MACHINE_CLASS,
    Api,
    ApiError,
    Conditions,
    Later,
    Object,
    control,
    fault,
    not_before,
    pace,
    reconciling,
    supervisor,
    vcenter,
)
from lab.operators.looks import Looks
from lab.operators.topology import Gpu, OsImage, Pool, Release, Surroundings, VmClass
from lab.pki import lab_authority
from lab.state import bin_directory, write_atomically

INTERVAL = 2.0
"""Seconds between two looks at a Cluster."""

_QUOTA = ".storageclass.storage.k8s.io/requests.storage"
_UNITS_MIB = {"Ki": 1 / 1024, "Mi": 1, "Gi": 1024, "Ti": 1024**2, "": 1 / 1024**2}
_UNNOTICED = 1.2
"""Seconds after a change in which the status says what it said before (measured with Cluster API 1.9.5)."""
_CONDITIONS = ("TopologyReconciled", "InfrastructureReady", "ControlPlaneInitialized", "ControlPlaneReady")


def part_name(namespace: str, name: str) -> str:
    """The name of a cluster's parts in the lab, and of its prefix in etcd."""
    return f"vks-{namespace}-{name}"


def memory_mib(quantity: str) -> int:
    """MiB of a Kubernetes quantity such as ``16Gi``. Raises ``ValueError``."""
    found = re.fullmatch(r"(\d+)(Ki|Mi|Gi|Ti|)", str(quantity))
    if found is None:
        raise ValueError(f"memory {quantity!r} is not a quantity like 16Gi")
    return int(int(found[1]) * _UNITS_MIB[found[2]])


def vm_class_of(item: Object) -> VmClass:
    """A VirtualMachineClass as the topology needs it."""
    hardware = item["spec"].get("hardware") or {}
    devices = hardware.get("devices") or {}
    gpus = [Gpu(profile=each["profileName"]) for each in devices.get("vgpuDevices") or ()]
    gpus += [
        Gpu(device=f"{each['vendorID']:04x}:{each['deviceID']:04x}")
        for each in devices.get("dynamicDirectPathIODevices") or ()
    ]
    name, memory = item["metadata"]["name"], memory_mib(hardware.get("memory", "0"))
    return VmClass(name, int(hardware.get("cpus", 0)), memory, tuple(gpus))


def release_of(item: Object, labels: Mapping[str, Mapping[str, str]]) -> Release:
    """A KubernetesRelease as the topology needs it; ``labels`` are those of the OSImages that have come, by name."""
    spec = item["spec"]
    there = (labels[each["name"]] for each in spec.get("osImages", ()) if each["name"] in labels)
    images = (OsImage(each["os-name"], each["os-version"], each.get("content-library", "")) for each in there)
    return Release(spec["version"], tuple(images))


def storage_classes(namespace: str) -> frozenset[str]:
    """Storage classes that a namespace may use: those that its quotas name."""
    hard = [quota["spec"].get("hard", {}) for quota in supervisor().list(RESOURCE_QUOTA, namespace)]
    return frozenset(key.removesuffix(_QUOTA) for limits in hard for key in limits if key.endswith(_QUOTA))


def vm_classes(namespace: str) -> dict[str, VmClass]:
    """VM classes that a namespace may use, by name."""
    return {item["metadata"]["name"]: vm_class_of(item) for item in supervisor().list(VIRTUAL_MACHINE_CLASS, namespace)}


def _releases() -> tuple[Release, ...]:
    images = {each["metadata"]["name"]: each["metadata"].get("labels") or {} for each in supervisor().list(OS_IMAGE)}
    return tuple(release_of(item, images) for item in supervisor().list(KUBERNETES_RELEASE))


# --- admission -------------------------------------------------------------------------------------------------------


@kopf.on.startup()
def admission(settings: kopf.OperatorSettings, **_: Any) -> None:
    """Serve the webhooks that the API server asks about Clusters, on a port that stays."""
    pair = lab_authority(control().directory).issue("operators-webhook")
    settings.admission.managed = "admission.lab.paif.dev"
    settings.admission.server = kopf.WebhookServer(
        addr="127.0.0.1",
        host="127.0.0.1",
        port=control().port("operators-webhook"),
        certfile=str(pair.cert),
        pkeyfile=str(pair.key),
        cafile=str(lab_authority(control().directory).cert),
    )


# Both fail closed, as the platform's own. Their names sort before those of Cluster API's, which judge what these have
# made of a Cluster.
@kopf.on.mutate(*CLUSTER.selector, id="default", ignore_failures=False)  # type: ignore[arg-type]
def default(body: kopf.Body, old: Object | None, operation: str | None, patch: kopf.Patch, **_: Any) -> None:
    """Store the Cluster as VKS does: release short and named by a label, class raised."""
    if operation not in ("CREATE", "UPDATE") or _is_as_before(body, old):
        return
    made = topology.normalise(dict(body), dict(old) if old else None, _releases())
    if made["spec"] != body["spec"]:
        patch["spec"] = {"topology": made["spec"]["topology"]}
    labels = made["metadata"].get("labels")
    if labels != body["metadata"].get("labels"):
        patch["metadata"] = {"labels": labels}


@kopf.on.validate(*CLUSTER.selector, id="validate", ignore_failures=False)  # type: ignore[arg-type]
def validate(body: kopf.Body, old: Object | None, operation: str | None, **_: Any) -> None:
    """Refuse what VKS itself refuses; Cluster API's own admission (lab/clusterapi) refuses the rest."""
    if operation not in ("CREATE", "UPDATE") or body["metadata"].get("deletionTimestamp") or _is_as_before(body, old):
        return
    found = topology.rejections(dict(body), dict(old) if old else None, _releases())
    if found:
        name = body["metadata"].get("name")
        raise kopf.AdmissionError(f"Cluster.cluster.x-k8s.io {name!r} is invalid: {'; '.join(found)}", code=422)


def _is_as_before(body: kopf.Body, old: Object | None) -> bool:
    """Whether nothing changes that VKS looks at: what was right once must not keep a Cluster from being deleted."""
    before, now = (old or {}).get("spec"), body.get("spec") or {}
    return before is not None and all(before.get(key) == now.get(key) for key in ("topology", "clusterNetwork"))


# --- reconciliation --------------------------------------------------------------------------------------------------


_looks = Looks(4)


@kopf.timer(*CLUSTER.selector, interval=INTERVAL)
@reconciling
def reconcile(body: kopf.Body, **_: Any) -> None:
    """Take a Cluster one look further."""
    cluster = dict(body)
    _looks.take(cluster["metadata"], lambda: _Look(cluster).run())


@kopf.on.delete(*CLUSTER.selector)
@reconciling
def delete(body: kopf.Body, **_: Any) -> None:
    """Release everything a Cluster had."""
    cluster = dict(body)
    with _looks.last(cluster["metadata"]):
        _remove(cluster)


def _remove(cluster: Object) -> None:
    supervisor().status(CLUSTER, cluster, {"phase": "Deleting"})
    metadata = cluster["metadata"]
    not_before(metadata["deletionTimestamp"], pace(60), "the cluster's machines are being removed")
    part = part_name(metadata["namespace"], metadata["name"])
    control().remove(f"{part}-kwok")
    stop_cluster(control(), part)
    _guests.forget(metadata["uid"])
    _shown.forget(metadata["uid"])
    for each in _owned_vms(metadata["uid"]):
        vcenter().delete_vm(each)
    for suffix in ("kubeconfig", "ssh-password"):
        supervisor().delete(SECRET, f"{metadata['name']}-{suffix}", metadata["namespace"])
    shutil.rmtree(_directory(part), ignore_errors=True)


def _owner(uid: str, node: str) -> str:
    return f"vks.{uid}.{node}"


def _owned_vms(uid: str) -> list[str]:
    return [each["owner"] for each in vcenter().vms() if str(each["owner"]).startswith(f"vks.{uid}.")]


def _directory(part: str) -> Path:
    """What the parts of one cluster are configured by."""
    return control().directory / "vks" / part


class _Guests:
    """One client per guest cluster; by uid, since a cluster of the same name made anew has another authority."""

    def __init__(self) -> None:
        self._apis: dict[str, Api] = {}
        self._lock = threading.Lock()

    def of(self, uid: str, part: str) -> Api:
        with self._lock:
            if uid not in self._apis:
                self._apis[uid] = Api.of(admin_kubeconfig(control(), part))
            return self._apis[uid]

    def forget(self, uid: str) -> None:
        with self._lock:
            api = self._apis.pop(uid, None)
        if api is not None:
            api.close()


_guests = _Guests()
_shown = machines.Shown()


class _NotYetError(Exception):
    """A condition that is not met; the message is for the person who looks at the Cluster."""

    def __init__(self, condition: str, reason: str, message: str) -> None:
        super().__init__(message)
        self.condition = condition
        self.reason = reason


class _Look:
    """One look at a Cluster: every step either holds already, or is done, or stops the look with its reason."""

    def __init__(self, cluster: Object) -> None:
        self.cluster = cluster
        metadata = cluster["metadata"]
        self.uid, self.namespace, self.name = metadata["uid"], metadata["namespace"], metadata["name"]
        self.part = part_name(self.namespace, self.name)
        self.status: Object = dict(cluster.get("status") or {})
        self.conditions = Conditions(self.status.get("conditions"))
        self.workers = Conditions((self.status.get("v1beta2") or {}).get("conditions"))

    def run(self) -> bool:
        """Take every step that can be taken now; whether nothing is left to do."""
        if self.conditions.is_true("Ready") and self._is_new():
            self._write(None)
            raise Later("a change is noticed a moment later", delay=_UNNOTICED)
        try:
            self._steps()
        except _NotYetError as why:
            self._not_yet(why)
            if why.condition == "WorkersAvailable":
                self._secrets()
                gpu_operator.reconcile(self._guest())
            raise Later(f"{why.condition}: {why}", delay=1) from None
        self._secrets()
        return gpu_operator.reconcile(self._guest())

    def _is_new(self) -> bool:
        return bool(self.status.get("observedGeneration") != self.cluster["metadata"]["generation"])

    def _steps(self) -> None:
        if not self.conditions.is_true("ControlPlaneInitialized"):
            self._write("Pending" if not self.status.get("phase") else None)
        around = Surroundings(vm_classes(self.namespace), storage_classes(self.namespace), _releases())
        self._check(around)
        made = topology.pools(self.cluster, around)
        self._control_plane(made[0])
        self._nodes(made[:1], all_pools={pool.name for pool in made})
        for kind in ("TopologyReconciled", "Ready"):
            self.conditions.set(kind, True)
        self._write("Provisioned")
        since = self.conditions.since("ControlPlaneReady") or self.cluster["metadata"]["creationTimestamp"]
        try:
            not_before(since, pace(120, fast=1), "its VMs boot (simulated)")
        except Later as wait:
            raise _NotYetError("WorkersAvailable", "NotAvailable", str(wait)) from None
        self._nodes(made, all_pools={pool.name for pool in made})
        self.workers.set("WorkersAvailable", True, "Available")
        self.workers.set("RollingOut", False, "NotRollingOut")
        self._write("Provisioned")

    def _check(self, around: Surroundings) -> None:
        found = topology.problems(self.cluster, around)
        found += [problem for each in topology.secret_references(self.cluster) if (problem := self._trust(*each))]
        if found:
            raise _NotYetError("TopologyReconciled", "TopologyReconcileFailed", "; ".join(found))

    def _trust(self, name: str, key: str) -> str:
        secret = supervisor().get(SECRET, name, self.namespace)
        text = ((secret or {}).get("data") or {}).get(key)
        if text is None:
            return f"osConfiguration.trust: Secret {name} with key {key} does not exist in the namespace"
        try:
            twice = base64.b64decode(base64.b64decode(text, validate=True), validate=True)
        except (binascii.Error, ValueError):
            twice = b""
        if b"-----BEGIN CERTIFICATE-----" in twice:
            return ""
        return f"osConfiguration.trust: {key} in Secret {name} must be a PEM certificate in base64, encoded once more"

    def _control_plane(self, pool: Pool) -> None:
        crash = fault("control-plane-crash", self.cluster)
        if crash is not None and crash.get("cluster", "") in ("", self.name):
            self._crash()
            raise _NotYetError("ControlPlaneReady", "ControlPlaneCrashed", "the API server keeps dying (simulated)")
        if not self.conditions.is_true("ControlPlaneInitialized"):
            self._machines(pool, pool.node_names(self.name)[:1])
        self.conditions.set("InfrastructureReady", True)
        self.status["infrastructureReady"] = True
        if not self._answers():
            self._write("Provisioning")
            try:
                not_before(self.cluster["metadata"]["creationTimestamp"], pace(180), "its VM boots (simulated)")
            except Later as wait:
                raise _NotYetError("ControlPlaneReady", "WaitingForControlPlane", str(wait)) from None
            self._start()
        elif not self._file("admission", topology.pod_security(self.cluster)).exists():
            self._start()
        endpoint = {"host": "127.0.0.1", "port": control().port(f"{self.part}-apiserver")}
        made = {
            "controlPlaneEndpoint": endpoint,
            "controlPlaneRef": machines.control_plane_reference(self.cluster, pool),
        }
        if any(self.cluster["spec"].get(key) != value for key, value in made.items()):
            supervisor().merge(CLUSTER, self.name, self.namespace, {"spec": made})
        self.conditions.set("ControlPlaneInitialized", True)
        self.conditions.set("ControlPlaneReady", True)
        self.status["controlPlaneReady"] = True
        self._kwok()

    def _start(self) -> None:
        start_cluster(control(), self.part, admission=self._written("admission", topology.pod_security(self.cluster)))

    def _crash(self) -> None:
        """Have the API server die whenever it is started: what keeps crashing is among the lab's parts, and says so."""
        name = f"{self.part}-apiserver"
        dies = ["/bin/sh", "-c", "echo 'the API server dies (simulated by the fault control-plane-crash)' >&2; exit 2"]
        ready = Ready(tcp=control().port(name))
        with contextlib.suppress(PartFailedError):
            control().ensure(Part(name=name, argv=dies, ready=ready))

    def _file(self, kind: str, text: str) -> Path:
        """A file of this cluster whose name changes with its content: parts that use it are restarted then."""
        return _directory(self.part) / f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:8]}.yaml"

    def _written(self, kind: str, text: str) -> Path:
        path = self._file(kind, text)
        if not path.exists():
            write_atomically(path, text)
            for old in path.parent.glob(f"{kind}-*.yaml"):
                if old != path:
                    old.unlink()
        return path

    def _guest(self) -> Api:
        return _guests.of(self.uid, self.part)

    def _answers(self) -> bool:
        # All of them: who was killed while it started the control plane has left a part of it.
        if not control().parts().keys() >= set(control_plane_names(self.part)):
            return False
        try:
            self._guest().request("GET", "/version")
        except (ApiError, httpx.TransportError):
            return False
        return True

    def _kwok(self) -> None:
        """Have kwok play the kubelets; with the fault image-pull, kubelets that cannot pull any image."""
        stages = self._written("kwok", kwok_stages(pulls=fault("image-pull", self.cluster) is None))
        kubeconfig = kubeconfig_path(control().directory, self.part)
        control().ensure(
            Part(
                name=f"{self.part}-kwok",
                argv=[
                    str(bin_directory() / "kwok"),
                    f"--kubeconfig={kubeconfig}",
                    f"--config={stages}",
                    "--manage-all-nodes=true",
                    # Leases would keep a restarted kwok waiting for those of the one before it.
                    "--node-lease-duration-seconds=0",
                    f"--cidr={self._pod_network()}",
                ],
                env={"GOGC": "50"},
            )
        )

    def _pod_network(self) -> str:
        blocks = ((self.cluster["spec"].get("clusterNetwork") or {}).get("pods") or {}).get("cidrBlocks") or []
        return str(blocks[0]) if blocks else "192.168.0.0/16"

    def _nodes(self, made: list[Pool], all_pools: set[str]) -> None:
        existing = {node["metadata"]["name"]: node for node in self._guest().list(NODE)}
        ready = {name for name, node in existing.items() if _is_ready(node)}
        waiting: list[str] = []
        rolling = False
        for pool in made:
            there = {name for name, node in existing.items() if _pool_of(node) == pool.name}
            wanted = pool.node_names(self.name)
            step = topology.next_step(wanted, there, ready, pool.max_surge)
            self._remove(step.remove)
            self._machines(pool, list(step.create))
            _shown.show(supervisor(), self.cluster, pool, {"there": there, "wanted": wanted, "ready": ready})
            unready = [name for name in wanted if name not in ready]
            old = there - set(wanted)
            rolling = rolling or bool(old)
            if old or unready:
                waiting.append(f"{pool.name}: {len(wanted) - len(unready)} of {len(wanted)} nodes are ready")
        if {pool.name for pool in made} == all_pools:
            _shown.only(supervisor(), self.cluster, made)
        self._remove(tuple(sorted(name for name, node in existing.items() if _pool_of(node) not in all_pools)))
        if waiting and made[-1].control_plane:
            word = "ControlPlaneUpgradePending" if rolling else "ControlPlaneNotReady"
            raise _NotYetError("TopologyReconciled", word, "; ".join(waiting))
        if waiting:
            self.workers.set("RollingOut", rolling, "RollingOut" if rolling else "NotRollingOut")
            raise _NotYetError("WorkersAvailable", "NotAvailable", "; ".join(waiting))
        self._collect(set(existing))

    def _machines(self, pool: Pool, names: list[str]) -> None:
        """Make VMs, and their Nodes once there is an API server. Raises with vCenter's reasons when none fits."""
        for name in names:
            try:
                vm = vcenter().create_vm(
                    name=name,
                    namespace=self.namespace,
                    vm_class=pool.vm_class.name,
                    owner=_owner(self.uid, name),
                    role="vks-node",
                )
            except ApiError as error:
                if error.status != httpx.codes.CONFLICT:
                    raise
                condition = "InfrastructureReady" if pool.control_plane else "WorkersAvailable"
                raise _NotYetError(
                    condition, error.reason or "InsufficientCapacity", f"node {name} of {pool.name}: {error}"
                ) from None
            if self.conditions.is_true("ControlPlaneReady"):
                self._register(pool, name, vm)

    def _register(self, pool: Pool, name: str, vm: Object) -> None:
        node = topology.node_object(pool, name, vm)
        body = {"apiVersion": NODE.api_version, "kind": NODE.kind, **node}
        try:
            self._guest().request("POST", NODE.path(), body=body)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise

    def _remove(self, names: tuple[str, ...]) -> None:
        for name in names:
            self._guest().delete(NODE, name)
            vcenter().delete_vm(_owner(self.uid, name))

    def _collect(self, names: set[str]) -> None:
        """Release VMs without a node: what was left when the operators were killed between the two."""
        wanted = {_owner(self.uid, name) for name in names}
        if self.workers.is_true("WorkersAvailable"):
            return
        for each in _owned_vms(self.uid):
            if each not in wanted:
                vcenter().delete_vm(each)

    def _secrets(self) -> None:
        """Publish the kubeconfig and the nodes' password: later than Ready, as a Supervisor does."""
        since = self.conditions.since("Ready") or self.cluster["metadata"]["creationTimestamp"]
        not_before(since, pace(45, fast=2), "the kubeconfig is published some time after Ready")
        config = yaml.safe_dump(_named_after(admin_kubeconfig(control(), self.part), self.name))
        self._publish("kubeconfig", "cluster.x-k8s.io/secret", "value", config)
        self._publish("ssh-password", "Opaque", "ssh-passwordkey", secrets.token_urlsafe(24))

    def _publish(self, suffix: str, kind: str, key: str, text: str) -> None:
        name = f"{self.name}-{suffix}"
        if supervisor().get(SECRET, name, self.namespace) is not None:
            return
        metadata = self.cluster["metadata"]
        owner = {"apiVersion": CLUSTER.api_version, "kind": CLUSTER.kind, "name": self.name, "uid": metadata["uid"]}
        labels = {"cluster.x-k8s.io/cluster-name": self.name}
        supervisor().apply(
            SECRET,
            {
                "metadata": {
                    "name": name,
                    "namespace": self.namespace,
                    "labels": labels,
                    "ownerReferences": [owner],
                },
                "type": kind,
                "data": {key: base64.b64encode(text.encode()).decode("ascii")},
            },
        )

    def _not_yet(self, why: _NotYetError) -> None:
        said = [*self.conditions.as_list(), *self.workers.as_list()]
        before = [(each.get("reason"), each.get("message")) for each in said]
        if (why.reason, str(why)) not in before:
            supervisor().event(CLUSTER, self.cluster, why.reason, str(why), warning=True)
        if why.condition == "WorkersAvailable":
            self.workers.set(why.condition, False, why.reason, str(why))
        else:
            for kind in (why.condition, "Ready"):
                self.conditions.set(kind, False, why.reason, str(why))
        for kind in _CONDITIONS:
            if self.conditions.since(kind) is None:
                self.conditions.set(kind, False, "WaitingForTopology")
        self._write("Provisioned" if self.conditions.is_true("ControlPlaneInitialized") else "Provisioning")

    def _write(self, phase: str | None) -> None:
        if phase:
            self.status["phase"] = phase
        self.status["conditions"] = self.conditions.as_list()
        self.status["v1beta2"] = {"conditions": self.workers.as_list()}
        self.status["observedGeneration"] = self.cluster["metadata"]["generation"]
        supervisor().status(CLUSTER, self.cluster, self.status)


def _pool_of(node: Object) -> str:
    return str((node["metadata"].get("labels") or {}).get(topology.POOL_LABEL, ""))


def _is_ready(node: Object) -> bool:
    found = (node.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in found)


def _named_after(config: Object, cluster: str) -> Object:
    """A kubeconfig with the names that VKS gives: context ``<cluster>-admin@<cluster>``."""
    user = f"{cluster}-admin"
    return config | {
        "clusters": [{**config["clusters"][0], "name": cluster}],
        "users": [{**config["users"][0], "name": user}],
        "contexts": [{"name": f"{user}@{cluster}", "context": {"cluster": cluster, "user": user}}],
        "current-context": f"{user}@{cluster}",
    }


def kwok_stages(*, pulls: bool) -> str:
    """kwok's stages as YAML; without ``pulls`` no pod starts any more, for want of its image."""
    stages = list(yaml.safe_load_all(Path(__file__).with_name("kwok.yaml").read_text(encoding="utf-8")))
    if not pulls:
        stages = [stage for stage in stages if stage["metadata"]["name"] != "pod-running"]
        for stage in stages:
            if stage["metadata"]["name"] == "pod-waiting":
                rules = stage["spec"]["selector"]["matchExpressions"]
                stage["spec"]["selector"]["matchExpressions"] = [
                    rule for rule in rules if not rule["key"].startswith(".metadata.annotations")
                ]
    return yaml.safe_dump_all(stages)
