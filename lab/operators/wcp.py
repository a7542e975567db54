"""The simulated workload control plane: makes the Supervisor look as vCenter wants it, and reports back.

It follows vCenter's wishes by long poll. A namespace appears with its permissions, and is reported RUNNING; its
storage, classes and images come some time later, as do those that are added to it. One that goes is emptied in the
order in which its content depends on each other, and reported gone.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import kopf

from lab.operators import dsm
from lab.operators.common import (
    CLUSTER,
    CLUSTER_CLASS,
    CLUSTER_VIRTUAL_MACHINE_IMAGE,
    KUBERNETES_RELEASE,
    MODEL_ENDPOINT,
    NAMESPACE,
    OS_IMAGE,
    PAIS_CONFIGURATION,
    POLICY_BINDING,
    POSTGRES_CLUSTER,
    PREFIX,
    RESOURCE_QUOTA,
    ROLE_BINDING,
    STORAGE_CLASS,
    VIRTUAL_MACHINE,
    VIRTUAL_MACHINE_CLASS,
    VIRTUAL_MACHINE_IMAGE,
    VIRTUAL_MACHINE_SERVICE,
    Api,
    ApiError,
    Conditions,
    Later,
    Object,
    Resource,
    VCenter,
    backoff,
    not_before,
    pace,
    say_once,
    supervisor,
    timestamp,
    vcenter,
)
from lab.operators.topology import KNOWLEDGE, KnownClass

POLL_SECONDS = 25.0
"""How long vCenter may hold one long poll."""

REMOVAL = (
    MODEL_ENDPOINT,
    PAIS_CONFIGURATION,
    CLUSTER,
    VIRTUAL_MACHINE_SERVICE,
    VIRTUAL_MACHINE,
    POSTGRES_CLUSTER,
)
"""Kinds that hold something outside the Supervisor: what uses others goes first."""

_ATTEMPTS = 6
_ROLES = {"OWNER": "admin", "EDIT": "edit", "VIEW": "view"}
_NO_LIMIT = str(2**63 - 1)
_RELEASE = re.compile(r"(?P<os>ubuntu|photon)-?(?P<digits>\d+)?.*?(?P<release>v\d+\.\d+\.\d+(?:---|\+)vmware[\w.+-]*)")
_MANAGED = {PREFIX: "wcp"}
_SELECTOR = f"{PREFIX}=wcp"


@dataclass(frozen=True)
class Wanted:
    """An object that should exist; ``status`` is written after it."""

    resource: Resource
    body: Object
    status: Object | None = None

    @property
    def key(self) -> tuple[str, str | None, str]:
        metadata = self.body["metadata"]
        return self.resource.kind, metadata.get("namespace"), metadata["name"]


def image_name(item: str) -> str:
    """The object name of a content library item's image: stable, as the Supervisor's are."""
    return f"vmi-{hashlib.sha256(item.encode()).hexdigest()[:17]}"


def _metadata(name: str, namespace: str | None = None, **more: Any) -> Object:
    body: Object = {"name": name, "labels": {**_MANAGED, **more.pop("labels", {})}, **more}
    return body | ({"namespace": namespace} if namespace else {})


def namespace_object(entry: Object, state: Object) -> Wanted:
    """The Kubernetes namespace, with the labels and annotations by which a Supervisor's is known."""
    name = entry["name"]
    cluster = state.get("supervisor", {}).get("cluster") or "domain-c1"
    pool = f"resgroup-{hashlib.sha256(name.encode()).hexdigest()[:6]}"
    return Wanted(
        NAMESPACE,
        {
            "metadata": _metadata(
                name,
                labels={"vSphereClusterID": cluster},
                annotations={
                    "vmware-system-resource-pool": pool,
                    "vmware-system-self-service-namespace": "false",
                    "vmware-system-vm-folder": f"group-{pool}",
                },
            )
        },
    )


