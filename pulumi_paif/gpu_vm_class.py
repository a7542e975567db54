"""VM class for machines with GPUs."""

from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict

import pulumi

import paif_catalog as catalog
from pulumi_paif import vcf
from pulumi_paif._arguments import given_or, present
from pulumi_paif._component import Check, Component


class VgpuArgs(TypedDict):
    """GPUs of a class through NVIDIA vGPU."""

    profiles: pulumi.Input[Sequence[pulumi.Input[str]]]
    """Profiles, e.g. grid_a100-40c, one per GPU of the machine, all of one GPU model."""


class DirectPathArgs(TypedDict):
    """GPUs of a class through DirectPath I/O: whole devices."""

    gpu_model: str
    """GPU model of the catalog: its PCI device ids follow from it."""
    gpu_count: NotRequired[int | None]
    """GPUs per machine, 1 by default."""
    device_id: NotRequired[str | None]
    """PCI device id that the hosts have, four hex digits; needed where the model has several."""
    device_label: NotRequired[pulumi.Input[str] | None]
    """Custom label that the devices carry on their hosts."""


class GpuVmClassArgs(TypedDict):
    """Arguments of GpuVmClass: exactly one of `vgpu` and `directpath`."""

    name: NotRequired[pulumi.Input[str] | None]
    """Name in vCenter: a DNS label; the component's by default."""
    cpu_count: pulumi.Input[int]
    """vCPUs."""
    memory_mib: pulumi.Input[int]
    """Memory in MiB; all of it is reserved, which every PCI device demands."""
    vgpu: NotRequired[VgpuArgs | None]
    """GPUs through NVIDIA vGPU."""
    directpath: NotRequired[DirectPathArgs | None]
    """Whole GPUs through DirectPath I/O."""
    description: NotRequired[pulumi.Input[str] | None]
    """Text beside the class in vCenter."""


class GpuVmClass(Component):
    """A VM class in vCenter whose machines get GPUs and have all their memory reserved.

    pulumi-vsphere has no field for DirectPath devices, hence the project's own provider.
    """

    name: pulumi.Output[str]
    """Name of the class, once it exists."""

    def __init__(self, name: str, args: GpuVmClassArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the class. Raises ComponentInputError."""
        super().__init__(name, args, opts)
        args = present(args)
        vgpu, directpath = args.get("vgpu"), args.get("directpath")
        self.resource = vcf.VirtualMachineClass(
            name,
            name=given_or(args.get("name"), name),
            cpu_count=args["cpu_count"],
            memory_mib=args["memory_mib"],
            memory_reservation_percent=100,
            vgpu_profiles=vgpu["profiles"] if vgpu else [],
            direct_path_devices=_devices(directpath) if directpath else [],
            description=args.get("description"),
            opts=self.child(),
        )
        self.name = self.resource.name
        self.register_outputs({"name": self.name})

    def validate(self, check: Check) -> None:
        """Either profiles that exist as names, or devices of a known model."""
        check.label("name")
        check.at_least("cpu_count", 1)
        check.at_least("memory_mib", 1)
        way = check.exactly_one("vgpu", "directpath")
        if way == "vgpu":
            _check_profiles(check, check.args["vgpu"].get("profiles"))
        elif way == "directpath":
            _check_devices(check, check.args["directpath"])


def _devices(asked: DirectPathArgs) -> list[vcf.DirectPathDevice]:
    device = vcf.DirectPathDevice(
        vendor_id=catalog.gpus().vendor_id,
        device_id=asked.get("device_id") or catalog.gpus().gpus[asked["gpu_model"]].device_ids[0],
        custom_label=asked.get("device_label"),
    )
    return [device] * (asked.get("gpu_count") or 1)


def _check_profiles(check: Check, profiles: Any) -> None:
    if profiles == []:
        check.add("vgpu.profiles", "expected at least one profile")
    prefixes = set()
    for index, profile in enumerate(profiles if isinstance(profiles, list) else []):
        parsed = catalog.parse_profile(profile) if isinstance(profile, str) else None
        if isinstance(profile, str) and (parsed is None or parsed.series != "c"):
            check.add(f"vgpu.profiles[{index}]", f"{profile!r}: expected a compute profile such as grid_a100-40c")
        elif parsed is not None:
            prefixes.add(parsed.prefix)
    if len(prefixes) > 1:
        check.add("vgpu.profiles", f"{', '.join(sorted(prefixes))}: expected profiles of one GPU model")


def _check_devices(check: Check, asked: Any) -> None:
    known, model = catalog.gpus().gpus, asked.get("gpu_model")
    check.one_of("directpath.gpu_model", known, model)
    if model in known:
        ids = known[model].device_ids
        check.one_of("directpath.device_id", ids, asked.get("device_id"))
        if len(ids) > 1 and "device_id" not in asked:
            check.add("directpath.device_id", f"expected the one of {', '.join(ids)} that the hosts have")
    check.at_least("directpath.gpu_count", 1, asked.get("gpu_count"))
