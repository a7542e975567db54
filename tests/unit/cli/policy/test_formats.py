"""What other programs are given: SARIF, JUnit and GitLab's report, each finding at the line that mends it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from cli.policy.formats import code_quality, junit, sarif
from cli.policy.packs import Finding, Report
from cli.policy.places import Place, Places
from cli.policy.rules import VERSION, described
from cli.policy.settings import relative_file

_STACK = """\
config:
  paif:kind: dev
  paif:vmClasses:
    - name: gpu
      profile: grid_a100-40c
  paif:workstations: [{name: bob, class: none}]
  paif:clusters:
    - class: gpu   # before its name
      "name": "gpu"
      replicas: 4
    - name: big-gpu
"""
_SETTINGS = """\
kind: dev
licensing:
  # years
  nimImages:
    - {edition: nvaie, seats: 8, expires: 2020-12-31}
    - edition: vws
      expires: 2020-12-31
naming:
  exemptions:
    - rule: name-pattern
      resource: "*::old"
"""
_SCHEMA: dict[str, Any] = json.loads((Path(__file__).parent / "sarif-shape.json").read_text(encoding="utf-8"))
"""What SARIF 2.1.0 (https://docs.oasis-open.org/sarif/sarif/v2.1.0/) demands of the parts that are written."""


@pytest.fixture
def places(tmp_path: Path) -> Places:
    for file, text in (("stacks/Pulumi.dev.yaml", _STACK), (relative_file("dev"), _SETTINGS)):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_text(text, encoding="utf-8")
    return Places("dev", tmp_path)


def _finding(rule: str, name: str, message: str, kind: str = "VirtualMachine", **more: str) -> Finding:
    pack = next(each.pack for each in described().values() if each.name == rule) if "pack" not in more else more["pack"]
    urn = f"urn:pulumi:dev::paif::kubernetes:g/v1:{kind}::{name}"
    return Finding(pack, rule, more.get("level", "mandatory"), more.get("severity", "high"), urn, message)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("finding", "file", "line", "column"),
    [
        (_finding("dlvm-persona", "acme-dev-dlvm-bob", "acme-dev-dlvm-bob: no"), "stacks", 6, 24),
        (
            _finding("vm-class-known", "acme-dev-dlvm-bob", "bob: unknown (spec.className is 'none')"),
            *("stacks", 6, 35),
        ),
        (_finding("control-plane-odd", "acme-dev-vks-gpu", "x: even (a.replicas is 4)", "Cluster"), "stacks", 10, 7),
        (_finding("vgpu-class-name", "acme-dev-class-gpu", "x: no", "VirtualMachineClass"), "stacks", 4, 7),
        (_finding("autoscaler", "acme-dev-vks-big-gpu", "x: no", "Cluster"), "stacks", 11, 7),
        (
            _finding("entitlement-expired", "paif-dev", "paif-dev: over (nimImages.1.expires is 2020)", "Stack"),
            *("policies", 7, 7),
        ),
        (_finding("paif-add-on", "paif-dev", "paif-dev: none\ndo: nimImages", "Stack"), "policies", 4, 3),
        (
            _finding("naming-exemptions", "paif-dev", "the exemption of *::old from name-pattern", pack="naming"),
            *("policies", 10, 7),
        ),
        (_finding("cpu-pool", "paif-dev", "paif-dev: something of clusters", "Stack"), "stacks", 7, 3),
        (_finding("cpu-pool", "paif-dev", "paif-dev: nothing told", "Stack"), "stacks", 1, 1),
    ],
)
def test_a_finding_is_at_the_line_that_mends_it(
    places: Places, finding: Finding, file: str, line: int, column: int
) -> None:
    whole = {"stacks": "stacks/Pulumi.dev.yaml", "policies": relative_file("dev")}[file]
    assert places.of(finding) == Place(whole, line, column)


