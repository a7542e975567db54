"""Drift is told once, by what and how much drifted, and never guessed from half an answer."""

from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cli.commands.drift import drift_command
from cli.drift.assessment import Drift, assess
from cli.drift.comparison import parse_comparison, refresh_preview
from cli.drift.issue import body, marker, report
from cli.engine import environ
from cli.engine.stack import Stack
from cli.forge.client import LIMITS
from cli.forge.github import GitHub
from cli.output.console import Failed
from tests.unit.cli.forge.stand_in import serve

RECORDED = Path(__file__).resolve().parents[3] / "data" / "previews"


def refresh() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RECORDED / "drift-refresh" / "preview.json").read_text())
    return found


def drift(preview: dict[str, Any], environment: str = "dev") -> Drift:
    return assess(parse_comparison(environment, preview))


def without_drift() -> dict[str, Any]:
    preview = refresh()
    preview["steps"] = [each for each in preview["steps"] if each["op"] == "refresh"]
    return preview


def test_what_is_gone_and_what_was_changed_outside_is_found() -> None:
    found = drift(refresh())
    assert found.counts == {"critical delete": 1, "low update": 1}
    assert found.severity == "critical"
    assert found.changes[1].details == ("spec.replicas: 1 → 5",)
    assert found.unchanged == 15


def test_same_resources_have_the_same_fingerprint_whatever_the_values_and_the_order() -> None:
    other = refresh()
    other["steps"].reverse()
    text = json.dumps(other).replace('"replicas": 5', '"replicas": 6')
    assert drift(json.loads(text)).fingerprint == drift(refresh()).fingerprint


def test_more_drift_another_environment_and_none_have_other_fingerprints() -> None:
    more = refresh()
    another = copy.deepcopy(next(each for each in more["steps"] if each["op"] == "update"))
    another["urn"] += "-2"
    more["steps"].append(another)
    found = [drift(refresh()), drift(more), drift(refresh(), "qa"), drift(without_drift())]
    assert len({each.fingerprint for each in found}) == 4


def test_drift_of_another_resource_in_the_same_number_has_another_fingerprint() -> None:
    drifted = next(each["urn"] for each in refresh()["steps"] if each["op"] == "update")
    other = drift(json.loads(json.dumps(refresh()).replace(drifted, f"{drifted}-2")))
    assert other.counts == drift(refresh()).counts
    assert other.fingerprint != drift(refresh()).fingerprint


def test_failed_refresh_is_no_answer() -> None:
    preview = json.loads((RECORDED / "drift-preview" / "preview.json").read_text())
    with pytest.raises(Failed, match="could not be compared"):
        drift(preview)
    with pytest.raises(Failed):
        drift({"steps": [], "diagnostics": [{"severity": "error", "message": "error: the server is not there"}]})


@pytest.mark.parametrize("printed", ["", "{}", '{"steps": [], "changeSummary": {"same": 3}}'])
def test_refresh_that_ended_badly_is_no_answer_whatever_it_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: str
) -> None:
    pulumi = tmp_path / "pulumi"
    pulumi.write_text(f"#!/bin/sh\necho '{printed}'\necho 'password=PLANTED-stderr' >&2\nexit 137\n")
    pulumi.chmod(0o755)
    monkeypatch.setattr(environ, "environment", lambda **_: {"PATH": f"{tmp_path}:/usr/bin:/bin"})
    with pytest.raises(Failed, match="could not be compared") as caught:
        assess(parse_comparison("dev", refresh_preview(Stack("dev", lab=False))))
    assert "PLANTED" not in str(caught.value)


def test_issue_tells_what_to_do_and_fits_a_thousand_resources() -> None:
    preview = without_drift()
    for number in range(1000):
        urn = f"urn:pulumi:dev::paif::kubernetes:core/v1:ConfigMap::{'x' * 200}-{number}"
        preview["steps"].append({"op": "delete", "urn": urn, "oldState": {"urn": urn, "custom": True}})
    text = body(drift(preview), "github")
    assert len(text) <= LIMITS["github"]
    assert "900 more, less severe" in text
    assert "./paif drift dev --undo" in text
    assert "./paif drift dev --keep" in text
    assert text.startswith(marker("dev"))


def test_secret_that_drifted_is_not_told() -> None:
    text = json.dumps(refresh()).replace('"replicas": 5', '"replicas": "nvapi-PLANTED0123456789"')
    found = drift(json.loads(text))
    assert "PLANTED" not in body(found, "github")
    assert "PLANTED" not in json.dumps(found.as_dict())


def test_a_secret_that_is_gone_is_named_in_json() -> None:
    urn = "urn:pulumi:dev::paif::paif:index:Foundation$kubernetes:core/v1:Secret::acme-dev-pull"
    state = {"urn": urn, "type": "kubernetes:core/v1:Secret", "custom": True}
    found = drift({"steps": [{"op": "delete", "urn": urn, "oldState": state}]})
    assert found.as_dict()["resources"][0]["urn"] == urn
    assert "acme-dev-pull" in body(found, "github")