def vm_class(entry: Object, namespace: str) -> Wanted:
    """A vCenter VM class as VM Operator shows it in a namespace. Reservations: per cent in vCenter, amounts here."""
    memory = int(entry["memory_mib"])
    hardware: Object = {"cpus": int(entry["cpu_count"]), "memory": f"{memory}Mi"}
    devices: Object = {}
    if entry.get("vgpu_profiles"):
        devices["vgpuDevices"] = [{"profileName": profile} for profile in entry["vgpu_profiles"]]
    if entry.get("direct_path_devices"):
        devices["dynamicDirectPathIODevices"] = [_device(device) for device in entry["direct_path_devices"]]
    if devices:
        hardware["devices"] = devices
    requests: Object = {}
    if share := int(entry.get("memory_reservation") or 0):
        requests["memory"] = f"{memory * share // 100}Mi"
    if share := int(entry.get("cpu_reservation") or 0):
        # vCenter reserves a share of the cores' clock; 2 GHz a core in this simulation.
        requests["cpu"] = f"{int(entry['cpu_count']) * 2000 * share // 100}M"
    spec: Object = {"hardware": hardware}
    if requests:
        spec["policies"] = {"resources": {"requests": requests}}
    if entry.get("description"):
        spec["description"] = entry["description"]
    return Wanted(VIRTUAL_MACHINE_CLASS, {"metadata": _metadata(entry["id"], namespace), "spec": spec})


def _device(device: Object) -> Object:
    shown: Object = {part: _number(device[key]) for part, key in (("vendorID", "vendor_id"), ("deviceID", "device_id"))}
    return shown | ({"customLabel": device["custom_label"]} if device.get("custom_label") else {})


def _number(value: str | int) -> int:
    return value if isinstance(value, int) else int(value, 16)


def image(item: Object, library: Object, namespace: str | None) -> Wanted:
    """A content library item as an image, in one namespace or (None) for the whole Supervisor."""
    release = _RELEASE.search(item["name"])
    ready = Conditions()
    ready.set("Ready", True, "", "")
    properties = item.get("ovf_properties") or []
    operating_system = {"type": "ubuntu64Guest" if not release or release["os"] == "ubuntu" else "vmwarePhoton64Guest"}
    status: Object = {
        "name": item["name"],
        "type": str(item.get("type") or "ovf").upper(),
        "providerItemID": item["id"],
        "providerContentVersion": str(item.get("version") or "1"),
        "firmware": "efi",
        "hardwareVersion": 21,
        "osInfo": operating_system,
        "ovfProperties": [{"key": each["key"], "type": each.get("type") or "string"} for each in properties],
        "conditions": ready.as_list(),
    }
    metadata = _metadata(
        image_name(item["id"]),
        namespace,
        labels={"image-registry.vmware.com/library": re.sub(r"[^A-Za-z0-9_.-]", "-", library["id"])[:63].strip("-._")},
        annotations={f"{PREFIX}/simulation": f"item {item['name']} of content library {library['name']}"},
    )
    provider = {"apiVersion": "imageregistry.vmware.com/v1alpha1", "name": f"clitem-{image_name(item['id'])[4:]}"}
    kind = "ContentLibraryItem" if namespace else "ClusterContentLibraryItem"
    resource = VIRTUAL_MACHINE_IMAGE if namespace else CLUSTER_VIRTUAL_MACHINE_IMAGE
    return Wanted(resource, {"metadata": metadata, "spec": {"providerRef": {**provider, "kind": kind}}}, status)


def storage_class(policy: Object) -> Wanted:
    """A storage policy as a StorageClass."""
    return Wanted(
        STORAGE_CLASS,
        {
            "metadata": _metadata(policy["class_name"]),
            "provisioner": "csi.vsphere.vmware.com",
            "parameters": {"storagePolicyID": policy["id"]},
            "reclaimPolicy": "Delete",
            "allowVolumeExpansion": True,
            "volumeBindingMode": "Immediate",
        },
    )


def quota(entry: Object, classes: Mapping[str, str]) -> Wanted:
    """The storage limits (MiB; none is unlimited) of a namespace. ``classes``: policy id or name to StorageClass."""
    hard = {
        f"{classes[spec['policy']]}.storageclass.storage.k8s.io/requests.storage": (
            f"{spec['limit']}Mi" if spec.get("limit") else _NO_LIMIT
        )
        for spec in entry.get("storage_specs") or []
        if spec["policy"] in classes
    }
    name = entry["name"]
    return Wanted(RESOURCE_QUOTA, {"metadata": _metadata(f"{name}-storagequota", name), "spec": {"hard": hard}})


