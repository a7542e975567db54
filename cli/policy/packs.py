"""The policy packs from the command line: options for the engine, and a check whose result programs can read."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from cli.engine import pulumi_cli
from cli.engine.stack import Stack
from cli.output.causes import by_cause, root_errors, without_name
from cli.output.console import Failed
from lab.state import ROOT

_SEVERITIES = ("critical", "high", "medium", "low")
EACH_FINDING = {"PAIF_POLICY_REPORT": "each"}
"""Makes the packs tell each finding at its resource, for those who sum up themselves."""


def policy_pack_options(settings: Path | None = None) -> list[str]:
    """Options that make the engine run all packs, and override their settings by a file.

    All three run in one process: a third of the start and of the calls that three plugins cost. The path is absolute,
    since the program is in a folder of its own.
    """
    pack = ["--policy-pack", str(ROOT / "policies" / "all" / "pulumi-analyzer-paif")]
    return [*pack, "--policy-pack-config", str(settings)] if settings else pack


@dataclass(frozen=True)
class Finding:
    """What one rule says of one resource. `undecided` and `exempted` findings are advisory."""

    pack: str
    rule: str
    level: Literal["advisory", "mandatory", "remediate"]
    severity: str
    resource: str
    message: str

    @property
    def id(self) -> str:
        """The rule with its pack."""
        return f"{self.pack}/{self.rule}"

    @property
    def undecided(self) -> bool:
        return ": undecided: " in self.message

    @property
    def exempted(self) -> bool:
        return self.message.startswith("exempted ")

    @property
    def cause(self) -> str:
        """The message without the resource that it is about."""
        return without_name(self.message)[1]

    @property
    def name(self) -> str:
        """Logical name of the resource."""
        return self.resource.rsplit("::", 1)[-1]


@dataclass
class Report:
    """Findings of all packs on one environment, worst first."""

    environment: str
    findings: list[Finding] = field(default_factory=list)

    @property
    def refused(self) -> bool:
        """Whether `up` would refuse."""
        return any(each.level == "mandatory" for each in self.findings)

    def as_dict(self) -> dict[str, Any]:
        return {
            "environment": self.environment,
            "refused": self.refused,
            "findings": [
                {**asdict(each), "undecided": each.undecided, "exempted": each.exempted} for each in self.findings
            ],
        }

    def only(self, rules: Collection[str]) -> Report:
        """What rules, each as pack/name, say; and what is wrong with the settings, which all rules rest on."""
        kept = [each for each in self.findings if each.id in rules or each.rule.endswith("-configuration")]
        return Report(self.environment, kept)

    def lines(self, *, undecided: bool = False) -> list[str]:
        """The report for people, one entry for each cause; empty when there is nothing to say.

        What is undecided is counted in a last line, or listed.
        """
        waiting = [each for each in self.findings if each.undecided]
        found = []
        for group in by_cause((each for each in self.findings if undecided or not each.undecided), _cause):
            each = group[0]
            names = ", ".join(dict.fromkeys(filter(None, (without_name(one.message)[0] for one in group))))
            rules = ", ".join(dict.fromkeys(f"{one.pack}/{one.rule}" for one in group))
            first, *rest = (f"{names}: {each.cause}" if names else each.cause).splitlines()
            found.append(f"[{each.level}] {rules} ({each.severity}) {first}")
            found += [f"    {line}" for line in rest]
        if waiting and not undecided:
            found.append(
                f"{len(waiting)} checks of {len({each.rule for each in waiting})} rules are undecided until `up`: "
                f"`./paif policy check {self.environment} --undecided` lists them"
            )
        return found


def _cause(finding: Finding) -> tuple[str, ...]:
    """What findings have in common that are told once: what nothing tells is one cause, whichever rules need it."""
    first, *rest = finding.cause.splitlines()
    if "so that it cannot be checked" in first:
        return (finding.level, first, *(line for line in rest if line.startswith("do: ")))
    return (finding.level, finding.id, finding.cause)


def check(stack: Stack, extra: dict[str, str] | None = None) -> Report:
    """Preview an environment with all packs; nothing is changed. ``extra`` are variables for the program.

    Raises ``Failed`` when the preview itself fails, which tells nothing of the policies.
    """
    variables = {**EACH_FINDING, "PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true", **(extra or {})}
    options = ["--stack", stack.name, "--json", *policy_pack_options()]
    answer = pulumi_cli.capture(stack, "preview", *options, check=False, extra=variables)
    findings, errors = read(answer.stdout)
    report = Report(stack.name, findings)
    if answer.returncode and not report.refused:
        output = "\n".join(errors) or (answer.stderr or answer.stdout).strip()[-3000:]
        raise Failed(f"the preview of {stack.name} failed before the policies were through:\n{output}")
    return report


def read(events: str) -> tuple[list[Finding], list[str]]:
    """Findings, worst first, and error messages in the engine's stream of events (one JSON object per line)."""
    findings, errors = [], []
    for line in events.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if policy := event.get("policyEvent"):
            findings.append(
                Finding(
                    policy["policyPackName"],
                    policy["policyName"],
                    policy["enforcementLevel"],
                    policy.get("severity", "medium"),
                    policy.get("resourceUrn", ""),
                    _plain(policy["message"]),
                )
            )
        diagnostic = event.get("diagnosticEvent") or {}
        if diagnostic.get("severity") == "error":
            errors.append(_plain(diagnostic["message"]).strip())
    return sorted(dict.fromkeys(findings), key=_sort_key), root_errors(errors)


def _sort_key(finding: Finding) -> tuple[int, int, int, str]:
    """What a reviewer can act on comes first: what is refused, by its severity; what nobody has to mend comes last."""
    severity = _SEVERITIES.index(finding.severity) if finding.severity in _SEVERITIES else len(_SEVERITIES)
    waiting = 2 if finding.undecided else 1 if finding.exempted else 0
    return ("mandatory", "remediate", "advisory").index(finding.level), waiting, severity, finding.rule


def _plain(text: str) -> str:
    """Text without the engine's color marks."""
    return re.sub(r"<\{%.*?%\}>", "", text).strip()
