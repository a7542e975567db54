"""A plugin between the engine and a real one, which makes one operation of it fail: the faults of ``./paif prove``.

It starts the real plugin, hands every call on as it is, and does to the one that PAIF_FAULT names what PAIF_FAULT says:

    error      the provider answers with an error
    not-ready  the operation is done, and the object is said not to have become ready in its time
    cut        the provider ends in the middle of the call, with its connection

PAIF_CALLS is a file for the calls that there were, one JSON object a line: `method` and `what`, the URN of a resource
or a function with its arguments, secrets left out. Nothing else of the protocol is known here (pulumi 3.259
provider.proto).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from typing import Any, Literal, get_args

import grpc  # type: ignore[import-untyped]
from google.protobuf import any_pb2, json_format  # type: ignore[import-untyped]
from pulumi.runtime.proto import provider_pb2, status_pb2
from pydantic import BaseModel

from lab.process import before_exec
from lab.state import ROOT
from paif_catalog.redaction import SIGNATURE
from tools.spec import load, pulumi_home

FaultKind = Literal["error", "not-ready", "cut"]
FAULT_KINDS: tuple[FaultKind, ...] = get_args(FaultKind)
_REQUESTS: dict[str, Any] = {
    "Check": provider_pb2.CheckRequest,
    "Diff": provider_pb2.DiffRequest,
    "Create": provider_pb2.CreateRequest,
    "Read": provider_pb2.ReadRequest,
    "Update": provider_pb2.UpdateRequest,
    "Delete": provider_pb2.DeleteRequest,
    "Invoke": provider_pb2.InvokeRequest,
}
_RESPONSES: dict[str, Any] = {"Create": provider_pb2.CreateResponse, "Update": provider_pb2.UpdateResponse}
_GRPC_OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
FAULT_MESSAGE = "503 Service Unavailable: a fault that a test asked for"


class Fault(BaseModel):
    """What fails: a call of `method` about `what`, outside of previews unless `previews` says so."""

    method: str
    what: str
    how: FaultKind
    previews: bool = False


def describe_call(method: str, request: bytes) -> tuple[str, bool]:
    """What a call is about, and whether it is one of a preview."""
    kind = _REQUESTS.get(method)
    if kind is None:
        return "", False
    message = kind.FromString(request)
    if method == "Invoke":
        arguments = json_format.MessageToDict(message.args)
        plain = {key: value for key, value in arguments.items() if SIGNATURE not in str(value)}
        return f"{message.tok} {json.dumps(plain, sort_keys=True)}", bool(message.preview)
    return message.urn, bool(getattr(message, "preview", False))


class FaultProxy(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Every method of the provider, handed on as bytes."""

    def __init__(self, channel: Any, fault: Fault | None, calls: Path | None) -> None:
        self._channel, self._fault, self._calls = channel, fault, calls
        self._lock = threading.Lock()

    def service(self, handler_call_details: Any) -> Any:
        """The handler of one method."""
        path = handler_call_details.method
        call = self._channel.unary_unary(path)
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: self._handle(path.rsplit("/", 1)[-1], call, request, context)
        )

    def _handle(self, method: str, call: Callable[..., Any], request: bytes, context: Any) -> bytes:
        what, previewed = describe_call(method, request)
        fault = self._fault
        hit = fault is not None and (fault.method, fault.what) == (method, what) and (fault.previews or not previewed)
        if self._calls is not None and what:
            line = json.dumps({"method": method, "what": what, "preview": previewed, "failed": hit})
            with self._lock, self._calls.open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")
        if hit and fault is not None:
            if fault.how == "cut":
                # The kernel ends the real plugin with this process.
                os._exit(1)
            if fault.how == "error":
                context.abort(grpc.StatusCode.UNKNOWN, FAULT_MESSAGE)
        try:
            response: bytes = call(request)
        except grpc.RpcError as error:
            context.set_trailing_metadata(error.trailing_metadata() or ())
            context.abort(error.code(), error.details())
        if hit:
            self._abort_not_ready(method, request, response, context)
        return response

    def _abort_not_ready(self, method: str, request: bytes, response: bytes, context: Any) -> None:
        created, requested = _RESPONSES[method].FromString(response), _REQUESTS[method].FromString(request)
        detail = provider_pb2.ErrorResourceInitFailed(
            id=getattr(created, "id", "") or requested.id,
            properties=created.properties,
            inputs=requested.properties if method == "Create" else requested.news,
            reasons=[FAULT_MESSAGE],
        )
        packed = any_pb2.Any()
        packed.Pack(detail)
        status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=FAULT_MESSAGE, details=[packed])
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(grpc.StatusCode.UNKNOWN, FAULT_MESSAGE)


def _plugin_path(name: str) -> Path:
    if name == "vcf":
        return ROOT / "pulumi_resource_vcf" / "pulumi-resource-vcf"
    version = load()[f"pulumi-resource-{name}"].version
    return pulumi_home() / "plugins" / f"resource-{name}-v{version}" / f"pulumi-resource-{name}"


def main(name: str, arguments: list[str]) -> int:
    """Start the real plugin ``name`` as the engine would, serve until it ends; returns its exit status."""
    process = subprocess.Popen(
        [str(_plugin_path(name)), *arguments],
        stdout=subprocess.PIPE,
        preexec_fn=before_exec(unprivileged=False),  # noqa: PLW1509 - no thread has been started yet
    )
    assert process.stdout is not None  # noqa: S101 - it was asked for
    port = process.stdout.readline().decode().strip()
    fault = os.environ.get("PAIF_FAULT")
    calls = os.environ.get("PAIF_CALLS")
    server = grpc.server(futures.ThreadPoolExecutor(256), options=_GRPC_OPTIONS)
    channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=_GRPC_OPTIONS)
    handler = FaultProxy(channel, Fault.model_validate_json(fault) if fault else None, Path(calls) if calls else None)
    server.add_generic_rpc_handlers((handler,))
    own = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{own}\n")
    sys.stdout.flush()
    return process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
