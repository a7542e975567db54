"""Arguments that several commands have."""

from __future__ import annotations

from cli.forge.client import LIMITS, Kind
from cli.output.console import BAD_INPUT, stop


def forge_kind(forge: str) -> Kind:
    """The forge that an option names."""
    if forge not in LIMITS:
        raise stop(f"{forge!r} is no forge that is known here; expected {' or '.join(LIMITS)}", BAD_INPUT)
    return "github" if forge == "github" else "gitlab"
