"""A simulated provider for tests of the policy packs: takes whatever it is given, and makes nothing.

Resources of any package and type are accepted. `test:index:Late` has an output `value` that is known only once it
exists. Each creation is written to the file that TEST_CREATED names, so that a test sees what would exist.
"""

import os
import signal
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
from google.protobuf import empty_pb2, struct_pb2  # type: ignore[import-untyped]

from policies.shared import protocol

provider_pb2 = __import__("policies.shared._messages.provider_pb2", fromlist=["x"])
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


def outputs(request: Any, *, known: bool) -> Any:
    """What a resource gives out: its inputs, and for a late one its value."""
    result = struct_pb2.Struct()
    result.CopyFrom(request.properties)
    if "::test:index:Late::" in request.urn:
        if known:
            result.fields["value"].CopyFrom(request.properties.fields["promised"])
        else:
            result.fields["value"].string_value = UNKNOWN
    return result


def create(request: Any) -> Any:
    if request.preview:
        return provider_pb2.CreateResponse(id="", properties=outputs(request, known=False))
    with Path(os.environ["TEST_CREATED"]).open("a", encoding="utf-8") as file:
        file.write(f"{request.urn}\n")
    return provider_pb2.CreateResponse(id=uuid.uuid4().hex, properties=outputs(request, known=True))


def diff(request: Any) -> Any:
    changed = request.olds != request.news
    kind = provider_pb2.DiffResponse
    return kind(changes=kind.DIFF_SOME if changed else kind.DIFF_NONE)


CALLS = {
    "GetPluginInfo": (empty_pb2.Empty, lambda _: protocol.plugin.PluginInfo(version="4.25.0")),
    "CheckConfig": (provider_pb2.CheckRequest, lambda r: provider_pb2.CheckResponse(inputs=r.news)),
    "DiffConfig": (provider_pb2.DiffRequest, lambda _: provider_pb2.DiffResponse()),
    "Configure": (
        provider_pb2.ConfigureRequest,
        lambda _: provider_pb2.ConfigureResponse(
            acceptSecrets=True, acceptResources=True, supportsPreview=True, acceptOutputs=False
        ),
    ),
    "Check": (provider_pb2.CheckRequest, lambda r: provider_pb2.CheckResponse(inputs=r.news)),
    "Diff": (provider_pb2.DiffRequest, diff),
    "Create": (provider_pb2.CreateRequest, create),
    "Update": (provider_pb2.UpdateRequest, lambda r: provider_pb2.UpdateResponse(properties=r.news)),
    "Delete": (provider_pb2.DeleteRequest, lambda _: empty_pb2.Empty()),
    "Cancel": (empty_pb2.Empty, lambda _: empty_pb2.Empty()),
}


def main() -> None:
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(
            lambda request, _context, call=call: call(request),
            request_deserializer=message.FromString,
            response_serializer=lambda answer: answer.SerializeToString(),
        )
        for name, (message, call) in CALLS.items()
    }
    server = grpc.server(ThreadPoolExecutor(max_workers=8))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("pulumirpc.ResourceProvider", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)


main()
