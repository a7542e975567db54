"""The plugin process: gRPC, clean errors, cancellation, and an end together with the engine's."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import grpc  # type: ignore[import-untyped]
import grpc.aio  # type: ignore[import-untyped]
from google.protobuf import any_pb2, empty_pb2, struct_pb2  # type: ignore[import-untyped]
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.server import ProviderServicer
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from . import fields as f
from . import values as v
from .errors import InitFailedError, VcfError
from .host import tell_through
from .provider import VcfProvider, marked_secrets
from .registry import RESOURCES
from .version import version

_OPERATIONS: Final = (
    "Check",
    "CheckConfig",
    "Configure",
    "Create",
    "Delete",
    "Diff",
    "DiffConfig",
    "GetSchema",
    "Invoke",
    "Read",
    "Update",
)
_CANCELED: Final = "canceled; what was begun is recognized and finished by the next `pulumi up`"
_PARENT_SECONDS: Final = 5


class Servicer(ProviderServicer):
    """The SDK's servicer with errors that a person reads instead of Python tracebacks."""

    def __init__(self, args: list[str], provider: VcfProvider, engine_address: str) -> None:
        super().__init__(args, version(), provider, engine_address)
        self._vcf = provider
        self._running: set[asyncio.Task[Any]] = set()
        self._stopped = False

    async def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        """Stops everything under way; operations answer with what exists already."""
        del request, context
        self._stopped = True
        for task in self._running:
            task.cancel()
        return empty_pb2.Empty()

    async def run(self, operation: str, request: Any, context: Any) -> Any:
        """One operation, as a task that Cancel reaches."""
        if self._stopped:
            await context.abort(grpc.StatusCode.CANCELLED, _CANCELED)
        task = asyncio.ensure_future(getattr(super(), operation)(request, context))
        self._running.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            await context.abort(grpc.StatusCode.CANCELLED, _CANCELED)
        except InitFailedError as error:
            await context.abort_with_status(self._init_failed(error, request))
        except VcfError as error:
            await context.abort(grpc.StatusCode.UNKNOWN, self._clean(str(error), request))
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            text = (
                f"Bug in the vcf provider: {type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"
            )
            await context.abort(grpc.StatusCode.INTERNAL, self._clean(text, request))
        finally:
            self._running.discard(task)

    def _clean(self, text: str, request: Any) -> str:
        """Last line of defense: no known secret in a message."""
        return v.without_secrets(text, {*self._vcf.secrets, *_secrets_of(request)})

    def _init_failed(self, error: InitFailedError, request: Any) -> Any:
        """The status by which the engine records a resource that exists but is not ready."""
        token = request.urn.split("::")[-2].rsplit("$", 1)[-1]
        resource = RESOURCES[token]
        given = PropertyValue.unmarshal_map(request.properties if hasattr(request, "properties") else request.news)
        secrets = marked_secrets(resource, given)
        inputs = {k: p for k, p in error.properties.items() if k in f.inputs_of(resource.fields)}
        message = self._clean(str(error), request)
        detail = provider_pb2.ErrorResourceInitFailed(
            id=error.resource_id,
            properties=PropertyValue.marshal_map(v.wire_map(error.properties, secrets)),
            inputs=PropertyValue.marshal_map(v.wire_map(inputs, secrets)),
            reasons=[message],
        )
        packed = any_pb2.Any()
        packed.Pack(detail)
        status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=message, details=[packed])
        result: Any = grpc.Status()
        result.code, result.details = grpc.StatusCode.UNKNOWN, message
        result.trailing_metadata = (("grpc-status-details-bin", status.SerializeToString()),)
        return result


def _guarded(operation: str) -> Any:
    async def handler(self: Servicer, request: Any, context: Any) -> Any:
        return await self.run(operation, request, context)

    return handler


for _operation in _OPERATIONS:
    setattr(Servicer, _operation, _guarded(_operation))


def _secrets_of(request: Any) -> Iterable[str]:
    """Every string inside a secret of the request."""
    for name in ("properties", "inputs", "olds", "news", "args"):
        struct = getattr(request, name, None)
        if isinstance(struct, struct_pb2.Struct):
            yield from v.secret_strings(PropertyValue.unmarshal_map(struct))


async def serve(args: list[str], engine_address: str, engine_pid: int) -> None:
    """Serves until the engine goes: by signal, or by dying, which leaves no orphan behind."""
    provider = VcfProvider(
        warn=tell_through(engine_address, "WARNING"),
        inform=tell_through(engine_address, "INFO"),
        progress=tell_through(engine_address, "INFO", passing=True),
    )
    server = grpc.aio.server(options=_GRPC_CHANNEL_OPTIONS)
    add: Any = provider_pb2_grpc.add_ResourceProviderServicer_to_server
    add(Servicer(args, provider, engine_address), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    watch = asyncio.ensure_future(_ended(engine_pid))
    await asyncio.wait({watch, asyncio.ensure_future(stop.wait())}, return_when=asyncio.FIRST_COMPLETED)
    await provider.close()
    await server.stop(grace=0)


async def _ended(pid: int) -> None:
    """Returns when the engine, the parent of this process, has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except (AttributeError, OSError):
        while os.getppid() == pid:
            await asyncio.sleep(_PARENT_SECONDS)
        return
    gone = asyncio.Event()
    asyncio.get_running_loop().add_reader(descriptor, gone.set)
    # After the descriptor is there: a process that ended before it was opened is noticed here.
    if os.getppid() == pid:
        await gone.wait()
    os.close(descriptor)


def main(args: list[str], engine_pid: int) -> None:
    """Entry point; the first argument is the engine's address, `engine_pid` the process that started this one."""
    addresses = [arg for arg in args if not arg.startswith("-")]
    if not addresses:
        sys.exit("pulumi-resource-vcf is a Pulumi plugin: the engine starts it, with its own address as argument.")
    asyncio.run(serve(args, addresses[0], engine_pid))