def role_binding(access: Object, namespace: str) -> Wanted:
    """One entry of the access list. Subjects carry the prefix ``sso:`` that a Supervisor gives vCenter's identities.

    Those of an external identity provider carry its id instead, which is this simulation's own way.
    """
    provider = access.get("identity_provider") or "sso"
    kind = "Group" if access["subject_type"] == "GROUP" else "User"
    subject, domain = access["subject"], access["domain"]
    suffix = "" if provider == "sso" else f":{provider}"
    return Wanted(
        ROLE_BINDING,
        {
            "metadata": _metadata(f"wcp:{namespace}:{kind.lower()}:{domain}:{subject}{suffix}".lower(), namespace),
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": _ROLES[access["role"]],
            },
            "subjects": [
                {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": f"{provider}:{subject}@{domain}"}
            ],
        },
    )


def releases(state: Object) -> list[Wanted]:
    """KubernetesReleases, one for each release, after the OSImages of every library that holds it."""
    images: dict[str, list[Wanted]] = {}
    for library in state.get("libraries") or []:
        for item in library.get("items") or []:
            found = _RELEASE.search(item["name"])
            if found is not None:
                version = found["release"].replace("---", "+")
                images.setdefault(version, []).append(_os_image(item, library, found, version))
    made = [each for version in sorted(images) for each in images[version]]
    return made + [_release(version, found) for version, found in sorted(images.items())]


def _os_image(item: Object, library: Object, found: re.Match[str], version: str) -> Wanted:
    """An OS image as clusters select it: by its labels. A library is called by a name that its id gives."""
    digits, name = found["digits"] or "", image_name(item["id"])
    system = {
        "name": found["os"],
        "version": f"{digits[:2]}.{digits[2:]}" if found["os"] == "ubuntu" else digits or "5",
        "type": "linux",
        "arch": "amd64",
    }
    labels = {
        **{f"os-{key}": value for key, value in system.items()},
        "image-type": "vmi",
        "content-library": f"cl-{hashlib.sha256(library['id'].encode()).hexdigest()[:17]}",
        "run.tanzu.vmware.com/tkr": version.replace("+", "---"),
    }
    kubernetes = version.split("-vkr.", maxsplit=1)[0]
    spec = {"kubernetesVersion": kubernetes, "os": system, "image": {"type": "vmi", "ref": {"name": name}}}
    return Wanted(OS_IMAGE, {"metadata": _metadata(name, labels=labels), "spec": spec})


def _release(version: str, images: list[Wanted]) -> Wanted:
    status = Conditions()
    status.set("Ready", True)
    status.set("Compatible", True)
    return Wanted(
        KUBERNETES_RELEASE,
        {
            "metadata": _metadata(version.replace("+", "---")),
            "spec": {
                "version": version,
                "kubernetes": {"version": version.split("-vkr.", maxsplit=1)[0]},
                "osImages": sorted(({"name": each.key[2]} for each in images), key=lambda each: each["name"]),
            },
        },
        {"conditions": status.as_list()},
    )


def cluster_classes(namespace: str, *, central: bool) -> Iterator[Wanted]:
    """The ClusterClasses of the central namespace, or those that VKS copies into ``namespace``.

    Their templates exist by name only; their status is what Cluster API's controller makes of them.
    """
    for name, known in KNOWLEDGE.classes.items():
        if known.central is central:
            yield _cluster_class(name, known, namespace)


