"""What fails deletes nothing, and what is deleted was announced and allowed.

A part of what `./paif prove faults` and `./paif prove deletions` try at length: one case for each way in which
something fails and each operation, on the resources with the most that depends on them. All take hours on two cores.
"""

from __future__ import annotations

import pytest

from cli.prove.faults import Matrix
from cli.prove.scratch import Case, Scratch, remade
from tests.lab.conftest import Paif

_BOB = "    - {name: bob, owner: bob, persona: mlops-engineer, class: vgpu-a100-20c}\n"
_STORAGE = "      - {policy: pai-silver, limitGib: 4096}\n"
_WORKSTATIONS = '    if "workstations" in phases and env.workstations:\n'


@pytest.fixture(scope="module")
def scratch(paif: Paif, tmp_path_factory: pytest.TempPathFactory) -> Scratch:
    """A checkout that can be changed, on the lab of these tests, with dev running."""
    made = Scratch(tmp_path_factory.mktemp("failures"), paif.state)
    made.paif("up", "dev", check=True)
    return made


@pytest.fixture(scope="module")
def matrix(scratch: Scratch) -> Matrix:
    """What can fail in dev: looked for once for each operation."""
    return Matrix(scratch, "dev")


@pytest.mark.parametrize(
    ("operation", "kind", "how"),
    [
        ("update", "Namespace", "error"),
        ("update", "PostgresCluster", "not-ready"),
        ("update", "Cluster", "cut"),
        ("update", "ModelEndpoint", "refused"),
        ("create", "ModelEndpoint", "error"),
        ("read", "Service", "error"),
        ("look-up", "getSecret", "error"),
        ("look-up", "getGpuInventory", "cut"),
    ],
)
def test_a_failure_deletes_nothing_and_the_next_run_makes_it_whole(
    matrix: Matrix, operation: str, kind: str, how: str
) -> None:
    verdict = matrix.one(operation, kind, how)
    assert verdict.wrong == ()


def test_a_mistake_that_only_up_can_know_deletes_nothing_through_the_command_itself(scratch: Scratch) -> None:
    before = scratch.resources("dev")
    [namespace] = [urn for urn in before if "vcf:index:Namespace::" in urn]
    file = scratch.stack_file("dev")
    text = file.read_text()
    file.write_text(text.replace(_STORAGE, f"{_STORAGE}      - {{policy: pai-gold}}\n"))
    failed = scratch.paif("up", "dev", case=Case("Update", namespace, "error"))
    file.write_text(text)
    assert failed.status == 1
    assert failed.failed_calls, failed.said
    assert failed.about("Delete") == []
    assert remade(before, scratch.resources("dev")) == []
    assert "Nothing is deleted by a run that failed" in failed.said
    # What serves on is still told.
    assert "None" not in scratch.paif("outputs", "dev", "database.host", check=True).said
    scratch.paif("up", "dev", "--", "--expect-no-changes", check=True)


def test_a_program_that_leaves_something_out_without_failing_is_stopped_by_its_own_plan(scratch: Scratch) -> None:
    program = scratch.root / "stacks" / "program.py"
    text = program.read_text()
    assert _WORKSTATIONS in text
    left_out = _WORKSTATIONS.replace(":\n", " and pulumi.runtime.is_dry_run():\n")
    before = scratch.resources("dev")
    program.write_text(text.replace(_WORKSTATIONS, left_out))
    stopped = scratch.paif("up", "dev")
    program.write_text(text)
    assert stopped.status == 1
    assert stopped.about("Delete") == []
    assert remade(before, scratch.resources("dev")) == []
    scratch.paif("up", "dev", "--", "--expect-no-changes", check=True)


def test_what_serves_people_goes_only_when_its_name_is_given(scratch: Scratch) -> None:
    file = scratch.stack_file("dev")
    text = file.read_text()
    assert _BOB in text
    before = scratch.resources("dev")
    file.write_text(text.replace(_BOB, ""))
    refused = scratch.paif("up", "dev", "--yes")
    assert refused.status == 1
    assert refused.about("Delete") == []
    assert "VirtualMachine acme-dev-dlvm-bob" in refused.said
    assert "--allow-delete acme-dev-dlvm-bob" in refused.said
    assert remade(before, scratch.resources("dev")) == []
    allowed = scratch.paif("up", "dev", "--yes", "--allow-delete", "acme-dev-dlvm-bob", check=True)
    assert {urn.rsplit("::", 1)[-1].removesuffix("-access") for urn in allowed.about("Delete")} <= {
        "acme-dev-dlvm-bob",
        "acme-dev-dlvm-bob-bootstrap",
        "acme-dev-dlvm-bob-ready",
    }
    assert {urn for urn in before if "dlvm-bob" not in urn} <= scratch.resources("dev").keys()
    file.write_text(text)
    scratch.paif("up", "dev", check=True)


def test_plain_pulumi_does_not_stop_after_a_phase(
    scratch: Scratch, paif: Paif, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(paif.environment, "PAIF_UNTIL", "foundation")
    answer = paif.pulumi("preview", "--stack", "dev", "--non-interactive", check=False)
    assert answer.returncode
    assert "plain pulumi would delete what the stack has beyond" in answer.stdout + answer.stderr
