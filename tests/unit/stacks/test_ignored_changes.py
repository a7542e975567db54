"""What the stack file says is left alone is ignored by the engine, in the resource that it names and nowhere else."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest

from stacks import ignored_changes
from stacks.environment import Environment, validate
from stacks.problems import Problem
from stacks.program import build
from stacks.run_options import RunOptions
from tests.unit.pulumi_paif.harness import Declared, declare
from tests.unit.stacks.samples import COMPLETE, environment
from tests.unit.stacks.site import ANSWERS
from tests.unit.stacks.test_program import CONNECTIONS

_VM = "kubernetes:vmoperator.vmware.com/v1alpha3:VirtualMachine"
_ACCESS = "kubernetes:vmoperator.vmware.com/v1alpha3:VirtualMachineService"


def _run(left_alone: dict[str, list[str]]) -> Declared:
    env = environment({"ignoreChanges": left_alone})

    def whole() -> dict[str, Any]:
        alone = ignored_changes.ignore_changes(env.ignore_changes)
        outputs = build(env, CONNECTIONS, RunOptions())
        alone.warn_unmatched()
        return outputs

    return declare(whole, ANSWERS)


def test_changes_of_it_are_ignored_there_and_nowhere_else() -> None:
    declared = _run({"VirtualMachine/acme-dev-dlvm-alice": ["spec.powerState"]})
    machines = {each.name: list(each.request.ignoreChanges) for each in declared.registrations if each.type == _VM}
    assert machines.pop("acme-dev-dlvm-alice") == ["spec.powerState"]
    assert set(map(tuple, machines.values())) == {()}
    access = [each for each in declared.registrations if each.type == _ACCESS]
    assert not any(each.request.ignoreChanges for each in access), "another kind of the same name"


def test_an_entry_for_what_is_not_made_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda text, *_, **__: warnings.append(text))
    _run({"VirtualMachine/acme-dev-dlvm-alice": ["spec.powerState"], "VirtualMachine/gone": ["spec.powerState"]})
    assert len(warnings) == 1
    assert "VirtualMachine/gone" in warnings[0]


def _validated(left_alone: dict[str, Any]) -> tuple[Environment | None, list[Problem]]:
    found, problems = validate({**COMPLETE, "ignoreChanges": left_alone}, "dev", set(COMPLETE))
    return found, [problem for _, problem in problems]


@pytest.mark.parametrize(
    ("resource", "path"),
    [
        ("acme-dev-dlvm-alice", "spec.powerState"),
        ("VirtualMachine/", "spec.powerState"),
        ("VirtualMachine/alice", "spec.ports[0]"),
        ("VirtualMachine/alice", ""),
        ("VirtualMachine/alice", "spec..x"),
    ],
)
def test_what_names_no_resource_or_property_is_refused_with_an_example(resource: str, path: str) -> None:
    found, problems = _validated({resource: [path]})
    assert found is None
    assert "such as" in problems[0].expected


def test_what_is_on_a_cluster_goes_with_it_and_is_never_forgotten() -> None:
    declared = _run({})
    cluster = declared.one("kubernetes:cluster.x-k8s.io/v1beta1:Cluster")
    operator = declared.one("paif:index:GpuOperator")
    # The engine hands it down to what is below the component.
    assert operator.request.deletedWith.endswith(f"::{cluster.name}")
    providers = [each for each in declared.registrations if each.type == "pulumi:providers:kubernetes"]
    assert [each.inputs["deleteUnreachable"] for each in providers] == ["false", "false"]
