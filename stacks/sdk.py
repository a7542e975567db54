"""What the program changes in Pulumi's Python SDK, and why; most of it is private there and holds for the pinned one.

docs/decisions/0010 and 0011 have the reasons and the measurements.
"""

from __future__ import annotations

import asyncio
import re
import traceback
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pulumi
from google.protobuf import struct_pb2  # type: ignore[import-untyped]
from pulumi.runtime import resource as registration
from pulumi.runtime import stack
from pulumi.runtime.proto import resource_pb2, source_pb2
from pulumi.runtime.settings import _get_rpc_manager, get_monitor, is_dry_run
from pulumi.runtime.stack import ResourceRegistrationFailed

_ROOT = Path(__file__).resolve().parent.parent
_FAILED_LOOK_UP = re.compile(
    r"invoke of (?P<function>\S+) failed: (?:.*?returned an error: )?(?:invoking \S+: )?(?P<reason>.*)", re.DOTALL
)
_ALREADY_REPORTED = 32
"""The exit status by which a language host knows that the reason was told (pulumi-language-python, any version)."""


class _RunState:
    """What went wrong in this run of the program, in the words in which it is told at the end."""

    def __init__(self) -> None:
        self.failed_resources: list[str] = []
        self.reported: list[str] = []

    def record_failure(self, error: Exception) -> None:
        """Keep the failure of something that is no resource, once: everybody who needs its answer fails by it."""
        match = _FAILED_LOOK_UP.fullmatch(str(error)) if type(error) is Exception else None
        text = f"{match['function']}: {match['reason']}" if match else str(error)
        if not isinstance(error, pulumi.RunError) and type(error) is not Exception:
            # A mistake of this program, which nobody can mend without the place.
            text = "".join(traceback.format_exception(error)).strip()
        if text not in self.reported:
            self.reported.append(text)

    def problem(self) -> str:
        """Why the program cannot end well; empty when it can."""
        lines = list(self.reported)
        if self.failed_resources:
            names = ", ".join(dict.fromkeys(self.failed_resources))
            lines.append(
                f"failed, each with its own reason: {names}. What needs that was left as it was, the rest was done."
            )
        if lines and not is_dry_run():
            lines.append("Nothing is deleted by a run that failed; mend it and run again.")
        return "\n".join(lines)


_run = _RunState()


def fail_at_end(existing_outputs: Collection[str] = ()) -> None:
    """Let the program go on past a failure, and let it end with it: the engine must never think that it is whole.

    An engine that goes on past failures (--continue-on-error) and a program that ends well are together dangerous: what
    was not registered, because what it needs had failed, is deleted. So each failure is kept here, whatever reports it
    (a registration, a read, a look-up, a lost connection to the engine, an ``apply``), everything else is finished, and
    then the program fails, before the engine is told that all is registered. docs/decisions/0011 has the whole reason.
    `existing_outputs` are names of the outputs that the stack has already.
    """
    global _run  # noqa: PLW0603 - a process is one run of the program; tests begin another one
    _run = _RunState()
    manager = _get_rpc_manager()

    def do_rpc(_: str, function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[tuple[Any, Any]]]:
        async def told(*args: Any, **kwargs: Any) -> tuple[Any, Exception | None]:
            try:
                return await function(*args, **kwargs), None
            except ResourceRegistrationFailed as error:
                return None, error
            except Exception as error:
                _run.record_failure(error)
                return None, error

        async def call(*args: Any, **kwargs: Any) -> tuple[Any, Exception | None]:
            task = asyncio.ensure_future(told(*args, **kwargs))
            manager.rpcs.append(task)
            return await task

        return call

    manager.do_rpc = do_rpc  # type: ignore[assignment, method-assign]
    _patch_monitor(existing_outputs)
    _wait_for_rpcs = stack.wait_for_rpcs

    async def wait_for_rpcs(await_all_outstanding_tasks: bool = True) -> None:
        while True:
            try:
                await _wait_for_rpcs(await_all_outstanding_tasks)
            except Exception as error:
                _run.record_failure(error)
            else:
                break
        if problem := _run.problem():
            pulumi.log.error(problem)
            raise SystemExit(_ALREADY_REPORTED)

    stack.wait_for_rpcs = wait_for_rpcs


