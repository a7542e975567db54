"""What the adapter does whatever the rule: secrets, crashes, configuration, levels, remediation, languages hosts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest

from tests.policy.harness import PACKS, ROOT, SIGNATURE, UNKNOWN, Process, started
from tests.policy.resources import (
    BOOTSTRAP,
    CLUSTER,
    CONFIG,
    CONFIG_MAP,
    DATABASE,
    DRS,
    ENDPOINT,
    FUTURE,
    GONE,
    JWT,
    LICENSE,
    NAMESPACE_,
    RELEASE,
    SETTINGS,
    SNAPSHOT,
    STACK,
    VM,
    VM_CLASS,
    VSPHERE_VM,
    changed,
    owning,
)

HERE = Path(__file__).resolve().parent


def begin(process: Process, pack: str, **options: Any) -> Any:
    settings = {**SETTINGS[pack], **options.pop("settings", {})}
    return process.start(pack=pack, settings=settings, config={**CONFIG, **options.pop("config", {})}, **options)


# Secrets.


@pytest.mark.parametrize(
    "secret",
    ["hunter2-hunter2", "nvapi-abcdefgh12345678", "eyJhbGciOiJub25lIn0.eyJleHAiOjF9.c2lnbmF0dXJl"],
)
def test_a_secret_value_is_never_shown(packs: dict[str, Process], secret: str) -> None:
    for pack in PACKS:
        begin(packs[pack], pack, secrets={"licenseToken": secret})
        named = changed(VM, {"metadata>name": secret, "metadata>labels>paif.dev/owner": secret})
        for asked in (
            STACK,
            changed(BOOTSTRAP, {"stringData": {"password": secret}}),
            changed(CONFIG_MAP, {"data": {"token": secret, "other": f"url https://me:{secret}@host/"}}),
            named,
        ):
            assert secret not in "".join(each.message for each in packs[pack].analyze(asked))


@pytest.mark.parametrize("secret", ["hunter2-hunter2", "hunter2\nhunter2", "eyJhbGciOiJub25lIn0.eyJleHAiOjF9.c2ln"])
def test_nothing_is_left_of_a_secret_that_a_long_value_is_cut_in(packs: dict[str, Process], secret: str) -> None:
    begin(packs["naming"], "naming", secrets={"licenseToken": secret})
    for length in (60, 70, 75):
        asked = changed(VM, {"metadata>labels>paif.dev/owner": "-" * length + secret + "!" * 40})
        (found,) = [each for each in packs["naming"].analyze(asked) if each.rule == "label-syntax"]
        assert f"'{'-' * length}" in found.message
        assert secret[:7] not in found.message


@pytest.mark.parametrize("user", ["me:hunter2-hunter2", "me:hunter2@hunter2", "hunter2"])
def test_who_logs_in_by_an_address_is_not_shown(packs: dict[str, Process], user: str) -> None:
    begin(packs["platform"], "platform")
    asked = changed(RELEASE, {"repositoryOpts>repo": f"https://{user}@charts.example.net/x"})
    (found,) = [each for each in packs["platform"].analyze(asked) if each.rule == "chart-source"]
    assert "host charts.example.net is not trusted" in found.message
    assert "https://[secret]@charts.example.net/x" in found.message
    assert "hunter2" not in found.message


def test_a_resource_called_like_a_secret_hides_nothing_of_what_is_told_of_it(packs: dict[str, Process]) -> None:
    begin(packs["platform"], "platform")
    asked = changed(ENDPOINT, {"metadata>name": "my-token", "spec>engine": UNKNOWN})
    (found,) = [each for each in packs["platform"].analyze(asked) if each.rule == "endpoint-engine"]
    assert found.message.startswith("my-token: undecided: spec.engine is not known yet")


def test_a_trusted_host_stays_trusted_whoever_logs_in(packs: dict[str, Process]) -> None:
    begin(packs["platform"], "platform", settings={"trustedRegistries": ["charts.example.net:8443"]})
    asked = changed(RELEASE, {"repositoryOpts>repo": "https://me:hunter2-hunter2@Charts.example.net:8443/x"})
    assert "chart-source" not in {each.rule for each in packs["platform"].analyze(asked)}


def test_a_value_marked_secret_is_hidden_where_the_rule_shows_it(packs: dict[str, Process]) -> None:
    begin(packs["naming"], "naming")
    asked = changed(VM, {"metadata>labels>paif.dev/owner": {"$secret": "not a label!"}})
    found = [each for each in packs["naming"].analyze(asked) if each.rule == "label-syntax"]
    assert "[secret]" in found[0].message
    assert "not a label!" not in found[0].message


def test_a_secret_passes_when_it_is_marked_and_only_then(packs: dict[str, Process]) -> None:
    begin(packs["platform"], "platform")
    plain = changed(BOOTSTRAP, {"stringData": {"password": "hunter2-hunter2"}})
    assert "no-plain-secrets" not in {each.rule for each in packs["platform"].analyze(BOOTSTRAP)}
    assert "no-plain-secrets" in {each.rule for each in packs["platform"].analyze(plain)}


# Crashes.


def test_a_crash_fails_the_check_under_the_rules_name_without_a_traceback() -> None:
    process = Process([str(HERE / "crashing" / "pulumi-analyzer-crashing"), "127.0.0.1:1"])
    try:
        process.start()
        found = process.analyze(changed(CONFIG_MAP, {"data": {"key": "hunter2-hunter2"}}))
        assert [(each.rule, each.level) for each in found] == [("crasher", "mandatory")]
        assert "ZeroDivisionError at __main__.py" in found[0].message
        assert "Traceback" not in found[0].message
        observed = process.analyze(BOOTSTRAP)
        assert [(each.rule, each.level) for each in observed] == [("crashing-observation", "mandatory")]
    finally:
        process.close()


# Configuration.


def test_wrong_settings_stop_the_run_with_every_problem(packs: dict[str, Process]) -> None:
    licenses = {"nvaie": {"owned": [{"gpus": -1, "term": "gold", "ends": "soon"}]}}
    settings = {"licenses": licenses, "nonsense": 1}
    with pytest.raises(grpc.RpcError) as error:
        begin(packs["licensing"], "licensing", settings=settings)
    text = error.value.details()
    assert "the settings of policy pack licensing are wrong" in text
    for path in (
        "licenses.nvaie.owned[0].gpus",
        "licenses.nvaie.owned[0].term",
        "licenses.nvaie.owned[0].ends",
        "nonsense",
    ):
        assert f"--policy-pack-config: licensing.{path}: " in text


def test_a_rule_that_does_not_exist_is_named_with_the_nearest(packs: dict[str, Process]) -> None:
    with pytest.raises(grpc.RpcError) as error:
        begin(packs["naming"], "naming", settings={"enforcement": {"name-patern": "advisory"}})
    assert "enforcement.name-patern: expected the name of a rule" in error.value.details()
    assert "(did you mean 'name-pattern'?)" in error.value.details()


def test_the_committed_file_of_an_environment_is_used(packs: dict[str, Process]) -> None:
    packs["licensing"].start(pack="licensing", stack="prod", config={"kind": "prod", "target": "lab"})
    found = packs["licensing"].analyze(VM_CLASS, "prod")
    assert "vgpu-entitlement" not in {each.rule for each in found}


@pytest.mark.parametrize("environment", ["dev", "qa", "staging", "prod"])
def test_committed_settings_are_valid(packs: dict[str, Process], environment: str) -> None:
    for pack in PACKS:
        packs[pack].start(pack=pack, stack=environment)


def test_an_environment_that_says_nothing_is_checked_as_production(packs: dict[str, Process]) -> None:
    packs["platform"].start(pack="platform", stack="somewhere")
    assert "protection" in {each.rule for each in packs["platform"].analyze(DATABASE, "somewhere")}


def test_settings_that_take_the_stack_for_another_kind_are_refused(packs: dict[str, Process]) -> None:
    for pack in PACKS:
        for given, refused in (("dev", True), ("prod", False)):
            begin(packs[pack], pack, config={"kind": "prod"}, settings={"kind": given})
            found = [each for each in packs[pack].analyze(STACK) if each.rule == f"{pack}-configuration"]
            assert [each.level for each in found] == ["mandatory"] * refused
            assert all(
                "the settings say kind dev, the stack's configuration says prod" in each.message for each in found
            )
            assert [each for each in packs[pack].analyze(STACK) if each.rule == f"{pack}-configuration"] == []


# Levels.


def test_levels_follow_the_kind_of_environment_and_are_reported_to_the_engine(packs: dict[str, Process]) -> None:
    levels = {}
    for kind in ("dev", "prod"):
        info = begin(packs["licensing"], "licensing", settings={"kind": kind}, config={"kind": kind}, stack=kind)
        levels[kind] = {each.name: each.enforcementLevel for each in info.policies}
    assert levels["dev"]["profile-compute"] != levels["prod"]["profile-compute"]


@pytest.mark.parametrize(
    ("level", "seen"), [("advisory", ["advisory"]), ("mandatory", ["mandatory"]), ("disabled", [])]
)
def test_a_level_of_the_engines_configuration_wins(packs: dict[str, Process], level: str, seen: list[str]) -> None:
    begin(packs["platform"], "platform", levels={"control-plane-odd": level})
    asked = changed(CLUSTER, {"spec>topology>controlPlane>replicas": 4})
    found = [each.level for each in packs["platform"].analyze(asked) if each.rule == "control-plane-odd"]
    assert found == seen


def test_nothing_is_remembered_from_an_earlier_run(packs: dict[str, Process]) -> None:
    second = changed(VM, {}, "second")
    for _ in range(2):
        begin(packs["naming"], "naming")
        assert "name-collision" not in {each.rule for each in packs["naming"].analyze(VM)}
        assert "name-collision" not in {each.rule for each in packs["naming"].analyze(VM)}
        assert "name-collision" in {each.rule for each in packs["naming"].analyze(second)}


def test_names_that_are_the_same_once_cut_collide(packs: dict[str, Process]) -> None:
    begin(packs["naming"], "naming")
    long = "acme-dev-vks-" + "x" * 40
    packs["naming"].analyze(changed(CLUSTER, {"metadata>name": f"{long}-one"}))
    found = packs["naming"].analyze(changed(CLUSTER, {"metadata>name": f"{long}-two"}, "other"))
    assert "same within 42 characters" in "".join(each.message for each in found if each.rule == "name-collision")


def test_collisions_in_the_configuration_are_found_before_anything_exists(packs: dict[str, Process]) -> None:
    begin(packs["naming"], "naming", config={"workstations": [{"name": "alice"}, {"name": "alice"}]})
    assert "name-collision" in {each.rule for each in packs["naming"].analyze(STACK)}


def test_an_exemption_that_nothing_needs_is_reported(packs: dict[str, Process]) -> None:
    exemption = {
        "rule": "tls-issuer",
        "resource": "*::nothing",
        "reason": "left over from last year",
        "owner": "platform team",
        "expires": FUTURE,
    }
    begin(packs["platform"], "platform", settings={"exemptions": [exemption]})
    packs["platform"].analyze(STACK)
    assert ["was not needed" in each.message for each in packs["platform"].analyze_stack()] == [True]


def test_an_overuse_is_shown_as_a_table_of_who_needs_how_many(packs: dict[str, Process]) -> None:
    config = {
        "workstations": [{"name": "alice", "class": "vgpu-a100-40c"}, {"name": "cpu", "class": "best-effort-large"}],
        "modelEndpoints": [{"name": "llama", "class": "vgpu-a100-40c", "replicas": 2}],
        "clusters": [{"name": "gpu", "pools": [{"name": "gpu", "class": "vgpu-a100-40c", "maxReplicas": 6}]}],
    }
    begin(packs["licensing"], "licensing", config=config, settings={"licenses": owning(4)})
    (found,) = [each.message for each in packs["licensing"].analyze(STACK) if each.rule == "license-overuse"]
    # 9 halves of a GPU are 5 GPUs.
    assert "the configuration needs 5 GPU licenses of 4 (NVIDIA AI Enterprise):" in found
    rows = [" ".join(line.split()) for line in found.splitlines() if line.startswith("  ")]
    assert rows == [
        "cluster gpu, pool gpu 6 x grid_a100-40c",
        "endpoint llama 2 x grid_a100-40c",
        "workstation alice 1 x grid_a100-40c",
        "on A100 5 GPU licenses (9 vGPUs, 5 GPUs)",
        "needed 5",
        "owned 4",
        "missing 1",
        "buy 1 more",
    ]


_BOTH = {
    "nvaie": {"owned": [{"gpus": 1, "ends": FUTURE}]},
    "vws": {"owned": [{"concurrentUsers": 100, "ends": FUTURE}]},
}


def test_licenses_of_a_product_serve_machines_of_its_own_series_only(packs: dict[str, Process]) -> None:
    classes = [{"name": "c", "profile": "grid_a100-80c"}, {"name": "q", "profile": "grid_l40s-8q"}]

    def said(machines: dict[str, int]) -> list[str]:
        config = {
            "vmClasses": classes,
            "modelEndpoints": [{"name": f"of-{name}", "class": name, "replicas": n} for name, n in machines.items()],
        }
        begin(packs["licensing"], "licensing", config=config, settings={"licenses": _BOTH})
        return [each.message for each in packs["licensing"].analyze(STACK) if each.rule == "license-overuse"]

    assert said({"c": 1, "q": 100}) == []
    (found,) = said({"c": 50, "q": 2})
    assert "needs 50 GPU licenses of 1 (NVIDIA AI Enterprise):" in found
    assert "of-q" not in found
    assert len(said({"c": 2, "q": 101})) == 2


def test_a_machine_answers_for_the_licenses_of_its_own_product_only(packs: dict[str, Process]) -> None:
    classes = {"c": {"profiles": ["grid_a100-80c"]}, "q": {"profiles": ["grid_l40s-8q"]}}
    begin(packs["licensing"], "licensing", dry_run=False, settings={"licenses": _BOTH, "existingClasses": classes})
    verdicts = []
    for name, vm_class in (("one", "c"), ("two", "c"), ("three", "q")):
        asked = changed(VM, {"metadata>name": name, "spec>className": vm_class}, name)
        verdicts.append("license-overuse" in {each.rule for each in packs["licensing"].analyze(asked)})
    assert verdicts == [False, True, False]


@pytest.mark.parametrize(
    ("target", "said", "counts"),
    [("lab", {}, True), ("vcf", {}, False), (None, {}, False), (None, {"target": "lab"}, True)],
    ids=["lab", "vcf", "not told", "settings"],
)
def test_licenses_that_are_made_up_for_the_lab_count_only_there(
    packs: dict[str, Process], target: str | None, said: dict[str, str], counts: bool
) -> None:
    config = {"target": target} if target else {}
    settings = {"licenses": {"madeUpFor": "lab", **owning(9)}, **said}
    # A stack for which this repository has no settings.
    begin(packs["licensing"], "licensing", stack="team", config=config, settings=settings)
    # Once: the class is the configuration's own.
    asked = (STACK, VM_CLASS)
    found = [
        each.message
        for one in asked
        for each in packs["licensing"].analyze(one, "team")
        if each.rule == "vgpu-entitlement"
    ]
    assert len(found) == (not counts)
    assert all("is made up for the lab and counts only where paif:target is lab" in each for each in found)


def test_a_real_site_whose_settings_say_the_lab_is_refused(packs: dict[str, Process]) -> None:
    begin(packs["licensing"], "licensing", config={"target": "vcf"}, settings={"target": "lab"})
    [told] = [each for each in packs["licensing"].analyze(STACK) if "the settings say target lab" in each.message]
    assert told.level == "mandatory"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"entitlements": [{"edition": "nvaie"}]}, "this stands in policies/config/licenses.yaml now"),
        ({"paifAddOn": {"cores": 1}}, "this is paifAddOn in policies/config/licenses.yaml now"),
        ({"gpuHosts": []}, "this is paifAddOn.hosts in policies/config/licenses.yaml now"),
        ({"minimumCoresPerSocket": 16}, "this is paifAddOn.minimumCoresPerCpu in policies/config/licenses.yaml now"),
        ({"enforcement": {"vgpu-seats": "advisory"}}, "vgpu-seats: expected license-overuse, as it is called now"),
        (
            {"enforcement": {"license-token-wasted": "advisory"}},
            "expected license-token-without-vgpu, as it is called now",
        ),
    ],
)
def test_a_form_of_before_is_told_its_form_of_now(
    packs: dict[str, Process], settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        begin(packs["licensing"], "licensing", settings=settings)
    assert said in str(caught.value)


def test_a_snapshot_is_undecided_while_the_devices_of_a_machine_are(packs: dict[str, Process]) -> None:
    begin(packs["platform"], "platform")
    packs["platform"].analyze(changed(VSPHERE_VM, {"pciDeviceIds": {"$unknown": True}}))
    for asked in (SNAPSHOT, changed(DRS, {"drsAutomationLevel": "fullyAutomated"})):
        found = packs["platform"].analyze(asked)
        assert ["undecided: pciDeviceIds of acme-dev-dlvm-bob" in each.message for each in found] == [True]


@pytest.mark.parametrize("content", [{"$unknown": True}, {"$secret": "[secret]"}])
def test_a_token_is_undecided_while_its_secret_cannot_be_read(packs: dict[str, Process], content: Any) -> None:
    begin(packs["licensing"], "licensing")
    packs["licensing"].analyze(changed(BOOTSTRAP, {"stringData": content}))
    found = [each for each in packs["licensing"].analyze(VM) if each.rule == "vgpu-license-token"]
    assert ["undecided: content of Secret acme-dev-dlvm-alice-ovf" in each.message for each in found] == [True]


# License tokens.

_HEAD, _BODY, _SIGNATURE = JWT.split(".")


def _form(process: Process, token: str, **settings: Any) -> list[str]:
    """What is said of a token: of the stack's, and of one that comes in a resource only."""
    asked = changed(LICENSE, {"data": {"$secret": {"client_configuration_token.tok": token}}})
    begin(process, "licensing", secrets={"licenseToken": token}, settings=settings)
    found = [*process.analyze(STACK)]
    begin(process, "licensing", settings=settings)
    found += process.analyze(asked)
    return [each.message for each in found if each.rule == "license-token-form"]


