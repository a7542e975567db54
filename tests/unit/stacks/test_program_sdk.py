"""What the program changes in Pulumi's SDK does what it is for, and no more."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pulumi
import pytest
from pulumi.runtime import resource as registration
from pulumi.runtime import stack
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.settings import _get_rpc_manager
from pulumi.runtime.stack import ResourceRegistrationFailed

from stacks import sdk
from stacks.program import build
from stacks.run_options import RunOptions
from tests.unit.pulumi_paif.harness import declare
from tests.unit.stacks.samples import environment
from tests.unit.stacks.site import ANSWERS
from tests.unit.stacks.test_program import CONNECTIONS

_ROOT = Path(__file__).resolve().parents[3]


class Engine:
    """The engine's side of a program: answers of its resource monitor, by the name of the resource."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.outputs: list[str] = []

    def _answer(self, request: Any) -> Any:
        answer = self.answers[request.name]
        if isinstance(answer, Exception):
            raise answer
        return answer

    RegisterResource = ReadResource = _answer

    def RegisterResourceOutputs(self, request: Any) -> None:  # noqa: N802 - the protocol's name
        self.outputs = sorted(request.outputs.fields)


def _ends(
    monkeypatch: pytest.MonkeyPatch, *calls: Callable[[Any], Any], there: tuple[str, ...] = (), **answers: Any
) -> tuple[str, int]:
    """How a program ends that makes these calls one after another, "" when well; and how many were finished.

    `there` are names of outputs that the stack has already.
    """
    manager, engine, finished = _get_rpc_manager(), Engine(**answers), 0
    monkeypatch.setattr(manager, "do_rpc", manager.do_rpc)
    monkeypatch.setattr(stack, "wait_for_rpcs", stack.wait_for_rpcs)
    monkeypatch.setattr(sdk, "get_monitor", lambda: engine)
    monkeypatch.setattr(sdk, "is_dry_run", lambda: False)
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "error", said.append)
    sdk.fail_at_end(there)

    async def one(call: Callable[[Any], Any]) -> None:
        nonlocal finished
        await asyncio.sleep(0)
        call(engine)
        finished += 1

    async def run() -> None:
        under_way = [asyncio.ensure_future(manager.do_rpc("a call", lambda call=call: one(call))()) for call in calls]
        await asyncio.sleep(0)
        await stack.wait_for_rpcs()
        assert all(each.done() for each in under_way)

    # A loop of its own: asyncio.run would leave the tests after this one without any.
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(run())
    except SystemExit as ended:
        # With any other status the language host would add a sentence of its own.
        return (said[0] if ended.code == 32 else f"status {ended.code}"), finished
    finally:
        loop.close()
        manager.clear()
    return "", finished


def _fails(failure: Exception) -> Callable[[Any], Any]:
    def call(_: Any) -> None:
        raise failure

    return call


def _registers(name: str) -> Callable[[Any], Any]:
    return lambda engine: engine.RegisterResource(resource_pb2.RegisterResourceRequest(name=name))


def _reads(name: str) -> Callable[[Any], Any]:
    return lambda engine: engine.ReadResource(resource_pb2.ReadResourceRequest(name=name))


_MADE = resource_pb2.RegisterResourceResponse(result=resource_pb2.Result.SUCCESS)
_REFUSED = resource_pb2.RegisterResourceResponse(result=resource_pb2.Result.FAIL)
_LEFT_OUT = resource_pb2.RegisterResourceResponse(result=resource_pb2.Result.SKIP)


class _Gone(grpc.RpcError):  # type: ignore[misc]
    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("failure", "shown"),
    [
        (
            Exception(
                "invoke of vsphere:index/getTag:getTag failed: invocation of vsphere:index/getTag:getTag returned an "
                "error: invoking vsphere:index/getTag:getTag: 1 error occurred:\n\t* tag not found"
            ),
            "vsphere:index/getTag:getTag: 1 error occurred:\n\t* tag not found\n",
        ),
        (Exception("invoke of x:index:f failed: too long (name)"), "x:index:f: too long (name)\n"),
        (pulumi.RunError("no room"), "no room\n"),
    ],
)
def test_a_look_up_that_fails_late_ends_the_program_as_a_sentence_after_everything_else(
    monkeypatch: pytest.MonkeyPatch, failure: Exception, shown: str
) -> None:
    said, finished = _ends(monkeypatch, _registers("a"), _fails(failure), _registers("b"), a=_MADE, b=_MADE)
    assert said.startswith(shown)
    assert "Nothing is deleted" in said
    assert finished == 2


