"""One look at a Cluster: every step either holds already, or is done, or stops the look with its reason."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import secrets
from pathlib import Path

import httpx
import yaml

from lab.kubernetes import admin_kubeconfig, control_plane_names, kubeconfig_path, start_cluster
from lab.operators.conditions import Conditions
from lab.operators.connections import control, supervisor, vcenter
from lab.operators.kubernetes_api import Api, ApiError
from lab.operators.pace import Later, fault, not_before, pace
from lab.operators.resources import CLUSTER, NODE, SECRET, Object
from lab.simulated.gpu_operator.controller import reconcile as reconcile_gpu_operator
from lab.simulated.vks.guests import GUESTS, SHOWN, directory_of, owned_vms, part_name, vm_owner
from lab.simulated.vks.kwok import kwok_stages
from lab.simulated.vks.machines import control_plane_reference
from lab.simulated.vks.nodes import next_step, node_object
from lab.simulated.vks.offered import releases, storage_classes, vm_classes
from lab.simulated.vks.topology import POOL_LABEL, Pool, Surroundings, pod_security, pools, problems, secret_references
from lab.state import bin_directory, write_atomically
from lab.supervision.part import Part, PartFailedError, Ready

_UNNOTICED = 1.2
"""Seconds after a change in which the status says what it said before (measured with Cluster API 1.9.5)."""
_CONDITIONS = ("TopologyReconciled", "InfrastructureReady", "ControlPlaneInitialized", "ControlPlaneReady")


class _NotYetError(Exception):
    """A condition that is not met; the message is for the person who looks at the Cluster."""

    def __init__(self, condition: str, reason: str, message: str) -> None:
        super().__init__(message)
        self.condition = condition
        self.reason = reason


class ClusterLook:
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
                reconcile_gpu_operator(self._guest())
            raise Later(f"{why.condition}: {why}", delay=1) from None
        self._secrets()
        return reconcile_gpu_operator(self._guest())

    def _is_new(self) -> bool:
        return bool(self.status.get("observedGeneration") != self.cluster["metadata"]["generation"])

    def _steps(self) -> None:
        if not self.conditions.is_true("ControlPlaneInitialized"):
            self._write("Pending" if not self.status.get("phase") else None)
        around = Surroundings(vm_classes(self.namespace), storage_classes(self.namespace), releases())
        self._check(around)
        made = pools(self.cluster, around)
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
        found = problems(self.cluster, around)
        found += [problem for each in secret_references(self.cluster) if (problem := self._trust(*each))]
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
        elif not self._file("admission", pod_security(self.cluster)).exists():
            self._start()
        endpoint = {"host": "127.0.0.1", "port": control().port(f"{self.part}-apiserver")}
        made = {
            "controlPlaneEndpoint": endpoint,
            "controlPlaneRef": control_plane_reference(self.cluster, pool),
        }
        if any(self.cluster["spec"].get(key) != value for key, value in made.items()):
            supervisor().merge(CLUSTER, self.name, self.namespace, {"spec": made})
        self.conditions.set("ControlPlaneInitialized", True)
        self.conditions.set("ControlPlaneReady", True)
        self.status["controlPlaneReady"] = True
        self._kwok()

    def _start(self) -> None:
        start_cluster(control(), self.part, admission=self._written("admission", pod_security(self.cluster)))

    def _crash(self) -> None:
        """Have the API server die whenever it is started: what keeps crashing is among the lab's parts, and says so."""
        name = f"{self.part}-apiserver"
        dies = ["/bin/sh", "-c", "echo 'the API server dies (simulated by the fault control-plane-crash)' >&2; exit 2"]
        ready = Ready(tcp=control().port(name))
        with contextlib.suppress(PartFailedError):
            control().ensure(Part(name=name, argv=dies, ready=ready))

    def _file(self, kind: str, text: str) -> Path:
        """A file of this cluster whose name changes with its content: parts that use it are restarted then."""
        return directory_of(self.part) / f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:8]}.yaml"

    def _written(self, kind: str, text: str) -> Path:
        path = self._file(kind, text)
        if not path.exists():
            write_atomically(path, text)
            for old in path.parent.glob(f"{kind}-*.yaml"):
                if old != path:
                    old.unlink()
        return path

    def _guest(self) -> Api:
        return GUESTS.of(self.uid, self.part)

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
            step = next_step(wanted, there, ready, pool.max_surge)
            self._remove(step.remove)
            self._machines(pool, list(step.create))
            SHOWN.show(supervisor(), self.cluster, pool, {"there": there, "wanted": wanted, "ready": ready})
            unready = [name for name in wanted if name not in ready]
            old = there - set(wanted)
            rolling = rolling or bool(old)
            if old or unready:
                waiting.append(f"{pool.name}: {len(wanted) - len(unready)} of {len(wanted)} nodes are ready")
        if {pool.name for pool in made} == all_pools:
            SHOWN.only(supervisor(), self.cluster, made)
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
                    owner=vm_owner(self.uid, name),
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
        node = node_object(pool, name, vm)
        body = {"apiVersion": NODE.api_version, "kind": NODE.kind, **node}
        try:
            self._guest().request("POST", NODE.path(), body=body)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise

    def _remove(self, names: tuple[str, ...]) -> None:
        for name in names:
            self._guest().delete(NODE, name)
            vcenter().delete_vm(vm_owner(self.uid, name))

    def _collect(self, names: set[str]) -> None:
        """Release VMs without a node: what was left when the operators were killed between the two."""
        wanted = {vm_owner(self.uid, name) for name in names}
        if self.workers.is_true("WorkersAvailable"):
            return
        for each in owned_vms(self.uid):
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
        labels = {"cluster.x-k8s.io/cluster-name": self.name}
        supervisor().apply(
            SECRET,
            {
                "metadata": {
                    "name": name,
                    "namespace": self.namespace,
                    "labels": labels,
                    "ownerReferences": [CLUSTER.owner_reference(self.cluster)],
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
    return str((node["metadata"].get("labels") or {}).get(POOL_LABEL, ""))


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
