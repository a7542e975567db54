"""What the command line tells one run of the program, and where it wants to have told what the run finds.

The two processes agree by variables, which are named here only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

UNTIL = "PAIF_UNTIL"
_PROBLEMS = "PAIF_PROBLEMS"
_INVENTORY = "PAIF_GPU_INVENTORY"
_OUTPUTS = "PAIF_OUTPUTS"
_DEBUG = "PAIF_DEBUG"


@dataclass(frozen=True)
class RunOptions:
    """Options of one run; None for what is not said.

    `until` is the last phase to build, "" for all of them, whatever a shell has exported. `problems_file` gets what the
    infrastructure cannot hold (`stacks.problems.read_problems`), `inventory_file` the GPU hosts that were found
    (`stacks.capacity.read_inventory`). `existing_outputs` are names of outputs that the stack has already; `debug` lets
    the SDK's debug messages through.
    """

    until: str | None = None
    problems_file: Path | None = None
    inventory_file: Path | None = None
    existing_outputs: tuple[str, ...] | None = None
    debug: bool | None = None

    def variables(self) -> dict[str, str]:
        """The variables of a process that runs the program with these options; those of what is not said are left."""
        values = {
            UNTIL: self.until,
            _PROBLEMS: None if self.problems_file is None else str(self.problems_file),
            _INVENTORY: None if self.inventory_file is None else str(self.inventory_file),
            _OUTPUTS: None if self.existing_outputs is None else " ".join(self.existing_outputs),
            _DEBUG: None if self.debug is None else "1" if self.debug else "",
        }
        return {name: text for name, text in values.items() if text is not None}

    @classmethod
    def from_variables(cls, variables: Mapping[str, str]) -> RunOptions:
        """The options that a process with these variables was given; an empty variable says nothing."""

        def file(name: str) -> Path | None:
            return Path(variables[name]) if variables.get(name) else None

        return cls(
            until=variables.get(UNTIL) or None,
            problems_file=file(_PROBLEMS),
            inventory_file=file(_INVENTORY),
            existing_outputs=tuple(variables.get(_OUTPUTS, "").split()) or None,
            debug=bool(variables.get(_DEBUG)) or None,
        )
