"""A harness for tests of policy packs: a pack's process, spoken to as the engine does; pytest's fixture `policy_pack`.

def test_a_machine_needs_an_owner(policy_pack):
    pack = policy_pack("/path/to/pulumi-analyzer-shop")
    pack.start(stack="dev")
    found = pack.analyze(RequestedResource("kubernetes:core/v1:ConfigMap", "notes", {"metadata": {}}))
    assert [each.rule for each in found] == ["owner"]
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from google.protobuf import empty_pb2, struct_pb2  # type: ignore[import-untyped]

from policies.shared.protocol import messages

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What the engine puts in the place of text that is not known yet."""
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - it marks secrets
LEVELS = {messages.ADVISORY: "advisory", messages.MANDATORY: "mandatory", messages.REMEDIATE: "remediate"}


@dataclass(frozen=True)
class Diagnostic:
    """One line of a policy report."""

    rule: str
    level: str
    message: str
    urn: str


@dataclass
class RequestedResource:
    """A resource as a test writes it."""

    type: str
    name: str
    properties: Mapping[str, Any]
    protect: bool = False
    ignored: tuple[str, ...] = ()
    provider: str = "urn:pulumi:dev::paif::pulumi:providers:kubernetes::supervisor"
    after: tuple[str, ...] = ()
    """Names of those that it depends on in a run of the engine, which registers it after them."""
    via: str = ""
    """Name of the provider that it goes to in a run of the engine, when it is not the default one."""


def urn(kind: str, name: str, stack: str = "dev", project: str = "paif") -> str:
    """The URN of a resource."""
    return f"urn:pulumi:{stack}::{project}::{kind}::{name}"


def wire(value: Any) -> Any:
    """Properties as the engine sends them: {"$secret": x} and {"$unknown": true} become its signatures."""
    if isinstance(value, Mapping):
        if set(value) == {"$secret"}:
            return {SIGNATURE: SECRET, "value": wire(value["$secret"])}
        if set(value) in ({"$unknown"}, {"$late"}):
            return UNKNOWN
        return {key: wire(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [wire(each) for each in value]
    return value


def struct(value: Any) -> struct_pb2.Struct:
    """Properties as a message."""
    result = struct_pb2.Struct()
    result.update(wire(value))
    return result


class Process:
    """A started pack, spoken to over the engine's protocol. It tells each finding at its resource."""

    def __init__(self, argv: list[str], *, project: str = "paif", **variables: str) -> None:
        self._project = project
        env = {**os.environ, "PAIF_POLICY_REPORT": "each", **variables}
        self._process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=env)
        assert self._process.stdout is not None  # noqa: S101 - for the type checker
        port = self._process.stdout.readline()
        if not port.strip().isdigit():
            self._process.wait()
            raise RuntimeError(f"{argv[0]} ended with status {self._process.returncode} instead of serving a pack")
        self._channel = grpc.insecure_channel(f"127.0.0.1:{int(port)}")

    def close(self) -> None:
        """End the process."""
        self._channel.close()
        self._process.terminate()
        self._process.wait(timeout=10)

    def call(self, method: str, request: Any, answer: Any) -> Any:
        """Call a method of the engine's protocol."""
        return self._channel.unary_unary(
            f"/pulumirpc.Analyzer/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )(request, timeout=30)

    def start(
        self,
        *,
        stack: str = "dev",
        config: Mapping[str, Any] | None = None,
        secrets: Mapping[str, str] | None = None,
        dry_run: bool = True,
        levels: Mapping[str, str] | None = None,
        settings: Mapping[str, Any] | None = None,
        pack: str = "",
        tell_stack: bool = True,
    ) -> Any:
        """Begin a run as the engine does: stack, information, configuration. Returns the information."""
        if tell_stack:
            texts = {
                f"paif:{key}": value if isinstance(value, str) else json.dumps(value)
                for key, value in (config or {}).items()
            }
            texts |= {f"paif:{key}": value for key, value in (secrets or {}).items()}
            request = messages.AnalyzerStackConfigureRequest(
                stack=stack,
                project=self._project,
                organization="organization",
                dry_run=dry_run,
                config=texts,
                config_secret_keys=[f"paif:{key}" for key in secrets or {}],
            )
            self.call("ConfigureStack", request, messages.AnalyzerStackConfigureResponse)
        info = self.call("GetAnalyzerInfo", empty_pb2.Empty(), messages.AnalyzerInfo)
        configure = messages.ConfigureAnalyzerRequest()
        numbers = {text: number for number, text in LEVELS.items()} | {"disabled": messages.DISABLED}
        for policy in info.policies:
            entry = configure.policyConfig[policy.name]
            given = (levels or {}).get(policy.name)
            entry.enforcementLevel = numbers[given] if given else policy.enforcementLevel
            if policy.name == f"{pack}-configuration" and settings:
                entry.properties.update(settings)
            elif pack == "all" and settings and policy.name in settings:
                entry.properties.update(settings[policy.name])
        self.call("Configure", configure, empty_pb2.Empty)
        return info

    @staticmethod
    def request(resource: RequestedResource, stack: str = "dev", project: str = "paif") -> Any:
        """What the engine asks of a resource."""
        request = messages.AnalyzeRequest(
            type=resource.type,
            urn=urn(resource.type, resource.name, stack, project),
            name=resource.name,
            properties=struct(resource.properties),
        )
        request.options.protect = resource.protect
        request.options.ignoreChanges.extend(resource.ignored)
        if resource.provider:
            request.provider.urn = resource.provider
            request.provider.type = resource.provider.split("::")[2]
        return request

    def analyze(self, resource: RequestedResource, stack: str = "dev") -> list[Diagnostic]:
        """Put a resource right and judge what came of it, in this order as the engine does."""
        request = self.request(resource, stack, self._project)
        for each in self.remediate(resource, stack):
            if each.HasField("properties"):
                request.properties.CopyFrom(each.properties)
        answer = self.call("Analyze", request, messages.AnalyzeResponse)
        return [_diagnostic(each) for each in answer.diagnostics]

    def analyze_stack(self) -> list[Diagnostic]:
        """What is said when no resource comes any more."""
        answer = self.call("AnalyzeStack", messages.AnalyzeStackRequest(), messages.AnalyzeResponse)
        return [_diagnostic(each) for each in answer.diagnostics]

    def remediate(self, resource: RequestedResource, stack: str = "dev") -> list[Any]:
        """What is put right of a resource."""
        try:
            answer = self.call("Remediate", self.request(resource, stack, self._project), messages.RemediateResponse)
        except grpc.RpcError as error:
            # A pack that puts nothing right has no such call, which the engine takes for an answer.
            if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                raise
            return []
        return list(answer.remediations)


def _diagnostic(each: Any) -> Diagnostic:
    return Diagnostic(each.policyName, LEVELS[each.enforcementLevel], each.message, each.urn)


@contextmanager
def started(executable: Path | str, *, project: str = "paif", **variables: str) -> Iterator[Process]:
    """A pack's process, as the engine starts the executable, with these environment variables beside."""
    process = Process([str(executable), "127.0.0.1:1"], project=project, **variables)
    try:
        yield process
    finally:
        process.close()


@pytest.fixture
def policy_pack() -> Iterator[Callable[..., Process]]:
    """Starts packs, by the path of their executable, and ends them after the test."""
    processes: list[Process] = []

    def start(executable: Path | str, *, project: str = "shop", **variables: str) -> Process:
        processes.append(Process([str(executable), "127.0.0.1:1"], project=project, **variables))
        return processes[-1]

    yield start
    for each in processes:
        each.close()
