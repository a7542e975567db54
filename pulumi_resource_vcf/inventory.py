"""GPU inventory of a compute cluster, read over SOAP, since the REST API shows neither vGPU profiles nor PCI devices.

Source of the fields: vSphere Web Services API 9.0, HostSystem (`config.sharedGpuCapabilities`,
`config.pciPassthruInfo`, `config.graphicsInfo`, `hardware.pciDevice`) and VirtualPCIPassthrough backings of VMs.
Blocking: run it in a thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .errors import GoneError, listed, nearest
from .soap import signed_in
from .values import Props
from .vcenter import Account

_DISPLAY_CLASSES = (0x0300, 0x0302)
_HOST = (
    "name",
    "runtime.connectionState",
    "hardware.memorySize",
    "hardware.pciDevice",
    "config.sharedGpuCapabilities",
    "config.pciPassthruInfo",
    "config.graphicsInfo",
)


def gpu_inventory(account: Account, cluster: str, *, assignments: bool = False) -> Props:
    """Hosts of the cluster: {hosts: [{name, moid, connected, memoryMib, vgpuProfiles[], pciDevices[…]}]}.

    `pciDevices` are the display controllers (GPUs): id is the PCI address, vendorId and deviceId four hex digits,
    assignedTo, with `assignments`, the names of the VMs that hold the device (DirectPath I/O) or run on it (vGPU): for
    that all VMs of the hosts are read, which takes 10 ms or more for each. Raises VcfError.
    """
    # pyvmomi is only needed here: its import costs time and memory in every plugin start otherwise.
    from pyVmomi import vim, vmodl  # noqa: PLC0415

    with signed_in(account, "its inventory") as content:
        return {"hosts": _hosts(content, vim, vmodl, f"vCenter {account.server}", cluster, assignments)}


def _hosts(content: Any, vim: Any, vmodl: Any, name: str, cluster: str, assignments: bool) -> list[Props]:
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.ClusterComputeResource], recursive=True)
    try:
        query = [_filter(vmodl, view, "view", vim.view.ContainerView, vim.ClusterComputeResource, ("name", "host"))]
        clusters = {p["name"]: p.get("host", []) for _, p in _retrieve(content, vmodl, query)}
    finally:
        view.Destroy()
    if cluster not in clusters:
        raise GoneError(
            f"{name} has no compute cluster {cluster!r}{nearest(cluster, clusters)}. There are: {listed(clusters)}."
        )
    hosts = clusters[cluster]
    if not hosts:
        return []
    found = list(_retrieve(content, vmodl, [_filter(vmodl, host, None, None, vim.HostSystem, _HOST) for host in hosts]))
    vms: list[tuple[Any, dict[str, Any]]] = []
    if assignments:
        asked = ("name", "runtime.host", "config.hardware.device")
        query = [_filter(vmodl, host, "vm", vim.HostSystem, vim.VirtualMachine, asked) for host in hosts]
        vms = list(_retrieve(content, vmodl, query))
    return sorted((_host(vim, host, p, vms) for host, p in found), key=lambda h: str(h["name"]))


def _host(vim: Any, host: Any, properties: dict[str, Any], vms: list[tuple[Any, dict[str, Any]]]) -> Props:
    passthrough = {info.id: info for info in properties.get("config.pciPassthruInfo") or []}
    users: dict[str, set[str]] = {}
    names = {vm._GetMoId(): str(p.get("name", "")) for vm, p in vms}
    for info in (properties.get("config.graphicsInfo") or []) if vms else []:
        for vm in info.vm or []:
            users.setdefault(info.pciId, set()).add(names.get(vm._GetMoId(), vm._GetMoId()))
    for _, p in vms:
        if p.get("runtime.host") is not None and p["runtime.host"]._GetMoId() == host._GetMoId():
            for address in _held(vim, p.get("config.hardware.device") or []):
                users.setdefault(address, set()).add(str(p["name"]))
    return {
        "name": str(properties["name"]),
        "moid": host._GetMoId(),
        "connected": str(properties.get("runtime.connectionState")) == "connected",
        "memoryMib": int(properties.get("hardware.memorySize") or 0) // 2**20,
        "vgpuProfiles": sorted({c.vgpu for c in properties.get("config.sharedGpuCapabilities") or []}),
        "pciDevices": [
            {
                "id": device.id,
                # xsd:short is signed; PCI ids are not.
                "vendorId": f"{device.vendorId & 0xFFFF:04x}",
                "deviceId": f"{device.deviceId & 0xFFFF:04x}",
                "name": f"{device.vendorName or ''} {device.deviceName or ''}".strip(),
                "passthroughActive": bool(getattr(passthrough.get(device.id), "passthruActive", False)),
                "assignedTo": sorted(users.get(device.id, ())),
            }
            for device in properties.get("hardware.pciDevice") or []
            if device.classId & 0xFFFF in _DISPLAY_CLASSES
        ],
    }


def _held(vim: Any, devices: Iterable[Any]) -> Iterator[str]:
    """PCI addresses that a VM's DirectPath I/O devices stand for."""
    backings = vim.vm.device.VirtualPCIPassthrough
    for device in devices:
        backing = device.backing if isinstance(device, backings) else None
        if isinstance(backing, backings.DynamicBackingInfo) and backing.assignedId:
            yield backing.assignedId
        elif isinstance(backing, backings.DeviceBackingInfo):
            yield backing.id


def _filter(vmodl: Any, start: Any, path: str | None, owner: Any, kind: Any, properties: Iterable[str]) -> Any:
    """A query for properties of `start` itself, or of the objects that its property `path` lists."""
    collector = vmodl.query.PropertyCollector
    steps = [] if path is None else [collector.TraversalSpec(name=path, path=path, skip=False, type=owner)]
    return collector.FilterSpec(
        objectSet=[collector.ObjectSpec(obj=start, skip=path is not None, selectSet=steps)],
        propSet=[collector.PropertySpec(type=kind, pathSet=list(properties))],
    )


def _retrieve(content: Any, vmodl: Any, filters: list[Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
    collector = content.propertyCollector
    page = collector.RetrievePropertiesEx(filters, vmodl.query.PropertyCollector.RetrieveOptions(maxObjects=500))
    while page is not None:
        for item in page.objects:
            yield item.obj, {p.name: p.val for p in item.propSet}
        page = collector.ContinueRetrievePropertiesEx(page.token) if page.token else None
