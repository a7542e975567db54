"""VM class for machines with GPUs."""

from typing import NotRequired, TypedDict

import pulumi

import paif_catalog as catalog
from pulumi_paif import vcf
from pulumi_paif._component import Check, Component


class GpuVmClassArgs(TypedDict):
    """Arguments of GpuVmClass. A class has vGPU profiles, or whole devices through DirectPath I/O, never both."""

    class_name: pulumi.Input[str]
    """Name in vCenter: a DNS label."""
    cpu_count: pulumi.Input[int]
    """vCPUs."""
    memory_mib: pulumi.Input[int]
    """Memory in MiB; all of it is reserved, which every PCI device demands."""
    vgpu_profiles: NotRequired[list[str]]
    """vGPU profiles, e.g. grid_a100-40c, one per GPU of the machine."""
    gpu_model: NotRequired[str]
    """GPU model of the catalogue (DirectPath I/O)."""
    device_id: NotRequired[str]
    """PCI device id that the hosts have, four hex digits; needed where the model has several (DirectPath I/O)."""
    gpu_count: NotRequired[int]
    """Whole GPUs per machine (DirectPath I/O), 1 by default."""
    device_label: NotRequired[str]
    """Custom label that the devices carry on their hosts (DirectPath I/O)."""
    description: NotRequired[pulumi.Input[str]]
    """Text beside the class in vCenter."""


class GpuVmClass(Component):
    """A VM class in vCenter whose machines get GPUs and have all their memory reserved.

    pulumi-vsphere has no field for DirectPath devices, hence the project's own provider.
    """

    class_name: pulumi.Output[str]
    """Name of the class, once it exists."""

    def __init__(self, name: str, args: GpuVmClassArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the class. Raises ComponentInputError."""
        super().__init__(name, args, opts)
        devices: list[vcf.DirectPathDevice] = []
        if "gpu_model" in args:
            device = vcf.DirectPathDevice(
                vendor_id=catalog.gpus().vendor_id,
                device_id=args.get("device_id", catalog.gpus().gpus[args["gpu_model"]].device_ids[0]),
                custom_label=args.get("device_label"),
            )
            devices = [device] * args.get("gpu_count", 1)
        self.resource = vcf.VirtualMachineClass(
            name,
            name=args["class_name"],
            cpu_count=args["cpu_count"],
            memory_mib=args["memory_mib"],
            memory_reservation_percent=100,
            vgpu_profiles=args.get("vgpu_profiles", []),
            direct_path_devices=devices,
            description=args.get("description"),
            opts=self.child(),
        )
        self.class_name = self.resource.name
        self.register_outputs({"class_name": self.class_name})

    def validate(self, check: Check) -> None:
        """Either profiles that exist as names, or devices of a known model."""
        check.label("class_name")
        check.at_least("cpu_count", 1)
        check.at_least("memory_mib", 1)
        profiles, model = check.plain("vgpu_profiles") or [], check.plain("gpu_model")
        if bool(profiles) == (model is not None):
            check.add("vgpu_profiles", "expected vGPU profiles, or gpu_model for DirectPath I/O, and not both")
        prefixes = set()
        for index, profile in enumerate(profiles):
            parsed = catalog.parse_profile(profile)
            if parsed is None or parsed.series != "c":
                check.add(f"vgpu_profiles[{index}]", f"{profile!r}: expected a compute profile such as grid_a100-40c")
            else:
                prefixes.add(parsed.prefix)
        if len(prefixes) > 1:
            check.add("vgpu_profiles", f"{', '.join(sorted(prefixes))}: expected profiles of one GPU model")
        check.one_of("gpu_model", catalog.gpus().gpus)
        if model in catalog.gpus().gpus:
            ids = catalog.gpus().gpus[model].device_ids
            check.one_of("device_id", ids)
            if len(ids) > 1 and "device_id" not in check.args:
                check.add("device_id", f"expected the one of {', '.join(ids)} that the hosts have")
        check.at_least("gpu_count", 1)
