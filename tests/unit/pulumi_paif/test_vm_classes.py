from __future__ import annotations

from typing import Any

import pytest

from pulumi_paif._component import ComponentInputError
from pulumi_paif.cpu_vm_class import CpuVmClass
from pulumi_paif.gpu_vm_class import GpuVmClass, GpuVmClassArgs
from tests.unit.pulumi_paif.harness import declare

_SIZE: GpuVmClassArgs = {"name": "acme-dev-class-a", "cpu_count": 16, "memory_mib": 131072}
_VGPU: Any = {"vgpu": {"profiles": ["grid_a100-40c"]}}


def test_a_vgpu_class_reserves_all_memory() -> None:
    declared = declare(
        lambda: {"name": GpuVmClass("a", {**_SIZE, **_VGPU}).name},
    )
    assert declared.types() == {"vcf:index:VirtualMachineClass": 1}
    assert declared.one("vcf:index:VirtualMachineClass").inputs == {
        "name": "acme-dev-class-a",
        "cpuCount": 16,
        "memoryMib": 131072,
        "memoryReservationPercent": 100,
        "vgpuProfiles": ["grid_a100-40c"],
        "directPathDevices": [],
    }
    assert declared.outputs == {"name": "acme-dev-class-a"}


def test_a_directpath_class_names_one_device_per_gpu() -> None:
    args: GpuVmClassArgs = {**_SIZE, "directpath": {"gpu_model": "L40S", "gpu_count": 2, "device_label": "ai"}}
    inputs = declare(lambda: {"name": GpuVmClass("a", args).name}).one("vcf:index:VirtualMachineClass").inputs
    device = {"vendorId": "10de", "deviceId": "26b9", "customLabel": "ai"}
    assert inputs["directPathDevices"] == [device, device]
    assert inputs["vgpuProfiles"] == []
    assert inputs["memoryReservationPercent"] == 100


def test_a_directpath_class_names_the_device_that_the_hosts_have() -> None:
    args: GpuVmClassArgs = {**_SIZE, "directpath": {"gpu_model": "H100", "device_id": "2331"}}
    inputs = declare(lambda: {"name": GpuVmClass("a", args).name}).one("vcf:index:VirtualMachineClass").inputs
    assert [device["deviceId"] for device in inputs["directPathDevices"]] == ["2331"]
    for wrong, said in (({}, "expected the one of 2330, 2331"), ({"device_id": "20b5"}, "expected one of 2330, 2331")):
        with pytest.raises(ComponentInputError, match=said):
            GpuVmClass("a", {**_SIZE, "directpath": {"gpu_model": "H100", **wrong}})  # type: ignore[typeddict-item]


def test_a_cpu_class_reserves_nothing_unless_asked() -> None:
    declared = declare(
        lambda: {"name": CpuVmClass("c", {"name": "acme-dev-class-c", "cpu_count": 4, "memory_mib": 8192}).name}
    )
    assert declared.one("vcf:index:VirtualMachineClass").inputs == {
        "name": "acme-dev-class-c",
        "cpuCount": 4,
        "memoryMib": 8192,
    }


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"name": "Not_A_Label"}, "name"),
        ({"cpu_count": 0}, "cpu_count"),
        ({"directpath": {"gpu_model": "L40S"}}, "directpath"),
        ({"vgpu": {"profiles": []}}, "vgpu.profiles"),
        ({"vgpu": None}, "vgpu"),
        ({"vgpu": {"profiles": ["grid_a100-40q"]}}, "vgpu.profiles[0]"),
        ({"vgpu": {"profiles": ["grid_a100-40c", "grid_h100-40c"]}}, "vgpu.profiles"),
        ({"vgpu": None, "directpath": {"gpu_model": "A1000"}}, "directpath.gpu_model"),
    ],
)
def test_a_wrong_argument_is_named_by_its_path(change: dict[str, Any], path: str) -> None:
    with pytest.raises(ComponentInputError) as raised:
        GpuVmClass("a", {**_SIZE, **_VGPU, **change})  # type: ignore[typeddict-item]
    assert [error["property_path"] for error in raised.value.errors or []] == [path]


def test_all_wrong_arguments_are_reported_together() -> None:
    with pytest.raises(ComponentInputError) as raised:
        GpuVmClass("a", {"name": "A", "cpu_count": 0, "memory_mib": 0})
    assert str(raised.value).splitlines()[0] == "GpuVmClass 'a':"
    assert [error["property_path"] for error in raised.value.errors or []] == [
        "name",
        "cpu_count",
        "memory_mib",
        "vgpu",
    ]
