"""What is told of a run: what several resources have in common once, with the others as a count in one line at its end.

During `up` what is refused is told at each resource nevertheless, since the engine refuses by it.
"""

from __future__ import annotations

import os
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from policies.shared.diagnostics import OWN_PROJECT
from policies.shared.model import Level, Severity
from policies.shared.pack import VERSION
from policies.shared.protocol import LEVELS, SEVERITIES

_REPORT = "PAIF_POLICY_REPORT"
_EACH = "each"
"""Value of the variable by which every finding is told at its resource, and what is undecided too."""
_MOST_NAMES = 10


@dataclass(frozen=True)
class Finding:
    """What a rule says of a resource. `cause` is what it has in common with others; those without are told each."""

    pack: str
    rule: str
    level: Level
    severity: Severity
    urn: str
    message: str
    label: str = ""
    cause: Hashable = None


@dataclass
class Reporter:
    """Tells the findings of all packs of a process; `name` is the process's."""

    name: str
    each: bool = field(default_factory=lambda: os.environ.get(_REPORT) == _EACH)
    _told: dict[Hashable, Level] = field(default_factory=dict)
    _repeated: dict[tuple[str, str], dict[str, None]] = field(default_factory=dict)
    _undecided: dict[tuple[str, str, str], int] = field(default_factory=dict)
    _held: list[Finding] | None = None

    def begin(self) -> None:
        """Forget the run before."""
        self._told, self._repeated, self._undecided, self._held = {}, {}, {}, None

    def hold(self) -> None:
        """From now on keep what is told for the end, where what is refused comes first."""
        self._held = []

    def tell(self, response: Any, finding: Finding, *, dry_run: bool) -> None:
        """Tell a finding, or count it when its cause has been told: only a preview counts what is refused."""
        if self._held is not None:
            self._held.append(finding)
            return
        refusing = finding.level is Level.MANDATORY
        if not self.each and finding.cause is not None and not (refusing and not dry_run):
            told = self._told.get(finding.cause)
            if told is Level.MANDATORY or (told is not None and not refusing):
                self._repeated.setdefault((finding.pack, finding.rule), {})[finding.label] = None
                return
        self._told[finding.cause] = finding.level
        response.diagnostics.add(
            policyName=finding.rule,
            policyPackName=finding.pack,
            policyPackVersion=VERSION,
            message=finding.message,
            enforcementLevel=LEVELS[finding.level],
            severity=SEVERITIES[finding.severity],
            urn=finding.urn,
        )

    def count_undecided(self, pack: str, rule: str, urn: str, count: int) -> None:
        """Remember how much a rule cannot decide of a resource so far; zero when it has decided."""
        self._undecided.pop((pack, rule, urn), None)
        if count:
            self._undecided[pack, rule, urn] = count

    def finish(self, response: Any, *, dry_run: bool, command: str) -> None:
        """Tell what was held, and in one finding what was counted; `command` lists what is undecided."""
        held, self._held = self._held or [], None
        for each in sorted(held, key=lambda each: each.level is not Level.MANDATORY):
            self.tell(response, each, dry_run=dry_run)
        lines = [
            f"{pack}/{rule} says the same of {len(names)} more: {_shortened(names)}"
            for (pack, rule), names in self._repeated.items()
        ]
        if self._undecided and not self.each:
            rules = len({rule for _, rule, _ in self._undecided})
            lines.append(
                f"{sum(self._undecided.values())} checks of {rules} rules are undecided: they wait for values that are "
                f"known during `up`, and are made then; {command} lists them"
            )
        if lines:
            response.diagnostics.add(
                policyName=f"{self.name}-summary",
                policyPackName=self.name,
                policyPackVersion=VERSION,
                message="\n".join(lines),
                enforcementLevel=LEVELS[Level.ADVISORY],
                severity=SEVERITIES[Severity.LOW],
            )
        self.begin()


def _shortened(names: dict[str, None]) -> str:
    shown = ", ".join(list(names)[:_MOST_NAMES])
    return shown if len(names) <= _MOST_NAMES else f"{shown} …"


def list_command(project: str, stack: str) -> str:
    """How a person gets the list of what is undecided."""
    return f"`./paif policy check {stack} --undecided`" if project == OWN_PROJECT else f"the variable {_REPORT}={_EACH}"
