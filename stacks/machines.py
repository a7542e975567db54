"""Workstations that were made with other values than those that are given now."""

from __future__ import annotations

import pulumi

from pulumi_paif.deep_learning_vm import DeepLearningVm
from stacks.environment.sections.workstations import Workstation


class StaleMachines:
    """Collects what each machine was made with otherwise, and tells it once for all of them, at preview as at `up`.

    A machine reads these values at its first boot only. The run leaves it as it is, which must not look like done.
    """

    def __init__(self) -> None:
        self._lines: list[pulumi.Output[str]] = []

    def add(self, workstation: Workstation, machine: DeepLearningVm) -> None:
        """Look at one machine."""

        def line(stale: list[str]) -> str:
            return f"{workstation.name} ({workstation.route}): {', '.join(stale)}" if stale else ""

        # Of one that could not be made the engine has told.
        self._lines.append(machine.stale.apply(line).recover(lambda _: ""))

    def warn(self) -> None:
        """One warning, if there is anything to tell."""
        pulumi.Output.all(*self._lines).apply(_warn)


def _warn(lines: list[str]) -> None:
    stale = [line for line in lines if line]
    if stale:
        listed = "\n".join(f"  {line}" for line in stale)
        pulumi.log.warn(
            f"A workstation reads these at its first boot only, so the new values are not in use there:\n{listed}\n"
            "`outputs` goes on showing the password that a machine was made with. To have the new values, change them "
            "inside the machine by hand, or have it made anew, which loses what is on its disks: give it another "
            "`renewal` in the stack file (any short label, e.g. autumn). One of route vsphere is removed from the "
            "file, and added again in another run. docs/rotation.md says more."
        )
