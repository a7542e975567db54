"""The NVIDIA GPU Operator (a simulation): plays the controller of ClusterPolicy in a VKS cluster.

VKS's simulation calls :func:`reconcile` for every cluster. The chart is installed for real, its pods run nowhere; this
module does what the pod of Deployment gpu-operator would do: it labels GPU nodes, makes the operands' DaemonSets, tells
why their pods cannot start, and lets a node announce ``nvidia.com/gpu`` once its driver and device plugin would run.

A real driver starts without a license and is throttled later; the simulation says so at once, as not ready.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.operators.conditions import Conditions
from lab.operators.container_registry import pull_secret_problem, registry_of
from lab.operators.kubernetes_api import Api
from lab.operators.pace import fault, pace, seconds_since
from lab.operators.resources import CONFIG_MAP, DEPLOYMENT, NODE, SECRET, Object, Resource
from lab.platform import PLATFORM
from lab.simulated.vks.vm_classes import DEVICES, GPU, Gpu

CHART = Path(__file__).with_name("chart")
"""The chart that installs it, of the same name, version and value keys as NVIDIA's."""

CLUSTER_POLICY = Resource(PLATFORM.api_version("ClusterPolicy"), "ClusterPolicy", "clusterpolicies", namespaced=False)
DAEMON_SET = Resource("apps/v1", "DaemonSet", "daemonsets")
POD = Resource("v1", "Pod", "pods")

WAITING, WAITING_MESSAGE = "lab.paif.dev/waiting", "lab.paif.dev/waiting-message"
"""Annotations by which kwok's stages keep a pod from starting."""

APPLIED = "lab.paif.dev/applied"
"""Annotation with the hash of what a DaemonSet was applied from."""

TOKEN_KEY = "client_configuration_token.tok"  # noqa: S105 - the name of a key, not a token
PUBLIC_REPOSITORIES = ("nvcr.io/nvidia", "nvcr.io/nvidia/k8s", "nvcr.io/nvidia/cloud-native")
"""Repositories of NGC that need no login; what is below nvcr.io/nvidia/vgpu does."""

PRIVILEGED = "pod-security.kubernetes.io/enforce"


@dataclass(frozen=True)
class Blocked:
    """Why a driver cannot start: a container's waiting reason, and what to do about it."""

    reason: str
    message: str


@dataclass(frozen=True)
class Operand:
    """One DaemonSet of the operator: the ClusterPolicy's key, the name, and the node label that places it."""

    key: str
    name: str
    place: str


OPERANDS = (
    Operand("driver", "nvidia-driver-daemonset", "driver"),
    Operand("toolkit", "nvidia-container-toolkit-daemonset", "container-toolkit"),
    Operand("devicePlugin", "nvidia-device-plugin-daemonset", "device-plugin"),
    Operand("dcgmExporter", "nvidia-dcgm-exporter", "dcgm-exporter"),
    Operand("gfd", "gpu-feature-discovery", "gpu-feature-discovery"),
    Operand("validator", "nvidia-operator-validator", "operator-validator"),
)


def token_problem(config: Object | None, name: str) -> str:
    """Why a license ConfigMap cannot license a vGPU; empty when it can. Never tells what it holds."""
    if config is None:
        return f"ConfigMap {name} does not exist in the operator's namespace"
    data = config.get("data") or {}
    if not str(data.get(TOKEN_KEY, "")).strip():
        return f"ConfigMap {name} has no {TOKEN_KEY}: put the client configuration token of the license server there"
    bad = sorted(key for key in (TOKEN_KEY, "gridd.conf") if "\r" in str(data.get(key, "")))
    if bad:
        return f"{bad[0]} in ConfigMap {name} has Windows line ends (CRLF): the license client reads them as content"
    return ""


