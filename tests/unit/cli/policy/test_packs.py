"""What `policy check` makes of the engine's events: findings in order, causes once, secrets as they come."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cli.policy.packs import Report, policy_pack_options, read
from cli.policy.rules import UnknownTopicError, chosen


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
    heads = [line for line in lines if not line.startswith(" ")]
    assert heads == [
        f"[mandatory] platform/dlvm-persona (high) {', '.join(f'm{number}' for number in range(41))}: the registry is "
        "not trusted (image)",
        "[mandatory] platform/dlvm-persona (high) m99: another problem",
        "2 checks of 1 rules are undecided until `up`: `./paif policy check dev --undecided` lists them",
    ]
    assert "[advisory] platform/dlvm-persona (high) m1, m2: undecided: name is not known yet" in report.lines(
        undecided=True
    )
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


def test_the_packs_are_given_by_absolute_path() -> None:
    option, path = policy_pack_options()
    assert option == "--policy-pack"
    assert path.startswith("/")


def test_what_nothing_tells_is_one_entry_whichever_rules_need_it() -> None:
    text = "nothing in this run tells devices of VM class x, so that it cannot be checked\nwhy: {}\ndo: declare it"
    events = [
        _event(policyName=rule, message=f"m{number}: {text.format(rule)}", resourceUrn=f"urn::{number}")
        for rule in ("vm-class-known", "vgpu-license-token")
        for number in range(40)
    ]
    (head,) = [line for line in Report("dev", read("\n".join(events))[0]).lines() if line.startswith("[")]
    assert "platform/vgpu-license-token, platform/vm-class-known" in head


def test_what_a_reviewer_can_act_on_comes_before_what_is_exempted_or_undecided() -> None:
    undecided = _event(enforcementLevel="advisory", severity="critical", message="a: undecided: x is not known yet")
    exempted = _event(enforcementLevel="advisory", severity="critical", message="exempted until 2027-01-01 by me: b\nx")
    found, _ = read(
        "\n".join([undecided, exempted, _event(enforcementLevel="advisory", severity="low", message="c: d")])
    )
    assert [(each.exempted, each.undecided) for each in found] == [(False, False), (True, False), (False, True)]


def test_a_topic_keeps_its_rules_and_what_is_wrong_with_the_settings() -> None:
    wrong = _event(policyPackName="naming", policyName="naming-configuration")
    found, _ = read("\n".join([_event(), _event(policyName="tls-issuer"), wrong]))
    kept = Report("dev", found).only(chosen(["personas"]))
    assert {each.rule for each in kept.findings} == {"dlvm-persona", "naming-configuration"}
    with pytest.raises(UnknownTopicError, match="did you mean gpu-operator"):
        chosen(["gpu-operater"])
