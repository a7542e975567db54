"""What the program changes in Pulumi's Python SDK, and why; most of it is private there and holds for the pinned one.

docs/decisions/0009 and 0010 have the reasons and the measurements.
"""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime import resource as registration
from pulumi.runtime.proto import source_pb2
from pulumi.runtime.settings import _get_rpc_manager
from pulumi.runtime.stack import ResourceRegistrationFailed

_ROOT = Path(__file__).resolve().parent.parent
_FAILED_LOOK_UP = re.compile(
    r"invoke of (?P<function>\S+) failed: (?:.*?returned an error: )?(?:invoking \S+: )?(?P<reason>.*)", re.DOTALL
)


def tell_failures_once() -> None:
    """Let a look-up whose answer is awaited fail as a sentence, and what needs a failed resource fail in silence.

    The SDK raises bare exceptions for the first, long after the call, which it shows with a traceback of itself. For
    the second it ends the program, although the engine has told of the failure and, with --continue-on-error, goes on
    with everything else.
    """
    manager = _get_rpc_manager()
    plain = manager.do_rpc

    def do_rpc(name: str, function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[tuple[Any, Exception]]]:
        async def readable(*args: Any, **kwargs: Any) -> Any:
            try:
                return await function(*args, **kwargs)
            except ResourceRegistrationFailed:
                return None
            except Exception as error:
                failed = _FAILED_LOOK_UP.fullmatch(str(error)) if type(error) is Exception else None
                if failed is None:
                    raise
                raise pulumi.RunError(f"{failed['function']}: {failed['reason']}") from None

        return plain(name, readable)

    manager.do_rpc = do_rpc  # type: ignore[assignment, method-assign]


def what_was_made(value: Any) -> Any:
    """A stack's output in which what could not be made is null, so that the rest is told all the same."""
    if isinstance(value, dict):
        return {key: what_was_made(each) for key, each in value.items()}
    return value.recover(_nothing) if isinstance(value, pulumi.Output) else value


def _nothing(error: Exception) -> None:
    if not isinstance(error, ResourceRegistrationFailed):
        raise error


def send_no_debug_messages() -> None:
    """Keep the SDK's debug messages here, unless PAIF_DEBUG is set.

    It sends each by a call that waits for its answer, whether the engine was started with --debug or not: with 100
    DLVMs 2000 calls, a quarter of a preview's time.
    """
    if not os.environ.get("PAIF_DEBUG"):
        pulumi.log.debug = lambda *_, **__: None


def tell_own_frames_only() -> None:
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
