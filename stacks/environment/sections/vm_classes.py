"""`paif:vmClasses`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from stacks.environment.sections.section import FullName, Section
from stacks.environment.types import MIB_PER_GIB, NonEmptyText, ShortName, matching


class VmClass(Section):
    """A VM class. A GPU class names a vGPU profile, or a number of whole GPUs (DirectPath I/O)."""

    name: Annotated[ShortName, FullName("vm-class")]
    cpu_count: int = Field(gt=0, le=768)
    memory_gib: int = Field(gt=0, le=24576)
    profile: str | None = Field(default=None, description="vGPU profile, e.g. grid_a100-40c")
    gpus: int = Field(default=0, ge=0, le=16, description="whole GPUs (DirectPath I/O)")
    label: NonEmptyText | None = Field(
        default=None, description="custom label that the hosts' devices carry (DirectPath I/O)"
    )
    device_id: Annotated[str, matching(r"[0-9a-f]{4}", "a PCI device id such as 2330")] | None = Field(
        default=None, description="PCI device id of these GPUs, where the hosts have several of paif:gpu.model"
    )
    existing: bool = Field(default=False, description="the class exists under just this name and is not managed here")

    @property
    def memory_mib(self) -> int:
        """The same memory as vCenter counts it."""
        return self.memory_gib * MIB_PER_GIB

    @property
    def has_gpu(self) -> bool:
        """Whether machines of this class carry a GPU."""
        return self.gpu_count > 0

    @property
    def gpu_count(self) -> int:
        """GPUs that each machine of this class carries: whole ones, or one virtual one."""
        return self.gpus if self.profile is None else 1
