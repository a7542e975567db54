"""The policy packs from the command line: options for the engine, and a check whose result programs can read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from cli.engine import pulumi_cli
from cli.engine.stack import Stack
from cli.output.causes import by_cause, root_errors, without_name
from cli.output.console import Failed
from lab.state import ROOT

_SARIF = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
_SEVERITY = {"critical": "9.5", "high": "8.0", "medium": "5.0", "low": "2.0"}
"""Scores by which forges rank findings of a code scan."""


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

    def lines(self) -> list[str]:
        """The report for people, one entry for each cause; empty when there is nothing to say."""
        found = []
        for group in by_cause(self.findings, lambda each: (each.level, each.pack, each.rule, each.cause)):
            each = group[0]
            names = ", ".join(dict.fromkeys(filter(None, (without_name(one.message)[0] for one in group))))
            first, *rest = (f"{names}: {each.cause}" if names else each.cause).splitlines()
            found.append(f"[{each.level}] {each.pack}/{each.rule} ({each.severity}) {first}")
            found += [f"    {line}" for line in rest]
        return found

    def sarif(self) -> dict[str, Any]:
        """SARIF 2.1.0 of the findings; each points at the place in the stack file that its resource comes from."""
        stack_file = f"stacks/Pulumi.{self.environment}.yaml"
        lines = _lines(ROOT / stack_file)
        return {
            "$schema": _SARIF,
            "version": "2.1.0",
            "runs": [
                {
                    "tool": {"driver": {"name": "paif-policies", "rules": _rules(self.findings)}},
                    "results": [_result(each, stack_file, lines) for each in self.findings],
                }
            ],
        }


def _rules(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    rules: dict[str, dict[str, Any]] = {}
    # What is undecided says neither why nor what to do; a violation of the same rule does.
    for each in sorted(findings, key=lambda each: each.undecided):
        text = {part.partition(": ")[0]: part.partition(": ")[2] for part in each.message.splitlines()[1:]}
        rules.setdefault(
            f"{each.pack}/{each.rule}",
            {
                "id": f"{each.pack}/{each.rule}",
                "shortDescription": {"text": text.get("why", each.rule)},
                "help": {"text": text.get("do", "docs/policies.md")},
                "properties": {"security-severity": _SEVERITY.get(each.severity, "5.0")},
            },
        )
    return list(rules.values())


def _result(finding: Finding, stack_file: str, lines: list[str]) -> dict[str, Any]:
    region = {"startLine": _line(finding.name, lines)}
    location = {"artifactLocation": {"uri": stack_file}, "region": region}
    result: dict[str, Any] = {
        "ruleId": f"{finding.pack}/{finding.rule}",
        "level": "error" if finding.level == "mandatory" else "note" if finding.undecided else "warning",
        "message": {"text": finding.message},
        "locations": [{"physicalLocation": location, "logicalLocations": [{"fullyQualifiedName": finding.resource}]}],
        "partialFingerprints": {"paif/v1": f"{finding.pack}/{finding.rule}/{finding.resource}"},
    }
    if finding.exempted:
        terms = finding.message.splitlines()[0]
        result["suppressions"] = [{"kind": "external", "justification": terms}]
    return result


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []


def _line(name: str, lines: list[str]) -> int:
    """Line of the stack file that names the thing: its whole name, or the longest end of it; else the first line."""
    tokens = name.split("-")
    for start in range(len(tokens)):
        end = re.escape("-".join(tokens[start:]))
        for number, line in enumerate(lines, 1):
            if re.search(rf"\bname:\s*[\"']?{end}[\"']?\s*(?:[,}}#]|$)", line):
                return number
    return 1


def check(stack: Stack, extra: dict[str, str] | None = None) -> Report:
    """Preview an environment with all packs; nothing is changed. ``extra`` are variables for the program.

    Raises ``Failed`` when the preview itself fails, which tells nothing of the policies.
    """
    variables = {"PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true", **(extra or {})}
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


def _sort_key(finding: Finding) -> tuple[int, int, str]:
    levels, severities = ("mandatory", "remediate", "advisory"), list(_SEVERITY)
    severity = severities.index(finding.severity) if finding.severity in severities else len(severities)
    return levels.index(finding.level), severity, finding.rule


def _plain(text: str) -> str:
    """Text without the engine's color marks."""
    return re.sub(r"<\{%.*?%\}>", "", text).strip()
