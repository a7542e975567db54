"""What an audit leaves: every rule on every resource that it looks at, by which code and settings it was judged."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.commands.policy import policy_app
from cli.engine import pulumi_cli, selection
from cli.engine.stack import Stack
from cli.policy import audit
from cli.policy.packs import Finding
from cli.policy.rules import described
from cli.policy.settings import settings_file

ROOT = Path(__file__).resolve().parents[4]
_CLUSTER = "urn:pulumi:dev::paif::kubernetes:cluster.x-k8s.io/v1beta1:Cluster::gpu"
_MACHINE = "urn:pulumi:dev::paif::kubernetes:vmoperator.vmware.com/v1alpha3:VirtualMachine::bob"
_RESOURCES = [{"urn": each, "type": each.split("::")[2]} for each in (_CLUSTER, _MACHINE)]
_EVENT = {
    "policyPackName": "platform",
    "policyName": "control-plane-odd",
    "enforcementLevel": "mandatory",
    "severity": "medium",
    "resourceUrn": _CLUSTER,
    "message": "gpu: even | odd\nwhy: so\ndo: that",
}


def test_every_rule_has_a_verdict_on_every_resource_that_it_looks_at() -> None:
    finding = Finding("platform", "control-plane-odd", "mandatory", "medium", _CLUSTER, "gpu: even")
    found = audit.judgements(_RESOURCES, [finding], described().values())
    assert (found[0].rule, found[0].verdict) == ("platform/control-plane-odd", "refused")
    assert {each.verdict for each in found[1:]} == {"passed"}
    assert len({(each.rule, each.resource) for each in found}) == len(found)
    about = {each.rule for each in found if each.resource == _MACHINE}
    assert "platform/dlvm-persona" in about
    assert "platform/control-plane-odd" not in about


@pytest.mark.parametrize(
    ("level", "message", "verdict"),
    [
        ("mandatory", "x: y", "refused"),
        ("advisory", "x: y", "advisory"),
        ("advisory", "x: undecided: y is not known yet", "undecided"),
        ("advisory", "exempted until 2027-01-01 by me: why\nx: y", "exempted"),
    ],
)
def test_a_verdict_is_what_up_would_make_of_it(level: Any, message: str, verdict: str) -> None:
    finding = Finding("platform", "control-plane-odd", level, "medium", _CLUSTER, message)
    assert audit.judgements([], [finding], [])[0].verdict == verdict


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the engine answers, by the first words of the call."""
    answers: dict[str, Any] = {
        "stack": (0, json.dumps({"deployment": {"resources": _RESOURCES}}), ""),
        "policy": (1, json.dumps({"policyEvent": _EVENT}), "error: policy violations"),
    }

    def capture(_: Stack, *arguments: str, **__: Any) -> subprocess.CompletedProcess[str]:
        status, out, error = answers[arguments[0]]
        return subprocess.CompletedProcess(arguments, status, out, error)

    monkeypatch.setattr(pulumi_cli, "capture", capture)
    monkeypatch.setattr(selection, "require_backend", lambda _: None)
    monkeypatch.setattr(audit, "load_stack", lambda name: Stack(name, lab=False))
    return answers


def _audit(*arguments: str) -> Any:
    return CliRunner().invoke(policy_app, ["audit", *arguments])


def test_evidence_names_commit_and_digests_and_is_left_as_json_and_table(
    engine: dict[str, Any], tmp_path: Path
) -> None:
    result = _audit("dev", "--output", str(tmp_path / "evidence"))
    assert result.exit_code == 1, result.output
    evidence = json.loads((tmp_path / "evidence" / "policy-audit.json").read_text())
    assert evidence["refused"] is True
    assert len(evidence["commit"]) == 40
    (dev,) = evidence["environments"]
    assert dev["settings"] == hashlib.sha256(settings_file("dev").read_bytes()).hexdigest()
    assert dev["resources"] == 2
    assert {each["verdict"] for each in dev["judgements"]} == {"refused", "passed"}
    table = (tmp_path / "evidence" / "policy-audit.md").read_text()
    assert "| refused | platform/control-plane-odd | gpu | gpu: even \\| odd |" in table
    assert dev["settings"] in table


def test_an_environment_that_was_never_made_is_no_failure_and_is_not_made(engine: dict[str, Any]) -> None:
    engine["stack"] = (255, "", "error: no stack named 'qa' found")
    result = _audit("qa", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["environments"][0]["resources"] is None


@pytest.mark.parametrize(
    ("call", "answer", "says"),
    [
        ("stack", (255, "", "error: passphrase"), "the state of dev cannot be read"),
        ("policy", (255, "", "error: plugin died"), "the state of dev could not be judged"),
    ],
)
def test_what_could_not_be_judged_is_never_taken_for_fine(
    engine: dict[str, Any], call: str, answer: tuple[int, str, str], says: str
) -> None:
    engine[call] = answer
    result = _audit("dev")
    assert result.exit_code not in {0, None}
    assert says in str(result.exception)