def test_one_wrong_token_is_one_finding_however_many_resources_have_it(packs: dict[str, Process]) -> None:
    begin(packs["licensing"], "licensing", secrets={"licenseToken": f"{_HEAD}.x.y"})
    same = {"client_configuration_token.tok": f"{_HEAD}.x.y"}
    other = {"client_configuration_token.tok": f"{_HEAD}.x.z"}
    asked = [STACK, *(changed(LICENSE, {"data": {"$secret": each}}) for each in (same, same, other))]
    found = [each for one in asked for each in packs["licensing"].analyze(one) if each.rule == "license-token-form"]
    assert [each.message.partition(":")[0] for each in found] == ["paif-dev", found[-1].message.partition(":")[0]]
    assert [each.level for each in found] == ["mandatory", "mandatory"]


@pytest.mark.parametrize(
    "token",
    [
        "changeme",
        "TODO",
        "x" * 80,
        f"{_HEAD}.{_BODY}",
        f"{_HEAD}.{_BODY}.",
        f"{_HEAD}.{_BODY[:-5]}.{_SIGNATURE}",
        f"{_HEAD[:-3]}.{_BODY}.{_SIGNATURE}",
        f".{_BODY}.{_SIGNATURE}",
        f"{_HEAD}.{_BODY}.{_SIGNATURE}.more",
        f"{_HEAD}.{_BODY}.sig~nature",
    ],
)
def test_a_token_that_is_not_whole_is_refused(packs: dict[str, Process], token: str) -> None:
    found = _form(packs["licensing"], token)
    assert len(found) == 2
    assert all("it is cut, changed or no token" in each for each in found)
    assert token not in "".join(found)


