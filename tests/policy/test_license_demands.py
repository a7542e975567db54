"""What of a program needs licenses: containers, machines that start them, and the states of other projects."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import app as commands
from cli.policy import licenses as counted
from policies.licensing.configuration import LicensingSettings
from policies.licensing.state import NoStateError, state_demands
from tests.policy.harness import Process, RequestedResource, urn
from tests.policy.resources import (
    BOOTSTRAP,
    CONFIG,
    DEPLOYMENT,
    DIRECTPATH_CLASS,
    JWT,
    SETTINGS,
    VM,
    VM_CLASS,
    VSPHERE_VM,
    changed,
    owning,
)

_NIM = "nvcr.io/nim/meta/llama-3.1-8b-instruct:1.8.4"
_CONTAINERS = "spec>template>spec>containers"
_START = f"#cloud-config\nruncmd: [docker run {_NIM}]\n"


def _pods(resources: Any, image: str = _NIM, **spec: Any) -> RequestedResource:
    container = {"name": "main", "image": image, "resources": resources}
    return changed(DEPLOYMENT, {_CONTAINERS: [container], **{f"spec>{key}": each for key, each in spec.items()}})


def _said(process: Process, *asked: RequestedResource, gpus: int = 0) -> list[str]:
    settings = {**SETTINGS["licensing"], "licenses": owning(gpus)}
    process.start(pack="licensing", settings=settings, config={"organization": CONFIG["organization"]})
    return [each.message for one in asked for each in process.analyze(one) if each.rule == "license-overuse"]


@pytest.mark.parametrize(
    ("asked", "needed"),
    [
        (_pods({"limits": {"nvidia.com/gpu": 2}}, replicas=3), 6),
        (_pods({"limits": {"nvidia.com/gpu": "2"}}, replicas="3"), 6),
        (_pods({"requests": {"nvidia.com/gpu": 2}}, replicas=None), 2),
        # 2 x 3 of 7 slices of a GPU.
        (_pods({"limits": {"nvidia.com/mig-3g.40gb": 2}}), 1),
        (_pods({"limits": {"nvidia.com/gpu": 0}}), 0),
        (_pods({"limits": {"cpu": 4}}), 0),
        (_pods({"limits": {"nvidia.com/gpu": 8}}, "docker.io/vllm/vllm-openai:v0.8.5"), 0),
        (_pods(None), 0),
        (_pods(["nvidia.com/gpu"]), 0),
    ],
)
def test_containers_need_a_license_for_each_gpu_that_they_ask_for(
    packs: dict[str, Process], asked: RequestedResource, needed: int
) -> None:
    found = _said(packs["licensing"], asked)
    assert [f"they are {needed} GPU licenses of 0" in each for each in found] == [True] * bool(needed)


def test_containers_are_undecided_while_their_number_is_not_known(packs: dict[str, Process]) -> None:
    (found,) = _said(packs["licensing"], _pods({"limits": {"nvidia.com/gpu": 2}}, replicas={"$unknown": True}))
    assert "undecided: spec.replicas" in found
    other = _pods({"limits": {"nvidia.com/gpu": 2}}, "nginx:1.27", replicas={"$unknown": True})
    assert _said(packs["licensing"], other) == []


def test_a_machine_that_starts_a_nim_on_whole_gpus_needs_a_license_for_each(packs: dict[str, Process]) -> None:
    content = {"stringData": {"$secret": {"hostname": "a", "user-data": _START, "vgpu-license": JWT}}}
    whole = changed(VM, {"spec>className": DIRECTPATH_CLASS})
    for asked in ((changed(BOOTSTRAP, content), whole), (whole, changed(BOOTSTRAP, content))):
        (found,) = _said(packs["licensing"], *asked)
        assert "they are 1 GPU licenses of 0" in found
    assert _said(packs["licensing"], BOOTSTRAP, whole) == []
    clone = {"vapp": {"properties": {"user-data": _START}}, "pciDeviceIds": ["0000:3b:00.0", "0000:5e:00.0"]}
    (found,) = _said(packs["licensing"], changed(VSPHERE_VM, clone))
    assert "they are 2 GPU licenses of 0" in found


def _entry(asked: RequestedResource, **more: Any) -> dict[str, Any]:
    return {"urn": urn(asked.type, asked.name), "type": asked.type, "inputs": asked.properties, **more}


def _export(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"version": 3, "deployment": {"resources": list(entries)}}


def test_a_state_counts_its_machines_by_its_own_classes_in_any_order() -> None:
    found, undecided = state_demands(_export(_entry(VM), _entry(VM_CLASS)), LicensingSettings())
    assert [(each.consumer, each.count, each.profiles) for each in found] == [
        ("workstation acme-dev-dlvm-alice", 1, ("grid_a100-40c",))
    ]
    assert undecided == []


def test_a_state_tells_what_cannot_be_counted_and_leaves_out_what_is_gone() -> None:
    gone = _entry(changed(VM, {}, "old"), delete=True)
    found, undecided = state_demands(_export(_entry(VM), gone), LicensingSettings())
    assert found == []
    (one,) = undecided
    assert one.endswith(f"::{VM.name}: content of class {VM.properties['spec']['className']}")
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "x"}
    hidden = _entry(_pods({"limits": {"nvidia.com/gpu": secret}}))
    assert state_demands(_export(hidden), LicensingSettings())[1]


@pytest.mark.parametrize("text", [[], {}, {"deployment": None}, {"deployment": {"resources": [1, {"urn": "x"}]}}])
def test_what_is_no_state_is_told(text: Any) -> None:
    with pytest.raises(NoStateError):
        state_demands(text, LicensingSettings())


def _run(*arguments: str) -> Any:
    return CliRunner().invoke(commands.app, ["policy", "licenses", *arguments])


def test_the_report_is_a_table_json_and_csv_with_states_beside_environments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owned = tmp_path / "licenses.yaml"
    owned.write_text("nvaie: {owned: [{gpus: 9, term: perpetual}], shares: {dev: 8, other/prod: 1}}\n")
    monkeypatch.setattr(counted, "licenses_file", lambda: owned)
    state = tmp_path / "other.json"
    two = [{**_entry(each), "urn": f"urn:pulumi:prod::other::t::{each.name}"} for each in (VM, VM_CLASS)]
    more = [{**two[0], "urn": f"urn:pulumi:prod::other::t::{name}"} for name in ("b", "c")]
    state.write_text(json.dumps(_export(*two, *more)))
    told = json.loads(_run("dev", str(state), "--json").stdout)
    assert told["products"] == [
        {"product": "nvaie", "unit": "GPU licenses", "owned": 9, "shared": 9, "used": 5, "left": 4}
    ]
    rows = {(each["environment"], each["model"]): each for each in told["environments"]}
    # 3 halves of a GPU need 2.
    assert {key: each["used"] for key, each in rows.items()} == {
        ("dev", "A100"): 3,
        ("dev", ""): 3,
        ("other/prod", "A100"): 2,
        ("other/prod", ""): 2,
    }
    assert (rows["other/prod", ""]["share"], rows["other/prod", ""]["missing"]) == (1, 1)
    lines = list(csv.DictReader(io.StringIO(_run("dev", str(state), "--csv").stdout)))
    assert [(each["environment"], each["model"], each["used"]) for each in lines] == [
        (environment, model, str(each["used"])) for (environment, model), each in rows.items()
    ]
    table = _run("dev", str(state)).stdout.splitlines()
    assert table[1].split() == ["nvaie", "GPU", "licenses", "9", "9", "5", "4"]
    assert ["nvaie", "other/prod", "3", "2", "2", "0", "9", "1", "1"] in [each.split() for each in table]


def test_what_is_neither_environment_nor_state_is_wrong_input(tmp_path: Path) -> None:
    result = _run("nowhere")
    assert result.exit_code == 2
    assert "nowhere: expected a file, or an environment: dev, " in result.stderr
    file = tmp_path / "x.json"
    file.write_text("{}")
    result = _run(str(file))
    assert result.exit_code == 2
    assert "expected what `pulumi stack export` writes" in result.stderr