def _cluster_class(name: str, known: KnownClass, namespace: str) -> Wanted:
    labels = {
        "kubernetes.vmware.com/min-version-supported": known.min,
        "kubernetes.vmware.com/max-version-supported": known.max,
    }
    variables = [
        {"name": each, "required": bool(of.get("required")), "schema": {"openAPIV3Schema": of["schema"]}}
        for each, of in KNOWLEDGE.variables[known.variables].items()
    ]
    infrastructure = {"apiVersion": "infrastructure.cluster.x-k8s.io/v1beta1", "name": name}
    machines = {"ref": {**infrastructure, "kind": "VSphereMachineTemplate"}}
    bootstrap = {"apiVersion": "bootstrap.cluster.x-k8s.io/v1beta1", "kind": "KubeadmConfigTemplate", "name": name}
    control_plane = {
        "apiVersion": "controlplane.cluster.x-k8s.io/v1beta1",
        "kind": "KubeadmControlPlaneTemplate",
        "name": name,
    }
    template = {"bootstrap": {"ref": bootstrap}, "infrastructure": machines}
    spec = {
        "infrastructure": {"ref": {**infrastructure, "kind": "VSphereClusterTemplate"}},
        "controlPlane": {"ref": control_plane, "machineInfrastructure": machines},
        "workers": {"machineDeployments": [{"class": KNOWLEDGE.worker_class, "template": template}]},
        "variables": variables,
    }
    reconciled = Conditions()
    reconciled.set("VariablesReconciled", True)
    definitions = [
        {
            "name": each["name"],
            "definitionsConflict": False,
            "definitions": [{"from": "inline", "required": each["required"], "schema": each["schema"]}],
        }
        for each in variables
    ]
    status = {"conditions": reconciled.as_list(), "variables": definitions}
    return Wanted(CLUSTER_CLASS, {"metadata": _metadata(name, namespace, labels=labels), "spec": spec}, status)


def content(entry: Object, state: Object) -> Iterator[Wanted]:
    """Everything in a namespace that follows from vCenter."""
    name = entry["name"]
    offered = {each["id"]: each for each in state.get("vm_classes") or []}
    policies = {
        key: policy["class_name"]
        for policy in state.get("storage_policies") or []
        for key in (policy["id"], policy["name"])
    }
    yield quota(entry, policies)
    for each in entry.get("access_list") or []:
        yield role_binding(each, name)
    used = {each["policy"] for each in entry.get("storage_specs") or []}
    for policy in state.get("storage_policies") or []:
        if used & {policy["id"], policy["name"]}:
            yield storage_class(policy)
    for each in entry.get("vm_classes") or []:
        if each in offered:
            yield vm_class(offered[each], name)
    libraries = set(entry.get("content_libraries") or [])
    for library in state.get("libraries") or []:
        if library["id"] in libraries:
            for item in library.get("items") or []:
                yield image(item, library, name)


OWNED = (RESOURCE_QUOTA, ROLE_BINDING, VIRTUAL_MACHINE_CLASS, VIRTUAL_MACHINE_IMAGE)
"""Kinds in a namespace that are removed when vCenter no longer wants them."""

LATE: dict[Resource, tuple[float, float]] = {
    STORAGE_CLASS: (5, 0.5),
    RESOURCE_QUOTA: (5, 0.5),
    VIRTUAL_MACHINE_CLASS: (10, 1.0),
    VIRTUAL_MACHINE_IMAGE: (60, 1.5),
}
"""Kinds that come after their namespace is RUNNING: seconds at the pace of a real site, and of a fast lab."""


