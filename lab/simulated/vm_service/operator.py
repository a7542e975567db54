"""The simulated VM Service: a VirtualMachine becomes a VM of the vCenter simulation, a VirtualMachineService an IP.

Conditions, their order and their reasons are those of VM Operator v1.9 (vmware-tanzu/vm-operator,
pkg/providers/vsphere); the guest and what it reports are simulated. What VM Operator's webhooks refuse and fill in is
in ``webhooks``. As there, a vApp property that the image does not have, or that nobody may set, is left out in
silence, and the guest misses it.
"""

from __future__ import annotations

import base64
import functools
import ipaddress
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from lab.operators.conditions import Conditions
from lab.operators.connections import supervisor, vcenter
from lab.operators.kubernetes_api import Api, ApiError
from lab.operators.pace import Later, backoff, fault, not_before, pace, timestamp
from lab.operators.reconciling import on_change, on_delete
from lab.operators.resources import (
    CLUSTER_VIRTUAL_MACHINE_IMAGE,
    RESOURCE_QUOTA,
    SECRET,
    STORAGE_CLASS,
    VIRTUAL_MACHINE,
    VIRTUAL_MACHINE_CLASS,
    VIRTUAL_MACHINE_IMAGE,
    VIRTUAL_MACHINE_SERVICE,
    VM_OPERATOR,
    Object,
    Resource,
)

ADDRESSES = ipaddress.ip_network("198.19.128.0/17")
"""Where simulated load balancers get their addresses: the end of the range that RFC 2544 sets aside for tests, whose
beginning the vCenter simulation gives to guests."""

LICENSE_PROPERTY = "vgpu-license"
HARDWARE_VERSION = 21
_CREATED = "VirtualMachineCreated"
_TOOLS = "VirtualMachineTools"
_BOOTSTRAP = "GuestBootstrap"
_allocating = threading.Lock()


@dataclass(frozen=True)
class Finding:
    """One condition that must hold before a VM is created; ``reason`` is empty when it does."""

    condition: str
    reason: str = ""
    message: str = ""


Get = Callable[[Resource, str, str | None], Object | None]
"""Reads one object: resource, name, namespace."""


def prerequisites(vm: Object, get: Get, images: Callable[[], list[Object]]) -> Iterator[Finding]:
    """The conditions before creation, all of them, in VM Operator's order.

    ``images`` lists the images that the VM's namespace sees; it is asked only when the image is given by display name.
    """
    yield _class_finding(vm, get)
    image = find_image(vm, get, images)
    if isinstance(image, Finding):
        yield image
        yield _bootstrap_finding(vm, None, get)
    else:
        yield Finding("VirtualMachineImageReady")
        yield _bootstrap_finding(vm, image, get)
    yield _storage_finding(vm, get)
    if not (vm["spec"].get("network") or {}).get("disabled"):
        yield Finding("VirtualMachineNetworkReady")


def _class_finding(vm: Object, get: Get) -> Finding:
    name, namespace = vm["spec"].get("className") or "", vm["metadata"]["namespace"]
    if get(VIRTUAL_MACHINE_CLASS, name, namespace) is None:
        message = f'virtualmachineclasses.vmoperator.vmware.com "{name}" not found: not bound to namespace {namespace}'
        return Finding("VirtualMachineClassReady", "NotFound", message)
    return Finding("VirtualMachineClassReady")


def find_image(vm: Object, get: Get, images: Callable[[], list[Object]]) -> Object | Finding:
    """The image that the spec names by object or display name, or the finding that says why there is none."""
    spec, namespace = vm["spec"], vm["metadata"]["namespace"]
    reference = spec.get("image") or {}
    wanted = str(reference.get("name") or spec.get("imageName") or "")
    if not wanted:
        return Finding("VirtualMachineImageReady", "NotSet", "spec.image and spec.imageName are empty")
    image: Object | None = None
    if reference.get("kind") or wanted.startswith("vmi-"):
        if reference.get("kind") != "ClusterVirtualMachineImage":
            image = get(VIRTUAL_MACHINE_IMAGE, wanted, namespace)
        if image is None and reference.get("kind") != "VirtualMachineImage":
            image = get(CLUSTER_VIRTUAL_MACHINE_IMAGE, wanted, None)
    else:
        named = [each for each in images() if (each.get("status") or {}).get("name") == wanted]
        scoped = [each for each in named if each["metadata"].get("namespace")] or named
        if len(scoped) > 1:
            message = f'multiple VM images exist for "{wanted}"; name one by its object name vmi-...'
            return Finding("VirtualMachineImageReady", "NotFound", message)
        image = scoped[0] if scoped else None
    if image is None:
        return Finding("VirtualMachineImageReady", "NotFound", f'no VM image exists for "{wanted}" in {namespace}')
    if not Conditions((image.get("status") or {}).get("conditions")).is_true("Ready"):
        return Finding("VirtualMachineImageReady", "NotReady", "VirtualMachineImage is not ready")
    return image