def test_issue_follows_the_drift_from_its_beginning_to_its_end() -> None:
    with serve("github", "t") as forge:
        api = GitHub("acme/paif", "t", forge.url)
        less = refresh()
        less["steps"] = [each for each in less["steps"] if each["op"] != "delete"]
        seen = [refresh(), refresh(), less, without_drift(), without_drift()]
        actions = [report(drift(each), api, "github").action for each in seen]
        assert actions == ["created", "unchanged", "updated", "closed", "absent"]
        assert len(forge.issues) == 1
        assert "low update" in forge.issue_comments[0]
        assert "Drift in dev: 1 resource" in forge.issues[0]["title"]


def test_issue_is_not_closed_before_the_program_agrees_and_everything_was_compared() -> None:
    with serve("github", "t") as forge:
        api = GitHub("acme/paif", "t", forge.url)
        report(drift(refresh()), api, "github")
        without = drift(without_drift())
        missed = dataclasses.replace(without, not_compared=("Cluster gpu does not answer",))
        assert report(without, api, "github", in_sync=lambda: False).action == "unchanged"
        assert report(missed, api, "github").action == "unchanged"
        assert forge.issues[0]["state"] != "closed"
        assert report(without, api, "github", in_sync=lambda: True).action == "closed"


def test_what_was_not_compared_is_told_beside_what_drifted() -> None:
    found = dataclasses.replace(drift(refresh()), not_compared=("Cluster gpu does not answer: Secret ngc",))
    assert "Cluster gpu does not answer: Secret ngc" in body(found, "github")
    assert found.as_dict()["notCompared"] == ["Cluster gpu does not answer: Secret ngc"]
    assert found.fingerprint == drift(refresh()).fingerprint, "a cluster that comes and goes is no other drift"


def _grown(entries: list[Any]) -> dict[str, Any]:
    urn = "urn:pulumi:dev::paif::kubernetes:vmoperator.vmware.com/v1alpha3:VirtualMachineService::alice"
    ports = [{"name": "ssh", "port": 22}]
    state = {"urn": urn, "type": urn.split("::")[-2], "custom": True, "inputs": {"spec": {"ports": ports}}}
    old = {**state, "outputs": {"spec": {"ports": ports}, "status": {"x": [1]}}}
    new = {**state, "outputs": {"spec": {"ports": entries}, "status": {"x": [1, 2]}}}
    return {"steps": [{"op": "refresh", "urn": urn, "oldState": old, "newState": new}]}


def test_an_entry_that_somebody_added_is_drift_of_its_list() -> None:
    found = parse_comparison("dev", _grown([{"name": "ssh", "port": 22}, {"name": "x", "port": 9999}]))
    (change,) = found.recording.changes
    assert change.details == ('spec.ports[1]: (none) → {"name": "x", "port": 9999}',)
    assert list(found.extended_lists.values()) == [("spec.ports",)]
    assert parse_comparison("dev", _grown([{"name": "ssh", "port": 22}])).recording.changes == []


@pytest.mark.parametrize(
    ("old", "new", "details"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, ["x.a.c: 2 → 3"]),
        (
            [{"n": 1, "r": "EDIT"}],
            [{"n": 1, "r": "VIEW"}, {"n": 2}],
            ["x[0].r: EDIT → VIEW", 'x[1]: (none) → {"n": 2}'],
        ),
        ({"a.b/c": 1}, {}, ['x["a.b/c"]: 1 → (none)']),
        (
            {"password": "old-secret", "user": "a"},
            {"password": "new-secret", "user": "b"},
            ["x.password", "x.user: a → b"],
        ),
        (["a", "b"], ["b", "a"], ['x: ["a", "b"] → ["b", "a"]']),
        ({"hidden": "[secret]"}, {"hidden": "[secret]"}, ["x"]),
    ],
)
def test_properties_are_told_as_far_down_as_they_differ(old: Any, new: Any, details: list[str]) -> None:
    urn = "urn:pulumi:dev::paif::vcf:index:Namespace::ns"
    state = {"urn": urn, "type": "vcf:index:Namespace", "custom": True}
    step = {"op": "update", "urn": urn, "detailedDiff": {"x": {"kind": "update"}}}
    step |= {"oldState": {**state, "inputs": {"x": old}}, "newState": {**state, "inputs": {"x": new}}}
    (change,) = parse_comparison("dev", {"steps": [step]}).recording.changes
    assert list(change.details) == details
    assert "old-secret" not in json.dumps(drift({"steps": [step]}).as_dict())


def run(*arguments: str) -> Any:
    app = typer.Typer()
    app.command()(drift_command)
    return CliRunner().invoke(app, list(arguments))


def test_command_reads_a_recording_and_prints_json() -> None:
    result = run("dev", "--json", "--input", str(RECORDED / "drift-refresh" / "preview.json"))
    assert result.exit_code == 0
    said = json.loads(result.output)
    assert said["drifted"] is True
    assert said["counts"] == {"critical delete": 1, "low update": 1}
    assert len(said["fingerprint"]) == 12


def test_command_says_bad_input(tmp_path: Path) -> None:
    assert run("dev", "--input", str(tmp_path / "none.json")).exit_code == 2
    recorded = str(RECORDED / "drift-refresh" / "preview.json")
    assert run("dev", "--input", recorded, "--forge", "sourcehut").exit_code == 2
    assert run("dev", "--undo", "--keep").exit_code == 2
    assert run("dev", "--undo", "--input", recorded).exit_code == 2