@pytest.mark.parametrize("token", [JWT, f"{JWT}\n"])
def test_a_whole_token_passes(packs: dict[str, Process], token: str) -> None:
    assert _form(packs["licensing"], token) == []


@pytest.mark.parametrize(("token", "refused"), [("simulated", 0), (f"{_HEAD}.x.y", 2), ("a b", 2), ("a\r\n", 2)])
def test_where_another_form_is_allowed_one_readable_line_is_enough(
    packs: dict[str, Process], token: str, refused: int
) -> None:
    assert len(_form(packs["licensing"], token, licenseTokenForm="any")) == refused


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_the_examples_tokens_of_the_lab_are_allowed(packs: dict[str, Process], environment: str) -> None:
    token = f"simulated-client-configuration-token-{environment}"
    packs["licensing"].start(pack="licensing", stack=environment, secrets={"licenseToken": token})
    found = packs["licensing"].analyze(STACK, environment)
    assert "license-token-form" not in {each.rule for each in found}


# Names.

_NAME = "{organization}-{name}-{environment}"


@pytest.mark.parametrize(
    ("stack", "name", "settings", "belongs"),
    [
        ("prod-eu", "acme-prod-eu-ns-ai", {}, ""),
        ("prod-eu", "acme-prod-ns-ai", {}, "prod"),
        ("prod-eu", "acme-prod-us-ns-ai", {}, "prod"),
        ("prod-eu", "acme-dev-prod-eu", {}, "dev"),
        ("dev-2", "acme-dev-2-ns-ai", {}, ""),
        ("dev-2", "acme-qa-2-ns-ai", {}, "qa"),
        ("qa-paris", "acme-qa-paris-ns-prod", {}, ""),
        ("eu-staging", "acme-eu-staging-ns-ai", {}, ""),
        ("eu-staging", "acme-eu-prod-ns-ai", {}, "prod"),
        ("site1", "acme-site1-ns-ai", {}, ""),
        ("site1", "acme-ns-dev-ai", {}, "dev"),
        ("dev", "acme-dev-ns-prod", {}, ""),
        ("dev", "acme-ns-dev-ai", {}, ""),
        ("dev", "prod-team-dev-ns-ai", {"organization": "prod-team"}, ""),
        ("dev", "prod-team-qa-ns-ai", {"organization": "prod-team"}, "qa"),
        ("dev", "acme-prod-models-dev", {"patterns": {"namespace": _NAME}}, ""),
    ],
)
def test_a_name_belongs_to_the_environment_whose_whole_name_it_has(
    packs: dict[str, Process], stack: str, name: str, settings: dict[str, Any], belongs: str
) -> None:
    begin(packs["naming"], "naming", stack=stack, settings=settings)
    asked = changed(NAMESPACE_, {"name": name})
    found = [each for each in packs["naming"].analyze(asked, stack) if each.rule == "name-environment"]
    assert [f"the name belongs to environment {belongs}, the stack is {stack}" in each.message for each in found] == (
        [True] if belongs else []
    )


