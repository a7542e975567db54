"""Findings as other programs read them: SARIF 2.1.0, JUnit XML, and the code quality report of GitLab."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any
from xml.etree import ElementTree as ET

from cli.output.causes import by_cause
from cli.policy.packs import Finding, Report
from cli.policy.places import Place, Places
from cli.policy.rules import VERSION, DescribedRule

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
_SCORES = {"critical": "9.5", "high": "8.0", "medium": "5.0", "low": "2.0"}
"""Scores by which forges rank findings of a code scan."""
_QUALITY = {"critical": "blocker", "high": "critical", "medium": "major", "low": "minor"}
"""Severities of GitLab's report for what is refused; what is only shown is `info`."""


def _causes(findings: Iterable[Finding]) -> list[list[Finding]]:
    return by_cause(findings, lambda each: (each.level, each.pack, each.rule, each.cause))


def _fingerprint(group: list[Finding]) -> str:
    first = group[0]
    text = "\n".join([first.pack, first.rule, first.cause, *sorted(each.resource for each in group)])
    return hashlib.sha256(text.encode()).hexdigest()


# SARIF.


def sarif(report: Report, places: Places, rules: Mapping[str, DescribedRule]) -> dict[str, Any]:
    """One result for each cause, at every line that mends it; all rules that were asked, also those without one."""
    listed = [_sarif_rule(each) for each in rules.values()]
    numbers = {each["id"]: number for number, each in enumerate(listed)}
    for each in report.findings:
        if each.id not in numbers:
            numbers[each.id] = len(listed)
            listed.append({"id": each.id, "shortDescription": {"text": each.rule}})
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "paif-policies",
                        "version": VERSION,
                        "semanticVersion": VERSION,
                        "rules": listed,
                    }
                },
                "automationDetails": {"id": f"paif-policies/{report.environment}/"},
                "columnKind": "unicodeCodePoints",
                "results": [_sarif_result(group, places, numbers) for group in _causes(report.findings)],
            }
        ],
    }


def _sarif_rule(rule: DescribedRule) -> dict[str, Any]:
    refusing = "mandatory" in rule.levels.values() or "remediate" in rule.levels.values()
    found = {
        "id": rule.id,
        "name": "".join(part.title() for part in rule.name.split("-")),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.reason},
        "help": {"text": f"{rule.remedy}\nsource: {rule.source}"},
        "defaultConfiguration": {"level": "error" if refusing else "warning"},
        "properties": {"tags": [rule.pack, rule.topic], "security-severity": _SCORES[rule.severity]},
    }
    return {**found, "helpUri": rule.address} if rule.address else found


def _sarif_result(group: list[Finding], places: Places, numbers: Mapping[str, int]) -> dict[str, Any]:
    first = group[0]
    result: dict[str, Any] = {
        "ruleId": first.id,
        "ruleIndex": numbers[first.id],
        # "open" is the standard's word for what could not be decided, which has no level.
        "kind": "open" if first.undecided else "fail",
        "level": "none" if first.undecided else "error" if first.level == "mandatory" else "warning",
        "message": {"text": first.message},
        "locations": [_sarif_location(each, places.of(each)) for each in group],
        "partialFingerprints": {"paif/v2": _fingerprint(group)},
    }
    if first.exempted:
        terms = first.message.splitlines()[0]
        result["suppressions"] = [{"kind": "external", "justification": terms}]
    return result


def _sarif_location(finding: Finding, place: Place) -> dict[str, Any]:
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": place.file, "uriBaseId": "%SRCROOT%"},
            "region": {"startLine": place.line, "startColumn": place.column},
        },
        "logicalLocations": [{"fullyQualifiedName": finding.resource, "kind": "resource"}],
    }


# JUnit.


def junit(report: Report, places: Places, rules: Mapping[str, DescribedRule]) -> str:
    """A test case for each rule: what is refused fails it, what is undecided skips it, the rest is its output."""
    suites = ET.Element("testsuites", name=f"policies of {report.environment}")
    of_rule: dict[str, list[Finding]] = {each: [] for each in rules}
    for finding in report.findings:
        of_rule.setdefault(finding.id, []).append(finding)
    totals = {"tests": 0, "failures": 0, "skipped": 0}
    for pack in dict.fromkeys(each.partition("/")[0] for each in of_rule):
        suite = ET.SubElement(suites, "testsuite", name=pack)
        counts = {"tests": 0, "failures": 0, "skipped": 0}
        for rule, findings in of_rule.items():
            if rule.partition("/")[0] == pack:
                outcome = _test_case(suite, rule, findings, places)
                counts["tests"] += 1
                if outcome:
                    counts[outcome] += 1
        for key, value in counts.items():
            suite.set(key, str(value))
            totals[key] += value
        suite.set("errors", "0")
    for key, value in totals.items():
        suites.set(key, str(value))
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _test_case(suite: ET.Element, rule: str, findings: list[Finding], places: Places) -> str:
    """Add a rule's test case; returns which count of the suite it belongs to."""
    pack, _, name = rule.partition("/")
    case = ET.SubElement(suite, "testcase", classname=pack, name=name)
    refused = [each for each in findings if each.level == "mandatory"]
    undecided = [each for each in findings if each.undecided]
    shown = [each for each in findings if each not in refused and each not in undecided]
    for group in _causes(refused):
        place = places.of(group[0])
        head = f"{place.file}:{place.line}: {_without_controls(group[0].message.splitlines()[0])}"
        failure = ET.SubElement(case, "failure", message=head, type=group[0].severity)
        failure.text = _without_controls("\n".join(each.message for each in group))
    if undecided and not refused:
        ET.SubElement(case, "skipped", message=f"{len(undecided)} undecided until `up`")
    if shown:
        ET.SubElement(case, "system-out").text = _without_controls("\n".join(each.message for each in shown))
    return "failures" if refused else "skipped" if undecided else ""


def _without_controls(text: str) -> str:
    """Text without what XML cannot hold."""
    return "".join(each for each in text if each in "\t\n" or each >= " ")


# GitLab.


def code_quality(report: Report, places: Places) -> list[dict[str, Any]]:
    """One issue for each cause and line; nothing of what is undecided or exempted, which nobody has to mend."""
    issues = []
    for group in _causes(each for each in report.findings if not (each.undecided or each.exempted)):
        first = group[0]
        for place in dict.fromkeys(places.of(each) for each in group):
            text = f"{_fingerprint(group)}{place.file}:{place.line}"
            issues.append(
                {
                    "description": first.message.splitlines()[0],
                    "check_name": first.id,
                    "fingerprint": hashlib.sha256(text.encode()).hexdigest(),
                    "severity": _QUALITY.get(first.severity, "major") if first.level == "mandatory" else "info",
                    "location": {"path": place.file, "lines": {"begin": place.line}},
                }
            )
    return issues
