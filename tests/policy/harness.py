"""What tests of the policy packs share: a pack's process spoken to as the engine does, and whole runs of the engine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
from google.protobuf import empty_pb2, struct_pb2  # type: ignore[import-untyped]

from policies.shared.protocol import messages

ROOT = Path(__file__).resolve().parents[2]
PACKS = ("naming", "licensing", "platform")
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
LEVELS = {messages.ADVISORY: "advisory", messages.MANDATORY: "mandatory", messages.REMEDIATE: "remediate"}


def executable(pack: str) -> Path:
    """A pack's executable; `all` is the one with all three."""
    return ROOT / "policies" / pack / ("pulumi-analyzer-paif" if pack == "all" else f"pulumi-analyzer-paif-{pack}")


@dataclass(frozen=True)
class Diagnostic:
    """One line of a policy report."""

    rule: str
    level: str
    message: str
    urn: str


def urn(kind: str, name: str, stack: str = "dev") -> str:
    return f"urn:pulumi:{stack}::paif::{kind}::{name}"


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
    result = struct_pb2.Struct()
    result.update(wire(value))
    return result


class Process:
    """A started pack, spoken to over the engine's protocol."""

    def __init__(self, argv: list[str], **variables: str) -> None:
        # Each finding at its resource, so that a test sees what is said of it.
        env = {**os.environ, "PAIF_POLICY_REPORT": "each", **variables}
        self._process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=env)
        assert self._process.stdout is not None
        self._channel = grpc.insecure_channel(f"127.0.0.1:{int(self._process.stdout.readline())}")

    def close(self) -> None:
        self._channel.close()
        self._process.terminate()
        self._process.wait(timeout=10)

    def call(self, method: str, request: Any, answer: Any) -> Any:
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
                project="paif",
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
    def request(resource: RequestedResource, stack: str) -> Any:
        request = messages.AnalyzeRequest(
            type=resource.type,
            urn=urn(resource.type, resource.name, stack),
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
        request = self.request(resource, stack)
        for each in self.remediate(resource, stack):
            if each.HasField("properties"):
                request.properties.CopyFrom(each.properties)
        answer = self.call("Analyze", request, messages.AnalyzeResponse)
        return [_diagnostic(each) for each in answer.diagnostics]

    def analyze_stack(self) -> list[Diagnostic]:
        answer = self.call("AnalyzeStack", messages.AnalyzeStackRequest(), messages.AnalyzeResponse)
        return [_diagnostic(each) for each in answer.diagnostics]

    def remediate(self, resource: RequestedResource, stack: str = "dev") -> list[Any]:
        try:
            answer = self.call("Remediate", self.request(resource, stack), messages.RemediateResponse)
        except grpc.RpcError as error:
            # A pack that puts nothing right has no such call, which the engine takes for an answer.
            if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                raise
            return []
        return list(answer.remediations)


def _diagnostic(each: Any) -> Diagnostic:
    return Diagnostic(each.policyName, LEVELS[each.enforcementLevel], each.message, each.urn)


@contextmanager
def started(pack: str, **variables: str) -> Iterator[Process]:
    """A pack's process, as the engine starts the executable, with these environment variables."""
    process = Process([str(executable(pack)), "127.0.0.1:1"], **variables)
    try:
        yield process
    finally:
        process.close()


# Whole runs of the engine.

_HERE = Path(__file__).resolve().parent / "engine"


@dataclass
class Engine:
    """A scratch Pulumi project with simulated providers, a file backend and its own home."""

    folder: Path
    stack: str = "scratch"
    config: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)

    def prepare(self, *packages: str) -> None:
        """Make the project; simulated providers of these packages beside the usual ones."""
        bin_ = self.folder / "bin"
        plugins = []
        for name in sorted({"kubernetes", "vcf", "vsphere", "test", *packages}):
            home = self.folder / "providers" / name
            home.mkdir(parents=True)
            script = home / f"pulumi-resource-{name}"
            script.write_text(
                f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{ROOT}/.venv/bin/python" "{_HERE}/provider.py" "$@"\n'
            )
            script.chmod(0o755)
            plugins.append(f"    - {{name: {name}, path: {home}}}")
        bin_.mkdir()
        (self.folder / "state").mkdir()
        shutil.copy(_HERE / "program.py", self.folder / "__main__.py")
        (self.folder / "Pulumi.yaml").write_text(
            "name: paif\nruntime: python\nplugins:\n  providers:\n" + "\n".join(plugins) + "\n"
        )
        self.run("stack", "init", self.stack)
        values = [part for key, value in self.config.items() for part in ("--plaintext", f"paif:{key}={value}")]
        values += [part for key, value in self.secrets.items() for part in ("--secret", f"paif:{key}={value}")]
        if values:
            self.run("config", "set-all", "--stack", self.stack, *values)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}",
            "PULUMI_HOME": str(self.folder / "home"),
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}?metadata=skip",
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "TEST_CREATED": str(self.folder / "created"),
            "PAIF_POLICY_REPORT": "each",
        }

    def run(self, *arguments: str, packs: Sequence[str] = (), check: bool = True, **values: str) -> Any:
        argv = ["pulumi", *arguments, "--non-interactive"]
        for pack in packs:
            argv += ["--policy-pack", str(executable(pack))]
        answer = subprocess.run(
            argv,
            cwd=self.folder,
            env={**self.environment, **values},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        if check:
            assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer

    def resources(self, *asked: RequestedResource) -> None:
        data = [
            {
                "type": each.type,
                "name": each.name,
                "properties": each.properties,
                "protect": each.protect,
                "after": each.after,
                "via": each.via,
            }
            for each in asked
        ]
        (self.folder / "resources.json").write_text(json.dumps(data), encoding="utf-8")

    def created(self) -> list[str]:
        file = self.folder / "created"
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []
