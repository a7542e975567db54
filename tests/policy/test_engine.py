"""Whole runs of the real engine with the packs and simulated providers: what is refused does not come to exist."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from policies.shared.pack import VERSION
from tests.policy.cases import CASES
from tests.policy.harness import PACKS, ROOT, Engine, RequestedResource, executable, urn
from tests.policy.resources import (
    BOOTSTRAP,
    CLUSTER,
    CONFIG,
    CONFIG_MAP,
    DATABASE,
    ENDPOINT,
    GONE,
    GPU_CLASS,
    NAMESPACE_,
    PAST,
    PLAIN_BOOTSTRAP,
    SETTINGS,
    TOKEN,
    VM,
    VM_CLASS,
    changed,
)

pytestmark = pytest.mark.skipif(shutil.which("pulumi") is None, reason="no pulumi on PATH; ./paif test has it")
_PAIRS = {"name-collision", "routing-name-unique"}
GOOD = (VM_CLASS, BOOTSTRAP, changed(VM, {}, after=(BOOTSTRAP.name,)), DATABASE, CONFIG_MAP)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    config = {key: value if isinstance(value, str) else json.dumps(value) for key, value in CONFIG.items()}
    engine = Engine(tmp_path, "dev", config, TOKEN)
    engine.prepare()
    for pack in PACKS:
        (tmp_path / f"{pack}.json").write_text(json.dumps({f"{pack}-configuration": SETTINGS[pack]}))
    return engine


def _with(engine: Engine) -> list[str]:
    return [part for pack in PACKS for part in ("--policy-pack-config", str(engine.folder / f"{pack}.json"))]


def _failed(engine: Engine, *arguments: str, **values: str) -> str:
    answer = engine.run(*arguments, "--stack", "dev", *_with(engine), packs=PACKS, check=False, **values)
    assert answer.returncode != 0
    return str(answer.stdout + answer.stderr)


def test_what_is_right_comes_up_and_a_second_run_changes_nothing(engine: Engine) -> None:
    engine.resources(*GOOD)
    engine.run("up", "--yes", "--stack", "dev", *_with(engine), packs=PACKS)
    assert len(engine.created()) == len(GOOD)
    engine.run("up", "--yes", "--stack", "dev", "--expect-no-changes", *_with(engine), packs=PACKS)


@pytest.mark.parametrize("flags", [("--yes",), ("--yes", "--skip-preview")])
def test_a_violation_in_the_configuration_stops_up_before_anything_exists(
    engine: Engine, flags: tuple[str, ...]
) -> None:
    workstations = [{"name": f"w{index}", "class": "vgpu-a100-40c"} for index in range(201)]
    engine.run("config", "set", "--stack", "dev", "paif:workstations", json.dumps(workstations))
    engine.resources(*GOOD)
    said = _failed(engine, "up", *flags)
    assert engine.created() == []
    for part in ("license-overuse", "101 GPU licenses of 100", "workstation w200", "ask for fewer machines"):
        assert part in said


def test_a_violation_that_is_known_at_preview_stops_up_and_nothing_is_created(engine: Engine) -> None:
    engine.resources(*GOOD, changed(VM, {"metadata>labels>paif.dev/persona": "app-developer"}, "carol"))
    said = _failed(engine, "up", "--yes")
    assert engine.created() == []
    for part in ("dlvm-persona", "VirtualMachine: carol", "'app-developer'", "give the person an endpoint's address"):
        assert part in said


def test_with_skip_preview_the_offending_resource_is_not_created(engine: Engine) -> None:
    bad = changed(VM, {"metadata>labels>paif.dev/persona": "app-developer"}, "carol")
    engine.resources(bad)
    said = _failed(engine, "up", "--yes", "--skip-preview")
    assert engine.created() == []
    assert "dlvm-persona" in said


def test_a_license_violation_that_only_up_can_see_is_undecided_at_preview_and_refused_at_up(engine: Engine) -> None:
    late = changed(VM, {"spec>className": {"$late": GPU_CLASS}}, after=(PLAIN_BOOTSTRAP.name,))
    engine.resources(PLAIN_BOOTSTRAP, late)
    preview = engine.run("preview", "--stack", "dev", *_with(engine), packs=PACKS)
    lines = preview.stdout.splitlines()
    place = next(index for index, line in enumerate(lines) if "vgpu-license-token" in line)
    assert "[advisory]" in lines[place]
    assert "undecided: spec.className is not known yet" in lines[place + 1]
    said = _failed(engine, "up", "--yes")
    assert "the machine has a vGPU and gets no license token" in said
    assert not any("VirtualMachine" in each for each in engine.created())
    assert any("Secret" in each for each in engine.created())


def test_a_license_violation_that_only_up_can_see_is_refused_in_whatever_order_it_is_registered(engine: Engine) -> None:
    engine.resources(PLAIN_BOOTSTRAP, changed(VM, {"spec>className": {"$late": GPU_CLASS}}))
    said = _failed(engine, "up", "--yes")
    assert "vgpu-license-token" in said
    assert not any("VirtualMachine" in each for each in engine.created())


@pytest.mark.parametrize("secret", [BOOTSTRAP, PLAIN_BOOTSTRAP], ids=["with-token", "without-token"])
def test_during_up_a_machine_before_its_bootstrap_secret_is_refused(engine: Engine, secret: RequestedResource) -> None:
    engine.resources(VM, changed(secret, {}, after=(VM.name,)))
    said = _failed(engine, "up", "--yes", "--skip-preview")
    assert engine.created() == []
    for part in ("vgpu-license-token", "nothing before it tells content of Secret", "depend on Secret"):
        assert part in said


def test_at_preview_a_secret_that_comes_later_is_held_against_its_machine(engine: Engine) -> None:
    engine.resources(VM, changed(PLAIN_BOOTSTRAP, {}, after=(VM.name,)))
    said = _failed(engine, "up", "--yes")
    assert engine.created() == []
    assert "acme-dev-dlvm-alice: the machine has a vGPU and gets no license token" in said


def test_at_the_end_of_a_preview_a_secret_that_never_came_is_missing(engine: Engine) -> None:
    engine.resources(VM)
    said = _failed(engine, "up", "--yes")
    assert engine.created() == []
    assert "nothing in this run tells content of Secret acme-dev-dlvm-alice-ovf" in said
    assert "existingBootstrapSecrets" in said


def test_no_secret_is_shown_whatever_is_wrong(engine: Engine) -> None:
    secret = "hunter2-Hunter2-hunter2"
    engine.resources(
        changed(BOOTSTRAP, {"stringData": {"password": secret}}),
        changed(CONFIG_MAP, {"data": {"$secret": {"password": secret, "note": f"it is {secret}"}}}),
    )
    said = _failed(engine, "preview")
    assert "no-plain-secrets" in said
    assert secret not in said


def test_labels_are_put_right_in_what_is_created(engine: Engine) -> None:
    unlabeled = changed(VM, {"metadata>labels>paif.dev/owner": GONE}, after=(BOOTSTRAP.name,))
    engine.resources(VM_CLASS, BOOTSTRAP, unlabeled)
    engine.run("up", "--yes", "--stack", "dev", *_with(engine), packs=PACKS)
    state = json.loads(engine.run("stack", "export", "--stack", "dev").stdout)
    machine = next(each for each in state["deployment"]["resources"] if each["type"].endswith(":VirtualMachine"))
    assert machine["inputs"]["metadata"]["labels"]["paif.dev/owner"] == "ai-platform"


def test_an_expired_exemption_of_a_pack_that_puts_labels_right_fails_the_run(engine: Engine) -> None:
    exemption = {
        "rule": "name-pattern",
        "resource": "*::nothing",
        "reason": "agreed with the owner of the rule",
        "owner": "platform team",
        "expires": PAST,
    }
    settings = {"naming-configuration": {**SETTINGS["naming"], "exemptions": [exemption]}}
    (engine.folder / "naming.json").write_text(json.dumps(settings))
    engine.resources(*GOOD)
    said = _failed(engine, "up", "--yes")
    assert engine.created() == []
    for part in ("naming-exemptions", f"from name-pattern has expired on {PAST}", "remove the exemption, or renew it"):
        assert part in said


def test_a_wrong_setting_is_one_readable_message(engine: Engine) -> None:
    settings = {"licensing-configuration": {"licenses": {"nvaie": {"owned": [{"gpus": 1, "ends": "never"}]}}}}
    (engine.folder / "licensing.json").write_text(json.dumps(settings))
    engine.resources(*GOOD)
    said = _failed(engine, "preview")
    assert "licensing-configuration: licenses.nvaie.owned.0.ends" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("main", ["", "program"])
def test_settings_beside_the_program_are_found_by_project_and_stack(engine: Engine, main: str) -> None:
    if main:
        # The engine starts packs in the program's folder, which is below the project's.
        (engine.folder / main).mkdir()
        (engine.folder / "__main__.py").rename(engine.folder / main / "__main__.py")
        project = engine.folder / "Pulumi.yaml"
        project.write_text(f"main: {main}\n{project.read_text()}")
    engine.run("stack", "init", "team")
    engine.resources(changed(NAMESPACE_, {"name": "ai-1"}))
    if main:
        (engine.folder / "resources.json").rename(engine.folder / main / "resources.json")
    file = engine.folder / "paif-policies" / "paif" / "team.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("kind: sandbox\nnaming:\n  patterns: {namespace: 'ai-(?P<name>[0-9]+)'}\n")
    engine.run("preview", "--stack", "team", packs=("naming",))
    file.write_text("kind: sandbox\nnaming:\n  patterns: {namespace: 'ai-(?P<name>[a-z]+)'}\n")
    refused = engine.run("preview", "--stack", "team", packs=("naming",), check=False)
    assert "name-pattern" in refused.stdout
    file.write_text("kind: sandbx\n")
    wrong = engine.run("preview", "--stack", "team", packs=("naming",), check=False)
    assert wrong.returncode
    said = wrong.stdout + wrong.stderr
    assert "paif-policies/paif/team.yaml:1:7: kind: expected one of" in said
    assert "did you mean 'sandbox'?" in said


def test_a_crash_in_a_rule_fails_the_run_under_its_name(engine: Engine) -> None:
    engine.resources(CONFIG_MAP)
    pack = ROOT / "tests" / "policy" / "crashing" / "pulumi-analyzer-crashing"
    answer = engine.run("preview", "--stack", "dev", "--policy-pack", str(pack), check=False)
    assert answer.returncode != 0
    assert "crasher" in answer.stdout
    assert "ZeroDivisionError" in answer.stdout
    assert "Traceback" not in answer.stdout + answer.stderr


def test_all_packs_in_one_process_refuse_under_their_own_names(engine: Engine) -> None:
    settings = engine.folder / "all.json"
    settings.write_text(json.dumps({f"{pack}-configuration": SETTINGS[pack] for pack in PACKS}))
    engine.resources(*GOOD, changed(VM, {"metadata>labels>paif.dev/persona": "app-developer"}, "carol"))
    arguments = ("up", "--yes", "--stack", "dev", "--policy-pack-config", str(settings))
    answer = engine.run(*arguments, packs=("all",), check=False)
    assert answer.returncode != 0
    assert f"platform@v{VERSION}" in answer.stdout
    assert "dlvm-persona" in answer.stdout
    assert engine.created() == []


# pulumi policy analyze.


def _state(*asked: RequestedResource) -> dict[str, Any]:
    """A state as `pulumi stack export` writes it. Secrets are in the clear: there is no secrets provider."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return plain(value["$secret"]) if set(value) == {"$secret"} else {k: plain(v) for k, v in value.items()}
        return [plain(each) for each in value] if isinstance(value, list) else value

    resources = [{"urn": urn("pulumi:pulumi:Stack", "paif-dev"), "type": "pulumi:pulumi:Stack", "custom": False}]
    resources += [
        {
            "urn": urn(each.type, each.name),
            "type": each.type,
            "custom": True,
            "id": each.name,
            "inputs": plain(each.properties),
            "outputs": plain(each.properties),
            "protect": each.protect,
        }
        for each in asked
    ]
    return {"version": 3, "deployment": {"manifest": {"time": "2026-01-01T00:00:00Z"}, "resources": resources}}


