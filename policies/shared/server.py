"""Speaks the engine's analyzer protocol for packs: the one place where rules meet the engine.

Properties are decoded once per resource, for all packs of a process.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc  # type: ignore[import-untyped]
from google.protobuf import empty_pb2  # type: ignore[import-untyped]

from policies.shared.analyzer import Analyzer
from policies.shared.configuration import ConfigurationError
from policies.shared.model import Resource
from policies.shared.pack import VERSION, Pack
from policies.shared.properties import decode
from policies.shared.protocol import messages, plugin
from policies.shared.reporting import Reporter, list_command


class Service:
    """What one process answers the engine: for a pack, or for several at once.

    Several in one process are started once and asked once per resource, which is decoded once; each finding still
    carries the name of its own pack.
    """

    def __init__(self, name: str, description: str, packs: Sequence[Pack[Any, Any]]) -> None:
        self._name, self._description = name, description
        self._reporter = Reporter(name)
        self._analyzers: list[Analyzer[Any, Any]] = [
            Analyzer(pack, self._reporter, first=pack is packs[0]) for pack in packs
        ]

    @property
    def has_remediations(self) -> bool:
        """Whether any rule can put something right."""
        return any(each.has_remediations for each in self._analyzers)

    def handshake(self, _request: Any) -> Any:
        return messages.AnalyzerHandshakeResponse()

    def plugin_info(self, _request: Any) -> Any:
        return plugin.PluginInfo(version=VERSION)

    def cancel(self, _request: Any) -> Any:
        return empty_pb2.Empty()

    def configure_stack(self, request: Any) -> Any:
        self._reporter.begin()
        for each in self._analyzers:
            each.configure_stack(request)
        return messages.AnalyzerStackConfigureResponse()

    def info(self, _request: Any) -> Any:
        info = messages.AnalyzerInfo(
            name=self._name, version=VERSION, supportsConfig=True, description=self._description
        )
        for each in self._analyzers:
            each.describe(info)
        return info

    def configure(self, request: Any) -> Any:
        for each in self._analyzers:
            each.configure(request)
        return empty_pb2.Empty()

    def analyze(self, request: Any) -> Any:
        response = messages.AnalyzeResponse()
        resource: Resource | None = None

        def decoded() -> Resource:
            nonlocal resource
            resource = resource or decode(request)
            return resource

        for each in self._analyzers:
            each.analyze(request, decoded, response)
        return response

    def analyze_stack(self, _request: Any) -> Any:
        response = messages.AnalyzeResponse()
        self._reporter.hold()
        for each in self._analyzers:
            each.analyze_stack(response)
        run = next((each.run for each in self._analyzers if each.run), None)
        if run is not None:
            command = list_command(run.project, run.stack)
            self._reporter.finish(response, dry_run=run.dry_run, command=command)
        return response

    def remediate(self, request: Any) -> Any:
        response = messages.RemediateResponse()
        for each in self._analyzers:
            each.remediate(request, response)
        return response


def serve(*packs: Pack[Any, Any], name: str = "", description: str = "") -> None:
    """Serve packs until the engine ends. The port is the first line on standard output, as the engine expects."""
    service = Service(name or packs[0].name, description or packs[0].description, packs)
    calls: dict[str, tuple[Callable[[Any], Any], Any]] = {
        "Handshake": (service.handshake, messages.AnalyzerHandshakeRequest),
        "GetAnalyzerInfo": (service.info, empty_pb2.Empty),
        "GetPluginInfo": (service.plugin_info, empty_pb2.Empty),
        "Cancel": (service.cancel, empty_pb2.Empty),
        "ConfigureStack": (service.configure_stack, messages.AnalyzerStackConfigureRequest),
        "Configure": (service.configure, messages.ConfigureAnalyzerRequest),
        "Analyze": (service.analyze, messages.AnalyzeRequest),
        # Nothing of this request is used, and it holds every resource of the stack.
        "AnalyzeStack": (service.analyze_stack, None),
    }
    if service.has_remediations:
        calls["Remediate"] = (service.remediate, messages.AnalyzeRequest)
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(
            _with_configuration_errors(call),
            request_deserializer=request.FromString if request else None,
            response_serializer=lambda message: message.SerializeToString(),
        )
        for name, (call, request) in calls.items()
    }
    # One call at a time: what a pack remembers of earlier resources needs no locks.
    server = grpc.server(
        ThreadPoolExecutor(max_workers=1), options=[("grpc.max_receive_message_length", 400 * 1024 * 1024)]
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("pulumirpc.Analyzer", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    # Nothing is left to do at the end: leaving at once spares every run the wait for idle threads.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))
    # An engine that was killed cannot end its plugins; they notice that they were left behind.
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(2)
    os._exit(0)


def _with_configuration_errors(call: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    def answer(request: Any, context: Any) -> Any:
        try:
            return call(request)
        except ConfigurationError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))

    return answer
