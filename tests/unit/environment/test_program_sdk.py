"""What the program changes in Pulumi's SDK does what it is for, and no more."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.runtime import resource as registration
from pulumi.runtime.settings import _get_rpc_manager
from pulumi.runtime.stack import ResourceRegistrationFailed

from stacks import sdk
from stacks.program import Program
from tests.unit.components.harness import declare
from tests.unit.environment.samples import environment
from tests.unit.environment.test_program import ANSWERS, ENDPOINTS

_ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("failure", "shown"),
    [
        (
            Exception(
                "invoke of vsphere:index/getTag:getTag failed: invocation of vsphere:index/getTag:getTag returned an "
                "error: invoking vsphere:index/getTag:getTag: 1 error occurred:\n\t* tag not found"
            ),
            "vsphere:index/getTag:getTag: 1 error occurred:\n\t* tag not found",
        ),
        (Exception("invoke of x:index:f failed: too long (name)"), "x:index:f: too long (name)"),
    ],
)
def test_a_look_up_that_fails_late_fails_as_a_sentence(
    monkeypatch: pytest.MonkeyPatch, failure: Exception, shown: str
) -> None:
    found = _late(monkeypatch, failure)
    assert found is not None
    assert found.args == (shown,)


def test_any_other_failure_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    failure = KeyError("invoke of x failed: y")
    assert _late(monkeypatch, failure) is failure


def test_what_needs_a_failed_resource_fails_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    # The engine has told of the resource itself, and goes on with everything else.
    assert _late(monkeypatch, ResourceRegistrationFailed("resource x failed to register")) is None


def test_outputs_of_what_failed_are_null_and_any_other_failure_stays() -> None:
    def value_of(failure: Exception) -> Any:
        async def fail() -> str:
            raise failure

        async def read() -> Any:
            told = sdk.what_was_made(
                {"made": pulumi.Output.from_input("yes"), "models": {"llama": pulumi.Output.from_input(fail())}}
            )
            return await told["made"].future(), await told["models"]["llama"].future()

        loop = asyncio.new_event_loop()
        try:
            return loop.run_until_complete(read())
        finally:
            loop.close()

    assert value_of(ResourceRegistrationFailed("resource x failed to register")) == ("yes", None)
    with pytest.raises(KeyError):
        value_of(KeyError("x"))


def _late(monkeypatch: pytest.MonkeyPatch, failure: Exception) -> Exception | None:
    """What a registration that waits for a failed look-up ends with."""
    manager = _get_rpc_manager()
    monkeypatch.setattr(manager, "do_rpc", manager.do_rpc)
    sdk.tell_failures_once()

    async def register() -> None:
        raise failure

    async def run() -> Exception | None:
        return (await manager.do_rpc("register resource", register)())[1]

    # A loop of its own: asyncio.run would leave the tests after this one without any.
    loop = asyncio.new_event_loop()
    found = loop.run_until_complete(run())
    loop.close()
    manager.clear()
    assert found is None or isinstance(found, pulumi.RunError) or found is failure
    return found


@pytest.mark.parametrize("wanted", [False, True])
def test_debug_messages_are_sent_only_when_they_are_asked_for(monkeypatch: pytest.MonkeyPatch, wanted: bool) -> None:
    sent: list[str] = []
    monkeypatch.setattr(pulumi.log, "debug", sent.append)
    if wanted:
        monkeypatch.setenv("PAIF_DEBUG", "1")
    else:
        monkeypatch.delenv("PAIF_DEBUG", raising=False)
    sdk.send_no_debug_messages()
    pulumi.log.debug("registering")
    assert bool(sent) is wanted


def test_the_state_says_where_a_resource_was_declared_without_paths_of_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registration, "_get_stack_trace", registration._get_stack_trace)
    sdk.tell_own_frames_only()
    declared = declare(lambda: Program(environment(), ENDPOINTS).build(), ANSWERS)
    own = [each for each in declared.registrations if "VirtualMachine" in each.type]
    assert own
    for each in own:
        frames = [frame.pc.uri for frame in each.request.stackTrace.frames]
        assert frames[0].startswith(f"{_ROOT.as_uri()}/components/")
        assert f"{_ROOT.as_uri()}/stacks/program.py" in frames
        assert all(uri.startswith(f"{_ROOT.as_uri()}/") and "/.venv/" not in uri for uri in frames)