def _storage_finding(vm: Object, get: Get) -> Finding:
    name, namespace = vm["spec"].get("storageClass") or "", vm["metadata"]["namespace"]
    if not name:
        return Finding(
            "VirtualMachineStorageReady", "StorageClassRequired", "StorageClass is required but not specified"
        )
    if get(STORAGE_CLASS, name, None) is None:
        message = f'storageclasses.storage.k8s.io "{name}" not found'
        return Finding("VirtualMachineStorageReady", "NotFound", message)
    quota = get(RESOURCE_QUOTA, f"{namespace}-storagequota", namespace) or {}
    if f"{name}.storageclass.storage.k8s.io/requests.storage" not in (quota.get("spec") or {}).get("hard", {}):
        message = f"Storage policy is not associated with the namespace {namespace}: {name}"
        return Finding("VirtualMachineStorageReady", "Invalid", message)
    return Finding("VirtualMachineStorageReady")


class _BootstrapError(Exception):
    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def _bootstrap_finding(vm: Object, image: Object | None, get: Get) -> Finding:
    try:
        bootstrap_keys(vm, image, get)
    except _BootstrapError as error:
        return Finding("VirtualMachineBootstrapReady", error.reason, str(error))
    return Finding("VirtualMachineBootstrapReady")


def bootstrap_keys(vm: Object, image: Object | None, get: Get) -> set[str]:
    """Keys of the vApp properties that the guest gets: those whose Secrets are there, and that the image has."""
    bootstrap = vm["spec"].get("bootstrap") or {}
    namespace = vm["metadata"]["namespace"]

    def secret(name: str, key: str = "") -> Object:
        found = get(SECRET, name, namespace)
        if found is None:
            raise _BootstrapError("NotFound", f'secrets "{name}" not found')
        data: Object = found.get("data") or {}
        if key and key not in data:
            raise _BootstrapError("RequiredKeyNotFound", f'required key "{key}" not found in Secret {name}')
        return data

    cloud_init = bootstrap.get("cloudInit") or {}
    if raw := cloud_init.get("rawCloudConfig"):
        data = secret(raw["name"])
        if not {raw["key"], "user-data", "value"} & data.keys():
            raise _BootstrapError(
                "RequiredKeyNotFound", f'required key "{raw["key"]}" not found in Secret {raw["name"]}'
            )
    config = bootstrap.get("vAppConfig") or {}
    values: Object = {}
    if config.get("rawProperties"):
        values = secret(config["rawProperties"])
    for each in config.get("properties") or []:
        source = (each.get("value") or {}).get("from")
        if source:
            values[each["key"]] = secret(source["name"], source["key"])[source["key"]]
        else:
            plain = (each.get("value") or {}).get("value") or ""
            values[each["key"]] = base64.b64encode(plain.encode()).decode()
    known = {each["key"] for each in ((image or {}).get("status") or {}).get("ovfProperties") or []}
    return values.keys() & known


def guest_bootstrap(vm: Object, vm_class: Object, keys: set[str], *, license_server_down: bool) -> Finding:
    """What the guest reports after its first boot: only a vGPU guest with a license token needs the license server."""
    devices = (vm_class["spec"].get("hardware") or {}).get("devices") or {}
    if license_server_down and devices.get("vgpuDevices") and LICENSE_PROPERTY in keys:
        message = f"{vm['metadata']['name']}: the NVIDIA license server does not answer (simulated fault)"
        return Finding(_BOOTSTRAP, "LicenseServerUnreachable", message)
    return Finding(_BOOTSTRAP)


def running_status(vm: Object, made: Object, *, on: bool) -> Object:
    """What the status says of the VM that vCenter made; without power it has no address."""
    interfaces = (vm["spec"].get("network") or {}).get("interfaces") or [{"name": "eth0"}]
    network: Object | None = None
    if on and not (vm["spec"].get("network") or {}).get("disabled"):
        address = made["ip"]
        network = {
            "primaryIP4": address,
            "interfaces": [
                {"name": interfaces[0]["name"], "deviceKey": 4000, "ip": {"addresses": [{"address": f"{address}/15"}]}}
            ],
        }
    return {
        "class": {"apiVersion": VM_OPERATOR, "kind": "VirtualMachineClass", "name": vm["spec"]["className"]},
        "uniqueID": made["moid"],
        "biosUUID": made["bios_uuid"],
        "instanceUUID": made["instance_uuid"],
        "host": made["host"],
        "hardwareVersion": HARDWARE_VERSION,
        "changeBlockTracking": False,
        "powerState": vm["spec"].get("powerState") or "PoweredOn",
        "network": network,
    }


@on_change(VIRTUAL_MACHINE)
def reconcile(name: str, namespace: str, retry: int, **_: Any) -> None:
    """Bring one VM to its spec."""
    api = supervisor()
    vm = api.get(VIRTUAL_MACHINE, name, namespace)
    if vm is None or vm["metadata"].get("deletionTimestamp"):
        return
    conditions = Conditions((vm.get("status") or {}).get("conditions"))
    try:
        status = _bring_up(api, vm, conditions, retry)
    except Later:
        api.status(VIRTUAL_MACHINE, vm, {"conditions": conditions.as_list()})
        raise
    api.status(VIRTUAL_MACHINE, vm, {**status, "conditions": conditions.as_list()})
    if not conditions.is_true(_BOOTSTRAP) and status["powerState"] == "PoweredOn":
        raise Later("the guest has not finished its bootstrap", delay=2)


