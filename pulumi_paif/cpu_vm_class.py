"""VM class for machines without GPUs."""

from typing import NotRequired, TypedDict

import pulumi

from pulumi_paif import vcf
from pulumi_paif._arguments import given_or, present
from pulumi_paif._component import Check, Component


class CpuVmClassArgs(TypedDict):
    """Arguments of CpuVmClass."""

    name: NotRequired[pulumi.Input[str] | None]
    """Name in vCenter: a DNS label; the component's by default."""
    cpu_count: pulumi.Input[int]
    """vCPUs."""
    memory_mib: pulumi.Input[int]
    """Memory in MiB."""
    cpu_reservation_percent: NotRequired[pulumi.Input[int] | None]
    """Reserved share of the CPUs, 0 to 100; nothing is reserved by default."""
    memory_reservation_percent: NotRequired[pulumi.Input[int] | None]
    """Reserved share of the memory, 0 to 100; nothing is reserved by default."""
    description: NotRequired[pulumi.Input[str] | None]
    """Text beside the class in vCenter."""


class CpuVmClass(Component):
    """A VM class in vCenter for control planes, embeddings and other work that needs no GPU."""

    name: pulumi.Output[str]
    """Name of the class, once it exists."""

    def __init__(self, name: str, args: CpuVmClassArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the class. Raises ComponentInputError."""
        super().__init__(name, args, opts)
        args = present(args)
        self.resource = vcf.VirtualMachineClass(
            name,
            name=given_or(args.get("name"), name),
            cpu_count=args["cpu_count"],
            memory_mib=args["memory_mib"],
            cpu_reservation_percent=args.get("cpu_reservation_percent"),
            memory_reservation_percent=args.get("memory_reservation_percent"),
            description=args.get("description"),
            opts=self.child(),
        )
        self.name = self.resource.name
        self.register_outputs({"name": self.name})

    def validate(self, check: Check) -> None:
        """Sizes above zero, shares up to 100."""
        check.label("name")
        check.at_least("cpu_count", 1)
        check.at_least("memory_mib", 1)
        for share in ("cpu_reservation_percent", "memory_reservation_percent"):
            value = check.plain(share)
            if value is not None and not 0 <= value <= 100:
                check.add(share, f"{value}: expected 0 to 100")
