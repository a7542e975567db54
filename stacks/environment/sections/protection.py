"""`paif:protection`."""

from __future__ import annotations

from stacks.environment.sections.section import Section


class Protection(Section):
    """Protect what holds data or serves people from deletion; keep data when its resource leaves the program."""

    protect: bool = False
    retain: bool = False
