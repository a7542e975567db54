"""Resource vcf:index:VirtualMachineClass.

Written by `python -m pulumi_resource_vcf.python_sdk`, from the schema of the provider: change it there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
from pulumi import Input

from pulumi_paif.vcf import types
from pulumi_paif.vcf.wire import VcfResource, output


class VirtualMachineClass(VcfResource):
    """A VM class with vGPU profiles or Dynamic DirectPath I/O devices, not both; one list entry per device. With
    devices the memory reservation is 100 percent. `adopt` takes over a class that exists already, whose description
    and whatever is not given stay, and gives it back as it was on destroy.

    Import id: the class's name, for example vgpu-a100-40c.
    """

    def __init__(
        self,
        resource_name: str,
        *,
        name: Input[str],
        cpu_count: Input[int],
        memory_mib: Input[int],
        cpu_reservation_percent: Input[int] | None = None,
        memory_reservation_percent: Input[int] | None = None,
        vgpu_profiles: Input[Sequence[Input[str]]] | None = None,
        direct_path_devices: Input[Sequence[Input[types.DirectPathDevice]]] | None = None,
        description: Input[str] | None = None,
        adopt: Input[bool] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Arguments:

        - `name`: Name of the class.
        - `cpu_count`: vCPUs.
        - `memory_mib`: Memory in MiB.
        - `cpu_reservation_percent`: Reserved share of the CPUs in percent.
        - `memory_reservation_percent`: Reserved share of the memory in percent; 100 with any GPU device, which is then
          the default.
        - `vgpu_profiles`: vGPU profiles, one per virtual GPU.
        - `direct_path_devices`: Dynamic DirectPath I/O devices, one entry per device.
        - `description`: Text that vCenter shows beside the name.
        - `adopt`: Manage a class that exists already: its description and what is not given stay, and on destroy it
          gets its former values back.
        """
        super().__init__(resource_name, locals(), opts, outputs=("owner",))

    @property
    def name(self) -> pulumi.Output[str]:
        """Name of the class."""
        return output(self, "name")

    @property
    def cpu_count(self) -> pulumi.Output[int]:
        """vCPUs."""
        return output(self, "cpuCount")

    @property
    def memory_mib(self) -> pulumi.Output[int]:
        """Memory in MiB."""
        return output(self, "memoryMib")

    @property
    def cpu_reservation_percent(self) -> pulumi.Output[int]:
        """Reserved share of the CPUs in percent."""
        return output(self, "cpuReservationPercent")

    @property
    def memory_reservation_percent(self) -> pulumi.Output[int]:
        """Reserved share of the memory in percent; 100 with any GPU device, which is then the default."""
        return output(self, "memoryReservationPercent")

    @property
    def vgpu_profiles(self) -> pulumi.Output[Sequence[str]]:
        """vGPU profiles, one per virtual GPU."""
        return output(self, "vgpuProfiles")

    @property
    def direct_path_devices(self) -> pulumi.Output[Any]:
        """Dynamic DirectPath I/O devices, one entry per device."""
        return output(self, "directPathDevices")

    @property
    def description(self) -> pulumi.Output[str]:
        """Text that vCenter shows beside the name."""
        return output(self, "description")

    @property
    def adopt(self) -> pulumi.Output[bool]:
        """Manage a class that exists already: its description and what is not given stay, and on destroy it gets its
        former values back.
        """
        return output(self, "adopt")

    @property
    def owner(self) -> pulumi.Output[str]:
        """Ownership mark in the description."""
        return output(self, "owner")
