"""A field that somebody else has set is told with its object, its path, who set it, and the two ways on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer

from cli.engine import conflicts, runs
from cli.engine.conflicts import Conflict, describe, parse_conflicts, reporting
from cli.engine.stack import Stack

_URN = "urn:pulumi:dev::paif::paif:index:DeepLearningVm$kubernetes:vmoperator.vmware.com/v1alpha3:VirtualMachine::alice"
_SAID = (
    'error: Preview failed: 1 error occurred:\n\t* the Kubernetes API server reported that "ns/alice" failed to fully '
    "initialize or become live: Server-Side Apply field conflict detected. See https://www.pulumi.com/registry/x for "
    'troubleshooting help.\nThe resource managed by field manager "pulumi-kubernetes-1" had an apply conflict: '
)


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        (
            'Apply failed with 1 conflict: conflict with "by-hand" using vmoperator.vmware.com/v1: .spec.powerState',
            (("spec.powerState", "by-hand"),),
        ),
        (
            'Apply failed with 3 conflicts: conflicts with "kubectl-edit" using v1:\n- .spec.ports\n- .spec.type\n'
            'conflicts with "vpxd" with subresource "scale" using v1:\n- .spec.pools[name="gpu"].replicas\n',
            (
                ("spec.ports", "kubectl-edit"),
                ("spec.type", "kubectl-edit"),
                ('spec.pools[name="gpu"].replicas', "vpxd"),
            ),
        ),
    ],
)
def test_fields_and_who_set_them_are_read(said: str, fields: tuple[tuple[str, str], ...]) -> None:
    found = parse_conflicts([(_URN, _SAID + said), (_URN, _SAID + said)])
    assert found == [Conflict(_URN, fields)]
    assert (found[0].kind, found[0].name) == ("VirtualMachine", "alice")


def test_other_errors_are_no_conflicts() -> None:
    assert parse_conflicts([(_URN, "error: update failed: 409 already exists"), ("", _SAID)]) == []


def test_both_ways_on_are_told_with_their_commands() -> None:
    text = describe("dev", [Conflict(_URN, (("spec.powerState", "by-hand"),))])
    assert "VirtualMachine alice: spec.powerState, set by by-hand" in text
    assert "./paif up dev --take-over" in text
    assert "./paif drift dev --keep" in text


def test_a_run_that_fails_on_a_conflict_ends_with_the_words(capsys: pytest.CaptureFixture[str]) -> None:
    said = _SAID + 'Apply failed with 1 conflict: conflict with "by-hand" using v1: .spec.powerState'
    event = {"diagnosticEvent": {"urn": _URN, "severity": "error", "message": said}}
    logs: list[Path] = []

    def fail() -> None:
        with reporting("dev") as (options, variables):
            assert variables == {"PULUMI_DEBUG_COMMANDS": "true"}, "the engine hides --event-log otherwise"
            assert options[0] == "--event-log"
            logs.append(Path(options[1]))
            logs[0].write_text(json.dumps(event) + "\n")
            raise typer.Exit(1)

    with pytest.raises(typer.Exit):
        fail()
    assert "./paif up dev --take-over" in capsys.readouterr().err
    assert not logs[0].parent.exists()


def test_a_run_that_fails_otherwise_says_nothing_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), reporting("dev"):
        raise typer.Exit(1)
    assert capsys.readouterr().err == ""


def test_taking_over_is_the_plugins_own_variable() -> None:
    assert conflicts.TAKE_OVER == {"PULUMI_K8S_ENABLE_PATCH_FORCE": "true"}


@pytest.mark.parametrize(
    ("managers", "itself"),
    [
        (["pulumi-kubernetes-0ab970ac"], True),
        (["pulumi-kubernetes-0ab970ac", "pulumi-kubernetes-021d8e3d"], True),
        (["pulumi-kubernetes-0ab970ac", "kubectl"], False),
        (["kubectl"], False),
        ([], False),
    ],
)
def test_pulumi_is_in_its_own_way_only_where_nobody_else_is(managers: list[str], itself: bool) -> None:
    found = [Conflict(_URN, tuple(("spec.powerState", each) for each in managers))]
    assert conflicts.is_self_conflict(found) is itself


def test_what_a_cut_off_run_has_set_is_taken_over_and_what_others_have_set_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = [Conflict(_URN, (("metadata.labels.x", "pulumi-kubernetes-0ab970ac"),))]
    given: list[dict[str, str]] = []

    def once(_: int | None, variables: dict[str, str]) -> None:
        given.append(variables)
        if conflicts.TAKE_OVER.items() <= variables.items():
            return
        raise conflicts.SelfConflictError(own)

    runs._resolving_self_conflicts(Stack("dev", lab=True), once, None, {"A": "b"})
    assert given == [{"A": "b"}, {"A": "b"} | conflicts.TAKE_OVER]

    def never(_: int | None, __: dict[str, str]) -> None:
        raise conflicts.SelfConflictError(own)

    with pytest.raises(typer.Exit):
        runs._resolving_self_conflicts(Stack("dev", lab=True), never, None, {})