def _patch_monitor(existing_outputs: Collection[str]) -> None:
    """Keep the name of each resource that the engine says has failed, or could not be told of.

    Outputs that the stack had before and that are not whole now, since something failed, are not told to it.
    """
    monitor = get_monitor()
    if monitor is None:
        return
    register, read, tell = monitor.RegisterResource, monitor.ReadResource, monitor.RegisterResourceOutputs

    def forward(call: Callable[[Any], Any], request: Any) -> Any:
        try:
            return call(request)
        except grpc.RpcError as error:
            _run.failed_resources.append(f"{request.name} ({_connection(error)})")
            raise

    def register_resource(request: Any) -> Any:
        answer = forward(register, request)
        if getattr(answer, "result", resource_pb2.Result.SUCCESS) == resource_pb2.Result.FAIL:
            _run.failed_resources.append(request.name)
        return answer

    def read_resource(request: Any) -> Any:
        answer = forward(read, request)
        # The engine answers a failed read like one of an object without properties, and there is none without.
        if not is_dry_run() and not answer.properties.fields:
            _run.failed_resources.append(request.name)
            raise ResourceRegistrationFailed(f"resource {request.name} [{request.type}] could not be read")
        return answer

    def register_outputs(request: Any) -> Any:
        if _run.problem():
            for name in existing_outputs:
                if name in request.outputs.fields and _has_null(request.outputs.fields[name]):
                    # Then the engine keeps its last value: what could not be changed serves on as it was.
                    del request.outputs.fields[name]
        return tell(request)

    monitor.RegisterResource, monitor.ReadResource, monitor.RegisterResourceOutputs = (
        register_resource,
        read_resource,
        register_outputs,
    )


def _has_null(value: struct_pb2.Value) -> bool:
    kind = value.WhichOneof("kind")
    within = value.struct_value.fields.values() if kind == "struct_value" else value.list_value.values
    return kind == "null_value" or any(_has_null(each) for each in within)


def _connection(error: grpc.RpcError) -> str:
    code = error.code() if hasattr(error, "code") else None
    return f"no answer of the engine: {code.name}" if code else "no answer of the engine"


@contextmanager
def recording_failures() -> Iterator[None]:
    """Around what declares the resources: a program that leaves it early, with whatever status, has failed."""
    try:
        yield
    except SystemExit as error:
        _run.record_failure(pulumi.RunError(f"the program ended early, with status {error.code or 0}"))
    except Exception as error:
        _run.record_failure(error)


def without_failed(value: Any) -> Any:
    """A stack's output in which what could not be made is null, so that the rest is told all the same."""
    if isinstance(value, dict):
        return {key: without_failed(each) for key, each in value.items()}
    return value.recover(lambda _: None) if isinstance(value, pulumi.Output) else value


def disable_debug_messages() -> None:
    """Keep the SDK's debug messages here.

    It sends each by a call that waits for its answer, whether the engine was started with --debug or not: with 100
    DLVMs 2000 calls, a quarter of a preview's time.
    """
    pulumi.log.debug = lambda *_, **__: None


def keep_own_frames() -> None:
    """Let the state have, of where a resource was declared, the frames of this project.

    The SDK adds a dozen frames of its own and of Python, with this machine's paths: a sixth of a state that the engine
    writes as a whole, several times for each resource.
    """
    plain = registration._get_stack_trace
    own, foreign = _ROOT.as_uri() + "/", (_ROOT / ".venv").as_uri() + "/"

    def get_stack_trace() -> source_pb2.StackTrace:
        found = plain() or source_pb2.StackTrace()
        frames = [each for each in found.frames if each.pc.uri.startswith(own) and not each.pc.uri.startswith(foreign)]
        return source_pb2.StackTrace(frames=frames)

    registration._get_stack_trace = get_stack_trace