def _bring_up(api: Api, vm: Object, conditions: Conditions, retry: int) -> Object:
    """The status of the VM, made if need be; raises ``Later`` with the conditions saying why not yet."""
    metadata, created = vm["metadata"], (vm.get("status") or {}).get("uniqueID")
    namespace = metadata["namespace"]

    # One look at each object is enough for one pass; a hundred VMs at once would ask a thousand times more.
    get = functools.cache(api.get)

    @functools.cache
    def images() -> list[Object]:
        return [*api.list(VIRTUAL_MACHINE_IMAGE, namespace), *api.list(CLUSTER_VIRTUAL_MACHINE_IMAGE)]

    if not created:
        failed = []
        for finding in prerequisites(vm, get, images):
            conditions.set(finding.condition, not finding.reason, finding.reason, finding.message)
            if finding.reason:
                failed.append(f"{finding.condition} {finding.reason}: {finding.message}")
        if failed:
            for each in failed:
                api.event(VIRTUAL_MACHINE, vm, "CreateFailure", each, warning=True)
            raise Later("; ".join(failed), delay=backoff(retry, first=0.5, longest=5))
    try:
        made = vcenter().create_vm(
            name=metadata["name"],
            namespace=namespace,
            vm_class=vm["spec"]["className"],
            owner=metadata["uid"],
            role="dlvm",
            image=str((vm["spec"].get("image") or {}).get("name") or vm["spec"].get("imageName") or ""),
        )
    except ApiError as error:
        conditions.set(_CREATED, False, "Error", f"{error.reason}: {error}")
        api.event(VIRTUAL_MACHINE, vm, "CreateFailure", str(error), warning=True)
        raise Later(f"{error.reason}: {error}", delay=backoff(retry, longest=10)) from None
    if not created:
        api.event(VIRTUAL_MACHINE, vm, "CreateSuccess", f"VM {made['moid']} placed on {made['host']} (simulation)")
    conditions.set(_CREATED, True)
    status = running_status(vm, made, on=(vm["spec"].get("powerState") or "PoweredOn") == "PoweredOn")
    _guest(vm, conditions, status, get, images)
    if not conditions.is_true(_BOOTSTRAP) and (failure := conditions.message(_BOOTSTRAP)):
        api.event(VIRTUAL_MACHINE, vm, "GuestBootstrap", failure, warning=True)
    return status


def _guest(vm: Object, conditions: Conditions, status: Object, get: Get, images: Callable[[], list[Object]]) -> None:
    """The conditions that the guest reports."""
    if status["powerState"] != "PoweredOn":
        conditions.set(_TOOLS, False, "VirtualMachineToolsNotRunning", "VMware Tools is not running")
        return
    try:
        not_before(conditions.since(_CREATED) or timestamp(), pace(120), "the guest is booting")
    except Later:
        status["network"] = None
        conditions.set(_TOOLS, None, "NoGuestInfo")
        if not conditions.is_true(_BOOTSTRAP):
            conditions.set(_BOOTSTRAP, None, "NoBootstrapStatus")
        return
    conditions.set(_TOOLS, True)
    if conditions.is_true(_BOOTSTRAP):
        return
    vm_class = get(VIRTUAL_MACHINE_CLASS, vm["spec"]["className"], vm["metadata"]["namespace"])
    image = find_image(vm, get, images)
    try:
        keys = bootstrap_keys(vm, None if isinstance(image, Finding) else image, get)
    except _BootstrapError:
        keys = set()
    down = fault("license-server-down", vm) is not None
    found = guest_bootstrap(vm, vm_class or {"spec": {}}, keys, license_server_down=down)
    conditions.set(_BOOTSTRAP, not found.reason, found.reason, found.message)


@on_delete(VIRTUAL_MACHINE)
def delete(uid: str, **_: Any) -> None:
    """Release the VM and its devices in vCenter."""
    vcenter().delete_vm(uid)


@on_change(VIRTUAL_MACHINE_SERVICE)
def expose(name: str, namespace: str, **_: Any) -> None:
    """Give a load balancer its simulated address, the lowest that is free."""
    api = supervisor()
    with _allocating:
        service = api.get(VIRTUAL_MACHINE_SERVICE, name, namespace)
        if service is None or service["spec"]["type"] != "LoadBalancer" or _address(service):
            return
        not_before(service["metadata"]["creationTimestamp"], pace(15), "the load balancer is being made")
        taken = {_address(each) for each in api.list(VIRTUAL_MACHINE_SERVICE)}
        address = next(str(each) for each in ADDRESSES.hosts() if str(each) not in taken)
        api.status(VIRTUAL_MACHINE_SERVICE, service, {"loadBalancer": {"ingress": [{"ip": address}]}})


def _address(service: Object) -> str:
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or [{}]
    return str(ingress[0].get("ip") or "")
