"""The engine as the provider's host: where messages go that belong to no answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

Tell = Callable[[str, str], Awaitable[None]]
"""Tells the person something of a resource (URN, text) that does not stop the run."""


async def silent(urn: str, text: str) -> None:
    """Tells nobody."""
    del urn, text


def tell_through(engine_address: str, severity: Literal["INFO", "WARNING"], *, passing: bool = False) -> Tell:
    """Messages through the engine at this address, which shows them beside the resource.

    `passing` ones are shown while the operation is under way, and not kept.
    """
    engine: list[Any] = []

    async def tell(urn: str, text: str) -> None:
        import grpc.aio  # type: ignore[import-untyped] # noqa: PLC0415 - few runs have something to say
        from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc  # noqa: PLC0415

        if not engine:
            # One connection: with a hundred machines there are some hundred messages. It ends with the plugin.
            engine.append(engine_pb2_grpc.EngineStub(grpc.aio.insecure_channel(engine_address)))
        level = engine_pb2.LogSeverity.Value(severity)
        await engine[0].Log(engine_pb2.LogRequest(severity=level, message=text, urn=urn, ephemeral=passing))

    return tell
