"""What a VM class gives a machine, however the class is declared.

Three forms are read: of this project's plugin (`vcf:index:VirtualMachineClass`), of vSphere's own
(`vsphere:index/virtualMachineClass:VirtualMachineClass`), and the VM Operator's object
(`kubernetes:vmoperator.vmware.com/*:VirtualMachineClass`, its `configSpec` included).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import paif_catalog as catalog
from paif_catalog.redaction import leaves
from policies.shared.model import Resource, Unknown, raw_value_at, require_known, value_at
from policies.shared.quantities import quantity

_DEVICES = "spec.hardware.devices"
_CONFIG_SPEC = "spec.configSpec"


def _is_object(vm_class: Resource) -> bool:
    return vm_class.type.startswith("kubernetes:")


def class_name(vm_class: Resource) -> Any:
    """Name of a class; may be Unknown, or None."""
    return raw_value_at(vm_class.properties, "metadata.name" if _is_object(vm_class) else "name")


def class_profiles(vm_class: Resource) -> list[tuple[str, Any]]:
    """Path and value of every vGPU profile; a value may be Unknown. Raises UndecidedError for an unknown number."""
    if not _is_object(vm_class):
        key = "vgpuDevices" if vm_class.type.startswith("vsphere:") else "vgpuProfiles"
        return [(f"{key}.{index}", each) for index, each in enumerate(vm_class.items(key))]
    path = f"{_DEVICES}.vgpuDevices"
    listed = [
        (f"{path}.{index}.profileName", raw_value_at(each, "profileName"))
        for index, each in enumerate(vm_class.items(path))
    ]
    return listed + [
        (place, value) for place, value in _config_spec(vm_class) if place.endswith(".vgpu") and value is not None
    ]


def class_devices(vm_class: Resource) -> list[tuple[str, str]]:
    """Path and PCI device id (four hex digits) of every whole GPU. Raises UndecidedError.

    What another vendor's id tells to be no GPU, such as a network card, is left out.
    """
    if not _is_object(vm_class):
        listed = [
            (f"directPathDevices.{index}", value_at(each, "vendorId"), value_at(each, "deviceId"))
            for index, each in enumerate(vm_class.items("directPathDevices"))
        ]
    else:
        path = f"{_DEVICES}.dynamicDirectPathIODevices"
        listed = [
            (f"{path}.{index}", value_at(each, "vendorID"), value_at(each, "deviceID"))
            for index, each in enumerate(vm_class.items(path))
        ]
        for place, value in _config_spec(vm_class):
            if place.endswith(".vendorId"):
                owner = place.removesuffix(".vendorId")
                listed.append((owner, require_known(value), vm_class.get(f"{owner}.deviceId")))
    return [(path, _pci_id(device)) for path, vendor, device in listed if is_gpu_vendor(vendor)]


def is_gpu_vendor(vendor: Any) -> bool:
    """Whether a PCI vendor id is that of GPUs; a device without one is taken for a GPU."""
    return vendor is None or _pci_id(vendor) == catalog.gpus().vendor_id


def _pci_id(value: Any) -> str:
    """A PCI id as inventories write it, four hex digits: of a number, or of text with or without 0x."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value & 0xFFFF:04x}"
    return str(value if value is not None else "").lower().removeprefix("0x")


def _config_spec(vm_class: Resource) -> Iterator[tuple[str, Any]]:
    """Path and value of everything in the configuration that vSphere gives a machine of the class."""
    value = raw_value_at(vm_class.properties, _CONFIG_SPEC)
    if value is not None:
        yield from leaves(require_known(value), _CONFIG_SPEC)


def unreserved_memory(vm_class: Resource) -> tuple[str, Any] | None:
    """Path and value of a memory reservation below all of the memory; None when all is reserved.

    Raises UndecidedError.
    """
    if not _is_object(vm_class):
        path = "memoryReservation" if vm_class.type.startswith("vsphere:") else "memoryReservationPercent"
        reserved = vm_class.get(path)
        return None if _number(reserved) == 100 else (path, reserved)
    path = "spec.policies.resources.requests.memory"
    memory, reserved = vm_class.get("spec.hardware.memory"), vm_class.get(path)
    size = quantity(memory)
    if size is None:
        return None if vm_class.partial else (path, reserved)
    requested = quantity(reserved)
    return None if requested is not None and requested >= size else (path, reserved)


def _number(value: Any) -> float | None:
    return None if isinstance(value, bool | Unknown) or value is None else quantity(value)
