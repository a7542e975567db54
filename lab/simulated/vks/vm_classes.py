"""VM classes and their GPUs, as nodes and workers are made of them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lab.operators.resources import Object
from lab.simulated.vks.knowledge import KNOWLEDGE

DEVICES = "lab.paif.dev/devices"
"""Annotation of a simulated node: the GPUs that its VM holds, as JSON. What a driver would find on the PCI bus."""
GPU = "nvidia.com/gpu"


@dataclass(frozen=True)
class Gpu:
    """One GPU of a VM: a vGPU profile or a DirectPath I/O device (``profile`` empty)."""

    profile: str = ""
    device: str = ""
    """``vendor:device`` in hexadecimal, of a DirectPath I/O device."""

    @property
    def labels(self) -> dict[str, str]:
        """What GPU feature discovery would say of a node with this GPU."""
        if self.profile:
            memory = int(re.sub(r".*-(\d+)\w*$", r"\1", self.profile)) * 1024
            product, family = self.profile.replace("_", "-").upper(), "ampere" if "a100" in self.profile else ""
        else:
            known = KNOWLEDGE.gpus.get(self.device, {})
            product, family = str(known.get("product", f"PCI-{self.device}".replace(":", "-"))), known.get("family", "")
            memory = int(known.get("memoryMib", 0))
        found = {"nvidia.com/gpu.product": product, "nvidia.com/gpu.memory": str(memory)}
        return found | ({"nvidia.com/gpu.family": str(family)} if family else {})


@dataclass(frozen=True)
class VmClass:
    """A VM class that the namespace may use; memory in MiB."""

    name: str
    cpus: int
    memory_mib: int
    gpus: tuple[Gpu, ...] = ()


_UNITS_MIB = {"Ki": 1 / 1024, "Mi": 1, "Gi": 1024, "Ti": 1024**2, "": 1 / 1024**2}


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
