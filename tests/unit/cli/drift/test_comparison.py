"""A comparison tells what is gone once, with what was in it, and takes nothing for gone that could not be asked."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cli.drift import comparison
from cli.engine import pulumi_cli, stack_state
from cli.engine.stack import Stack
from cli.output.console import Failed

_P = "urn:pulumi:dev::paif::"
_SUPERVISOR, _GUEST = f"{_P}pulumi:providers:kubernetes::supervisor", f"{_P}pulumi:providers:kubernetes::guest"
_NAMESPACE = f"{_P}vcf:index:Namespace::ns"
_CLUSTER = f"{_P}kubernetes:cluster.x-k8s.io/v1beta1:Cluster::gpu"
_VM = f"{_P}kubernetes:vmoperator.vmware.com/v1alpha3:VirtualMachine::alice"
_SECRET, _RELEASE = f"{_P}kubernetes:core/v1:Secret::ngc", f"{_P}kubernetes:helm.sh/v3:Release::operator"
_DATABASE = f"{_P}kubernetes:databases.dataservices.vmware.com/v1alpha1:PostgresCluster::pg"
_EXTENSION = f"{_P}vcf:index:PostgresExtension::pg-vector"
_CONTENTS, _READY = f"{_P}vcf:index:NamespaceContents::workstations", f"{_P}vcf:index:Readiness::alice-ready"
_UNREACHABLE = "error: Preview failed: failed to read resource state due to unreachable cluster."


def _state(urn: str, **more: Any) -> dict[str, Any]:
    return {"urn": urn, "type": urn.split("::")[-2], "custom": True, **more}


_STATES = {
    state["urn"]: state
    for state in (
        _state(_SUPERVISOR, id="1"),
        _state(_NAMESPACE, id="ns"),
        _state(_CLUSTER, id="ns/gpu", provider=f"{_SUPERVISOR}::1", dependencies=[_NAMESPACE]),
        _state(_VM, id="ns/alice", provider=f"{_SUPERVISOR}::1", dependencies=[_NAMESPACE]),
        _state(_DATABASE, id="ns/pg", provider=f"{_SUPERVISOR}::1"),
        _state(_EXTENSION, id="x", deletedWith=_DATABASE),
        _state(_CONTENTS, id="ns", dependencies=[_NAMESPACE]),
        _state(_READY, id="VirtualMachine/alice", dependencies=[_VM]),
        _state(_GUEST, id="2", dependencies=[_NAMESPACE, _CLUSTER]),
        _state(_SECRET, id="gpu-operator/ngc", provider=f"{_GUEST}::2", deletedWith=_CLUSTER),
        # Of a state that was made before objects of a cluster were deleted with it.
        _state(_RELEASE, id="gpu-operator/gpu-operator", provider=f"{_GUEST}::2"),
    )
}


def _preview(gone: tuple[str, ...] = (), failed: dict[str, str] | None = None, **new: Any) -> dict[str, Any]:
    steps = [
        {"op": "delete" if urn in gone else "refresh", "urn": urn, "oldState": state}
        | ({} if urn in gone else {"newState": {**state, **new.get(state["urn"].rsplit("::", 1)[-1], {})}})
        for urn, state in _STATES.items()
    ]
    errors = [{"urn": urn, "severity": "error", "message": text} for urn, text in (failed or {}).items()]
    ended = [{"severity": "error", "message": "error: preview failed\n"}] if errors else []
    return {"steps": steps, "diagnostics": [*errors, *ended], "changeSummary": {"same": 3}}


def _gone(found: comparison.Comparison) -> dict[str, tuple[str, ...]]:
    return {each.name: each.details for each in found.recording.changes}


def test_nothing_drifted() -> None:
    found = comparison.parse_comparison("dev", _preview())
    assert _gone(found) == {}
    assert (found.deleted_contents, found.unreachable, found.terminating) == ((), {}, ())


def _topology(release: str, cluster_class: str) -> dict[str, Any]:
    return {"spec": {"topology": {"version": release, "class": cluster_class}}}


@pytest.mark.parametrize(
    ("release", "cluster_class", "drifted"),
    [
        ("v1.32.0+vmware.6-fips", "builtin-generic-v3.3.0", False),
        ("v1.32.10+vmware.1-fips", "builtin-generic-v3.3.0", True),
        ("v1.32.0+vmware.6-fips", "builtin-generic-v3.1.0", True),
    ],
)
def test_a_release_that_the_server_spells_and_a_class_that_it_raised_are_no_drift(
    release: str, cluster_class: str, drifted: bool
) -> None:
    preview = _preview()
    [step] = [each for each in preview["steps"] if each["urn"] == _CLUSTER]
    step["op"] = "update"
    step["oldState"] = {
        **step["oldState"],
        "inputs": _topology("v1.32.0+vmware.6-fips-vkr.2", "builtin-generic-v3.2.0"),
    }
    step["newState"] = {**step["newState"], "outputs": _topology(release, cluster_class)}
    step["detailedDiff"] = {f"spec.topology.{name}": {"kind": "update"} for name in ("version", "class")}
    assert bool(_gone(comparison.parse_comparison("dev", preview))) is drifted


def test_what_only_tells_of_other_resources_is_not_told_beside_them() -> None:
    assert set(_gone(comparison.parse_comparison("dev", _preview((_VM, _CONTENTS, _READY))))) == {"alice"}


@pytest.mark.parametrize("answering", [True, False])
def test_a_cluster_that_is_gone_is_named_once_with_what_was_in_it(answering: bool) -> None:
    failed = {} if answering else {_SECRET: _UNREACHABLE, _RELEASE: _UNREACHABLE}
    found = comparison.parse_comparison("dev", _preview((_CLUSTER,), failed))
    assert _gone(found) == {"gpu": ("with what was in it: Secret ngc, Release operator",)}
    assert set(found.deleted_contents) == {_SECRET, _RELEASE}
    assert found.deleted == (_CLUSTER,)


def test_a_namespace_that_is_gone_takes_along_what_may_not_be_read_any_more() -> None:
    forbidden = dict.fromkeys((_VM, _CLUSTER, _DATABASE), "error: forbidden: no such namespace")
    failed = {**forbidden, **dict.fromkeys((_SECRET, _RELEASE), _UNREACHABLE), _EXTENSION: "error: refused"}
    found = comparison.parse_comparison("dev", _preview((_NAMESPACE,), failed))
    assert list(_gone(found)) == ["ns"]
    assert set(found.deleted_contents) == {_VM, _CLUSTER, _DATABASE, _EXTENSION, _SECRET, _RELEASE}
    assert found.unreachable == {}


def test_what_still_answers_in_a_namespace_that_is_gone_is_believed() -> None:
    found = comparison.parse_comparison("dev", _preview((_NAMESPACE, _CLUSTER)))
    assert _VM not in found.deleted_contents


def test_a_database_that_is_gone_takes_along_its_extension() -> None:
    found = comparison.parse_comparison("dev", _preview((_DATABASE,), {_EXTENSION: "error: connection refused"}))
    assert _gone(found) == {"pg": ("with what was in it: PostgresExtension pg-vector",)}


def test_a_cluster_that_does_not_answer_does_not_block_the_rest() -> None:
    failed = {_SECRET: _UNREACHABLE, _RELEASE: _UNREACHABLE}
    found = comparison.parse_comparison("dev", _preview((_VM,), failed))
    assert _gone(found) == {"alice": ()}
    assert found.unreachable == {_SECRET: _CLUSTER, _RELEASE: _CLUSTER}
    assert found.deleted_contents == (), "nothing of it may be forgotten"
    assert found.incomplete_reasons() == [
        "Cluster gpu does not answer: Secret ngc, Release operator could not be compared"
    ]


@pytest.mark.parametrize("urn", [_VM, _CLUSTER, _DATABASE, _NAMESPACE, _EXTENSION])
def test_anything_else_that_does_not_answer_is_no_answer_at_all(urn: str) -> None:
    others = set(_STATES) - {urn, _SUPERVISOR, _GUEST}
    for gone in ((), tuple(each for each in others if each in {_VM, _SECRET} and each != urn)):
        with pytest.raises(Failed, match="could not be compared"):
            comparison.parse_comparison("dev", _preview(gone, {urn: "error: 503"}))


def test_an_error_of_no_resource_is_no_answer_even_beside_a_cluster_that_is_down() -> None:
    preview = _preview((), {_SECRET: _UNREACHABLE})
    preview["diagnostics"].append({"severity": "error", "message": "error: could not load provider"})
    with pytest.raises(Failed, match="could not load provider"):
        comparison.parse_comparison("dev", preview)


@pytest.mark.parametrize(
    "outputs", [{"metadata": {"deletionTimestamp": "2026-11-27T10:00:00Z"}}, {"configStatus": "REMOVING"}]
)
def test_what_is_being_deleted_is_known(outputs: dict[str, Any]) -> None:
    found = comparison.parse_comparison("dev", _preview(alice={"outputs": outputs}))
    assert found.terminating == (_VM,)
    assert found.incomplete_reasons() == ["VirtualMachine alice is being deleted at this moment"]


def test_properties_that_differ_are_known_by_path() -> None:
    preview = _preview()
    step = next(each for each in preview["steps"] if each["urn"] == _VM)
    step |= {"op": "update", "detailedDiff": {"spec.powerState": {"kind": "update"}, "metadata.labels": {}}}
    found = comparison.parse_comparison("dev", preview)
    assert found.properties == {_VM: ("metadata.labels", "spec.powerState")}


def test_forgetting_takes_every_reference_along_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {
        "urn": _SUPERVISOR,
        "dependencies": [_VM, _NAMESPACE],
        "propertyDependencies": {"a": [_VM], "b": [_NAMESPACE], "c": None},
        "deletedWith": _VM,
    }
    state = {"deployment": {"resources": [{"urn": _NAMESPACE}, {"urn": _VM}, kept]}}
    written: dict[str, Any] = {}

    def capture(_: Stack, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        assert check
        if "export" in arguments:
            return subprocess.CompletedProcess(arguments, 0, json.dumps(state), "")
        written.update(json.loads(Path(arguments[-1]).read_text()))
        return subprocess.CompletedProcess(arguments, 0, "", "")

    monkeypatch.setattr(pulumi_cli, "capture", capture)
    stack_state.remove_resources(Stack("dev", lab=True), [_VM])
    assert [each["urn"] for each in written["deployment"]["resources"]] == [_NAMESPACE, _SUPERVISOR]
    left = written["deployment"]["resources"][1]
    assert left["dependencies"] == [_NAMESPACE]
    assert left["propertyDependencies"] == {"a": [], "b": [_NAMESPACE], "c": []}
    assert "deletedWith" not in left