def test_an_environment_without_files_has_places_all_the_same(tmp_path: Path) -> None:
    finding = _finding("cpu-pool", "x", "x: y", "Stack")
    assert Places("new", tmp_path).of(finding) == Place("stacks/Pulumi.new.yaml", 1, 1)


def _report() -> Report:
    return Report(
        "dev",
        [
            *(_finding("trusted-registry", f"m{n}", f"m{n}: not trusted\nwhy: so\ndo: that") for n in range(3)),
            _finding("name-pattern", "old", "exempted until 2027-01-01 by me: why\nold: bad", level="advisory"),
            _finding("tls-issuer", "x", "x: undecided: z is not known yet", level="advisory"),
            _finding("deprecated-tensorflow", "y", "y: goes \x1b away", level="advisory", severity="low"),
            _finding("naming-configuration", "paif-dev", "paif-dev: wrong kind", pack="naming"),
        ],
    )


def test_sarif_has_the_standards_shape_every_rule_and_one_result_for_each_cause(places: Places) -> None:
    made = sarif(_report(), places, described())
    jsonschema.Draft7Validator(_SCHEMA).validate(made)
    (run,) = made["runs"]
    driver = run["tool"]["driver"]
    assert driver["version"] == VERSION
    assert {each["id"] for each in driver["rules"]} == {*described(), "naming/naming-configuration"}
    assert all(
        each["helpUri"].startswith("https://") for each in driver["rules"] if each["id"] in described()
        and described()[each["id"]].address
    )  # fmt: skip
    results = {each["ruleId"]: each for each in run["results"]}
    assert len(results) == len(run["results"]) == 5
    assert all(driver["rules"][each["ruleIndex"]]["id"] == each["ruleId"] for each in run["results"])
    assert len(results["platform/trusted-registry"]["locations"]) == 3
    assert (results["platform/tls-issuer"]["kind"], results["platform/tls-issuer"]["level"]) == ("open", "none")
    terms = results["naming/name-pattern"]["suppressions"][0]["justification"]
    assert terms == "exempted until 2027-01-01 by me: why"


def test_a_cause_keeps_its_fingerprint_when_lines_move(places: Places, tmp_path: Path) -> None:
    before = sarif(_report(), places, described())["runs"][0]["results"]
    (tmp_path / "stacks/Pulumi.dev.yaml").write_text("# moved\n" + _STACK, encoding="utf-8")
    after = sarif(_report(), Places("dev", tmp_path), described())["runs"][0]["results"]
    assert [each["partialFingerprints"] for each in before] == [each["partialFingerprints"] for each in after]


def test_junit_has_a_case_for_each_rule_that_what_is_refused_fails(places: Places) -> None:
    suites = ET.fromstring(junit(_report(), places, described()))  # noqa: S314 - it is our own
    cases = {f"{each.get('classname')}/{each.get('name')}": each for each in suites.iter("testcase")}
    assert set(cases) == {*described(), "naming/naming-configuration"}
    assert (suites.get("tests"), suites.get("failures"), suites.get("skipped")) == (str(len(cases)), "2", "1")
    failure = cases["platform/trusted-registry"].find("failure")
    assert failure is not None
    assert str(failure.get("message")).startswith("stacks/Pulumi.dev.yaml:")
    assert "m2: not trusted" in str(failure.text)
    assert cases["platform/tls-issuer"].find("skipped") is not None
    assert list(cases["platform/cpu-pool"]) == []


def test_gitlabs_report_has_what_somebody_has_to_mend(places: Places) -> None:
    issues = code_quality(_report(), places)
    assert [(each["check_name"], each["severity"]) for each in issues] == [
        ("platform/trusted-registry", "critical"),
        ("platform/deprecated-tensorflow", "info"),
        ("naming/naming-configuration", "critical"),
    ]
    assert len({each["fingerprint"] for each in issues}) == len(issues)
    assert all(set(each["location"]) == {"path", "lines"} and each["location"]["lines"]["begin"] for each in issues)
