"""Whether the GPU hosts can hold what an environment asks for, judged before anything is made.

Pure arithmetic over an inventory and an environment. It counts what hosts have, not what is free at the moment: a
second run must not fail over machines of the first.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import catalog
from components.vcf import GpuDevice, GpuHost, GpuInventory
from stacks.environment import Environment, VmClass

_MIB = 1024


@dataclass(frozen=True)
class Machine:
    """A machine with GPUs that will exist, and where the configuration asks for it."""

    name: str
    path: str
    vm_class: VmClass


def machines(env: Environment) -> list[Machine]:
    """All GPU machines of an environment at its largest: workstations, endpoint workers, nodes."""
    found: list[Machine] = []

    def add(name: str, path: str, count: int, vm_class: str) -> None:
        size = env.vm_class(vm_class)
        if size.has_gpu:
            found.extend([Machine(name, path, size)] * count)

    for index, workstation in enumerate(env.workstations):
        add(f"workstation {workstation.name}", f"paif:workstations[{index}]", 1, workstation.vm_class)
    for index, endpoint in enumerate(env.model_endpoints):
        add(f"worker of {endpoint.name}", f"paif:modelEndpoints[{index}]", endpoint.replicas, endpoint.vm_class)
    for index, cluster in enumerate(env.clusters):
        for position, pool in enumerate(cluster.pools):
            where = f"paif:clusters[{index}].pools[{position}]"
            add(f"node of {cluster.name}/{pool.name}", where, pool.largest, pool.vm_class)
    return found


@dataclass(frozen=True)
class Demand:
    """GPUs of one kind: how many an environment asks for at its largest, of how many (None: nobody looked)."""

    what: str
    used: int
    total: int | None = None


def demands(env: Environment, inventory: GpuInventory | None = None) -> list[Demand]:
    """What an environment asks of the GPU hosts: GPUs of its model and, in vGPU mode, machines per profile.

    A profile's total is how many machines fit when all GPUs carry it; a GPU takes one profile, so that each profile's
    machines are rounded up to whole GPUs in the GPUs' own line. Other environments share what is there.
    """
    wanted = machines(env)
    if not wanted or env.gpu.model not in catalog.gpus().gpus:
        return []
    model = catalog.gpus().gpus[env.gpu.model]
    gpus = None
    if inventory is not None:
        gpus = sum(len(_devices(host, model.device_ids)) for host in inventory.hosts if host.connected)
    sizes = {machine.vm_class.profile: machine.vm_class for machine in wanted if machine.vm_class.profile}
    found, whole = [], sum(machine.vm_class.gpus for machine in wanted)
    for profile, vm_class in sorted(sizes.items()):
        used = sum(machine.vm_class.profile == profile for machine in wanted)
        share = _per_gpu(vm_class, model.framebuffer_gib)
        found.append(Demand(f"vGPU {profile}", used, None if gpus is None else gpus * share))
        whole += -(-used // share)
    return [Demand(model.name, whole, gpus), *found]


def write_inventory(file: Path, cluster: str, inventory: GpuInventory) -> None:
    """Keep what was found in a compute cluster, for ``read_inventory``."""
    file.write_text(json.dumps({"cluster": cluster, **asdict(inventory)}), encoding="utf-8")


def read_inventory(file: Path, cluster: str) -> GpuInventory | None:
    """The inventory in a file of ``write_inventory``; None when there is none, or it is of another compute cluster."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        if data["cluster"] != cluster:
            return None
        return GpuInventory(
            [
                GpuHost(**{**host, "pci_devices": [GpuDevice(**device) for device in host["pci_devices"]]})
                for host in data["hosts"]
            ]
        )
    except (OSError, ValueError, TypeError, KeyError):
        return None


def shortages(env: Environment, inventory: GpuInventory) -> list[str]:
    """What the hosts lack for this environment, each said with the host it concerns; empty when everything fits."""
    wanted = machines(env)
    if not wanted:
        return []
    gpus = catalog.gpus()
    model = gpus.gpus[env.gpu.model]
    hosts = [host for host in inventory.hosts if host.connected and _devices(host, model.device_ids)]
    if not hosts:
        there = sorted({device.name for host in inventory.hosts for device in host.pci_devices})
        return [
            f"paif:gpu.model is {env.gpu.model!r}, but no connected host of compute cluster "
            f"{env.vcenter.compute_cluster} has a {model.name}; GPUs there: {', '.join(there) or 'none'}"
        ]
    lacking = [*_lacking(env, hosts, model.device_ids, wanted)]
    return lacking or [*_too_many(hosts, model, wanted)]


