"""What a run says of its settings: which kind it is, and what differs from the defaults, once for all packs."""

from __future__ import annotations

from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest

from paif_catalog.predicates import KINDS
from tests.policy.harness import PACKS, Diagnostic, Process, started
from tests.policy.resources import CONFIG, CONFIG_MAP, ENDPOINT, NAMESPACE_, SETTINGS, STACK, VM, changed

_STACK = "team"
"""One without a file of settings."""


def _begin(process: Process, pack: str, *, kind: str | None = None, stack: str = _STACK, **settings: Any) -> Any:
    config = {key: value for key, value in CONFIG.items() if key != "kind"} | ({"kind": kind} if kind else {})
    return process.start(pack=pack, stack=stack, settings={**SETTINGS[pack], **settings}, config=config)


def _said(found: list[Diagnostic], pack: str) -> list[str]:
    return [each.message for each in found if each.rule == f"{pack}-configuration"]


@pytest.mark.parametrize(("kind", "near"), [("production", "prod"), ("sandbx", "sandbox"), ("stage", "staging")])
def test_a_kind_that_nobody_declared_stops_the_run_with_the_nearest_name(
    packs: dict[str, Process], kind: str, near: str
) -> None:
    _begin(packs["platform"], "platform", kind=kind)
    with pytest.raises(grpc.RpcError) as error:
        packs["platform"].analyze(STACK, _STACK)
    said = f"paif:kind of the stack is {kind!r}: expected one of {', '.join(KINDS)} (did you mean {near!r}?)"
    assert said in error.value.details()


def test_a_kind_of_the_sites_own_has_the_levels_and_guards_that_it_says(packs: dict[str, Process]) -> None:
    kinds = {"preprod": {"levels": "staging", "endpointReplicas": 2}}
    process = packs["platform"]
    _begin(process, "platform", kind="preprod", kinds=kinds)
    found = process.analyze(changed(ENDPOINT, {"spec>replicas": 1}), _STACK)
    assert "in preprod expected at least 2" in "\n".join(each.message for each in found)
    _begin(process, "platform", kind="preprod", kinds=kinds)
    found = process.analyze(changed(ENDPOINT, {"spec>replicas": 2}), _STACK)
    assert "endpoint-replicas" not in {each.rule for each in found}


def test_a_kind_of_the_sites_own_that_says_no_levels_is_no_kind_of_dev(packs: dict[str, Process]) -> None:
    with pytest.raises(grpc.RpcError) as error:
        _begin(packs["platform"], "platform", kind="preprod", kinds={"preprod": {"endpointReplicas": 2}})
    assert "--policy-pack-config: platform.kinds.preprod: expected levels: whose rules" in error.value.details()


def test_where_nothing_says_the_kind_the_run_says_that_it_is_judged_as_prod(packs: dict[str, Process]) -> None:
    _begin(packs["platform"], "platform")
    [message] = _said(packs["platform"].analyze(STACK, _STACK), "platform")
    assert message.startswith("nothing says which kind of environment this is: it is judged as prod")
    _begin(packs["platform"], "platform", kind="dev")
    assert _said(packs["platform"].analyze(STACK, _STACK), "platform") == []


def test_what_is_disabled_or_overridden_is_listed_in_every_run(packs: dict[str, Process]) -> None:
    settings: dict[str, Any] = {
        "enforcement": {"endpoint-replicas": "disabled", "protection": "mandatory", "endpoint-class": "advisory"},
        "kinds": {"prod": {"endpointReplicas": 1, "backedUp": True}},
    }
    _begin(packs["platform"], "platform", kind="prod", **settings)
    found = packs["platform"].analyze(STACK, _STACK)
    [message] = _said(found, "platform")
    # Not what is as it would be anyway.
    listed = message.removeprefix("settings differ from the defaults: ").split("; ")
    assert sorted(listed) == [
        "endpoint-class is advisory instead of mandatory",
        "endpoint-replicas is disabled instead of mandatory",
        "kind prod has endpointReplicas 1 instead of 3",
    ]
    assert {each.level for each in found if each.message == message} == {"advisory"}


