"""`paif:gpu`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from stacks.environment.sections.section import Section
from stacks.environment.types import NonEmptyText


class Gpu(Section):
    """How virtual machines get GPUs: vGPU profiles (licensed) or whole devices through DirectPath I/O."""

    mode: Literal["vgpu", "directpath"] = Field(
        description="vgpu: NVIDIA vGPU, with a license; directpath: whole devices, without"
    )
    model: NonEmptyText = Field(description="GPU model of the catalog, e.g. A100")
