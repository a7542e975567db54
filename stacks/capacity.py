"""Whether the GPU hosts can hold what an environment asks for, judged before anything is made.

Pure arithmetic over an inventory and an environment. It counts what hosts have, not what is free at the moment: a
second run must not fail over machines of the first.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import paif_catalog as catalog
from paif_catalog.nearest_names import nearest
from pulumi_paif.vcf import GpuDevice, GpuHost, GpuInventory
from stacks.environment import Environment
from stacks.environment.sections.vm_classes import VmClass
from stacks.environment.types import MIB_PER_GIB
from stacks.problems import LocatedProblem, located_problem
from stacks.problems import Path as Configured


@dataclass(frozen=True)
class Machine:
    """A machine with GPUs that will exist, and where the configuration asks for it."""

    name: str
    path: Configured
    vm_class: VmClass


def gpu_machines(env: Environment) -> list[Machine]:
    """All GPU machines of an environment at its largest: workstations, endpoint workers, nodes."""
    machines: list[Machine] = []

    def add(name: str, path: Configured, count: int, vm_class: str) -> None:
        size = env.vm_class(vm_class)
        if size.has_gpu:
            machines.extend([Machine(name, path, size)] * count)

    for index, workstation in enumerate(env.workstations):
        add(f"workstation {workstation.name}", ("workstations", index), 1, workstation.vm_class)
    for index, endpoint in enumerate(env.model_endpoints):
        add(f"worker of {endpoint.name}", ("modelEndpoints", index), endpoint.replicas, endpoint.vm_class)
    for index, cluster in enumerate(env.clusters):
        for position, pool in enumerate(cluster.pools):
            where: Configured = ("clusters", index, "pools", position)
            add(f"node of {cluster.name}/{pool.name}", where, pool.largest, pool.vm_class)
    return machines


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
    requested = gpu_machines(env)
    if not requested or env.gpu.model not in catalog.gpus().gpus:
        return []
    model = catalog.gpus().gpus[env.gpu.model]
    gpus = None
    if inventory is not None:
        gpus = sum(len(_devices(host, env.gpu.model)) for host in inventory.hosts if host.connected)
    sizes = {machine.vm_class.profile: machine.vm_class for machine in requested if machine.vm_class.profile}
    per_profile, whole = [], sum(machine.vm_class.gpus for machine in requested)
    for profile, vm_class in sorted(sizes.items()):
        used = sum(machine.vm_class.profile == profile for machine in requested)
        share = _per_gpu(vm_class, model.framebuffer_gib)
        per_profile.append(Demand(f"vGPU {profile}", used, None if gpus is None else gpus * share))
        whole += -(-used // share)
    return [Demand(model.name, whole, gpus), *per_profile]


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


def device_ids(env: Environment, inventory: GpuInventory) -> dict[str, list[str]]:
    """PCI device ids of the environment's GPU model, each with the hosts that have it.

    One product has several. A host that is out of reach for a while counts: what a class names must not depend on that.
    """
    hosts_by_id: dict[str, list[str]] = {}
    for host in inventory.hosts:
        for device_id in sorted({device.device_id for device in _devices(host, env.gpu.model)}):
            hosts_by_id.setdefault(device_id, []).append(host.name)
    return hosts_by_id


def shortages(env: Environment, inventory: GpuInventory) -> list[LocatedProblem]:
    """What the hosts lack for this environment, each at what asks for it; empty when everything fits."""
    requested = gpu_machines(env)
    if not requested:
        return [*_without_device(env, inventory)]
    reached = [host for host in inventory.hosts if host.connected]
    hosts = [host for host in reached if _devices(host, env.gpu.model)]
    if not hosts:
        devices = [device for host in reached for device in host.pci_devices]
        available = sorted({catalog.gpus().by_device(device.device_id) or device.name for device in devices})
        where = f"a connected host of compute cluster {env.vcenter.compute_cluster}"
        expected = f"a GPU that {where} has: {', '.join(available) or 'none has any'}"
        return [located_problem(("gpu", "model"), expected, env.gpu.model, nearest(env.gpu.model, available))]
    missing = [*_without_device(env, inventory), *_missing_features(env, hosts, requested)]
    return missing or [*_unplaced(env.gpu.model, hosts, requested)]


def _devices(host: GpuHost, model: str) -> list[GpuDevice]:
    """The host's GPUs of one model of the catalog."""
    return [device for device in host.pci_devices if catalog.gpus().by_device(device.device_id) == model]


