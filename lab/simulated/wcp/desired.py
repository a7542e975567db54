"""What the Supervisor shall have in a namespace, as it follows from vCenter. Pure: no API is called here."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lab.operators.conditions import Conditions
from lab.operators.resources import (
    CLUSTER_VIRTUAL_MACHINE_IMAGE,
    NAMESPACE,
    PREFIX,
    RESOURCE_QUOTA,
    ROLE_BINDING,
    STORAGE_CLASS,
    VIRTUAL_MACHINE_CLASS,
    VIRTUAL_MACHINE_IMAGE,
    Object,
    Resource,
)

_ROLES = {"OWNER": "admin", "EDIT": "edit", "VIEW": "view"}
_NO_LIMIT = str(2**63 - 1)
RELEASE = re.compile(r"(?P<os>ubuntu|photon)-?(?P<digits>\d+)?.*?(?P<release>v\d+\.\d+\.\d+(?:---|\+)vmware[\w.+-]*)")
_MANAGED = {PREFIX: "wcp"}
SELECTOR = f"{PREFIX}=wcp"


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


def metadata_of(name: str, namespace: str | None = None, **more: Any) -> Object:
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
            "metadata": metadata_of(
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
    return Wanted(VIRTUAL_MACHINE_CLASS, {"metadata": metadata_of(entry["id"], namespace), "spec": spec})


def _device(device: Object) -> Object:
    shown: Object = {part: _number(device[key]) for part, key in (("vendorID", "vendor_id"), ("deviceID", "device_id"))}
    return shown | ({"customLabel": device["custom_label"]} if device.get("custom_label") else {})


def _number(value: str | int) -> int:
    return value if isinstance(value, int) else int(value, 16)


def image(item: Object, library: Object, namespace: str | None) -> Wanted:
    """A content library item as an image, in one namespace or (None) for the whole Supervisor."""
    release = RELEASE.search(item["name"])
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
    metadata = metadata_of(
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
            "metadata": metadata_of(policy["class_name"]),
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
    return Wanted(RESOURCE_QUOTA, {"metadata": metadata_of(f"{name}-storagequota", name), "spec": {"hard": hard}})


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
            "metadata": metadata_of(f"wcp:{namespace}:{kind.lower()}:{domain}:{subject}{suffix}".lower(), namespace),
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
