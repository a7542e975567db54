"""Every rule, through the engine's protocol: it passes, it refuses, it says what it cannot decide, it is exempted."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from typing import Any

import pytest

from tests.policy.cases import CASES, Case, Side
from tests.policy.harness import Diagnostic, Process, urn
from tests.policy.resources import CLUSTER, CONFIG, FUTURE, PAST, SETTINGS, UNKNOWN, changed


def _parameters(wanted: Callable[[Case], bool]) -> list[Any]:
    return [
        pytest.param(pack, case, id=f"{pack}-{case.rule}")
        for pack, cases in CASES.items()
        for case in cases
        if wanted(case)
    ]


ALL = _parameters(lambda _: True)
PLAIN = _parameters(lambda case: bool(case.unknown))
DECIDED = _parameters(lambda case: not case.unknown)
SOME = _parameters(lambda case: case.rule in {"name-pattern", "tls-issuer", "vm-class-known"})


def begin(process: Process, pack: str, side: Side, *, dry_run: bool = True, **more: Any) -> dict[str, str]:
    """Start a run; returns each rule's level in it."""
    info = process.start(
        stack=side.stack,
        config={**CONFIG, **side.config},
        secrets=side.secrets,
        dry_run=dry_run,
        settings={**SETTINGS[pack], **side.settings, **more},
        pack=pack,
    )
    return {policy.name: policy.remediation_steps for policy in info.policies}


def judge(process: Process, side: Side, rule: str) -> list[Diagnostic]:
    """What the rule says of the last resource, and at the end."""
    for asked in side.resources[:-1]:
        process.analyze(asked, side.stack)
    found = process.analyze(side.resources[-1], side.stack) + process.analyze_stack()
    return [each for each in found if each.rule == rule]


def unknown(case: Case) -> Side:
    """The violating run with a value that is not known yet."""
    *before, last = case.bad.resources
    return Side(
        (*before, changed(last, {case.unknown: UNKNOWN}) if case.unknown else last),
        case.bad.config,
        case.bad.secrets,
        case.bad.settings,
        case.bad.stack,
    )


def test_every_rule_has_a_case(packs: dict[str, Process]) -> None:
    for pack, process in packs.items():
        info = process.start(pack=pack)
        rules = {policy.name for policy in info.policies} - {f"{pack}-configuration", f"{pack}-exemptions"}
        assert rules == {case.rule for case in CASES[pack]}


@pytest.mark.parametrize(("pack", "case"), ALL)
def test_what_is_right_passes(packs: dict[str, Process], pack: str, case: Case) -> None:
    begin(packs[pack], pack, case.good)
    assert judge(packs[pack], case.good, case.rule) == []


@pytest.mark.parametrize(("pack", "case"), ALL)
def test_what_is_wrong_is_refused_with_a_remedy(packs: dict[str, Process], pack: str, case: Case) -> None:
    remedies = begin(packs[pack], pack, case.bad, enforcement={case.rule: "mandatory"})
    found = judge(packs[pack], case.bad, case.rule)
    found = [each for each in found if ": undecided: " not in each.message]
    assert [each.level for each in found] == ["mandatory"] * len(found)
    assert found, "no violation"
    assert case.says in "\n".join(each.message for each in found)
    assert all(f"do: {case.does or remedies[case.rule]}" in each.message for each in found)
    assert all(
        each.urn == urn(case.bad.resources[-1].type, case.bad.resources[-1].name, case.bad.stack) for each in found
    )


@pytest.mark.parametrize(("pack", "case"), PLAIN)
def test_what_is_not_known_at_preview_is_listed_as_undecided(packs: dict[str, Process], pack: str, case: Case) -> None:
    begin(packs[pack], pack, unknown(case))
    found = judge(packs[pack], unknown(case), case.rule)
    undecided = [each for each in found if "undecided: " in each.message]
    assert undecided
    assert {each.level for each in undecided} == {"advisory"}


