"""VM class for machines without GPUs."""

from typing import NotRequired, TypedDict

import pulumi

from pulumi_paif import vcf
from pulumi_paif._component import Check, Component


class CpuVmClassArgs(TypedDict):
    """Arguments of CpuVmClass."""

    class_name: pulumi.Input[str]
    """Name in vCenter: a DNS label."""
    cpu_count: pulumi.Input[int]
    """vCPUs."""
    memory_mib: pulumi.Input[int]
    """Memory in MiB."""
    cpu_reservation_percent: NotRequired[int]
    """Reserved share of the CPUs, 0 to 100; nothing is reserved by default."""
    memory_reservation_percent: NotRequired[int]
    """Reserved share of the memory, 0 to 100; nothing is reserved by default."""
    description: NotRequired[pulumi.Input[str]]
    """Text beside the class in vCenter."""


class CpuVmClass(Component):
    """A VM class in vCenter for control planes, embeddings and other work that needs no GPU."""

    class_name: pulumi.Output[str]
    """Name of the class, once it exists."""

    def __init__(self, name: str, args: CpuVmClassArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the class. Raises ComponentInputError."""
        super().__init__(name, args, opts)
        self.resource = vcf.VirtualMachineClass(
            name,
            name=args["class_name"],
            cpu_count=args["cpu_count"],
            memory_mib=args["memory_mib"],
            cpu_reservation_percent=args.get("cpu_reservation_percent"),
            memory_reservation_percent=args.get("memory_reservation_percent"),
            description=args.get("description"),
            opts=self.child(),
        )
        self.class_name = self.resource.name
        self.register_outputs({"class_name": self.class_name})

    def validate(self, check: Check) -> None:
        """Sizes above zero, shares up to 100."""
        check.label("class_name")
        check.at_least("cpu_count", 1)
        check.at_least("memory_mib", 1)
        for share in ("cpu_reservation_percent", "memory_reservation_percent"):
            value = check.plain(share)
            if value is not None and not 0 <= value <= 100:
                check.add(share, f"{value}: expected 0 to 100")