def driver_block(
    policy: Object, gpus: Iterable[Gpu], systems: Iterable[str], read: Callable[..., Object | None]
) -> Blocked | None:
    """Why the driver's pods cannot start or serve on nodes with these GPUs and operating systems; None when they can.

    ``read(resource, name)`` reads an object of the operator's namespace.
    """
    driver = policy["spec"].get("driver") or {}
    if not driver.get("enabled", True):
        return Blocked("DriverDisabled", "driver.enabled is false and the nodes' image holds no driver")
    image = f"{driver.get('repository')}/{driver.get('image')}:{driver.get('version')}"
    foreign = sorted({system for system in systems if not system.lower().startswith("ubuntu")})
    if foreign:
        message = f"{image} has no tag for {foreign[0]}: give GPU node pools the annotation os-name=ubuntu"
        return Blocked("ImagePullBackOff", message)
    pull = _pull_problem(driver, read)
    if pull:
        return Blocked("ImagePullBackOff", f"{image}: {pull}")
    if not any(gpu.profile for gpu in gpus):
        return None
    name = (driver.get("licensingConfig") or {}).get("configMapName")
    if not name:
        return Blocked(
            "Unlicensed", "the nodes have vGPUs and driver.licensingConfig.configMapName is empty: name a ConfigMap"
        )
    problem = token_problem(read(CONFIG_MAP, name), name)
    if problem:
        return Blocked("Unlicensed", problem)
    if fault("license-server-down") is not None:
        return Blocked("Unlicensed", "no license: the license server does not answer (fault license-server-down)")
    return None


def _pull_problem(driver: Mapping[str, Any], read: Callable[..., Object | None]) -> str:
    repository = str(driver.get("repository", ""))
    if repository in PUBLIC_REPOSITORIES:
        return ""
    names = driver.get("imagePullSecrets") or []
    if not names:
        return f"{repository} needs a login: name a pull secret in driver.imagePullSecrets"
    found = [pull_secret_problem(read(SECRET, name), name, registry_of(repository)) for name in names]
    return "" if "" in found else "; ".join(found)


def gpus_of(node: Object) -> list[Gpu]:
    """The GPUs that the simulated VM of a node holds."""
    text = (node["metadata"].get("annotations") or {}).get(DEVICES, "[]")
    return [Gpu(**each) for each in json.loads(text)]


def daemon_set(operand: Operand, policy: Object, namespace: str, blocked: Blocked | None) -> Object:
    """The DaemonSet of an operand; with ``blocked`` its pods show that reason instead of starting."""
    spec = policy["spec"]
    own, shared = spec.get(operand.key) or {}, spec.get("daemonsets") or {}
    labels = {"app": operand.name}
    annotations = dict(shared.get("annotations") or {})
    if blocked is not None:
        annotations |= {WAITING: blocked.reason, WAITING_MESSAGE: blocked.message}
    image = f"{own.get('repository')}/{own.get('image')}:{own.get('version')}"
    return {
        "metadata": {
            "name": operand.name,
            "namespace": namespace,
            "labels": labels | {"app.kubernetes.io/managed-by": "gpu-operator"},
            "ownerReferences": [
                {**CLUSTER_POLICY.owner_reference(policy), "controller": True, "blockOwnerDeletion": True}
            ],
        },
        "spec": {
            "selector": {"matchLabels": labels},
            # The driver's pods are never replaced by themselves: that would take the GPU from running work.
            "updateStrategy": {"type": "OnDelete" if operand.key == "driver" else "RollingUpdate"},
            "template": {
                "metadata": {
                    "labels": labels | {key: str(value) for key, value in (shared.get("labels") or {}).items()},
                    "annotations": annotations,
                },
                "spec": {
                    "nodeSelector": {f"nvidia.com/gpu.deploy.{operand.place}": "true"},
                    "tolerations": shared.get("tolerations") or [],
                    "priorityClassName": shared.get("priorityClassName") or "system-node-critical",
                    "imagePullSecrets": [{"name": name} for name in own.get("imagePullSecrets") or []],
                    "containers": [
                        {"name": operand.name, "image": image, "securityContext": {"privileged": True}},
                    ],
                },
            },
        },
    }


def node_labels(gpus: list[Gpu], *, discovered: bool) -> dict[str, str]:
    """Labels of a GPU node: those of the operator, and with ``discovered`` those of GPU feature discovery."""
    labels = {"nvidia.com/gpu.present": "true"}
    labels |= {f"nvidia.com/gpu.deploy.{operand.place}": "true" for operand in OPERANDS}
    if discovered:
        labels |= gpus[0].labels | {"nvidia.com/gpu.count": str(len(gpus)), "nvidia.com/gpu.replicas": "1"}
        if gpus[0].profile:
            labels["nvidia.com/vgpu.present"] = "true"
    return labels


_OWN_LABELS = frozenset(node_labels([Gpu(profile="any-1c")], discovered=True)) | {"nvidia.com/gpu.family"}


