"""The look before anything is made: every wrong value at its place with what there is instead, all at once."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pulumi
import pytest

import paif_catalog as catalog
from stacks import existence, platform_checks
from stacks.connections import Helm
from stacks.phases import PHASES
from stacks.preflight import _Preflight
from stacks.problems import Problem, read_problems
from stacks.program import build
from stacks.run_options import RunOptions
from tests.unit.pulumi_paif.harness import Declared, declare
from tests.unit.stacks.samples import GONE, environment
from tests.unit.stacks.site import (
    ANSWERS,
    MODEL,
    OFFER,
    PLATFORM,
    PRINCIPAL,
    RELEASE,
    STANDING,
    inventory,
    platform,
)
from tests.unit.stacks.test_program import CONNECTIONS

_GROUP = {"subject": "mlops", "domain": "lab.test", "role": "EDIT"}
_OWN = {**OFFER, "namespace": "acme-dev-ns-ai"}
_MINE = {**STANDING, "name": "acme-dev-pg-vectors"}


def _declared(
    changes: dict[str, Any], answers: dict[str, Any], until: str = "", problems_file: Path | None = None
) -> Declared:
    env = environment(changes)
    return declare(lambda: build(env, CONNECTIONS, RunOptions(until=until, problems_file=problems_file)), answers)


@pytest.fixture
def found(tmp_path: Path) -> Any:
    """Runs the program; the problems it finds, by their place. No resource may come to be where there are some."""

    def run(changes: dict[str, Any], answers: dict[str, Any], until: str = "") -> dict[Any, Problem]:
        file = tmp_path / "problems.json"
        file.unlink(missing_ok=True)
        try:
            _declared(changes, answers, until, file)
        except pulumi.RunError as error:
            assert "nothing was created" in str(error)  # noqa: PT017 - the other way is right as well
        return dict(read_problems(file))

    return run


def _answers(**changes: Any) -> dict[str, Any]:
    return {**ANSWERS, **{f"vcf:index:{function}": answer for function, answer in changes.items()}}


def _release(version: str = RELEASE, against: str = "", *systems: str) -> dict[str, Any]:
    images = [{"os": each, "version": "1", "library": "cl-1"} for each in systems or ("ubuntu",)]
    return {"name": version.replace("+", "---"), "version": version, "against": against, "images": images}


def _models(**answer: Any) -> dict[str, Any]:
    return _answers(getModels={"answers": [{**MODEL, **answer}, MODEL]})


_WITHOUT = [key for key in catalog.baseline().dlvm_properties.properties if key not in ("vgpu-license", "public-keys")]
_CASES: list[tuple[str, dict[str, Any], dict[str, Any], tuple[Any, ...], str, str]] = [
    (
        "group",
        {"namespace.accessList": [_GROUP]},
        _answers(getPrincipals={"answers": [{**PRINCIPAL, "found": False, "known": ["mlops-team", "admins"]}]}),
        ("namespace", "accessList", 0, "subject"),
        "a group that domain lab.test has: admins, mlops-team",
        "mlops-team",
    ),
    (
        "domain",
        {"namespace.accessList": [_GROUP]},
        _answers(getPrincipals={"answers": [{**PRINCIPAL, "found": False, "domains": ["lab.tests", "vsphere.local"]}]}),
        ("namespace", "accessList", 0, "domain"),
        "an SSO domain that vCenter has: lab.tests, vsphere.local",
        "lab.tests",
    ),
    (
        "identity provider",
        {"namespace.accessList": [{**_GROUP, "identityProvider": "other"}]},
        _answers(getPrincipals={"answers": [{**PRINCIPAL, "found": False, "known": ["one"]}]}),
        ("namespace", "accessList", 0, "identityProvider"),
        "the id of an identity provider of the Supervisor: one",
        "",
    ),
    (
        "OVF properties",
        {},
        _answers(getImageProperties={"known": True, "properties": _WITHOUT, "unanswered": ""}),
        ("content", "dlvmImage"),
        "the OVF properties vgpu-license,",
        "",
    ),
    (
        "model tag",
        {},
        _models(status="missing", tags=["v2", "v10"]),
        ("modelEndpoints", 0, "model", "reference"),
        "what the gallery has of models/meta/llama: v10, v2",
        "v10",
    ),
    (
        "model",
        {},
        _models(status="missing", repositories=["models/meta/llama-3"]),
        ("modelEndpoints", 0, "model", "repository"),
        "a model in the gallery, which has: models/meta/llama-3. MLOps push it",
        "models/meta/llama-3",
    ),
    (
        "gallery's project",
        {},
        _models(status="denied", reason="robot may not pull"),
        ("modelEndpoints", 0, "model", "repository"),
        "a model that can be pulled: robot may not pull",
        "",
    ),
    (
        "chart version",
        {"clusters.0.gpuOperator": {"version": "v24.9.9"}},
        ANSWERS,
        ("clusters", 0, "gpuOperator", "version"),
        "a version of chart gpu-operator that http://127.0.0.1:4/charts has: v24.6.2, v24.9.0",
        "v24.9.0",
    ),
    (
        "chart repository",
        {},
        _answers(getCharts={"answers": [{"status": "missing", "versions": [], "reason": "no index.yaml"}]}),
        ("chartRepository",),
        "a Helm repository with chart gpu-operator that answers here: no index.yaml",
        "",
    ),
    (
        "chart",
        {},
        _answers(getCharts={"answers": [{"status": "found", "versions": [], "reason": ""}]}),
        ("chartRepository",),
        "it has no chart gpu-operator",
        "",
    ),
    (
        "release",
        {"clusters.0.release": "v1.32.7+vmware.1-fips-vkr.1"},
        ANSWERS,
        ("clusters", 0, "release"),
        f"a Kubernetes release that the Supervisor has: {RELEASE}",
        RELEASE,
    ),
    (
        "release that is not compatible",
        {},
        platform(offered=[_release(against="Compatible is False: too old")]),
        ("clusters", 0, "release"),
        "a Kubernetes release that can be used (Compatible is False: too old); there are: none",
        "",
    ),
    (
        "OS image that has not come",
        {},
        platform(offered=[_release(RELEASE, "", "photon"), _release("v1.31.4+vmware.1-fips-vkr.1")]),
        ("clusters", 0, "release"),
        "whose OS image for ubuntu has come to the Supervisor",
        "",
    ),
    (
        "version of Ubuntu",
        {"clusters.0.osVersion": "24.04"},
        ANSWERS,
        ("clusters", 0, "osVersion"),
        f"a version of Ubuntu of which {RELEASE} has an image here: 22.04",
        "",
    ),
    (
        "infrastructure policy",
        {"database.infrastructurePolicy": "pai-infro"},
        ANSWERS,
        ("database", "infrastructurePolicy"),
        "an infrastructure policy that DSM allows in a namespace of this Supervisor: pai-infra, pai-small; where it is "
        "to allow more in this one, `./paif up dev --until foundation` first",
        "pai-infra",
    ),
    (
        "database version",
        {"database.version": "16.9+vmware.v9.0.1.0"},
        platform(allowed=[_OWN]),
        ("database", "version"),
        "a version of PostgreSQL that DSM allows in this namespace: 15.12+vmware.v9.0.1.0, 16.8+vmware.v9.0.1.0",
        "16.8+vmware.v9.0.1.0",
    ),
    (
        "backup location",
        {"database.backup": {"location": "s3"}},
        ANSWERS,
        ("database", "backup", "location"),
        "a backup location that DSM allows in a namespace of this Supervisor: s3-default;",
        "",
    ),
    (
        "storage space",
        {"database.storageGib": 4096},
        ANSWERS,
        ("database", "storageGib"),
        "at most 2048, which DSM allows",
        "",
    ),
    (
        "replicas",
        {"database.highAvailability": True},
        platform(allowed=[{**OFFER, "replicas": [0]}]),
        ("database", "highAvailability"),
        "a number of replicas that DSM allows in a namespace of this Supervisor: 0; this asks for 1",
        "",
    ),
    (
        "DSM class",
        {"database.class": "best-effort-small"},
        ANSWERS,
        ("database", "class"),
        "a class that infrastructure policy pai-infra allows: best-effort-large",
        "best-effort-large",
    ),
    (
        "DSM storage policy",
        {
            "namespace.storage": [{"policy": "pai-gold"}, {"policy": "pai-silver"}],
            "database.storagePolicy": "pai-silver",
        },
        ANSWERS,
        ("database", "storagePolicy"),
        "a storage policy that infrastructure policy pai-infra allows: pai-gold",
        "",
    ),
    (
        "existing database",
        {"database": {"existing": "pg-shard"}},
        platform(standing=[{**STANDING, "name": "pg-shared"}]),
        ("database", "existing"),
        "a PostgresCluster that namespace acme-dev-ns-ai has: pg-shared",
        "pg-shared",
    ),
    (
        "API of DSM",
        {},
        platform(served=[each for each in PLATFORM["served"] if "databases" not in each]),
        ("database",),
        "a Supervisor that serves databases.dataservices.vmware.com/v1alpha1 (is DSM installed there?)",
        "",
    ),
    (
        "version of an API",
        {},
        platform(served=[*PLATFORM["served"][1:], "cluster.x-k8s.io/v1beta2"]),
        ("clusters",),
        "a Supervisor that serves cluster.x-k8s.io/v1beta1 (it serves cluster.x-k8s.io/v1beta2)",
        "",
    ),
]


@pytest.mark.parametrize(
    ("changes", "answers", "path", "says", "near"), [c[1:] for c in _CASES], ids=[c[0] for c in _CASES]
)
def test_what_the_site_does_not_have_is_told_at_its_place_with_what_there_is(
    found: Any, changes: dict[str, Any], answers: dict[str, Any], path: tuple[Any, ...], says: str, near: str
) -> None:
    problems = found(changes, answers)
    assert list(problems) == [path]
    assert says in problems[path].expected
    assert problems[path].nearest == near


def test_everything_wrong_is_told_at_once(found: Any) -> None:
    changes = {
        "namespace.accessList": [_GROUP],
        "database": {"infrastructurePolicy": "x", "version": "9", "backup": {"location": "x"}},
        "clusters.0.release": "v1.32.7+vmware.1",
        "clusters.0.gpuOperator": {"version": "v1.0.0"},
    }
    answers = _models(status="missing", tags=["v2"]) | {
        "vcf:index:getPrincipals": {"answers": [{**PRINCIPAL, "found": False, "known": ["admins"]}]},
        "vcf:index:getImageProperties": {"known": True, "properties": [], "unanswered": ""},
    }
    assert len(found(changes, answers)) == 8


def test_a_phase_that_is_not_wanted_is_asked_nothing_of(found: Any) -> None:
    wrong = {"database.infrastructurePolicy": "x", "clusters.0.release": "v1.32.7+vmware.1"}
    assert found(wrong, _models(status="missing"), "foundation") == {}
    assert set(found(wrong, _models(status="missing"), "data")) == {("database", "infrastructurePolicy")}
    calls = dict(_declared({}, ANSWERS, "foundation").calls)
    asked = calls["vcf:index:getPlatform"]
    assert [asked[what] for what in ("releases", "offers", "databases", "machines")] == [False] * 4
    assert not calls.keys() & {"vcf:index:getModels", "vcf:index:getCharts"}


# What is there already

_SPELLED = ["v1.32.0+vmware.6-fips", "v1.32.0+vmware.6-fips-vkr.2", "v1.32.0---vmware.6-fips-vkr.2"]


@pytest.mark.parametrize("stored", _SPELLED)
def test_a_release_that_a_cluster_has_already_may_have_left_the_site(found: Any, stored: str) -> None:
    there = [{"name": "acme-dev-vks-gpu", "release": stored}]
    assert found({}, platform(offered=[], clusters=there)) == {}
    other = [{"name": "acme-dev-vks-gpu", "release": "v1.31.4+vmware.1-fips"}]
    assert set(found({}, platform(offered=[], clusters=other))) == {("clusters", 0, "release")}


def test_what_a_database_has_already_may_have_left_the_site(found: Any) -> None:
    nothing = {**_OWN, "infrastructurePolicies": [{**OFFER["infrastructurePolicies"][1]}], "versions": ["17"]}
    assert found({}, platform(allowed=[nothing], standing=[_MINE])) == {}
    changed = found({"database.version": "16.9"}, platform(allowed=[nothing], standing=[_MINE]))
    assert set(changed) == {("database", "version")}


def test_another_infrastructure_policy_must_allow_what_the_database_has(found: Any) -> None:
    answers = platform(allowed=[_OWN], standing=[_MINE])
    assert set(found({"database.infrastructurePolicy": "pai-small"}, answers)) == {
        ("database", "class"),
        ("database", "storagePolicy"),
    }


def test_a_machine_that_is_there_is_not_asked_what_its_image_declares(found: Any) -> None:
    declares = {"vcf:index:getImageProperties": {"known": True, "properties": ["hostname"], "unanswered": ""}}
    there = [f"acme-dev-dlvm-{name}" for name in ("alice", "bob")]
    assert found({}, platform(virtualMachines=there) | declares) == {}
    assert set(found({}, platform(virtualMachines=there[:1]) | declares)) == {("content", "dlvmImage")}


def test_what_the_namespace_may_not_use_yet_is_no_mistake_of_the_policy(found: Any) -> None:
    changes: dict[str, Any] = {
        "namespace.storage": [{"policy": "pai-gold"}, {"policy": "pai-bronze"}],
        "database.storagePolicy": "pai-bronze",
        "database.class": "guaranteed-large",
    }
    assert found(changes, platform(allowed=[_OWN])) == {}


def test_releases_of_a_library_that_is_made_here_are_not_asked_for(found: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/somewhere/ca.pem")
    made = {"contentLibraries": [{"name": "kubernetes", "datacenter": "dc", "datastore": "ds"}]}
    asked: list[Any] = []

    def answer(arguments: dict[str, Any]) -> dict[str, Any]:
        asked.append(arguments)
        return {**PLATFORM, "offered": []}

    assert found(made, _answers(getPlatform=answer)) == {}
    assert asked[0]["releases"] is False


# What cannot be looked up


def _told(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        (
            platform(unanswered=[{"what": "releases", "reason": "no right"}], offered=[]),
            "Kubernetes releases (no right)",
        ),
        (
            platform(unanswered=[{"what": "images", "reason": "no right"}], offered=[_release(RELEASE, "", "photon")]),
            "OS images of the Kubernetes release (no right)",
        ),
        (
            platform(
                unanswered=[{"what": each, "reason": "down"} for each in ("apis", "releases", "offers")],
                offered=[],
                served=[],
                allowed=[],
            ),
            "which APIs the Supervisor serves, Kubernetes releases, what DSM allows for the database (down)",
        ),
        (platform(allowed=[]), "`./paif up dev --until foundation` makes the namespace"),
        (
            _answers(getImageProperties={"known": False, "properties": [], "unanswered": "no right"}),
            "OVF properties of image dlvm-9.0.1-simulated (no right)",
        ),
        (_models(status="", reason="gallery is down"), "models (gallery is down)"),
    ],
    ids=["releases", "images", "everything", "no binding", "properties", "models"],
)
def test_what_cannot_be_looked_up_stops_nothing_and_is_told(
    answers: dict[str, Any], says: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert _declared({}, answers).types()
    assert says in _told(caplog)


def test_a_principal_that_cannot_be_looked_up_is_told(caplog: pytest.LogCaptureFixture) -> None:
    unknown = {**PRINCIPAL, "unanswered": "no right"}
    _declared({"namespace.accessList": [_GROUP]}, _answers(getPrincipals={"answers": [unknown]}))
    assert "users and groups of the access list (no right)" in _told(caplog)


_DOWN = {"vcf:index:getCharts": {"answers": [{"status": "", "versions": [], "reason": "no route"}]}}


def test_a_chart_repository_that_does_not_answer_is_a_mistake_where_a_cluster_is_to_come(found: Any) -> None:
    assert set(found({}, {**ANSWERS, **_DOWN})) == {("chartRepository",)}


def test_a_chart_repository_that_does_not_answer_is_told_where_the_cluster_is_there(
    caplog: pytest.LogCaptureFixture,
) -> None:
    there = [{"name": "acme-dev-vks-gpu", "release": RELEASE}]
    _declared({}, platform(clusters=there) | _DOWN)
    assert "the chart of the GPU Operator (no route)" in _told(caplog)


def test_what_is_not_changed_is_not_missed_by_who_may_not_look_it_up(caplog: pytest.LogCaptureFixture) -> None:
    unanswered = [{"what": each, "reason": "no right"} for each in ("releases", "images", "offers")]
    there = [{"name": "acme-dev-vks-gpu", "release": RELEASE}]
    nothing = platform(unanswered=unanswered, offered=[], allowed=[], clusters=there, standing=[_MINE])
    _declared({}, nothing)
    assert _told(caplog) == ""


def test_what_is_changed_is_missed_by_who_may_not_look_it_up(caplog: pytest.LogCaptureFixture) -> None:
    unanswered = [{"what": each, "reason": "no right"} for each in ("releases", "offers")]
    there = [{"name": "acme-dev-vks-gpu", "release": "v1.31.4+vmware.1-fips"}]
    answers = platform(unanswered=unanswered, offered=[], allowed=[], clusters=there, standing=[_MINE])
    _declared({"database.version": "16.9"}, answers)
    assert "Kubernetes releases, what DSM allows for the database (no right)" in _told(caplog)


def test_nothing_is_said_of_a_site_that_is_right(caplog: pytest.LogCaptureFixture) -> None:
    _declared({"namespace.accessList": [_GROUP]}, ANSWERS)
    assert _told(caplog) == ""


# Spellings


@pytest.mark.parametrize("given", ["v1.32", "v1.32.0", *_SPELLED])
def test_a_release_is_known_by_each_of_its_spellings(found: Any, given: str) -> None:
    assert found({"clusters.0.release": given}, ANSWERS) == {}


def test_a_build_with_fips_is_another_release_than_one_without(found: Any) -> None:
    assert set(found({"clusters.0.release": "v1.32.0+vmware.6"}, ANSWERS)) == {("clusters", 0, "release")}


@pytest.mark.parametrize(
    ("item", "held"),
    [
        ("ubuntu-2204-amd64-v1.32.0---vmware.6-fips-vkr.2", True),
        ("ob-1-ubuntu-2204-amd64-vmi-k8s-v1.32.0---vmware.6-fips", True),
        ("ubuntu-2204-amd64-v1.32.0---vmware.60-fips-vkr.2", False),
        ("ubuntu-2204-amd64-v1.32.0---vmware.6-vkr.2", False),
    ],
)
def test_a_release_that_only_the_library_has_yet_is_no_mistake(
    item: str, held: bool, found: Any, caplog: pytest.LogCaptureFixture
) -> None:
    answers = platform(offered=[])
    library: dict[str, Any] = answers["vcf:index:getContentLibrary"]
    items = [*library["items"], {"id": "r", "name": item, "type": "ovf"}]
    answers["vcf:index:getContentLibrary"] = {**library, "items": items}
    assert set(found({}, answers)) == (set() if held else {("clusters", 0, "release")})
    assert ("Kubernetes release" in _told(caplog)) is held


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {
            "workstations.0.publicKey": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB0kq0pTlhEr7pDPE3TlBxoHMW0kWZ1qN9nHLY4mGVEh"  # noqa: E501
        },
        {"workstations.0.proxy": {"https": "http://proxy.test:3128", "noProxy": ["lab.test"]}},
        {
            "gpu": {"mode": "directpath", "model": "L40S"},
            "vmClasses": [{"name": "a100-20c", "cpuCount": 8, "memoryGib": 64, "gpus": 1}],
            "modelEndpoints": [],
            "clusters": [],
            "licenseToken": GONE,
            "ngcApiKey": GONE,
        },
    ],
    ids=["vGPU", "public key", "proxy", "DirectPath"],
)
def test_the_properties_that_are_looked_for_are_those_that_a_machine_gets(changes: dict[str, Any]) -> None:
    env = environment(changes)
    gpus = inventory(8, profiles=[], deviceId="26b9", passthroughActive=True) if changes.get("gpu") else inventory()
    declared = declare(
        lambda: build(env, CONNECTIONS, RunOptions(until="workstations")), _answers(getGpuInventory=gpus)
    )
    secret = declared.one("kubernetes:core/v1:Secret", "acme-dev-dlvm-alice-bootstrap")
    assert set(secret.inputs["data"]) == platform_checks.property_keys(env, env.workstations[0])


def test_a_private_chart_repository_is_asked_with_its_login() -> None:
    private = {"repository": "https://charts.test", "username": "u", "password": "of-u", "ca": "PEM"}
    ends = CONNECTIONS.model_copy(update={"helm": Helm.model_validate(private)})
    look = _Preflight(environment({}), ends, frozenset(PHASES))
    asked = look._lookups(existence.names(look.env))["charts"].arguments
    chart = {"repository": "https://charts.test", "chart": "gpu-operator"}
    assert asked == {"charts": [{**chart, "username": "u", "password": "of-u", "caBundle": "PEM"}]}