def _analyze(engine: Engine, *source: str) -> set[tuple[str, str, str]]:
    """(rule, level, resource) of what `pulumi policy analyze` finds."""
    return _events(engine.run("policy", "analyze", *source, "--json", *_with(engine), packs=PACKS, check=False).stdout)


def _events(text: str) -> set[tuple[str, str, str]]:
    events = [json.loads(line).get("policyEvent") for line in text.splitlines()]
    return {
        (each["policyName"], each["enforcementLevel"], each["resourceUrn"].rsplit("::", 1)[1])
        for each in events
        if each
    }


def _preview(engine: Engine) -> set[tuple[str, str, str]]:
    streaming = {"PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true"}
    arguments = ("preview", "--stack", "dev", "--json", *_with(engine))
    return _events(engine.run(*arguments, packs=PACKS, check=False, **streaming).stdout)


def test_analyze_of_an_exported_state_gives_the_verdicts_of_the_run(engine: Engine) -> None:
    bad = (
        changed(CLUSTER, {"spec>topology>controlPlane>replicas": 4}, "even"),
        changed(CLUSTER, {"spec>clusterNetwork>pods>cidrBlocks>0": "10.100.0.0/16"}, "overlap"),
        changed(ENDPOINT, {"spec>engine": "Infinity"}, "engine"),
        changed(ENDPOINT, {"spec>routingName": "meta/llama-3.1-8b-instruct"}, "routed"),
        # Under a name of its own: which of two of one name gives a machine its edition is a matter of order.
        changed(VM_CLASS, {"name": "acme-dev-class-vgpu-a100-40q", "vgpuProfiles": ["grid_a100-40q"]}, "series"),
        changed(VM, {"metadata>labels>paif.dev/persona": "app-developer"}, "carol", after=(BOOTSTRAP.name,)),
        changed(CONFIG_MAP, {"data": {"key": "nvapi-0123456789abcdef"}}, "key"),
    )
    engine.resources(*GOOD, *bad)
    during = _preview(engine)
    assert {"control-plane-odd", "network-overlap", "endpoint-engine", "profile-edition", "dlvm-persona"} <= {
        rule for rule, _, _ in during
    }
    # Without packs it does come to exist, and is found afterwards.
    engine.run("up", "--yes", "--stack", "dev")
    exported = engine.folder / "state.json"
    exported.write_text(engine.run("stack", "export", "--stack", "dev").stdout, encoding="utf-8")
    for found in (_analyze(engine, "--stack", "dev"), _analyze(engine, "--file", str(exported))):
        assert {each[:2] for each in found} == {each[:2] for each in during}
        # Of two that collide it is the later one that is refused, and registration has no fixed order.
        assert {each for each in found if each[0] not in _PAIRS} == {each for each in during if each[0] not in _PAIRS}


@pytest.mark.parametrize("pack", PACKS)
def test_analyze_of_a_state_finds_what_each_rule_finds(engine: Engine, pack: str) -> None:
    cases = [
        case
        for case in CASES[pack]
        if len(case.bad.resources) == 1 and case.unknown and not (case.bad.settings or case.bad.config)
    ]
    renamed = [changed(case.bad.resources[0], {}, case.rule) for case in cases]
    file = engine.folder / "state.json"
    file.write_text(json.dumps(_state(*renamed)), encoding="utf-8")
    found = {(rule, name) for rule, _, name in _analyze(engine, "--file", str(file))}
    assert {(case.rule, case.rule) for case in cases} <= found


def test_executables_are_executable() -> None:
    for pack in PACKS:
        assert executable(pack).stat().st_mode & 0o111
