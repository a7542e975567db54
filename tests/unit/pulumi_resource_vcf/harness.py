"""Drives the provider the way the engine does, in time that passes only where it is slept through."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pulumi.provider.experimental.provider as sdk
from pulumi.provider.experimental.property_value import PropertyValue

from pulumi_resource_vcf.clock import Clock
from pulumi_resource_vcf.provider import VcfProvider
from pulumi_resource_vcf.values import plain_map, wire, wire_map

T = TypeVar("T")
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


class FakeClock(Clock):
    """Time moves by sleeping only."""

    def __init__(self) -> None:
        self.time = 0.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds
        await asyncio.sleep(0)

    def jitter(self) -> float:
        return 1.0


class Engine:
    """One configured provider and an event loop for it."""

    def __init__(self, **config: Any) -> None:
        self.clock = FakeClock()
        self.warnings: list[str] = []
        self.notices: list[str] = []
        self.progress: list[str] = []
        self.provider = VcfProvider(self.clock, self._warn, self._inform, self._going_on)
        self.loop = asyncio.new_event_loop()
        request = sdk.ConfigureRequest({}, wire_map(config, {"password"}), accept_secrets=True, accept_resources=True)
        self.run(self.provider.configure(request))

    async def _warn(self, urn: str, text: str) -> None:
        self.warnings.append(f"{urn}: {text}")

    async def _going_on(self, urn: str, text: str) -> None:
        del urn
        self.progress.append(text)

    async def _inform(self, urn: str, text: str) -> None:
        del urn
        self.notices.append(text)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Runs to the end."""
        return self.loop.run_until_complete(coroutine)

    def close(self) -> None:
        """Logs out and ends the loop."""
        self.run(self.provider.close())
        self.loop.close()

    def urn(self, kind: str, name: str = "thing", stack: str = "dev") -> str:
        """URN of a resource of this type."""
        return f"urn:pulumi:{stack}::paif::vcf:index:{kind}::{name}"

    def check(self, kind: str, inputs: dict[str, Any], old: dict[str, Any] | None = None) -> sdk.CheckResponse:
        """Check with plain inputs; with those of before for what exists."""
        request = sdk.CheckRequest(self.urn(kind), wire_map(old or {}), wire_map(inputs), b"")
        return self.run(self.provider.check(request))

    def problems(self, kind: str, inputs: dict[str, Any], old: dict[str, Any] | None = None) -> dict[str, str]:
        """Reasons by property path."""
        return {failure.property: failure.reason for failure in self.check(kind, inputs, old).failures or []}

    def checked(self, kind: str, inputs: dict[str, Any]) -> dict[str, PropertyValue]:
        """Inputs as check returns them; there must be no problem."""
        response = self.check(kind, inputs)
        assert not response.failures, [(f.property, f.reason) for f in response.failures]
        assert response.inputs is not None
        return response.inputs

    def create(
        self, kind: str, inputs: dict[str, Any], timeout: float = 0, *, urn: str = "", preview: bool = False
    ) -> tuple[str, dict[str, PropertyValue]]:
        """Check and create; id and state with its secret marks."""
        request = sdk.CreateRequest(urn or self.urn(kind), self.checked(kind, inputs), timeout, preview)
        response = self.run(self.provider.create(request))
        return response.resource_id or "", response.properties

    def diff(self, kind: str, state: dict[str, PropertyValue], inputs: dict[str, Any]) -> sdk.DiffResponse:
        """Check and diff."""
        request = sdk.DiffRequest(self.urn(kind), "id", state, self.checked(kind, inputs), [])
        return self.run(self.provider.diff(request))

    def update(
        self,
        kind: str,
        resource_id: str,
        state: dict[str, PropertyValue],
        inputs: dict[str, Any],
        timeout: float = 0,
        *,
        urn: str = "",
        preview: bool = False,
    ) -> dict[str, PropertyValue]:
        """Check and update."""
        checked = self.checked(kind, inputs)
        request = sdk.UpdateRequest(urn or self.urn(kind), resource_id, state, checked, timeout, [], preview=preview)
        return self.run(self.provider.update(request)).properties

    def read(
        self,
        kind: str,
        resource_id: str,
        state: dict[str, PropertyValue] | None = None,
        inputs: dict[str, PropertyValue] | None = None,
        *,
        urn: str = "",
    ) -> sdk.ReadResponse:
        """Read; without state as for an import."""
        request = sdk.ReadRequest(urn or self.urn(kind), resource_id, state or {}, inputs or {})
        return self.run(self.provider.read(request))

    def delete(
        self, kind: str, resource_id: str, state: dict[str, PropertyValue], timeout: float = 0, *, urn: str = ""
    ) -> None:
        """Delete."""
        self.run(self.provider.delete(sdk.DeleteRequest(urn or self.urn(kind), resource_id, state, timeout)))

    def invoke(self, function: str, **args: Any) -> dict[str, Any]:
        """Look-up; the result as plain data."""
        request = sdk.InvokeRequest(f"vcf:index:{function}", {k: wire(v) for k, v in args.items()})
        response = self.run(self.provider.invoke(request))
        assert not response.failures, [(f.property, f.reason) for f in response.failures]
        return plain_map(response.return_value or {})
