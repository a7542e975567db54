"""What a reviewer reads: everything that matters, the worst first, within the limit, the same every time, no secret."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.commands.pull_request import pr_comment_app
from cli.forge.client import LIMITS
from cli.preview.model import Recording
from cli.pull_request.comment import MARKER, render
from cli.pull_request.recording import read, recorded_environments
from cli.pull_request.slim import slim, slim_events
from paif_catalog.redaction import scrub

RECORDED = Path(__file__).resolve().parents[3] / "data" / "previews"
LICENSE = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJqdGkiOiJQTEFOVEVELWxpY2VuY2UifQ.UExBTlRFRHNpZ25hdHVyZXZhbHVl"


def recorded(folder: Path, **environments: str) -> list[Recording]:
    """Copies of recorded previews as environments, read."""
    for environment, name in environments.items():
        shutil.copytree(RECORDED / name, folder / environment)
    return [read(folder, name) for name in recorded_environments(folder)]


def comment(folder: Path, **environments: str) -> str:
    return render(recorded(folder, **environments))


def section(text: str, environment: str) -> str:
    return text.split(f"\n### {environment}: ")[1].split("\n### ", maxsplit=1)[0]


def step(op: str, kind: str, name: str, **others: Any) -> dict[str, Any]:
    urn = f"urn:pulumi:dev::paif::paif:index:Foundation${kind}::{name}"
    state = {"urn": urn, "type": kind, "custom": True, "inputs": others.pop("inputs", {})}
    old = {} if op == "create" else {"oldState": {**state, **others.pop("old", {})}}
    new = {} if op == "delete" else {"newState": {**state, **others.pop("new", {})}}
    return {"op": op, "urn": urn, **old, **new, **others}


def write(folder: Path, environment: str, *steps: dict[str, Any], **files: Any) -> Recording:
    here = folder / environment
    here.mkdir(parents=True)
    diagnostics = files.pop("diagnostics", [])
    (here / "preview.json").write_text(json.dumps({"steps": steps, "diagnostics": diagnostics}))
    for name, content in files.items():
        if name == "events":
            (here / "events.jsonl").write_text("\n".join(json.dumps(each) for each in content))
        else:
            (here / f"{name}.json").write_text(json.dumps(content))
    return read(folder, environment)


POSTGRES = "kubernetes:databases.dataservices.vmware.com/v1alpha1:PostgresCluster"
CONFIG = "kubernetes:core/v1:ConfigMap"


def test_replaced_and_deleted_data_come_first(tmp_path: Path) -> None:
    rows = [line for line in section(comment(tmp_path, staging="changes"), "staging").splitlines() if line[:1] == "|"]
    kinds = [row.split("|")[3].strip() for row in rows[2:]]
    assert kinds == [
        "`PostgresCluster`",
        "`PersistentVolumeClaim`",
        "`Secret`",
        "`Cluster`",
        "`ModelEndpoint`",
        "`ModelEndpoint`",
    ]
    assert rows[2].startswith("| data at risk | **replace** |")
    assert "`metadata.name: acme-staging-pg-vectors → acme-staging-pg-vectors2 (forces replacement)`" in rows[2]
    assert rows[3].startswith("| data at risk | **delete** |")


@pytest.mark.parametrize(
    "kind",
    [
        POSTGRES,
        "kubernetes:cluster.x-k8s.io/v1beta1:Cluster",
        "kubernetes:core/v1:Namespace",
        "vcf:index:Namespace",
        "kubernetes:core/v1:PersistentVolumeClaim",
        "vsphere:index/contentLibrary:ContentLibrary",
    ],
)
@pytest.mark.parametrize("op", ["replace", "delete", "delete-replaced"])
def test_every_kind_that_holds_data_is_at_risk(tmp_path: Path, kind: str, op: str) -> None:
    recording = write(tmp_path, "dev", step("update", CONFIG, "a"), step(op, kind, "z"))
    assert [each.name for each in recording.at_risk] == ["z"]
    assert recording.changes[0].name == "z"


def test_what_is_kept_or_protected_is_said_to_be(tmp_path: Path) -> None:
    recording = write(
        tmp_path,
        "dev",
        step("delete", POSTGRES, "kept", old={"retainOnDelete": True}),
        step("delete", POSTGRES, "guarded", old={"protect": True}),
    )
    text = render([recording])
    kept, guarded = (next(row for row in text.splitlines() if name in row) for name in ("`kept`", "`guarded`"))
    assert "the object itself is kept" in kept
    assert kept.startswith("| high |")
    assert "protected: `up` refuses this" in guarded
    assert guarded.startswith("| data at risk |")


@pytest.mark.parametrize(
    ("guard", "word"), [("protect", "protection"), ("retainOnDelete", "retention")], ids=["protection", "retention"]
)
@pytest.mark.parametrize(
    ("kind", "severity"), [(POSTGRES, "medium"), (CONFIG, "low")], ids=["holds data", "holds none"]
)
def test_a_guard_that_alone_is_lifted_or_added_is_a_change(
    tmp_path: Path, guard: str, word: str, kind: str, severity: str
) -> None:
    steps = [
        step("same", kind, "bare", old={guard: True}),
        step("same", kind, "guarded", new={guard: True}),
        step("same", kind, "as-it-was", old={guard: True}, new={guard: True}),
    ]
    recording = write(tmp_path, "dev", *slim({"steps": steps})["steps"])
    assert [each.name for each in recording.changes] == ["bare", "guarded"], "promotion counts these"
    text = render([recording])
    assert f"| high | change | `{kind.rsplit(':', 1)[-1]}` | `bare` | **{word} lifted** |" in text
    assert f"| {severity} | change | `{kind.rsplit(':', 1)[-1]}` | `guarded` | {word} added |" in text
    assert f"| **dev** | {word} lifted from 1 resource |  | 2 |" in text
    assert "Nothing changes" not in text


def test_a_change_that_also_lifts_protection_says_both(tmp_path: Path) -> None:
    old, new = {"protect": True, "inputs": {"a": 1}}, {"inputs": {"a": 2}}
    changed = step("update", CONFIG, "x", old=old, new=new, detailedDiff={"a": {}})
    text = render([write(tmp_path, "dev", changed)])
    assert "| high | change | `ConfigMap` | `x` | **protection lifted**<br>`a: 1 → 2` |" in text


def test_a_replacement_is_refused_only_while_it_stays_protected(tmp_path: Path) -> None:
    refused = step("replace", POSTGRES, "refused", old={"protect": True}, new={"protect": True})
    recording = write(tmp_path, "dev", refused, step("replace", POSTGRES, "through", old={"protect": True}))
    rows = {row.split("|")[4].strip(" `"): row for row in render([recording]).splitlines() if "**replace**" in row}
    assert "`up` refuses this" in rows["refused"]
    assert "`up` refuses this" not in rows["through"]
    assert "**protection lifted**" in rows["through"]


def test_preview_of_the_real_program_reads_as_a_reviewer_needs_it(tmp_path: Path) -> None:
    text = comment(tmp_path, staging="program")
    assert "| **staging** | refused by policy | 1 | 3 |  | 1 | 1 refused |" in text
    rows = [row for row in text.splitlines() if row.startswith(("| high", "| medium", "| low", "| none"))]
    assert rows[0] == "| high | **delete** | `VirtualMachineClass` | `acme-staging-class-vgpu-a100-40c` |  |"
    assert rows[-1].startswith("| none | create | `VirtualMachineClass`")
    assert "- **refused** `naming vgpu-class-name` (`low`) on `acme-staging-class-vgpu-a100-40c-dense`" in text
    assert "2 → **3** of 12" in text
    assert "GPU capacity, `NVIDIA A100 80 GB`: 2 → **3** of 16" in text
    assert "GPU capacity, `vGPU grid_a100-40c`: 4 → **5** of 32" in text


def test_counts_of_each_environment_stand_in_the_summary(tmp_path: Path) -> None:
    text = comment(tmp_path, dev="unchanged", staging="changes")
    assert "| **staging** | data at risk in 2 resources | 1 | 2 | 2 | 1 | 1 warning |" in text
    assert "| **dev** | nothing changes |  |  |  |  |" in text


def test_worst_environment_comes_first(tmp_path: Path) -> None:
    text = comment(tmp_path, dev="unchanged", qa="failed", staging="changes", prod="refused")
    assert [text.index(f"### {name}") for name in ("qa", "prod", "staging", "dev")] == sorted(
        text.index(f"### {name}") for name in ("qa", "prod", "staging", "dev")
    )


def test_nothing_changes_is_said_in_a_line(tmp_path: Path) -> None:
    assert "Nothing changes: 17 resources stay as they are." in comment(tmp_path, dev="unchanged")


NOWHERE = "This change touches no environment"
LOG = "https://forge.test/runs/7"


def rendered(folder: Path) -> str:
    arguments = ["render", "--input", str(folder), "--output", str(folder / "c.md"), "--link", LOG]
    run = CliRunner().invoke(pr_comment_app, arguments)
    assert run.exit_code == 0, run.output
    return (folder / "c.md").read_text()


def test_no_environment_touched_is_said_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "environments.json").write_text("[]\n")
    text = rendered(tmp_path)
    assert NOWHERE in text
    assert text.startswith(MARKER)


@pytest.mark.parametrize("content", [None, "", "null", "{}", "[7]", '["../x"]'])
def test_what_nobody_could_find_out_is_not_taken_for_no_change(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "environments.json").write_text(content)
    text = rendered(tmp_path)
    assert NOWHERE not in text
    assert f"No preview was made. See [the log]({LOG})" in text
    assert "Full plan" not in text


def test_previews_are_not_said_to_be_all_when_that_is_not_known(tmp_path: Path) -> None:
    recorded(tmp_path, dev="unchanged")
    assert "There may be others than these." in rendered(tmp_path)
    (tmp_path / "environments.json").write_text('["dev"]')
    assert "not known which" not in rendered(tmp_path)


def test_removed_environment_is_named_and_its_resources_said_to_stay(tmp_path: Path) -> None:
    (tmp_path / "environments.json").write_text("[]")
    (tmp_path / "removed.json").write_text('["old"]')
    text = rendered(tmp_path)
    assert "**Removed from the repository: `old`.**" in text
    assert "resources stay until" in text
    assert NOWHERE not in text
    recorded(tmp_path, dev="unchanged")
    assert "`old`" in rendered(tmp_path)
    (tmp_path / "removed.json").write_text('["<b>"]')
    assert "Removed" not in rendered(tmp_path)


def test_failed_preview_tells_the_reason_and_how_far_it_got(tmp_path: Path) -> None:
    text = section(comment(tmp_path, qa="failed"), "qa")
    assert text.startswith("preview failed")
    assert "The configuration of stack qa has 1 problem" in text
    assert "an unhandled error occurred" not in text
    assert "The list below ends where the preview failed." in text
    assert "Nothing changes" not in text


def test_preview_that_never_began_tells_its_failure(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "failure.txt").write_text("dev targets a real VCF and no Pulumi backend is chosen")
    text = comment(tmp_path)
    assert "preview failed" in text
    assert "no Pulumi backend is chosen" in text


def test_environment_without_recording_is_missed(tmp_path: Path) -> None:
    (tmp_path / "environments.json").write_text('["prod"]')
    assert "| **prod** | no preview was recorded |" in comment(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"steps": 3}', '{"steps": [{"op": []}, 7, {"urn": "x"}]}', "null"])
def test_unreadable_recording_is_a_failure_and_no_crash(tmp_path: Path, content: str) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "preview.json").write_text(content)
    assert render([read(tmp_path, "dev")]).startswith(MARKER)
    if content in {"", "{", "null"}:
        assert read(tmp_path, "dev").failed


def test_traceback_is_cut_down_to_what_went_wrong(tmp_path: Path) -> None:
    message = (
        'error: Traceback (most recent call last):\n  File "/home/me/x.py", line 3, in f\n    f()\nKeyError: model\n'
    )
    text = render([write(tmp_path, "dev", diagnostics=[{"severity": "error", "message": message}])])
    assert "KeyError: model" in text
    assert "/home/me" not in text


def test_refusal_names_rule_resource_and_remedy(tmp_path: Path) -> None:
    text = section(comment(tmp_path, prod="refused"), "prod")
    assert text.startswith("refused by policy")
    assert "- **refused** `licensing seats` on `acme-prod-ep-chat`" in text
    assert "9 seats of 8 entitled" in text
    assert "- **warning** `licensing required-labels` on `acme-prod-dlvm-ana`" in text
    assert text.index("**refused**") < text.index("**warning**")
    assert "preview failed" not in text


def test_undecided_and_exempted_are_told_apart_from_warnings(tmp_path: Path) -> None:
    def event(rule: str, message: str) -> dict[str, Any]:
        said = {"policyName": rule, "policyPackName": "p", "enforcementLevel": "advisory", "message": message}
        return {"policyEvent": {**said, "resourceUrn": "urn:pulumi:dev::paif::a:b:C::x"}}

    events = [
        event("a", "x: undecided: spec.class is not known yet"),
        event("b", "exempted until 2030 by me"),
        event("c", "m"),
    ]
    text = render([write(tmp_path, "dev", events=events)])
    assert "1 not decided before `up`, 1 warning, 1 exempted" in text


def test_what_the_settings_disable_or_override_is_told_to_a_reviewer(tmp_path: Path) -> None:
    said = "settings differ from the defaults: protection is disabled instead of mandatory"
    event = {"policyName": "platform-configuration", "policyPackName": "platform", "enforcementLevel": "advisory"}
    text = render([write(tmp_path, "prod", events=[{"policyEvent": {**event, "message": said, "resourceUrn": ""}}])])
    assert "**warning** `platform platform-configuration`" in text
    assert said in text


def test_a_pack_that_did_not_run_is_no_pass(tmp_path: Path) -> None:
    assert "no pack ran, so nothing was checked" in comment(tmp_path, dev="unchanged")


def test_packs_of_a_preview_that_failed_have_not_passed(tmp_path: Path) -> None:
    events = [{"policyAnalyzeSummaryEvent": {"policyPackName": "naming", "passed": ["a"]}}]
    failed = [{"severity": "error", "message": "error: no way to the server"}]
    text = render([write(tmp_path, "dev", diagnostics=failed, events=events)])
    assert "| **dev** | preview failed |  |  |  |  | no result |" in text
    assert "1 pack, 1 rule passed as far as the preview got" in text
    assert "| passed |" in render([write(tmp_path, "qa", events=events)])


def test_figures_that_nobody_knows_are_not_said_to_be_none(tmp_path: Path) -> None:
    assert "none known → **9**" in render([write(tmp_path, "dev", licenses={"after": [{"product": "vPC", "used": 9}]})])


def test_licenses_and_gpus_stand_before_and_after(tmp_path: Path) -> None:
    product = {"product": "NVIDIA AI Enterprise", "unit": "GPU licenses", "allowed": 8}
    takers = {"endpoint chat": "3 x grid_a100-80c"}
    licenses = {"before": [{**product, "used": 6}], "after": [{**product, "used": 9, "by": takers}]}
    what = {"what": "vGPU grid_a100-40c", "total": 32}
    gpu = {"before": [{**what, "used": 6}], "after": [{**what, "used": 9}]}
    text = render([write(tmp_path, "dev", licenses=licenses, gpu=gpu)])
    assert (
        "Licenses, `NVIDIA AI Enterprise` (GPU licenses, autoscaling at its maximum): 6 → **9** of 8 — **1 too" in text
    )
    assert "`endpoint chat` `3 x grid_a100-80c`" in text
    assert "GPU capacity, `vGPU grid_a100-40c`: 6 → **9** of 32" in text


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [(8, 12, "of 12 (before: 8)"), (None, 12, "of 12 (before: none declared)")],
)
def test_a_changed_entitlement_is_told(tmp_path: Path, before: int | None, after: int, said: str) -> None:
    licenses = {
        each: [{"product": "vPC", "used": 6, "allowed": n}] for each, n in (("before", before), ("after", after))
    }
    assert f"**6** (unchanged) {said}" in render([write(tmp_path, "dev", licenses=licenses)])


def test_link_to_the_full_plan_is_a_link_only_if_it_is_one(tmp_path: Path) -> None:
    recordings = recorded(tmp_path, dev="unchanged")
    assert "[Full plan](https://forge.test/runs/7)" in render(recordings, link="https://forge.test/runs/7")
    assert "](" not in render(recordings, link="javascript:alert(1)")
    assert "](" not in render(recordings, link="https://x.test/) [y](https://z.test")


def test_same_recordings_give_the_same_bytes(tmp_path: Path) -> None:
    recordings = recorded(tmp_path, dev="unchanged", qa="failed", staging="changes", prod="refused")
    again = [read(tmp_path, each.environment) for each in reversed(recordings)]
    assert render(recordings) == render(again)


def test_rows_do_not_depend_on_the_order_of_the_engine(tmp_path: Path) -> None:
    steps = [step("create", CONFIG, f"c{number}") for number in range(20)]
    one = write(tmp_path / "1", "dev", *steps)
    other = write(tmp_path / "2", "dev", *reversed(steps))
    assert render([one]) == render([other])


# ---- the limit


def thousand(folder: Path) -> Recording:
    diff = {f"spec.property{number}": {"kind": "update", "inputDiff": False} for number in range(6)}
    steps = [step("create", CONFIG, f"acme-dev-config-with-a-long-name-{number:04}") for number in range(600)]
    steps += [step("update", "vcf:index:PostgresRole", f"role-{number:04}", detailedDiff=diff) for number in range(390)]
    steps += [step("replace", POSTGRES, f"database-{number}", detailedDiff=diff) for number in range(10)]
    return write(folder, "dev", *steps)


@pytest.mark.parametrize("forge", ["github", "gitlab"])
def test_a_thousand_resources_fit_into_one_comment(tmp_path: Path, forge: str) -> None:
    limit = LIMITS["github" if forge == "github" else "gitlab"]
    text = render([thousand(tmp_path)], limit=limit)
    assert len(text.encode()) <= limit
    assert all(f"`database-{number}`" in text for number in range(10))
    if forge == "github":
        shown = text.count("\n| low |") + text.count("\n| none |") + text.count("\n| data at risk |")
        assert shown > 250
        assert f"{1000 - shown} more changes left out here" in text
        # By severity: nothing is created in the table while something changed is missing from it.
        assert text.count("\n| none |") == 0
        assert "600 create" in text
    else:
        assert "left out" not in text
    assert "| **dev** | data at risk in 10 resources | 600 | 390 | 10 |" in text


def test_many_environments_and_findings_do_not_hide_data_at_risk(tmp_path: Path) -> None:
    for number in range(40):
        steps = [step("replace", CONFIG, f"config-with-a-long-name-{each:04}") for each in range(30)]
        write(tmp_path, f"site-{number:02}", *steps)
    finding = {"policyPackName": "p", "enforcementLevel": "mandatory", "message": "m" * 3000}
    events = [{"policyEvent": {**finding, "policyName": f"rule-{number}"}} for number in range(300)]
    write(tmp_path, "refused", step("replace", POSTGRES, "the-database"), events=events)
    text = render([read(tmp_path, name) for name in recorded_environments(tmp_path)])
    assert len(text.encode()) <= LIMITS["github"]
    assert "`the-database`" in text
    assert text.count("| **site-") == 40
    assert "21 environments without details here" in text


def test_texts_that_grow_under_redaction_still_fit(tmp_path: Path) -> None:
    steps = [step("update", CONFIG, f"password=a{number}", detailedDiff={"token=abc": {}}) for number in range(1000)]
    assert len(render([write(tmp_path, "dev", *steps)]).encode()) <= LIMITS["github"]


# ---- nothing gets out, nothing breaks out

KUBECONFIG = "apiVersion: v1\nkind: Config\nusers:\n- name: admin\n  user:\n    token: PLANTED-kube-token\n"
PLANTED = {
    "jwt": LICENSE,
    "bearer": "Authorization: Bearer PLANTEDbearer0123456789abcdef",
    "password": "password=PLANTED-pw-1",
    "quoted": '{"password": "PLANTED pw"}',
    "userinfo": "https://robot$paif:PLANTED-robot@harbor.lab.test/v2/",
    "robot": "robot$paif:PLANTED-robot-pw@harbor.lab.test",
    "ngc": "nvapi-PLANTED0123456789abcdefghij",
    "github": "ghp_PLANTED0123456789abcdefghijklmnop",
    "gitlab": "glpat-PLANTED0123456789ab",
    "aws": "AKIAPLANTED012345678",
    "pem": "-----BEGIN RSA PRIVATE KEY-----\nPLANTEDkey\n-----END RSA PRIVATE KEY-----",
    "kubeconfig": KUBECONFIG,
    "kubeconfig64": base64.b64encode(KUBECONFIG.encode()).decode(),
    "pem64": base64.b64encode(b"-----BEGIN PRIVATE KEY-----\nPLANTED\n").decode(),
    "jwt64": base64.b64encode(LICENSE.encode()).decode(),
    "docker": base64.b64encode(b"robot$paif:PLANTED-docker-pw").decode(),
    "ciphertext": "v1:PLANTEDaaaa:PLANTEDciphertext0123456789+/=",
    "hex": "0123456789abcdef0123456789abcdef01234567",
    "random": "PLANTEDq8Zk2mW7xT4vB9nL1pR6sD3fG5hJ0kY2cA8e",
}
LEAKS = {
    "jwt": "eyJ",
    "bearer": "PLANTED",
    "kubeconfig64": "YXBpVmVyc2lvbjog",
    "pem64": "LS0tLS1CRUdJTi",
    "jwt64": "ZXlKaGJHY2lP",
    "docker": "cm9ib3QkcGFpZ",
    "hex": "0123456789abcdef",
    "aws": "AKIA",
}


@pytest.mark.parametrize("shape", PLANTED)
@pytest.mark.parametrize("place", ["diagnostic", "policy", "name", "value", "path", "failure", "pack", "licenses"])
def test_planted_secret_of_each_shape_gets_out_nowhere(tmp_path: Path, shape: str, place: str) -> None:
    secret, leak = PLANTED[shape], LEAKS.get(shape, "PLANTED")
    steps = []
    others: dict[str, Any] = {}
    if place == "diagnostic":
        others["diagnostics"] = [{"severity": "error", "message": f"error: it said {secret} and failed"}]
    elif place in {"policy", "pack"}:
        event = {"policyPackName": "p", "policyName": "r", "enforcementLevel": "mandatory", "message": "m"}
        event |= {"message": f"value {secret} is wrong"} if place == "policy" else {"policyPackName": secret}
        others["events"] = [{"policyEvent": event}]
    elif place == "name":
        steps = [step("create", CONFIG, secret)]
    elif place == "value":
        steps = [step("update", CONFIG, "a", old={"inputs": {"data": {"x": secret}}}, detailedDiff={"data.x": {}})]
    elif place == "path":
        steps = [step("update", CONFIG, "a", detailedDiff={f'data["{secret}"]': {"kind": "update"}})]
    elif place == "licenses":
        others["licenses"] = {"after": [{"product": secret, "used": 1, "by": {secret: secret}}]}
    recording = write(tmp_path, "dev", *steps, **others)
    if place == "failure":
        (tmp_path / "dev" / "preview.json").unlink()
        (tmp_path / "dev" / "failure.txt").write_text(f"stopped: {secret}")
        recording = read(tmp_path, "dev")
    assert leak not in render([recording])


def test_secret_without_a_shape_is_known_from_where_it_stands(tmp_path: Path) -> None:
    plain = "correct horse"
    message = f"error: login with {plain} failed; as base64 {base64.b64encode(plain.encode()).decode()}"
    recording = write(
        tmp_path,
        "dev",
        step(
            "update",
            "kubernetes:core/v1:Secret",
            "s",
            old={"inputs": {"stringData": {"anything": "old horse"}}},
            new={"inputs": {"stringData": {"anything": plain}}},
            detailedDiff={"stringData.anything": {"kind": "update"}},
        ),
        diagnostics=[{"severity": "error", "message": message}],
    )
    text = render([recording])
    assert "horse" not in text
    assert base64.b64encode(plain.encode()).decode() not in text
    assert "stringData.anything" in text


SECRET_URN = "urn:pulumi:dev::paif::paif:index:Foundation$kubernetes:core/v1:Secret::acme-dev-pull"


def test_a_policy_result_on_a_secret_names_it_and_hides_values(tmp_path: Path) -> None:
    message = f"{SECRET_URN} has secret: PLANTED-value and token=PLANTED-token"
    said = {"policyName": "r", "policyPackName": "p", "enforcementLevel": "mandatory", "message": message}
    here = tmp_path / "kept" / "dev"
    here.mkdir(parents=True)
    (here / "preview.json").write_text(json.dumps(slim({"steps": []})))
    kept = slim_events([{"policyEvent": {**said, "resourceUrn": SECRET_URN}}], {"steps": []})
    (here / "events.jsonl").write_text("\n".join(json.dumps(each) for each in kept))
    text = render([read(tmp_path / "kept", "dev")])
    assert "`p r` on `acme-dev-pull`" in text
    assert f"{SECRET_URN} has secret: [secret] and token=[secret]" in text


@pytest.mark.parametrize(
    "text",
    [
        "secret: PLANTED-value",
        "Secret::PLANTED-value",
        "userPassword:: UExBTlRFRA==PLANTED",
        "urn:pulumi:dev::paif::core/v1:Secret::password=PLANTED-pw",
        "urn:pulumi:dev::paif::core/v1:Secret::a, secret: PLANTED-value",
    ],
)
def test_only_the_type_in_a_urn_may_stand_before_two_colons(text: str) -> None:
    assert "PLANTED" not in scrub(text)


@pytest.mark.parametrize(
    "text",
    [
        'password: "correct, PLANTED"',
        "password='correct; PLANTED'",
        '{"password": "correct PLANTED", "user": "ana"}',
        json.dumps('{"password": "correct PLANTED", "user": "ana"}'),
        json.dumps(json.dumps('{"token": "PLANTED-x"}')),
    ],
)
def test_a_quoted_secret_is_hidden_to_its_closing_quote(text: str) -> None:
    hidden = scrub(text)
    assert "PLANTED" not in hidden
    assert ("ana" in hidden) == ("ana" in text)


def test_names_of_secrets_stay_readable(tmp_path: Path) -> None:
    diff = {"spec.adminPasswordRef.name": {"kind": "update"}, "spec.image": {"kind": "update"}}
    old = {"inputs": {"spec": {"adminPasswordRef": {"name": "old-secret"}, "image": "r/x@sha256:" + "a1" * 32}}}
    text = render([write(tmp_path, "dev", step("update", POSTGRES, "acme-dev-pg-vectors", old=old, detailedDiff=diff))])
    assert "spec.adminPasswordRef.name: old-secret" in text
    assert "@sha256:a1a1" in text


@pytest.mark.parametrize("name", ["changes", "refused", "failed", "created", "unchanged"])
def test_no_recorded_preview_leaks_what_was_planted(tmp_path: Path, name: str) -> None:
    text = comment(tmp_path, dev=name)
    assert "PLANTED" not in text
    assert "eyJ" not in text
    assert "UExBTlRFR" not in text


@pytest.mark.parametrize("name", ["changes", "refused", "failed", "created", "drift-refresh"])
def test_what_a_build_keeps_has_no_secret_and_says_the_same(tmp_path: Path, name: str) -> None:
    preview = json.loads((RECORDED / name / "preview.json").read_text())
    events = RECORDED / name / "events.jsonl"
    lines = [json.loads(line) for line in events.read_text().splitlines()] if events.exists() else []
    here = tmp_path / "kept" / "dev"
    here.mkdir(parents=True)
    kept = json.dumps(slim(preview))
    (here / "preview.json").write_text(kept)
    if lines:
        (here / "events.jsonl").write_text("\n".join(json.dumps(each) for each in slim_events(lines, preview)))
    assert "PLANTED" not in kept
    assert "PLANTED" not in "".join(each.read_text() for each in here.iterdir())
    assert "eyJ" not in "".join(each.read_text() for each in here.iterdir())
    assert render([read(tmp_path / "kept", "dev")]) == render(recorded(tmp_path / "raw", dev=name))


@pytest.mark.parametrize("place", ["name", "path", "reason", "diagnostic"])
def test_what_a_build_keeps_has_no_secret_beside_values_either(place: str) -> None:
    secret = "ghp_PLANTED0123456789abcdefghijklmnop"
    changed = step("update", CONFIG, secret if place == "name" else "a")
    if place == "path":
        changed["detailedDiff"] = {f'data["{secret}"]': {"kind": "update"}, "data.password": {"kind": "update-replace"}}
    elif place == "reason":
        changed["diffReasons"] = [secret]
    said = [{"severity": "error", "urn": f"urn:pulumi:dev::paif::{CONFIG}::{secret}", "message": "m"}]
    kept = slim({"steps": [changed], "diagnostics": said if place == "diagnostic" else []})
    assert "PLANTED" not in json.dumps(kept)
    if place == "path":
        assert kept["steps"][0]["detailedDiff"]["data.password"] == {"kind": "update-replace"}


def test_resources_whose_names_are_hidden_are_all_told(tmp_path: Path) -> None:
    kept = slim({"steps": [step("delete", POSTGRES, f"password=PLANTED-{number}") for number in range(3)]})
    assert len(write(tmp_path, "dev", *kept["steps"]).at_risk) == 3


@pytest.mark.parametrize(
    "name",
    [
        "` @everyone `",
        "x | y | z",
        "x\n### prod: nothing changes",
        "<img src=x>",
        MARKER,
        "```\n# head",
        "a\x00\x1b[31mb",
    ],
)
def test_names_in_a_recording_are_text_and_no_markup(tmp_path: Path, name: str) -> None:
    event = {"policyPackName": name, "policyName": name, "enforcementLevel": "advisory", "message": f"```\n{name}\n```"}
    recording = write(tmp_path, "dev", step("create", CONFIG, name), events=[{"policyEvent": event}])
    text = render([recording])
    row = next(line for line in text.splitlines() if line.startswith("| none |"))
    assert row.replace("\\|", "").count("|") == 6
    assert row.replace("\\|", "").split("|")[4].strip().startswith("`")
    fences = [line.strip() for line in text.splitlines() if line.strip().startswith("````")]
    assert len(fences) == 2
    assert text.count("\n### ") == 1


def test_folder_names_that_are_no_environments_are_ignored(tmp_path: Path) -> None:
    for name in ("dev", "a b", "-x", "x`y", "[x](y)"):
        (tmp_path / name).mkdir()
    (tmp_path / "environments.json").write_text(json.dumps(["qa", "../x", 7, "<b>"]))
    assert recorded_environments(tmp_path) == ["dev", "qa"]


def test_links_in_a_recording_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("something of the machine that renders")
    (tmp_path / "r" / "dev").mkdir(parents=True)
    (tmp_path / "r" / "dev" / "failure.txt").symlink_to(tmp_path / "outside")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "failure.txt").write_text("something of the machine that renders")
    (tmp_path / "r" / "qa").symlink_to(tmp_path / "elsewhere")
    assert "something of the machine" not in render([read(tmp_path / "r", name) for name in ("dev", "qa")])


# ---- the command


def test_render_writes_one_file_and_says_bad_input(tmp_path: Path) -> None:
    recorded(tmp_path / "in", dev="unchanged", prod="refused")
    run = CliRunner().invoke(pr_comment_app, ["render", "--input", f"{tmp_path}/in", "--output", f"{tmp_path}/c.md"])
    assert run.exit_code == 0, run.output
    assert (tmp_path / "c.md").read_text().startswith(MARKER)
    run = CliRunner().invoke(pr_comment_app, ["render", "--input", f"{tmp_path}/no", "--output", f"{tmp_path}/d.md"])
    assert run.exit_code == 2
    assert not (tmp_path / "d.md").exists()
