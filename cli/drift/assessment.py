"""Drift: what was changed in an environment behind the program's back, one issue that tells so, and the two ways on.

It is judged by comparing the state with what is really there (`cli.drift.comparison`). A `pulumi preview --refresh`
would mix in changes of the program that were not applied yet, and fails on Server-Side Apply conflicts, which are the
very drift that is looked for (tried with pulumi 3.259 and pulumi-kubernetes 4.25). Nor is the state alone enough: after
a refresh it agrees with what is there whatever the program says, so that a preview is asked before an issue is closed.
docs/decisions/0013 has the reasons.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.configuration.stack_files import load_stack
from cli.drift import comparison
from cli.drift.comparison import Comparison
from cli.engine import conflicts, selection
from cli.engine.stack import Stack
from cli.labctl import daemon
from cli.output.console import BAD_INPUT, Failed, stop
from cli.preview.model import Change, Recording, Severity
from cli.preview.reader import read_preview
from paif_catalog.redaction import scrub

ACTION_LABELS = {
    "update": "changed outside",
    "delete": "gone",
    "replace": "to be replaced",
    "create": "to be made again",
}


@dataclass(frozen=True)
class Drift:
    """What drifted in one environment, the worst first. `unchanged` counts what did not.

    `not_compared` are sentences about what could not be compared.
    """

    environment: str
    changes: tuple[Change, ...]
    unchanged: int
    not_compared: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many resources by severity and what happened to them, e.g. {"critical delete": 1}."""
        counted = Counter((each.severity, each.action) for each in self.changes)
        return {f"{severity.name.lower()} {action}": counted[severity, action] for severity, action in sorted(counted)}

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits of the environment and of which resources drifted, how, and how badly.

        Two runs that find the same resources so agree, whatever order, times and values they saw: an issue is not told
        anew for a value that moves on, and is when one resource's drift takes the place of another's.
        """
        drifted = sorted((each.severity.name, each.action, each.urn) for each in self.changes)
        text = json.dumps([self.environment, drifted])
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def severity(self) -> str:
        """The worst severity, or none."""
        return min((each.severity for each in self.changes), default=Severity.NONE).name.lower()

    def as_dict(self) -> dict[str, Any]:
        return {
            "environment": self.environment,
            "drifted": bool(self.changes),
            "fingerprint": self.fingerprint,
            "severity": self.severity,
            "counts": self.counts,
            "unchanged": self.unchanged,
            "notCompared": list(self.not_compared),
            "resources": [
                {
                    "severity": each.severity.name.lower(),
                    "action": each.action,
                    "urn": each.urn,
                    "details": each.details,
                }
                for each in self.changes
            ],
        }


def severity(change: Change) -> str:
    return change.severity.name.lower()


def assess(comparison_result: Comparison) -> Drift:
    """The drift that a comparison shows."""
    recording = comparison_result.recording
    not_compared = tuple(scrub(each) for each in comparison_result.incomplete_reasons())
    return Drift(recording.environment, tuple(recording.changes), recording.unchanged, not_compared)


def _program_differences(stack: Stack) -> Recording:
    """What the program would change where nothing drifted from the state: a refresh may have taken drift into it."""
    recording = read_preview(stack.name, comparison.program_preview(stack, conflicts.TAKE_OVER))
    if recording.failed:
        reasons = "\n".join(recording.problems)
        raise Failed(f"{stack.name} is as it was applied, but whether the program agrees is not known:\n{reasons}")
    # To wait once more changes nothing of what is there.
    recording.changes = [each for each in recording.changes if each.type not in comparison.DERIVED_TYPES]
    return recording


def detect(env: str, recorded: Path | None) -> tuple[Drift, Recording | None]:
    """The drift, and where there is none what the program would change."""
    if recorded is not None:
        try:
            preview = json.loads(recorded.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise stop(f"{recorded} is no recording: {error}", BAD_INPUT) from None
        return assess(comparison.parse_comparison(env, preview)), None
    stack = load_stack(env)
    if stack.lab:
        daemon.up()
    selection.select(stack)
    drift = assess(comparison.compare(stack))
    return drift, None if drift.changes or drift.not_compared else _program_differences(stack)