@pytest.mark.parametrize(
    ("tags", "refused"), [(["a", "b", "c"], True), (["a", "a", "b", "c"], True), (list("abcd"), False)]
)
def test_a_clone_has_a_tag_for_each_label_and_its_persona(
    packs: dict[str, Process], tags: list[Any], *, refused: bool
) -> None:
    begin(packs["naming"], "naming", settings={"requireVsphereTags": True})
    found = [
        each for each in packs["naming"].analyze(changed(VSPHERE_VM, {"tags": tags})) if each.rule == "vsphere-tags"
    ]
    assert ["3 tags are attached, at least 4 are needed" in each.message for each in found] == [True] * refused
    assert all("environment, owner, costCenter, persona" in each.message for each in found)


# Remediation.


def test_missing_labels_are_added_and_nothing_else_changes(packs: dict[str, Process]) -> None:
    begin(packs["naming"], "naming")
    asked = changed(
        VM,
        {
            "metadata>labels>paif.dev/owner": GONE,
            "spec>secret": {"$secret": "hunter2"},
            "spec>late": {"$unknown": True},
        },
    )
    remediations = packs["naming"].remediate(asked)
    assert [each.policyName for each in remediations] == ["required-labels"]
    properties = remediations[0].properties
    assert properties["metadata"]["labels"]["paif.dev/owner"] == "ai-platform"
    assert SIGNATURE in properties["spec"]["secret"]
    assert properties["spec"]["late"] == UNKNOWN
    properties["metadata"]["labels"].fields.pop("paif.dev/owner")
    assert properties == Process.request(asked, "dev").properties


