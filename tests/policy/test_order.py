"""Whatever the order in which resources come, the verdict is the same: nothing passes because it was not seen yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from policies.reference import PACKS as MODULES
from policies.shared.analyzer import Analyzer
from policies.shared.properties import decode
from policies.shared.protocol import messages
from tests.policy.cases import CASES, Case
from tests.policy.harness import Diagnostic, Process, RequestedResource, urn
from tests.policy.resources import (
    BOOTSTRAP,
    CLUSTER,
    CONFIG,
    DIRECTPATH,
    DIRECTPATH_CLASS,
    DRS,
    ENDPOINT,
    FUTURE,
    GPU_CLASS,
    GUEST,
    PAIS,
    PLAIN_BOOTSTRAP,
    POOLS,
    RELEASE,
    SETTINGS,
    SNAPSHOT,
    VM,
    VM_CLASS,
    VSPHERE_VM,
    changed,
    owning,
)

UNKNOWN = {"$unknown": True}


@dataclass(frozen=True)
class Pair:
    """A resource, and another one that decides by what it has whether the first may be: in a good and in a bad way."""

    rule: str
    judged: RequestedResource
    good: RequestedResource
    bad: RequestedResource
    before: tuple[RequestedResource, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    missing: bool = True
    """Whether the other one may not be missing."""


_CPU = changed(VM_CLASS, {"vgpuProfiles": []})
_WHOLE = changed(DIRECTPATH, {"name": GPU_CLASS}, "class")
_LEFT_TO_OVERUSE = {"entitlement-expired", "evaluation-in-production"}
"""Rules that ask the same of machines as license-overuse, which says for all of them what is not decided."""
_NO_LICENSES = {"licenses": owning(0)}
_BARE = changed(
    CLUSTER,
    {
        f"{POOLS}>1>metadata>annotations": {},
        f"{POOLS}>1>variables>overrides": [{"name": "vmClass", "value": GPU_CLASS}],
    },
)
_ONE_POOL = changed(CLUSTER, {POOLS: [CLUSTER.properties["spec"]["topology"]["workers"]["machineDeployments"][1]]})
_WHOLE_VM = changed(VM, {"spec>className": DIRECTPATH_CLASS})
_PLAIN_VM = changed(VSPHERE_VM, {"pciDeviceIds": []})
PAIRS = {
    "licensing": [
        Pair("vgpu-license-token", VM, BOOTSTRAP, PLAIN_BOOTSTRAP, (VM_CLASS,)),
        Pair("vgpu-license-token", VM, _CPU, VM_CLASS, (PLAIN_BOOTSTRAP,)),
        Pair("license-token-without-vgpu", _WHOLE_VM, PLAIN_BOOTSTRAP, BOOTSTRAP, (DIRECTPATH,)),
        Pair("license-token-without-vgpu", VM, VM_CLASS, _WHOLE, (BOOTSTRAP,)),
        Pair("license-overuse", VM, _CPU, VM_CLASS, settings=_NO_LICENSES),
        Pair("license-overuse", CLUSTER, _CPU, VM_CLASS, settings=_NO_LICENSES),
        Pair("license-overuse", ENDPOINT, _CPU, VM_CLASS, settings=_NO_LICENSES),
        Pair(
            "paif-add-on",
            VM,
            _CPU,
            VM_CLASS,
            settings={"licenses": {"nvaie": {"owned": [{"gpus": 9, "ends": FUTURE}]}}},
        ),
    ],
    "platform": [
        Pair("dlvm-host-driver", VM, _WHOLE, VM_CLASS, settings={"hostDriver": {"branch": 570, "nvaieMajor": 7}}),
        Pair("gpu-pool-image", _BARE, _CPU, VM_CLASS),
        Pair("gpu-pool-taint", _BARE, _CPU, VM_CLASS),
        Pair("gpu-pool-storage", _BARE, _CPU, VM_CLASS),
        Pair("cpu-pool", _ONE_POOL, _CPU, VM_CLASS),
        Pair("endpoint-class", ENDPOINT, VM_CLASS, _CPU),
        Pair(
            "pais-control-plane",
            changed(PAIS, {"spec>vksControlPlane>virtualMachineClassName": GPU_CLASS}),
            _CPU,
            VM_CLASS,
        ),
        Pair(
            "gpu-operator-driver-nodes",
            changed(RELEASE, {"values>driver": {"enabled": True}}),
            _WHOLE,
            VM_CLASS,
            (GUEST, CLUSTER),
        ),
        Pair("gpu-operator-driver-passthrough", RELEASE, VM_CLASS, _WHOLE, (GUEST, CLUSTER)),
        Pair("directpath-no-snapshot", SNAPSHOT, _PLAIN_VM, VSPHERE_VM, missing=False),
        Pair(
            "directpath-no-drs",
            changed(DRS, {"drsAutomationLevel": "fullyAutomated"}),
            _PLAIN_VM,
            VSPHERE_VM,
            missing=False,
        ),
    ],
}


def _parameters(*missing: bool) -> list[Any]:
    return [
        pytest.param(pack, pair, id=f"{pair.rule}-{pair.judged.name}-{pair.bad.name}")
        for pack, pairs in PAIRS.items()
        for pair in pairs
        if pair.missing in missing
    ]


ALL = _parameters(True, False)
WAITING = _parameters(True)
BESIDE = _parameters(False)


def begin(process: Process, pack: str, pair: Pair | None = None, *, dry_run: bool = True, **options: Any) -> None:
    """A run whose settings and configuration name no class."""
    settings = {**SETTINGS[pack], **(pair.settings if pair else {})}
    settings |= {"existingClasses": {}} if pack in PAIRS else {}
    settings |= {"enforcement": {pair.rule: "mandatory"}} if pair else {}
    settings |= options.pop("settings", {})
    process.start(pack=pack, settings=settings, config={**CONFIG, "vmClasses": []}, dry_run=dry_run, **options)


def said(process: Process, rule: str, *asked: RequestedResource, end: bool = True) -> list[Diagnostic]:
    """What the rule says in a whole run."""
    found = [each for one in asked for each in process.analyze(one)] + (process.analyze_stack() if end else [])
    return [each for each in found if each.rule == rule]


def refusals(found: list[Diagnostic]) -> set[str]:
    return {each.message for each in found if each.level == "mandatory"}


@pytest.mark.parametrize(("pack", "pair"), ALL)
@pytest.mark.parametrize("of_a_state", [False, True])
def test_a_violation_is_found_in_either_order(
    packs: dict[str, Process], pack: str, pair: Pair, *, of_a_state: bool
) -> None:
    verdicts = []
    for order in ((pair.judged, pair.bad), (pair.bad, pair.judged)):
        begin(packs[pack], pack, pair, tell_stack=not of_a_state)
        verdicts.append(refusals(said(packs[pack], pair.rule, *pair.before, *order)))
    assert verdicts[0] == verdicts[1]
    assert len(verdicts[0]) == 1


@pytest.mark.parametrize(("pack", "pair"), ALL)
def test_what_is_right_passes_a_preview_in_either_order(packs: dict[str, Process], pack: str, pair: Pair) -> None:
    for order in ((pair.judged, pair.good), (pair.good, pair.judged)):
        begin(packs[pack], pack, pair)
        assert refusals(said(packs[pack], pair.rule, *pair.before, *order)) == set()


@pytest.mark.parametrize(("pack", "pair"), WAITING)
def test_at_preview_it_is_undecided_until_the_other_one_comes(packs: dict[str, Process], pack: str, pair: Pair) -> None:
    begin(packs[pack], pack, pair)
    for one in pair.before:
        packs[pack].analyze(one)
    first = said(packs[pack], pair.rule, pair.judged, end=False)
    assert [(each.level, ": undecided: nothing so far tells content of " in each.message) for each in first] == [
        ("advisory", True)
    ]
    assert [each.level for each in said(packs[pack], pair.rule, pair.bad, end=False)] == ["mandatory"]


@pytest.mark.parametrize("which", ["good", "bad"])
@pytest.mark.parametrize(("pack", "pair"), WAITING)
def test_during_up_it_is_refused_before_the_other_one_comes(
    packs: dict[str, Process], pack: str, pair: Pair, which: str
) -> None:
    begin(packs[pack], pack, pair, dry_run=False)
    for one in pair.before:
        packs[pack].analyze(one)
    first = said(packs[pack], pair.rule, pair.judged, end=False)
    assert [each.level for each in first] == ["mandatory"]
    for part in ("nothing before it tells content of ", "depend on ", "existing"):
        assert part in first[0].message
    # It is not made, so that the other one is not refused on its account.
    assert said(packs[pack], pair.rule, getattr(pair, which)) == []


@pytest.mark.parametrize(("pack", "pair"), BESIDE)
def test_during_up_a_machine_is_refused_beside_what_was_made_before_it(
    packs: dict[str, Process], pack: str, pair: Pair
) -> None:
    begin(packs[pack], pack, pair, dry_run=False)
    assert said(packs[pack], pair.rule, pair.judged, end=False) == []
    assert [each.level for each in said(packs[pack], pair.rule, pair.bad, end=False)] == ["mandatory"]


@pytest.mark.parametrize(("pack", "pair"), WAITING)
def test_what_nothing_of_the_run_tells_is_refused_at_the_end_of_a_preview(
    packs: dict[str, Process], pack: str, pair: Pair
) -> None:
    begin(packs[pack], pack, pair)
    found = said(packs[pack], pair.rule, *pair.before, pair.judged)
    assert [each.level for each in found] == ["advisory", "mandatory"]
    assert "nothing in this run tells content of " in found[1].message
    assert found[1].urn == urn(pair.judged.type, pair.judged.name)


@pytest.mark.parametrize(("pack", "pair"), WAITING)
def test_nothing_is_missing_while_the_name_of_something_is_not_known(
    packs: dict[str, Process], pack: str, pair: Pair
) -> None:
    path = "metadata>name" if pair.bad.type.startswith("kubernetes:") else "name"
    begin(packs[pack], pack, pair)
    found = said(packs[pack], pair.rule, *pair.before, pair.judged, changed(pair.bad, {path: UNKNOWN}))
    assert [each.level for each in found] == ["advisory"]


@pytest.mark.parametrize(("pack", "pair"), ALL)
def test_it_is_undecided_while_the_other_one_is_seen_and_not_known(
    packs: dict[str, Process], pack: str, pair: Pair
) -> None:
    kind = pair.bad.type.rsplit(":", 1)[1]
    path = {"Secret": "stringData", "VirtualMachine": "pciDeviceIds"}.get(kind, "vgpuProfiles")
    for order in ((0, 1), (1, 0)):
        both = (pair.judged, changed(pair.bad, {path: UNKNOWN}))
        begin(packs[pack], pack, pair)
        found = said(packs[pack], pair.rule, *pair.before, *(both[index] for index in order))
        assert found
        assert {each.level for each in found} == {"advisory"}
        assert "is not known yet" in found[-1].message


# What nothing tells at all is a violation of vm-class-known: nothing is told in a good and in a bad way. What a whole
# stack is, and where the operator is, nothing has to tell (test_kubernetes.py).
_TRIED_ELSEWHERE = {
    "licensing": {"vm-class-known"},
    "platform": {"trusted-registry", "chart-source", "library-source", "gpu-operator-namespace"},
}


def _given(pack: str, case: Case) -> Any:
    config = messages.PolicyConfig(enforcementLevel=messages.MANDATORY)
    config.properties.update({**SETTINGS[pack], **case.bad.settings})
    return config


@pytest.mark.parametrize("pack", list(CASES))
def test_every_rule_that_reads_what_is_remembered_is_tried_in_either_order(pack: str) -> None:
    analyzer: Analyzer[Any, Any] = Analyzer(next(each for each in MODULES if each.name == pack))
    read = set()
    for case in CASES[pack]:
        analyzer.configure_stack(messages.AnalyzerStackConfigureRequest(stack=case.bad.stack, dry_run=True))
        analyzer.configure(
            messages.ConfigureAnalyzerRequest(policyConfig={f"{pack}-configuration": _given(pack, case)})
        )
        for asked in case.bad.resources:
            one = Process.request(asked, case.bad.stack)
            analyzer.analyze(one, partial(decode, one), messages.AnalyzeResponse())
        read |= {rule for readers in analyzer._readers.values() for rule, _ in readers}
    others = _TRIED_ELSEWHERE.get(pack, set()) | (_LEFT_TO_OVERUSE if pack == "licensing" else set())
    assert read - others == {pair.rule for pair in PAIRS.get(pack, [])}


_TWICE = [
    ("naming", "name-collision", VM, changed(VM, {}, "carol")),
    ("naming", "routing-name-unique", ENDPOINT, changed(ENDPOINT, {"metadata>name": "acme-dev-ep-two"}, "two")),
    ("platform", "directpath-device-once", VSPHERE_VM, changed(VSPHERE_VM, {"name": "acme-dev-dlvm-dan"}, "dan")),
    ("platform", "profile-homogeneous", VM_CLASS, changed(VM_CLASS, {"vgpuProfiles": ["grid_a100-20c"]}, "small")),
    ("platform", "single-gpu-operator", RELEASE, changed(RELEASE, {"name": "second"}, "second")),
    ("platform", "pais-singleton", PAIS, changed(PAIS, {}, "second")),
]


@pytest.mark.parametrize(("pack", "rule", "one", "other"), _TWICE)
def test_of_two_that_collide_the_later_one_is_refused(
    packs: dict[str, Process], pack: str, rule: str, one: RequestedResource, other: RequestedResource
) -> None:
    for first, second in ((one, other), (other, one)):
        begin(packs[pack], pack, dry_run=False)
        assert said(packs[pack], rule, first, end=False) == []
        assert [each.level for each in said(packs[pack], rule, second, end=False)] == ["mandatory"]


# Bootstrap Secrets.


def _token(
    process: Process, *asked: RequestedResource, declared: bool | None = None, dry_run: bool = False
) -> list[Diagnostic]:
    name = BOOTSTRAP.properties["metadata"]["name"]
    settings = {} if declared is None else {"existingBootstrapSecrets": {name: {"licenseToken": declared}}}
    begin(process, "licensing", dry_run=dry_run, settings=settings)
    return said(process, "vgpu-license-token", VM_CLASS, *asked)


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_secret_made_elsewhere_counts_as_declared(packs: dict[str, Process], *, dry_run: bool) -> None:
    assert _token(packs["licensing"], VM, declared=True, dry_run=dry_run) == []
    (found,) = _token(packs["licensing"], VM, declared=False, dry_run=dry_run)
    assert "the machine has a vGPU and gets no license token" in found.message


@pytest.mark.parametrize("asked", [(PLAIN_BOOTSTRAP, VM), (VM, PLAIN_BOOTSTRAP)])
def test_what_a_secret_of_the_run_holds_counts_whatever_is_declared(
    packs: dict[str, Process], asked: tuple[RequestedResource, ...]
) -> None:
    (found,) = _token(packs["licensing"], *asked, declared=True)
    assert "the machine has a vGPU and gets no license token" in found.message
    assert found.level == "mandatory"


def test_a_secret_may_be_the_one_while_its_namespace_is_not_known(packs: dict[str, Process]) -> None:
    somewhere = changed(BOOTSTRAP, {"metadata>namespace": UNKNOWN})
    for asked in ((somewhere, VM), (VM, somewhere)):
        found = _token(packs["licensing"], *asked, dry_run=True)
        assert {each.level for each in found} == {"advisory"}
        assert "namespace of Secret acme-dev-dlvm-alice-ovf is not known yet" in found[-1].message


def test_a_secret_is_missing_also_beside_a_class_without_a_name(packs: dict[str, Process]) -> None:
    unnamed = changed(VM_CLASS, {"name": UNKNOWN}, "other")
    assert "mandatory" in {each.level for each in _token(packs["licensing"], unnamed, VM, dry_run=True)}


def test_a_secret_of_another_namespace_is_another_one(packs: dict[str, Process]) -> None:
    elsewhere = changed(BOOTSTRAP, {"metadata>namespace": "acme-dev-ns-other"}, "elsewhere")
    (found,) = _token(packs["licensing"], PLAIN_BOOTSTRAP, elsewhere, VM)
    assert "the machine has a vGPU and gets no license token" in found.message


def test_a_class_that_is_made_otherwise_than_declared_is_refused_for_its_machines(packs: dict[str, Process]) -> None:
    begin(packs["licensing"], "licensing", dry_run=False, settings={"existingClasses": {GPU_CLASS: {}}})
    found = said(packs["licensing"], "vgpu-license-token", PLAIN_BOOTSTRAP, VM, VM_CLASS)
    assert [each.level for each in found] == ["mandatory"]
    assert found[0].message.startswith("acme-dev-dlvm-alice: the machine has a vGPU")


@pytest.mark.parametrize("dry_run", [True, False])
def test_licenses_are_refused_to_the_machines_that_came_last(packs: dict[str, Process], dry_run: bool) -> None:
    # Two machines with half a GPU each share a license.
    carol, dave, erin = (
        changed(VM, {"metadata>name": f"acme-dev-dlvm-{name}"}, name) for name in ("carol", "dave", "erin")
    )
    verdicts = []
    for asked in ((VM_CLASS, VM, carol, dave, erin), (VM, carol, dave, erin, VM_CLASS)):
        if not dry_run and asked[0] is VM:
            # During up nothing waits for a class: a machine before it has been refused.
            continue
        begin(packs["licensing"], "licensing", dry_run=dry_run, settings={"licenses": owning(1)})
        verdicts.append(refusals(said(packs["licensing"], "license-overuse", *asked)))
    assert all(each == verdicts[0] for each in verdicts)
    # A preview tells it once, where it begins; during up whoever comes later is refused as well.
    late = ["acme-dev-dlvm-dave"] if dry_run else ["acme-dev-dlvm-dave", "acme-dev-dlvm-erin"]
    assert sorted(each.split(":")[0] for each in verdicts[0]) == late


def test_machines_of_one_name_count_each(packs: dict[str, Process]) -> None:
    whole = changed(VM_CLASS, {"vgpuProfiles": ["grid_a100-80c"]})
    begin(packs["licensing"], "licensing", settings={"licenses": owning(1)})
    elsewhere = changed(VM, {"metadata>namespace": "acme-dev-ns-other"}, "elsewhere")
    (found,) = said(packs["licensing"], "license-overuse", whole, VM, elsewhere)
    assert "2 GPU licenses of 1" in found.message


def test_an_exemption_lets_a_machine_through_before_its_secret_and_is_shown(packs: dict[str, Process]) -> None:
    exemption = {
        "rule": "vgpu-license-token",
        "resource": "*::alice",
        "reason": "the token is put in by hand",
        "owner": "platform team",
        "expires": FUTURE,
    }
    begin(packs["licensing"], "licensing", dry_run=False, settings={"exemptions": [exemption]})
    (found,) = said(packs["licensing"], "vgpu-license-token", VM_CLASS, VM)
    assert found.level == "advisory"
    assert found.message.startswith(f"exempted until {FUTURE} by platform team")