@pytest.mark.parametrize(("pack", "case"), PLAIN)
def test_what_is_still_not_known_during_up_is_refused(packs: dict[str, Process], pack: str, case: Case) -> None:
    begin(packs[pack], pack, unknown(case), dry_run=False, enforcement={case.rule: "mandatory"})
    found = judge(packs[pack], unknown(case), case.rule)
    assert found
    assert {each.level for each in found} == {"mandatory"}


@pytest.mark.parametrize(("pack", "case"), DECIDED)
def test_what_configuration_decides_is_decided_with_unknown_properties(
    packs: dict[str, Process], pack: str, case: Case
) -> None:
    *before, last = case.bad.resources
    side = Side(
        (*before, changed(last, {"somethingElse": UNKNOWN})),
        case.bad.config,
        case.bad.secrets,
        case.bad.settings,
        case.bad.stack,
    )
    begin(packs[pack], pack, side, enforcement={case.rule: "mandatory"})
    found = judge(packs[pack], side, case.rule)
    assert found
    assert {each.level for each in found} == {"mandatory"}


@pytest.mark.parametrize(("pack", "case"), ALL)
def test_an_exemption_lets_it_through_and_is_listed(packs: dict[str, Process], pack: str, case: Case) -> None:
    last = case.bad.resources[-1]
    exemption = {
        "rule": case.rule,
        "resource": f"*::{last.name}",
        "reason": "agreed with the owner of the rule",
        "owner": "platform team",
        "expires": FUTURE,
    }
    assert fnmatch.fnmatchcase(urn(last.type, last.name, case.bad.stack), exemption["resource"])
    process, side = packs[pack], case.bad
    begin(process, pack, side, enforcement={case.rule: "mandatory"}, exemptions=[exemption])
    first = process.analyze(side.resources[0], side.stack)
    listed = [each for each in first if each.rule == f"{pack}-exemptions"]
    assert [each.level for each in listed] == ["advisory"]
    assert f"until {FUTURE} by platform team: agreed" in listed[0].message
    found = [each for each in judge(process, side, case.rule) if ": undecided: " not in each.message]
    assert found
    assert {each.level for each in found} == {"advisory"}
    assert all(f"exempted until {FUTURE} by platform team" in each.message for each in found)


@pytest.mark.parametrize(("pack", "case"), SOME)
def test_an_expired_exemption_fails_the_run(packs: dict[str, Process], pack: str, case: Case) -> None:
    exemption = {
        "rule": case.rule,
        "resource": f"*::{case.bad.resources[-1].name}",
        "reason": "agreed with the owner of the rule",
        "owner": "platform team",
        "expires": PAST,
    }
    process, side = packs[pack], case.bad
    begin(process, pack, side, enforcement={case.rule: "mandatory"}, exemptions=[exemption])
    found = process.analyze(side.resources[0], side.stack) + process.analyze_stack()
    expired = [each for each in found if each.rule == f"{pack}-exemptions"]
    assert [each.level for each in expired] == ["mandatory"]
    assert "has expired" in expired[0].message
    assert "mandatory" in {each.level for each in found if each.rule == case.rule}


@pytest.mark.parametrize("raised", ["builtin-generic-v3.6.0", "builtin-generic-v99.0.0"])
def test_a_class_that_the_server_raised_is_not_what_the_program_asks_for(
    packs: dict[str, Process], raised: str
) -> None:
    # Central, or newer than the catalog, and stored without the namespace that the server has added.
    change = {"spec>topology>class": raised}
    sides = [Side((changed(CLUSTER, change, ignored=ignored),)) for ignored in ((), ("spec.topology.class",))]
    asked_for, left_alone = ([*_judged(packs["platform"], side)] for side in sides)
    assert len(asked_for) == 1
    assert left_alone == []


def _judged(process: Process, side: Side) -> list[Diagnostic]:
    begin(process, "platform", side)
    return judge(process, side, "cluster-class")
