"""What a preview is told: a cause once, the undecided as a count, and every refusal at its resource during `up`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from policies.reference import PACKS as MODULES
from policies.shared.configuration import Settings
from policies.shared.describing import display_name, topic
from policies.shared.diagnostics import remedy_for
from policies.shared.model import Resource, Rules, Severity, Violation
from policies.shared.pack import VERSION, Pack
from policies.shared.protocol import messages
from policies.shared.reporting import list_command
from policies.shared.server import Service
from policies.shared.sources import OWN
from tests.policy.harness import Engine, Process, RequestedResource, started
from tests.policy.resources import CONFIG, ENDPOINT, NAMESPACE_, SETTINGS, STACK, UNKNOWN, VM, changed

_MANY = 40


@pytest.fixture(scope="module")
def quiet() -> Iterator[Process]:
    """All packs, told as a person sees it in `pulumi preview`."""
    with started("all", PAIF_POLICY_REPORT="") as process:
        yield process


def _begin(process: Process, *, dry_run: bool = True) -> None:
    settings = {f"{pack}-configuration": values for pack, values in SETTINGS.items()}
    process.start(pack="all", settings=settings, config=CONFIG, dry_run=dry_run)


def _machines(vm_class: str) -> list[RequestedResource]:
    """As many machines, each of them fine but for its class."""
    return [
        changed(VM, {"metadata>name": f"acme-dev-dlvm-m{number}", "spec>className": vm_class}, f"m{number}")
        for number in range(_MANY)
    ]


def _images(count: int) -> list[RequestedResource]:
    untrusted = {"spec>model>ociRef": "registry.example.net/models/x@sha256:" + "0" * 64}
    return [
        changed(ENDPOINT, {**untrusted, "metadata>name": f"acme-dev-ep-e{n}", "spec>routingName": f"e{n}"}, f"e{n}")
        for n in range(count)
    ]


def test_an_unknown_class_of_many_machines_is_one_finding(quiet: Process) -> None:
    _begin(quiet)
    for each in (STACK, *_machines("nobody-knows")):
        quiet.analyze(each)
    found = quiet.analyze_stack()
    about = [each for each in found if "nobody-knows" in each.message.splitlines()[0]]
    assert len(about) == 1
    assert about[0].level == "mandatory"
    (summary,) = [each for each in found if each.rule == "paif-summary"]
    assert f"says the same of {_MANY - 1} more: acme-dev-dlvm-m1, acme-dev-dlvm-m2, " in summary.message
    assert summary.level == "advisory"


def test_a_preview_tells_a_cause_at_its_first_resource_and_counts_the_others(quiet: Process) -> None:
    _begin(quiet)
    found = [each for one in (STACK, *_images(3)) for each in quiet.analyze(one) if each.rule == "trusted-registry"]
    assert [each.urn.rsplit("::", 1)[1] for each in found] == ["e0"]
    (summary,) = [each for each in quiet.analyze_stack() if each.rule == "paif-summary"]
    assert "platform/trusted-registry says the same of 2 more: acme-dev-ep-e1, acme-dev-ep-e2" in summary.message


def test_a_cause_that_a_rule_names_is_told_once_in_whatever_words() -> None:
    def check(resource: Resource, _: Any) -> Iterator[Violation]:
        yield Violation(f"with this one they are {resource.get('number')} of 1", cause="GPUs")

    rules: Rules[Settings, dict[str, str]] = Rules()
    rules.rule("overuse", ("x:y:Z",), severity=Severity.HIGH, reason="r", remedy="d", source=OWN)(check)
    pack: Pack[Any, Any] = Pack("shop", "", Settings, rules.all, dict)
    for dry_run, told in ((True, 1), (False, 3)):
        service = Service("shop", "", [pack])
        service.configure_stack(messages.AnalyzerStackConfigureRequest(stack="dev", project="shop", dry_run=dry_run))
        asked = (RequestedResource("x:y:Z", f"m{n}", {"number": n}) for n in (2, 3, 4))
        answers = [service.analyze(Process.request(each)) for each in asked]
        found = [each.message for answer in answers for each in answer.diagnostics if each.policyName == "overuse"]
        assert len(found) == told
        summary = [each.message for each in service.analyze_stack(None).diagnostics]
        assert summary == (["shop/overuse says the same of 2 more: m3, m4"] if dry_run else [])


def test_during_up_every_resource_that_is_refused_is_told(quiet: Process) -> None:
    _begin(quiet, dry_run=False)
    verdicts = [
        {each.level for each in quiet.analyze(one) if each.rule == "trusted-registry"} for one in (STACK, *_images(3))
    ]
    assert verdicts == [set(), {"mandatory"}, {"mandatory"}, {"mandatory"}]


def test_what_is_undecided_is_a_count_and_what_was_decided_meanwhile_is_none(quiet: Process) -> None:
    _begin(quiet)
    late = changed(NAMESPACE_, {"name": UNKNOWN})
    assert [each for each in (*quiet.analyze(STACK), *quiet.analyze(late)) if "undecided" in each.message] == []
    (summary,) = [each for each in quiet.analyze_stack() if each.rule == "paif-summary"]
    assert "checks of " in summary.message
    assert "`./paif policy check dev --undecided` lists them" in summary.message
    _begin(quiet)
    quiet.analyze(STACK)
    assert quiet.analyze_stack() == []


def test_every_policy_has_a_name_for_people_topics_and_a_framework(quiet: Process) -> None:
    info = quiet.start(pack="all", config=CONFIG)
    assert info.version == VERSION
    rules = {rule.name: (pack.name, rule) for pack in MODULES for rule in pack.rules}
    described = {policy.name: policy for policy in info.policies if policy.name in rules}
    assert set(described) == set(rules)
    for name, policy in described.items():
        pack, rule = rules[name]
        assert (policy.displayName, list(policy.tags)) == (display_name(rule), [pack, topic(rule)])
        assert policy.framework.name
        assert policy.framework.specification == rule.source
    assert described["vgpu-license-token"].displayName == "vGPU license token"
    assert described["gpu-operator-namespace"].tags[1] == "gpu-operator"


@pytest.mark.skipif(shutil.which("pulumi") is None, reason="no pulumi on PATH; ./paif test has it")
def test_what_a_preview_only_counted_is_refused_before_it_is_created(tmp_path: Path) -> None:
    engine = Engine(tmp_path, "dev", {"kind": "dev", "organization": "acme"})
    engine.prepare()
    engine.resources(*_images(3))
    said = engine.run("up", "--yes", "--skip-preview", "--stack", "dev", packs=("all",), check=False, **_QUIET)
    assert said.returncode != 0
    assert engine.created() == []
    preview = engine.run("preview", "--stack", "dev", packs=("all",), check=False, **_QUIET)
    assert preview.returncode != 0
    assert preview.stdout.count("trusted-registry  (") == 1
    assert "platform/trusted-registry says the same of 2 more" in preview.stdout


_QUIET = {"PAIF_POLICY_REPORT": ""}


def test_messages_name_commands_of_this_toolkit_only_in_its_own_project() -> None:
    remedies = {
        rule.name: (remedy_for("paif", rule), remedy_for("shop", rule)) for pack in MODULES for rule in pack.rules
    }
    assert any("./paif" in own for own, _ in remedies.values())
    assert {name for name, (_, elsewhere) in remedies.items() if "./paif" in elsewhere or not elsewhere} == set()
    assert "./paif" not in list_command("shop", "dev")
