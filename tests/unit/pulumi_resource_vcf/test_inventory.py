"""Rules of the GPU inventory: what is read from hosts and VMs, and how failures are told."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from pyVmomi import vim as vim_types

from pulumi_resource_vcf import inventory
from pulumi_resource_vcf.errors import VcfError
from pulumi_resource_vcf.vcenter import Account
from tests.unit.pulumi_resource_vcf.double import VCenterDouble

# pyvmomi makes its types at run time.
vim: Any = vim_types
A100, L40S, DISPLAY = "0000:3b:00.0", "0000:af:00.0", "0000:00:0f.0"


def device(address: str, class_id: int = 0x0302, vendor: int = 0x10DE) -> Any:
    signed = vendor - 0x10000 if vendor > 0x7FFF else vendor
    return vim.host.PciDevice(
        id=address,
        classId=class_id,
        vendorId=signed,
        deviceId=0x20B5,
        vendorName="NVIDIA",
        deviceName="A100 (simulated)",
    )


def passthrough_vm(name: str, host: Any, backing: Any) -> tuple[Any, dict[str, Any]]:
    gpu = vim.vm.device.VirtualPCIPassthrough(key=13000, backing=backing)
    return vim.VirtualMachine(name), {"name": name, "runtime.host": host, "config.hardware.device": [gpu]}


def read(vms: list[tuple[Any, dict[str, Any]]], **properties: Any) -> dict[str, Any]:
    host = vim.HostSystem("host-1")
    given = {"name": "esx-01", "runtime.connectionState": "connected", "hardware.memorySize": 4 * 2**40}
    return inventory._host(vim, host, {**given, **properties}, vms)


def fixed(address: str) -> Any:
    return vim.vm.device.VirtualPCIPassthrough.DeviceBackingInfo(id=address)


def dynamic(address: str) -> Any:
    return vim.vm.device.VirtualPCIPassthrough.DynamicBackingInfo(assignedId=address)


def test_only_display_controllers_are_listed_with_unsigned_ids() -> None:
    host = read([], **{"hardware.pciDevice": [device(A100, vendor=0xB5C0), device(DISPLAY, class_id=0x0200)]})
    assert [(d["id"], d["vendorId"], d["deviceId"]) for d in host["pciDevices"]] == [(A100, "b5c0", "20b5")]
    assert host["memoryMib"] == 4 * 2**20


def test_profiles_are_listed_once_in_order() -> None:
    capabilities = [vim.host.SharedGpuCapabilities(vgpu=v) for v in ("grid_a100-8c", "grid_a100-40c", "grid_a100-8c")]
    assert read([], **{"config.sharedGpuCapabilities": capabilities})["vgpuProfiles"] == [
        "grid_a100-40c",
        "grid_a100-8c",
    ]


def test_devices_name_the_vms_that_hold_them_on_this_host() -> None:
    here, elsewhere = vim.HostSystem("host-1"), vim.HostSystem("host-2")
    vms = [
        passthrough_vm("fixed", here, fixed(A100)),
        passthrough_vm("dynamic", here, dynamic(L40S)),
        passthrough_vm("off", here, dynamic("")),
        passthrough_vm("other", elsewhere, fixed(A100)),
    ]
    devices = read(vms, **{"hardware.pciDevice": [device(A100), device(L40S)]})["pciDevices"]
    assert [(d["id"], d["assignedTo"]) for d in devices] == [(A100, ["fixed"]), (L40S, ["dynamic"])]


def test_vgpu_vms_are_named_from_the_graphics_device() -> None:
    vm = vim.VirtualMachine("vm-7")
    graphics = vim.host.GraphicsInfo(pciId=A100, vm=[vm])
    host = read([(vm, {"name": "dlvm"})], **{"hardware.pciDevice": [device(A100)], "config.graphicsInfo": [graphics]})
    assert host["pciDevices"][0]["assignedTo"] == ["dlvm"]


def test_passthrough_is_active_only_where_the_host_says_so() -> None:
    info = [vim.host.PciPassthruInfo(id=A100, passthruActive=True)]
    devices = read([], **{"hardware.pciDevice": [device(A100), device(L40S)], "config.pciPassthruInfo": info})
    assert [d["passthroughActive"] for d in devices["pciDevices"]] == [True, False]


def test_unreachable_and_untrusted_servers_give_one_line(vcenter: VCenterDouble) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(VcfError, match=rf"vCenter {address} cannot be asked for its inventory: .*refused"):
        inventory.gpu_inventory(Account(address, "user", "password"), "pai-gpu")
    with pytest.raises(VcfError, match="certificate verify failed"):
        inventory.gpu_inventory(Account(vcenter.address, "user", "password"), "pai-gpu")


def test_something_without_soap_gives_one_line(vcenter: VCenterDouble, certificates: Any) -> None:
    with pytest.raises(VcfError, match="cannot be asked for its inventory"):
        inventory.gpu_inventory(Account(vcenter.address, "user", "password", certificates.ca), "pai-gpu")
