"""The rule reference is that of the rules, and the rules are well described."""

from __future__ import annotations

from policies.reference import FILE, PACKS, render
from policies.shared.model import Level
from policies.shared.sources import FROM_MEMORY, OWN


def test_the_committed_reference_is_that_of_the_rules() -> None:
    assert FILE.read_text(encoding="utf-8") == render(), "run: python -m policies.reference"


def test_names_of_rules_are_unique_over_all_packs() -> None:
    names = [rule.name for pack in PACKS for rule in pack.rules]
    assert len(names) == len(set(names))
    assert len(names) >= 50


def test_every_rule_says_why_what_to_do_and_where_it_comes_from() -> None:
    for pack in PACKS:
        for rule in pack.rules:
            assert all(len(part) > 5 for part in (rule.reason, rule.remedy, rule.source)), rule.name
            assert set(rule.levels) == {"dev", "qa", "staging", "prod"}, rule.name


def test_a_source_is_an_address_or_says_that_the_rule_is_a_convention_of_this_toolkit() -> None:
    rules = [rule for pack in PACKS for rule in pack.rules]
    wrong = [
        f"{rule.name}: {rule.source}" for rule in rules if not rule.source.startswith(("https://", OWN, FROM_MEMORY))
    ]
    assert wrong == []


def test_what_is_from_memory_refuses_nothing() -> None:
    refusing = [
        rule.name
        for pack in PACKS
        for rule in pack.rules
        if FROM_MEMORY in rule.source.lower() and set(rule.levels.values()) - {Level.ADVISORY, Level.DISABLED}
    ]
    assert refusing == []