def test_a_wrong_environment_label_is_put_right_in_dev_and_refused_in_prod(packs: dict[str, Process]) -> None:
    wrong = changed(CONFIG_MAP, {"metadata>labels>paif.dev/environment": "qa"})
    begin(packs["naming"], "naming")
    remediations = packs["naming"].remediate(wrong)
    assert remediations[0].properties["metadata"]["labels"]["paif.dev/environment"] == "dev"
    begin(packs["naming"], "naming", settings={"kind": "prod"})
    assert packs["naming"].remediate(wrong) == []
    assert "environment-label" in {each.rule for each in packs["naming"].analyze(wrong)}


# Other ways to start.


def test_all_packs_in_one_process_say_what_each_says_alone(packs: dict[str, Process]) -> None:
    settings = {f"{pack}-configuration": SETTINGS[pack] for pack in PACKS}
    asked = (
        STACK,
        changed(BOOTSTRAP, {"stringData": {"password": "hunter2-hunter2"}}),
        changed(VM, {"metadata>labels>paif.dev/persona": "app-developer", "metadata>name": "Alice"}),
        changed(VM_CLASS, {"vgpuProfiles": ["grid_a100-40q"]}),
        changed(CLUSTER, {"spec>topology>controlPlane>replicas": {"$unknown": True}}),
    )
    alone = set()
    for pack in PACKS:
        begin(packs[pack], pack)
        alone |= {each for one in asked for each in packs[pack].analyze(one)}
    with started("all") as together:
        together.start(pack="all", settings=settings, config=CONFIG)
        found = [each for one in asked for each in together.analyze(one)]
    assert set(found) == alone
    assert len(found) == len(alone) > 5


@pytest.mark.parametrize("pack", [*PACKS, "all"])
def test_the_folder_serves_a_language_host_that_starts_packs_itself(pack: str) -> None:
    # Newer hosts run exactly this for `--policy-pack FOLDER`.
    process = Process([sys.executable, "-m", "pulumi.policy", "127.0.0.1:1", str(ROOT / "policies" / pack)])
    try:
        info = process.start(pack=pack)
        assert info.name == ("paif" if pack == "all" else pack)
        assert process.analyze(STACK) is not None
    finally:
        process.close()