def reconcile(api: Api) -> bool:
    """One look at the ClusterPolicy of the cluster behind ``api``, and the next step; whether nothing is left to do.

    Raises what ``Api`` raises; repeating is harmless.
    """
    nodes = {node["metadata"]["name"]: node for node in api.list(NODE)}
    policy = api.get(CLUSTER_POLICY, "cluster-policy")
    operator = next(iter(api.list(DEPLOYMENT, labels="app.kubernetes.io/component=gpu-operator")), None)
    if policy is None:
        for node in nodes.values():
            _announce(api, node, [], {})
        return True
    if operator is None or not (operator.get("status") or {}).get("availableReplicas"):
        return False
    return _Play(api, policy, operator["metadata"]["namespace"], nodes).run()


class _Play:
    """One look, with what was read for it."""

    def __init__(self, api: Api, policy: Object, namespace: str, nodes: dict[str, Object]) -> None:
        self.api = api
        self.policy = policy
        self.namespace = namespace
        self.nodes = nodes
        self.gpus = {name: found for name, node in nodes.items() if (found := gpus_of(node))}
        self.sets = {each["metadata"]["name"]: each for each in api.list(DAEMON_SET, namespace)}

    def run(self) -> bool:
        """Take every step that can be taken now; whether the policy is ready."""
        discovery = self._feature_discovery()
        if discovery is None:
            self._report("ready", "NFDLabelsMissing", "no node has labels of Node Feature Discovery; is nfd enabled?")
            return True
        if not discovery:
            # As the real operator does, one second after its start: before the labels come it knows of no GPU.
            self._report("ready", "NFDLabelsMissing", "no node has labels of Node Feature Discovery yet")
            return False
        if not self.gpus:
            self._report("ready", "NoGPUNodes", "no GPU node found; watching for new nodes to join the cluster")
            return True
        if not any(operand.name in self.sets for operand in OPERANDS) and not self._said("Reconciled"):
            # For a moment it has nothing to complain of, since there is nothing yet.
            self._report("ready", "Reconciled", "ClusterPolicy is ready as all resources have been successfully made")
            return False
        blocked = self._blocked()
        running = self._operands(blocked)
        unready = sorted(name for name, ready in running.items() if not ready)
        with_plugin = running.get("nvidia-device-plugin-daemonset", False)
        for name, gpus in self.gpus.items():
            discovered = running.get("gpu-feature-discovery", False)
            served = with_plugin and not blocked
            _announce(self.api, self.nodes[name], gpus if served else [], node_labels(gpus, discovered=discovered))
        if blocked is not None:
            self._report("notReady", "OperandNotReady", f"driver: {blocked.reason}: {blocked.message}")
        elif unready:
            self._report("notReady", "OperandNotReady", f"pods are not ready of: {', '.join(unready)}")
        else:
            self._report("ready", "Reconciled", "ClusterPolicy is ready as all resources have been successfully made")
        return blocked is None and not unready

    def _said(self, reason: str) -> bool:
        status = self.policy.get("status") or {}
        return any(each.get("reason") == reason for each in status.get("conditions") or [])

    def _feature_discovery(self) -> bool | None:
        """Label nodes as Node Feature Discovery does; whether it runs, None when it is not even installed."""
        workers = [
            each for each in self.sets.values() if each["spec"]["selector"]["matchLabels"].get("role") == "nfd-worker"
        ]
        if not workers:
            return None
        running = any((each.get("status") or {}).get("numberReady") for each in workers)
        label = "feature.node.kubernetes.io/pci-10de.present"
        for name in self.gpus if running else ():
            if label not in self.nodes[name]["metadata"].get("labels", {}):
                self.api.merge(NODE, name, None, {"metadata": {"labels": {label: "true"}}})
        return running

    def _blocked(self) -> Blocked | None:
        gpus = [gpu for each in self.gpus.values() for gpu in each]
        systems = [self.nodes[name]["status"]["nodeInfo"]["osImage"] for name in self.gpus]

        def read(resource: Resource, name: str) -> Object | None:
            return self.api.get(resource, name, self.namespace)

        found = driver_block(self.policy, gpus, systems, read)
        if found is None:
            # A real driver is compiled on the node for minutes.
            left = pace(240) - seconds_since(self.policy["metadata"]["creationTimestamp"])
            if left > 0:
                return Blocked("ContainerCreating", "the driver is being built (simulated)")
        return found

    def _operands(self, blocked: Blocked | None) -> dict[str, bool]:
        """Make the DaemonSets as the policy wants them; per DaemonSet whether its pods are ready on every GPU node."""
        running: dict[str, bool] = {}
        pods = self.api.list(POD, self.namespace)
        waits_for_driver = Blocked("PodInitializing", "waits for the driver (simulated)")
        for operand in OPERANDS:
            enabled = (self.policy["spec"].get(operand.key) or {}).get("enabled", True)
            if not enabled:
                if operand.name in self.sets:
                    self.api.delete(DAEMON_SET, operand.name, self.namespace)
                continue
            own = blocked if operand.key == "driver" else blocked and waits_for_driver
            made = self._made(daemon_set(operand, self.policy, self.namespace, own))
            self._pods(pods, operand, own)
            status = made.get("status") or {}
            running[operand.name] = status.get("observedGeneration") == made["metadata"]["generation"] and status.get(
                "numberReady", 0
            ) >= len(self.gpus)
        return running

    def _made(self, wanted: Object) -> Object:
        """The DaemonSet, applied unless it was applied in the same form before."""
        mark = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()[:16]
        found = self.sets.get(wanted["metadata"]["name"])
        if found is not None and (found["metadata"].get("annotations") or {}).get(APPLIED) == mark:
            return found
        wanted["metadata"]["annotations"] = {APPLIED: mark}
        return self.api.apply(DAEMON_SET, wanted)

    def _pods(self, pods: list[Object], operand: Operand, blocked: Blocked | None) -> None:
        """Start anew pods that wait when nothing holds them any more, or for another reason than before.

        Anew, since only so they are of the DaemonSet's present form, as the real operator's upgrade leaves them.
        """
        mine = [pod for pod in pods if (pod["metadata"].get("labels") or {}).get("app") == operand.name]
        for pod in mine:
            annotations = pod["metadata"].get("annotations") or {}
            name, waits = pod["metadata"]["name"], annotations.get(WAITING)
            now = (None, None) if blocked is None else (blocked.reason, blocked.message)
            if (waits, annotations.get(WAITING_MESSAGE)) != now:
                self.api.delete(POD, name, self.namespace)
        if operand.key == "driver" and blocked is None:
            self._upgrade(mine)

    def _upgrade(self, pods: list[Object]) -> None:
        """Replace one driver pod that runs another image, once all are up, when the policy upgrades by itself."""
        driver = self.policy["spec"]["driver"]
        image = f"{driver.get('repository')}/{driver.get('image')}:{driver.get('version')}"
        old = [pod for pod in pods if pod["spec"]["containers"][0]["image"] != image]
        up = all((pod.get("status") or {}).get("phase") == "Running" for pod in pods)
        if old and up and (driver.get("upgradePolicy") or {}).get("autoUpgrade"):
            self.api.delete(POD, old[0]["metadata"]["name"], self.namespace)

    def _report(self, state: str, reason: str, message: str) -> None:
        status = self.policy.get("status") or {}
        conditions = Conditions(status.get("conditions"))
        ready = state == "ready"
        conditions.set("Ready", ready, reason if ready else "NotReady", message if ready else "")
        conditions.set("Error", not ready, "NoError" if ready else reason, "" if ready else message)
        if status.get("state") != state or (not ready and conditions.as_list() != status.get("conditions")):
            self.api.event(CLUSTER_POLICY, self.policy, reason, message, warning=not ready)
        wanted = {"state": state, "namespace": self.namespace, "conditions": conditions.as_list()}
        self.api.status(CLUSTER_POLICY, self.policy, wanted)


def _announce(api: Api, node: Object, gpus: list[Gpu], labels: dict[str, str]) -> None:
    """Bring a node's GPU resources and labels to what is given, with as few calls as that takes."""
    name, metadata, status = node["metadata"]["name"], node["metadata"], node["status"]
    present = metadata.get("labels", {})
    gone = [key for key in present if key in _OWN_LABELS and key not in labels]
    if gone or any(present.get(key) != value for key, value in labels.items()):
        api.merge(NODE, name, None, {"metadata": {"labels": labels | dict.fromkeys(gone)}})
    count = str(len(gpus)) if gpus else None
    if status.get("allocatable", {}).get(GPU) != count:
        body = {"status": {"capacity": {GPU: count}, "allocatable": {GPU: count}}}
        api.request("PATCH", f"{NODE.path(name)}/status", body=body, media="application/merge-patch+json")
