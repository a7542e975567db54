"""What `policy check` makes of the engine's events: findings in order, secrets as they come, SARIF with places."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cli.policy.packs import Finding, Report, policy_pack_options, read


def _event(**policy: Any) -> str:
    usual = {
        "policyPackName": "platform",
        "policyName": "dlvm-persona",
        "enforcementLevel": "mandatory",
        "severity": "high",
        "resourceUrn": "urn:pulumi:dev::paif::kubernetes:x:VirtualMachine::acme-dev-dlvm-alice",
        "message": "<{%reset%}>alice: expected data-scientist\nwhy: because\ndo: take it out<{%reset%}>\n",
    }
    return json.dumps({"policyEvent": {**usual, **policy}})


def test_findings_are_read_worst_first_each_once_without_color_marks() -> None:
    advisory = _event(enforcementLevel="advisory", severity="critical")
    found, errors = read("\n".join([advisory, _event(severity="low"), _event(), _event(), "no event", "{}"]))
    assert [(each.level, each.severity) for each in found] == [
        ("mandatory", "high"),
        ("mandatory", "low"),
        ("advisory", "critical"),
    ]
    assert "<{%" not in found[0].message
    assert errors == []


def test_errors_of_the_preview_itself_are_kept() -> None:
    event = {"diagnosticEvent": {"severity": "error", "message": "<{%reset%}>no such host\n"}}
    assert read(json.dumps(event)) == ([], ["no such host"])


def test_one_cause_is_told_once_with_the_names_that_it_concerns() -> None:
    why = "the registry is not trusted (image)\nwhy: because\ndo: take it out"
    events = [_event(message=f"m{number}: {why}", resourceUrn=f"urn::{number}") for number in range(41)]
    events.append(_event(message="m99: another problem\nwhy: because", resourceUrn="urn::99"))
    events += [
        _event(enforcementLevel="advisory", message=f"m{number}: undecided: name is not known yet") for number in (1, 2)
    ]
    report = Report("dev", read("\n".join(events))[0])
    lines = report.lines()
    heads = [line for line in lines if line.startswith("[")]
    assert heads == [
        f"[mandatory] platform/dlvm-persona (high) {', '.join(f'm{number}' for number in range(41))}: the registry is "
        "not trusted (image)",
        "[mandatory] platform/dlvm-persona (high) m99: another problem",
        "[advisory] platform/dlvm-persona (high) m1, m2: undecided: name is not known yet",
    ]
    assert lines[1:3] == ["    why: because", "    do: take it out"]
    # Programs have them one by one.
    assert len(report.as_dict()["findings"]) == 44


@pytest.mark.parametrize("cut", ["rpc error: code = Canceled desc = context canceled", "update canceled"])
def test_what_only_follows_from_an_error_is_not_told_beside_it(cut: str) -> None:
    def error(text: str) -> str:
        return json.dumps({"diagnosticEvent": {"severity": "error", "message": text}})

    assert read("\n".join([error(cut), error("no such host"), error(cut)]))[1] == ["no such host"]
    assert read(error(cut))[1] == [cut]


def test_only_a_mandatory_finding_refuses() -> None:
    found, _ = read(_event(enforcementLevel="advisory"))
    assert not Report("dev", found).refused
    found, _ = read(_event())
    assert Report("dev", found).refused


def test_sarif_points_at_the_place_in_the_stack_file() -> None:
    found, _ = read(_event())
    run = Report("dev", found).sarif()["runs"][0]
    assert run["tool"]["driver"]["rules"][0]["help"]["text"] == "take it out"
    result = run["results"][0]
    assert result["level"] == "error"
    location = result["locations"][0]["physicalLocation"]
    assert location["artifactLocation"]["uri"] == "stacks/Pulumi.dev.yaml"
    assert location["region"]["startLine"] > 1


def test_an_exempted_finding_is_a_suppressed_result_and_an_undecided_one_a_note() -> None:
    exempted = Finding("naming", "name-pattern", "advisory", "low", "urn::x", "exempted until 2027-01-01 by me: why\nx")
    undecided = Finding("naming", "name-pattern", "advisory", "low", "urn::y", "y: undecided: z is not known yet")
    first, second = Report("dev", [exempted, undecided]).sarif()["runs"][0]["results"]
    assert first["suppressions"][0]["justification"] == "exempted until 2027-01-01 by me: why"
    assert second["level"] == "note"


def test_the_packs_are_given_by_absolute_path() -> None:
    option, path = policy_pack_options()
    assert option == "--policy-pack"
    assert path.startswith("/")