def _without_device(env: Environment, inventory: GpuInventory) -> Iterator[LocatedProblem]:
    """Classes of whole GPUs that name no device of the hosts, or leave open which."""
    ids = device_ids(env, inventory)
    available = ", ".join(f"{each} ({', '.join(hosts)})" for each, hosts in sorted(ids.items()))
    for index, vm_class in enumerate(env.vm_classes):
        path = ("vmClasses", index, "deviceId")
        if not vm_class.gpus or vm_class.existing or not ids:
            continue
        if vm_class.device_id is None and len(ids) > 1:
            yield located_problem(path, f"one id, since a class names one device, and the hosts have {available}")
        elif vm_class.device_id is not None and vm_class.device_id not in ids:
            yield located_problem(path, f"an id that a host has: {available}", vm_class.device_id)


def _missing_features(env: Environment, hosts: list[GpuHost], requested: list[Machine]) -> Iterator[LocatedProblem]:
    """Profiles that a host does not offer, or devices that it does not pass through."""
    if env.gpu.mode == "directpath":
        for host in hosts:
            off = ", ".join(each.id for each in _devices(host, env.gpu.model) if not each.passthrough_active)
            if off:
                expected = f"DirectPath I/O turned on in vCenter for {off} of host {host.name}"
                yield located_problem(("gpu", "mode"), expected, "directpath")
        return
    offered = set.intersection(*(set(host.vgpu_profiles) for host in hosts))
    used = {machine.vm_class.name for machine in requested}
    for index, vm_class in enumerate(env.vm_classes):
        without = [host.name for host in hosts if vm_class.profile not in host.vgpu_profiles]
        if vm_class.name in used and vm_class.profile is not None and without:
            expected = f"a vGPU profile that every host with this GPU offers (not so {', '.join(without)}): "
            close = nearest(vm_class.profile, offered)
            path = ("vmClasses", index, "profile")
            yield located_problem(path, expected + (", ".join(sorted(offered)) or "none"), vm_class.profile, close)


@dataclass
class _HostCapacity:
    """What is left of a host: memory in MiB, untouched GPUs by device id, and room on GPUs that carry a profile."""

    name: str
    memory_mib: int
    gpus: Counter[str]
    slots: dict[str, int] = field(default_factory=dict)

    def place(self, vm_class: VmClass, framebuffer_gib: int) -> bool:
        """Put one machine here if it fits: all its memory is reserved, and a GPU takes one profile only."""
        memory = vm_class.memory_mib
        if memory > self.memory_mib:
            return False
        if vm_class.profile is None:
            ids = [vm_class.device_id] if vm_class.device_id else list(self.gpus)
            fitting = next((each for each in ids if self.gpus[each] >= vm_class.gpus), None)
            if fitting is None:
                return False
            self.gpus[fitting] -= vm_class.gpus
        elif self.slots.get(vm_class.profile, 0):
            self.slots[vm_class.profile] -= 1
        elif self.gpus.total():
            self.gpus[self.gpus.most_common(1)[0][0]] -= 1
            self.slots[vm_class.profile] = self.slots.get(vm_class.profile, 0) + _per_gpu(vm_class, framebuffer_gib) - 1
        else:
            return False
        self.memory_mib -= memory
        return True


def _per_gpu(vm_class: VmClass, framebuffer_gib: int) -> int:
    """How many machines with this profile share one GPU."""
    parsed = catalog.parse_profile(vm_class.profile or "")
    return max(1, framebuffer_gib // parsed.framebuffer_gib) if parsed else 1


def _unplaced(model: str, hosts: list[GpuHost], requested: list[Machine]) -> Iterator[LocatedProblem]:
    """Machines that find no place when the largest are placed first."""
    framebuffer = catalog.gpus().gpus[model].framebuffer_gib
    gpus = [Counter(device.device_id for device in _devices(host, model)) for host in hosts]
    free = [_HostCapacity(host.name, host.memory_mib, count.copy()) for host, count in zip(hosts, gpus, strict=True)]

    def size(machine: Machine) -> tuple[int, int, int]:
        return (machine.vm_class.gpus, -_per_gpu(machine.vm_class, framebuffer), machine.vm_class.memory_gib)

    unplaced = Counter(
        machine
        for machine in sorted(requested, key=size, reverse=True)
        if not any(host.place(machine.vm_class, framebuffer) for host in free)
    )
    remaining = "; free when all is placed that fits: " + ", ".join(
        f"{each.name} {each.gpus.total()} of {count.total()} GPUs and "
        f"{each.memory_mib // MIB_PER_GIB} of {host.memory_mib // MIB_PER_GIB} GiB"
        for host, each, count in zip(hosts, free, gpus, strict=True)
    )
    for number, (machine, count) in enumerate(unplaced.items(), 1):
        need = f"{machine.vm_class.profile or f'{machine.vm_class.gpus} GPUs'}, {machine.vm_class.memory_gib} GiB each"
        expected = f"room on the hosts for {count} more of {requested.count(machine)} x {machine.name} ({need})"
        # Once is enough: it is the same for all of them.
        yield located_problem(machine.path, expected + (remaining if number == len(unplaced) else ""))