def _devices(host: GpuHost, device_ids: Sequence[str]) -> list[str]:
    """PCI addresses of the host's GPUs of one model."""
    return [device.id for device in host.pci_devices if device.device_id.lower().removeprefix("0x") in device_ids]


def _lacking(env: Environment, hosts: list[GpuHost], device_ids: Sequence[str], wanted: list[Machine]) -> Iterator[str]:
    """Profiles that a host does not offer, or devices that it does not pass through."""
    if env.gpu.mode == "vgpu":
        for profile in sorted({machine.vm_class.profile for machine in wanted if machine.vm_class.profile}):
            for host in hosts:
                if profile not in host.vgpu_profiles:
                    offered = ", ".join(sorted(host.vgpu_profiles)) or "none"
                    yield f"host {host.name} does not offer the vGPU profile {profile}; it offers: {offered}"
        return
    for host in hosts:
        off = [
            device.id
            for device in host.pci_devices
            if device.device_id.lower().removeprefix("0x") in device_ids and not device.passthrough_active
        ]
        if off:
            yield f"host {host.name} does not pass {', '.join(off)} through: turn DirectPath I/O on for them in vCenter"


@dataclass
class _Free:
    """What is left of a host: memory in MiB, untouched GPUs, and room on GPUs that carry a profile."""

    name: str
    memory_mib: int
    gpus: int
    room: dict[str, int] = field(default_factory=dict)

    def place(self, vm_class: VmClass, framebuffer_gib: int) -> bool:
        """Put one machine here if it fits: all its memory is reserved, and a GPU takes one profile only."""
        memory = vm_class.memory_gib * _MIB
        if memory > self.memory_mib:
            return False
        if vm_class.profile is None:
            if vm_class.gpus > self.gpus:
                return False
            self.gpus -= vm_class.gpus
        elif self.room.get(vm_class.profile, 0):
            self.room[vm_class.profile] -= 1
        elif self.gpus:
            self.gpus -= 1
            self.room[vm_class.profile] = self.room.get(vm_class.profile, 0) + _per_gpu(vm_class, framebuffer_gib) - 1
        else:
            return False
        self.memory_mib -= memory
        return True


def _per_gpu(vm_class: VmClass, framebuffer_gib: int) -> int:
    """How many machines with this profile share one GPU."""
    parsed = catalog.parse_profile(vm_class.profile or "")
    return max(1, framebuffer_gib // parsed.framebuffer_gib) if parsed else 1


def _too_many(hosts: list[GpuHost], model: catalog.Gpu, wanted: list[Machine]) -> Iterator[str]:
    """Machines that find no place when the largest are placed first."""
    free = [_Free(host.name, host.memory_mib, len(_devices(host, model.device_ids))) for host in hosts]

    def size(machine: Machine) -> tuple[int, int, int]:
        share = _per_gpu(machine.vm_class, model.framebuffer_gib)
        return (machine.vm_class.gpus, -share, machine.vm_class.memory_gib)

    homeless = [
        machine
        for machine in sorted(wanted, key=size, reverse=True)
        if not any(host.place(machine.vm_class, model.framebuffer_gib) for host in free)
    ]
    for machine, count in Counter(homeless).items():
        need = machine.vm_class.profile or f"{machine.vm_class.gpus} GPUs"
        yield (
            f"{machine.path}: no host has room for {count} of {wanted.count(machine)} x {machine.name} "
            f"({need}, {machine.vm_class.memory_gib} GiB each)"
        )
    if homeless:
        for host, left in zip(hosts, free, strict=True):
            yield (
                f"host {host.name}, with all that fits: {left.gpus} of {len(_devices(host, model.device_ids))} GPUs "
                f"and {left.memory_mib // _MIB} of {host.memory_mib // _MIB} GiB left"
            )
