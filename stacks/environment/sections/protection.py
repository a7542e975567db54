"""`paif:protection`."""

from __future__ import annotations

from pydantic import Field

from stacks.environment.sections.section import Section


class Protection(Section):
    """Protect what holds data or serves people from deletion; keep data when its resource leaves the program."""

    protect: bool = Field(default=False, description="refuse to delete it; on in prod")
    retain: bool = Field(default=False, description="leave it on the platform when it leaves the program; on in prod")