class Wcp:
    """Brings the Supervisor to what vCenter wants, as often as that changes."""

    def __init__(self, api: Api, center: VCenter) -> None:
        self._api = api
        self._center = center
        self._applied: dict[tuple[str, str | None, str], str] = {}
        self._awaited: dict[tuple[str, str | None, str], float] = {}
        self._leaving: set[str] = set()
        self._lock = threading.Lock()

    def run(self) -> None:
        """Follow vCenter for ever."""
        revision, failures = 0, 0
        while True:
            try:
                state = self._center.wcp(revision, POLL_SECONDS if revision else 0)
                if state["revision"] == revision:
                    continue
                pending = self.follow(state)
                # What waits for the lab's pace is looked at again without a change in vCenter.
                revision = 0 if pending else state["revision"]
                failures = 0
                if pending:
                    time.sleep(0.5)
            except (ApiError, httpx.TransportError) as error:
                revision, failures = 0, failures + 1
                # The first miss is usual while the lab comes up or goes down.
                say_once("wcp", str(error) or type(error).__name__, logging.INFO if failures < 3 else logging.WARNING)
                time.sleep(backoff(failures, first=0.2, longest=10))
            except Exception:
                logging.getLogger("lab.operators").exception("wcp: unexpected error in the simulation; tried again")
                revision = 0
                time.sleep(5)

    def begin(self) -> None:
        """Have the Supervisor offer what it has before it is called ready: releases, and what DSM allows.

        A definition may not be served yet; what fails to the end is tried again by ``run``.
        """
        for attempt in range(_ATTEMPTS):
            try:
                state = self._center.wcp(0, 0)
                self._offer(state)
                told = {each["metadata"]["namespace"] for each in self._api.list(POLICY_BINDING)}
                for entry in state.get("namespaces") or []:
                    if entry["config_status"] == "RUNNING" and entry["name"] not in told:
                        # It was there before this Supervisor was started, and so was what is in it.
                        for each in (namespace_object(entry, state), *content(entry, state)):
                            self._apply(each)
                        self._namespace(entry, state)
            except (ApiError, httpx.TransportError) as error:
                say_once("wcp", str(error) or type(error).__name__, logging.INFO)
                time.sleep(backoff(attempt, first=0.2, longest=2))
            else:
                return

    def follow(self, state: Object) -> bool:
        """Bring everything to ``state``; whether something has to wait. Raises the first namespace's ``ApiError``."""
        self._offer(state)
        self._apply(Wanted(NAMESPACE, {"metadata": _metadata(KNOWLEDGE.central_namespace)}))
        for each in cluster_classes(KNOWLEDGE.central_namespace, central=True):
            self._apply(each)
        pending, first = False, None
        for entry in state.get("namespaces") or []:
            try:
                self._namespace(entry, state)
            except Later:
                pending = True
            except (ApiError, httpx.TransportError) as error:
                first = first or error
        if first is not None:
            raise first
        return pending

    def _offer(self, state: Object) -> None:
        """What the Supervisor has for all namespaces."""
        for release in releases(state):
            self._apply(release)
        shared = set(state.get("supervisor", {}).get("content_libraries") or [])
        for library in state.get("libraries") or []:
            for item in (library.get("items") or []) if library["id"] in shared else []:
                self._apply(image(item, library, None))

    def _namespace(self, entry: Object, state: Object) -> None:
        name = entry["name"]
        if entry["config_status"] == "REMOVING":
            self._start_removal(name)
            return
        self._apply(namespace_object(entry, state))
        wanted = [*content(entry, state), *cluster_classes(name, central=False)]
        running = entry["config_status"] == "RUNNING"
        there = [each for each in wanted if self._has_come(each, running=running)]
        # First, since whoever sees classes and storage may count on it.
        self._publish_binding(name, there)
        for each in there:
            self._apply(each)
        self._prune(name, {each.key for each in wanted})
        if not running:
            found = self._api.get(NAMESPACE, name)
            since = found["metadata"]["creationTimestamp"] if found else timestamp()
            not_before(since, pace(20), "the namespace is being configured")
            # vCenter takes no notice of a report about what it has changed since.
            self._center.report(name, {"config_status": "RUNNING", "revision": entry.get("revision", 0)})
        if len(there) < len(wanted):
            raise Later("what is in the namespace comes after it")

    def _publish_binding(self, namespace: str, there: list[Wanted]) -> None:
        classes = [each.body["metadata"]["name"] for each in there if each.resource is VIRTUAL_MACHINE_CLASS]
        quotas = [key for each in there if each.resource is RESOURCE_QUOTA for key in each.body["spec"]["hard"]]
        dsm.publish_binding(self._api, namespace, classes, [key.split(".storageclass.")[0] for key in quotas])

    def _has_come(self, wanted: Wanted, *, running: bool) -> bool:
        """Whether it is time for an object; what is there already stays, whatever it was that made it."""
        if wanted.resource not in LATE or wanted.key in self._applied:
            return True
        metadata = wanted.body["metadata"]
        if wanted.key not in self._awaited:
            if self._api.get(wanted.resource, metadata["name"], metadata.get("namespace")) is not None:
                return True
            if not running:
                return False
            self._awaited[wanted.key] = time.monotonic()
        if time.monotonic() - self._awaited[wanted.key] < pace(*LATE[wanted.resource]):
            return False
        del self._awaited[wanted.key]
        return True

    def _apply(self, wanted: Wanted) -> None:
        """Apply what this process has not applied in the same form before."""
        stable = wanted.body if wanted.status is None else {**wanted.body, "status": _without_times(wanted.status)}
        mark = hashlib.sha256(json.dumps(stable, sort_keys=True).encode()).hexdigest()
        if self._applied.get(wanted.key) == mark:
            return
        if wanted.resource is ROLE_BINDING:
            self._drop_other_role(wanted.body)
        item = self._api.apply(wanted.resource, wanted.body)
        status = wanted.status
        if status is not None and wanted.resource is CLUSTER_CLASS:
            status = {**status, "observedGeneration": item["metadata"].get("generation", 1)}
        if status is not None and _without_times(item.get("status") or {}) != _without_times(status):
            self._api.status(wanted.resource, item, status)
        self._applied[wanted.key] = mark

    def _drop_other_role(self, binding: Object) -> None:
        """Remove a binding to another role, since Kubernetes does not let it change."""
        name, namespace = binding["metadata"]["name"], binding["metadata"]["namespace"]
        found = self._api.get(ROLE_BINDING, name, namespace)
        if found is not None and found["roleRef"] != binding["roleRef"]:
            self._api.delete(ROLE_BINDING, name, namespace)

    def _prune(self, namespace: str, wanted: set[tuple[str, str | None, str]]) -> None:
        for resource in OWNED:
            for item in self._api.list(resource, namespace, _SELECTOR):
                key = (resource.kind, namespace, item["metadata"]["name"])
                if key not in wanted:
                    self._api.delete(resource, item["metadata"]["name"], namespace)
                    self._applied.pop(key, None)

    def _start_removal(self, name: str) -> None:
        with self._lock:
            if name in self._leaving:
                return
            self._leaving.add(name)
        threading.Thread(target=self._remove_for_sure, args=[name], name=f"remove-{name}", daemon=True).start()

    def _remove_for_sure(self, name: str) -> None:
        failures = 0
        while True:
            try:
                self.remove(name)
            except (ApiError, httpx.TransportError) as error:
                failures += 1
                say_once(f"Namespace/{name}", f"removal: {error}")
                time.sleep(backoff(failures, longest=10))
                continue
            break
        with self._lock:
            self._leaving.discard(name)

    def remove(self, name: str) -> None:
        """Empty a namespace kind by kind, delete it, and report it gone."""
        for resource in REMOVAL:
            self._empty(resource, name)
        while self._api.get(NAMESPACE, name) is not None:
            self._api.delete(NAMESPACE, name)
            time.sleep(0.3)
        self._applied = {key: mark for key, mark in self._applied.items() if name not in (key[1], key[2])}
        self._awaited = {key: since for key, since in self._awaited.items() if key[1] != name}
        self._center.report(name, {"gone": True})

    def _empty(self, resource: Resource, namespace: str) -> None:
        waited = 0
        while items := self._api.list(resource, namespace):
            for item in items:
                if not item["metadata"].get("deletionTimestamp"):
                    self._api.delete(resource, item["metadata"]["name"], namespace)
            if waited and waited % 100 == 0:
                names = ", ".join(item["metadata"]["name"] for item in items[:5])
                say_once(f"Namespace/{namespace}", f"removal waits for {resource.kind} {names}")
            waited += 1
            time.sleep(0.3)


def _without_times(status: Any) -> Any:
    if isinstance(status, dict):
        return {key: _without_times(value) for key, value in status.items() if key != "lastTransitionTime"}
    return [_without_times(each) for each in status] if isinstance(status, list) else status


@kopf.on.startup()
def follow_vcenter(**_: Any) -> None:
    """Start following; the thread ends with the process."""
    wcp = Wcp(supervisor(), vcenter())
    wcp.begin()
    threading.Thread(target=wcp.run, name="wcp", daemon=True).start()
