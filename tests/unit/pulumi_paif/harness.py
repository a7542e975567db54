"""Runs components against Pulumi's mocks and keeps every registration with its inputs and options."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi.runtime import mocks, rpc

from pulumi_resource_vcf.readiness.expressions import path, value_at

NAMESPACE = "acme-dev-ns-ai"


@dataclass
class Registration:
    """One resource as the engine was told about it. Secret inputs are plain here; `secrets` holds their paths."""

    type: str
    name: str
    inputs: dict[str, Any]
    secrets: set[str]
    request: Any

    @property
    def depends_on(self) -> set[str]:
        """Names of the resources that come first."""
        return {urn.rsplit("::", 1)[1] for urn in self.request.dependencies}


def _unwrapped(value: Any, path: str, secrets: set[str]) -> Any:
    if rpc.is_rpc_secret(value):
        secrets.add(path)
        return _unwrapped(value["value"], path, secrets)
    if isinstance(value, dict):
        return {key: _unwrapped(item, f"{path}.{key}".strip("."), secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [_unwrapped(item, f"{path}[{index}]", secrets) for index, item in enumerate(value)]
    return value


STATUS: dict[str, dict[str, Any]] = {
    "VirtualMachine": {"network": {"primaryIP4": "192.0.2.10"}},
    "ClusterPolicy": {"state": "ready"},
    "VirtualMachineService": {"loadBalancer": {"ingress": [{"ip": "198.51.100.7"}]}},
    "PostgresCluster": {
        "connection": {
            "host": "192.0.2.20",
            "port": 5432,
            "dbname": "pais",
            "username": "pgadmin",
            "passwordRef": {"name": "pg-acme-dev-pg-vectors"},
        }
    },
}
SERVICE = {
    "spec": {"ports": [{"port": 443}]},
    "status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.9"}]}},
}
POSTGRES = "kubernetes:databases.dataservices.vmware.com/v1alpha1:PostgresCluster"
DIGEST = f"sha256:{'0' * 64}"


def _values(awaited: dict[str, Any]) -> dict[str, Any]:
    item = {"status": STATUS.get(awaited["kind"], {})}
    found = {key: value_at(item, path(where)) for key, where in (awaited.get("values") or {}).items()}
    if "members" not in awaited:
        return found
    return {f"{name}/{key}": value for name in awaited["members"] for key, value in found.items()}


@dataclass
class Engine(pulumi.runtime.Mocks):
    """Answers as engine and providers would, and remembers."""

    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        secrets: set[str] = set()
        outputs: dict[str, Any] = _unwrapped(args.inputs, "", secrets)
        if args.typ == "kubernetes:core/v1:Service":
            outputs = SERVICE
        elif args.typ == POSTGRES and args.resource_id:
            outputs = {"spec": {"version": "16.8+vmware.v9.0.1.0"}, "status": STATUS["PostgresCluster"]}
        elif args.typ == "vsphere:index/virtualMachine:VirtualMachine":
            outputs |= {"defaultIpAddress": "192.0.2.30"}
        elif args.typ == "vcf:index:Readiness":
            outputs |= {"values": {k: v for each in outputs["objects"] for k, v in _values(each).items()}}
        elif args.typ == "vcf:index:GalleryModel":
            outputs |= {"digest": DIGEST, "ociRef": f"{outputs['registry']}/{outputs['repository']}@{DIGEST}"}
        elif args.typ == "vcf:index:NamespaceContents":
            outputs |= {"imageNames": {each["name"]: each["name"] for each in outputs.get("images") or []}}
        elif args.typ == "vcf:index:PostgresExtension":
            outputs |= {"installedVersion": "0.8.0"}
        metadata = outputs.get("metadata") or {}
        return args.resource_id or f"{metadata.get('namespace', 'x')}/{metadata.get('name', args.name)}", outputs

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        self.calls.append((args.token, args.args))
        if args.token in self.answers:
            answer = self.answers[args.token]
            if isinstance(answer, Exception):
                return {}, [("look-up", str(answer))]
            found: dict[str, Any] = answer(args.args) if callable(answer) else answer
            return found, []
        if args.token == "vcf:index:getLibraryItem":
            return {"name": args.args["name"], "id": f"item-{args.args['name']}", "type": "ovf"}, []
        return {"value": f"value-of-{args.args.get('name')}", "id": f"id-of-{args.args.get('name')}"}, []


class _Monitor(mocks.MockMonitor):
    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.registrations: list[Registration] = []

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 (gRPC's name)
        secrets: set[str] = set()
        inputs = _unwrapped(rpc.deserialize_properties(request.object), "", secrets)
        if request.type != "pulumi:pulumi:Stack":
            self.registrations.append(Registration(request.type, request.name, inputs, secrets, request))
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]


@dataclass
class Declared:
    """What a piece of program declared."""

    registrations: list[Registration]
    calls: list[tuple[str, dict[str, Any]]]
    outputs: dict[str, Any]
    secret_outputs: set[str]

    def one(self, type_: str, name: str | None = None) -> Registration:
        """The only resource of a type (and name). Fails when there are none or several."""
        found = [r for r in self.registrations if r.type == type_ and name in (None, r.name)]
        assert len(found) == 1, (
            f"{type_}: {[r.name for r in found]} of {[(r.type, r.name) for r in self.registrations]}"
        )
        return found[0]

    def types(self) -> dict[str, int]:
        """How many resources of each type there are, components not counted."""
        counts: dict[str, int] = {}
        for registration in self.registrations:
            if registration.request.custom:
                counts[registration.type] = counts.get(registration.type, 0) + 1
        return counts


def declare(build: Callable[[], dict[str, Any]], answers: dict[str, Any] | None = None, stack: str = "dev") -> Declared:
    """Run a piece of program; returns its registrations, calls and resolved outputs."""
    engine = Engine(answers=answers or {})
    monitor = _Monitor(engine)
    # Pulumi takes the thread's loop, and another test in this process may have closed or removed it.
    loop = asyncio.new_event_loop()
    # What nobody has asked for is told at some later collection of garbage, in the middle of another test: on Python
    # 3.11 one that parses code fails of it. What went wrong is raised here anyway.
    loop.set_exception_handler(lambda *_: None)
    asyncio.set_event_loop(loop)
    pulumi.runtime.set_mocks(engine, project="paif", stack=stack, monitor=monitor)
    outputs: dict[str, Any] = {}
    secret: set[str] = set()

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def run() -> Any:
        async def resolve(name: str, value: pulumi.Output[Any]) -> None:
            outputs[name] = await value.future()
            if await value.is_secret():
                secret.add(name)

        async def all_of_them() -> None:
            for name, value in _flat(build()).items():
                await resolve(name, pulumi.Output.from_input(value))

        return pulumi.Output.from_input(all_of_them())

    run()
    return Declared(monitor.registrations, engine.calls, outputs, secret)


def _flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Outputs by dotted path, so that each leaf's secrecy is seen by itself."""
    result: dict[str, Any] = {}
    for key, item in value.items():
        if isinstance(item, dict):
            result |= _flat(item, f"{prefix}{key}.")
        else:
            result[prefix + key] = item
    return result