def test_a_level_of_a_policy_pack_config_file_is_listed_too(packs: dict[str, Process]) -> None:
    process = packs["naming"]
    process.start(
        pack="naming", stack=_STACK, settings=SETTINGS["naming"], config=CONFIG, levels={"name-pattern": "disabled"}
    )
    [message] = _said(process.analyze(STACK, _STACK), "naming")
    assert message == "settings differ from the defaults: name-pattern is disabled instead of mandatory"


def test_packs_of_one_process_say_once_what_is_the_same_for_all() -> None:
    kinds = {"kinds": {"prod": {"endpointReplicas": 1}}}
    with started("all") as process:
        settings = {f"{pack}-configuration": {**SETTINGS[pack], **kinds} for pack in PACKS}
        process.start(pack="all", stack=_STACK, settings=settings, config={})
        found = process.analyze(STACK, _STACK)
    said = [each.message.splitlines()[0] for each in found if each.rule.endswith("-configuration")]
    assert sorted(said) == [
        "nothing says which kind of environment this is: it is judged as prod",
        "settings differ from the defaults: kind prod has endpointReplicas 1 instead of 3",
    ]


def test_labels_of_the_sites_own_are_added_where_they_are_missing(packs: dict[str, Process]) -> None:
    labels = {"environment": "shop.example/env", "owner": "shop.example/owner"}
    settings = {"labels": labels, "requiredLabels": ["environment", "owner"], "environmentCodes": {"tm": _STACK}}
    _begin(packs["naming"], "naming", kind="dev", **settings)
    remediations = packs["naming"].remediate(VM, _STACK)
    properties = next(each.properties for each in remediations if each.policyName == "required-labels")
    added = properties["metadata"]["labels"]
    assert (added["shop.example/env"], added["shop.example/owner"]) == ("tm", CONFIG["owner"])


def test_a_wrong_label_of_the_sites_own_is_put_right_by_its_code(packs: dict[str, Process]) -> None:
    labels = {"environment": "shop.example/env"}
    _begin(packs["naming"], "naming", kind="dev", labels=labels, environmentCodes={"tm": _STACK})
    wrong = changed(CONFIG_MAP, {"metadata>labels": {"shop.example/env": "prd"}})
    [remediation] = packs["naming"].remediate(wrong, _STACK)
    assert remediation.properties["metadata"]["labels"]["shop.example/env"] == "tm"


@pytest.mark.parametrize(
    ("pattern", "name", "rules"),
    [
        ("{organization}-{environment}-{name}", "acme-team-ai", set()),
        ("{organization}-{environment}-{name}", "acme-tm-ai", set()),
        ("{organization}-{environment}-{name}", "acme-prd-ai", {"name-pattern", "name-environment"}),
        ("(?P<environment>[a-z]+)-(?P<zone>[ab])-{name}", "tm-a-x", set()),
        ("(?P<environment>[a-z]+)-(?P<zone>[ab])-{name}", "prd-a-x", {"name-environment"}),
        ("(?P<environment>[a-z]+)-(?P<zone>[ab])-{name}", "tm-c-x", {"name-pattern"}),
        (["tm-\\d{2}", "tm-[a-z]{2}"], "tm-12", set()),
        (["tm-\\d{2}", "tm-[a-z]{2}"], "tm-ab", set()),
        (["tm-\\d{2}", "tm-[a-z]{2}"], "tm-1b", {"name-pattern"}),
        # A point of a pattern without an expression is a point.
        ("{environment}.{name}", "teamxai", {"name-pattern"}),
        # As when nothing is said.
        ([], "acme-team-ns-ai", set()),
    ],
)
def test_a_name_follows_one_of_the_sites_patterns(
    packs: dict[str, Process], pattern: str | list[str], name: str, rules: set[str]
) -> None:
    codes = {"tm": _STACK, "prd": "prod"}
    _begin(packs["naming"], "naming", kind="dev", patterns={"namespace": pattern}, environmentCodes=codes)
    found = {each.rule for each in packs["naming"].analyze(changed(NAMESPACE_, {"name": name}), _STACK)}
    assert found & {"name-pattern", "name-environment"} == rules