def test_a_mistake_of_the_program_ends_it_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    said, _ = _ends(monkeypatch, _fails(KeyError("host")))
    assert "test_program_sdk.py" in said
    assert "KeyError: 'host'" in said


def test_a_resource_that_failed_ends_the_program_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    # Also one that nothing else needs: the SDK itself would end well, and the engine go on to its deletions.
    said, _ = _ends(monkeypatch, _registers("db"), _registers("b"), db=_REFUSED, b=_MADE)
    assert said.startswith("failed, each with its own reason: db. ")


def test_what_needs_a_failed_resource_adds_nothing_to_what_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = _fails(ResourceRegistrationFailed("resource db failed to register"))
    said, _ = _ends(monkeypatch, _registers("db"), waits, db=_REFUSED)
    assert said.count("db") == 1


def test_what_the_user_left_out_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    # With --target the engine answers so for what is not there yet.
    waits = _fails(ResourceRegistrationFailed("resource db failed to register"))
    assert _ends(monkeypatch, _registers("db"), waits, db=_LEFT_OUT)[0] == ""


def test_an_engine_that_does_not_answer_ends_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    said, _ = _ends(monkeypatch, _registers("db"), db=_Gone())
    assert "db (no answer of the engine: UNAVAILABLE)" in said


def test_an_object_that_could_not_be_read_ends_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    # The engine's answer looks like that of an object without any properties.
    said, _ = _ends(monkeypatch, _reads("ingress"), ingress=resource_pb2.ReadResourceResponse(urn="urn"))
    assert said.startswith("failed, each with its own reason: ingress. ")


def test_a_program_in_which_all_went_well_ends_well(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _ends(monkeypatch, _registers("a"), _registers("b"), a=_MADE, b=_MADE) == ("", 2)


@pytest.mark.parametrize("answer", [_MADE, _REFUSED])
def test_outputs_that_are_there_are_told_anew_only_when_they_are_whole(
    monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    told: list[str] = []

    def tell(engine: Any) -> None:
        outputs: Any = {"models": {"llama": None}, "clusters": {"gpu": {"name": None}}, "versions": {"pais": "2.0"}}
        request = resource_pb2.RegisterResourceOutputsRequest()
        request.outputs.update(outputs)
        engine.RegisterResourceOutputs(request)
        told.extend(engine.outputs)

    _ends(monkeypatch, _registers("a"), tell, there=("models", "versions", "gone"), a=answer)
    # What is new is told with its gaps: the rest of it is there now, and what is missing is said to be.
    assert told == ["clusters", "versions"] if answer is _REFUSED else ["clusters", "models", "versions"]


@pytest.mark.parametrize("status", [0, None, 3])
def test_a_program_that_is_left_early_has_failed(monkeypatch: pytest.MonkeyPatch, status: int | None) -> None:
    def leave(_: Any) -> None:
        with sdk.recording_failures():
            sys.exit(status)

    said, _ = _ends(monkeypatch, leave, _registers("a"), a=_MADE)
    assert said.startswith(f"the program ended early, with status {status or 0}\n")


def test_outputs_of_what_failed_are_null(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail() -> str:
        raise ResourceRegistrationFailed("resource x failed to register")

    async def read() -> Any:
        told = sdk.without_failed(
            {"made": pulumi.Output.from_input("yes"), "models": {"llama": pulumi.Output.from_input(fail())}}
        )
        return await told["made"].future(), await told["models"]["llama"].future()

    loop = asyncio.new_event_loop()
    try:
        assert loop.run_until_complete(read()) == ("yes", None)
    finally:
        loop.close()


def test_debug_messages_stay_here(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    monkeypatch.setattr(pulumi.log, "debug", sent.append)
    sdk.disable_debug_messages()
    pulumi.log.debug("registering")
    assert sent == []


def test_the_state_says_where_a_resource_was_declared_without_paths_of_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registration, "_get_stack_trace", registration._get_stack_trace)
    sdk.keep_own_frames()
    declared = declare(lambda: build(environment(), CONNECTIONS, RunOptions()), ANSWERS)
    own = [each for each in declared.registrations if "VirtualMachine" in each.type]
    assert own
    for each in own:
        frames = [frame.pc.uri for frame in each.request.stackTrace.frames]
        assert frames[0].startswith(f"{_ROOT.as_uri()}/pulumi_paif/")
        assert f"{_ROOT.as_uri()}/stacks/program.py" in frames
        assert all(uri.startswith(f"{_ROOT.as_uri()}/") and "/.venv/" not in uri for uri in frames)
