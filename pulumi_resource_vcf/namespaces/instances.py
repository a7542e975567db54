"""Reads and changes of a Supervisor namespace by vCenter's API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from ..errors import GoneError, VcfError
from ..resource import Context
from ..vcenter import VCenter, VCenterError, messages_of, segment
from .plan import Plan

INSTANCES = "/api/vcenter/namespaces/instances"


async def write(context: Context, vcenter: VCenter, name: str, plan: Callable[[dict[str, Any]], Plan]) -> Plan:
    """Sends what is planned for the namespace as it is at that moment; raises GoneError when it is not there."""
    done: Plan | None = None

    async def send() -> None:
        nonlocal done
        info = await get(vcenter, name)
        if info is None:
            raise GoneError(
                f"Supervisor namespace {name!r} is gone. `pulumi refresh` notices, `pulumi up` makes it anew."
            )
        done = plan(info)
        if done.spec:
            await vcenter.patch(f"{INSTANCES}/{segment(name)}", done.spec)

    await when_allowed(context, vcenter, name, send)
    assert done is not None  # noqa: S101 - send has run
    return done


async def when_allowed(context: Context, vcenter: VCenter, name: str, send: Callable[[], Awaitable[None]]) -> None:
    """Sends a change, again and again while the namespace is being configured and takes none."""
    refusal = ""

    async def sent() -> bool:
        nonlocal refusal
        try:
            await send()
        except VCenterError as error:
            info = await get(vcenter, name)
            if error.kind != "NOT_ALLOWED_IN_CURRENT_STATE" or (info or {}).get("config_status") == "REMOVING":
                raise
            refusal = str(error)
            return False
        return True

    await context.wait(sent, lambda seconds: VcfError(f"{refusal} It was still so after {seconds:.0f} s."))


async def get(vcenter: VCenter, name: str) -> dict[str, Any] | None:
    try:
        info: dict[str, Any] = await vcenter.get(f"{INSTANCES}/v2/{segment(name)}")
    except GoneError:
        return None
    return info


async def wait_gone(context: Context, vcenter: VCenter, name: str) -> None:
    info: dict[str, Any] | None = None

    async def gone() -> bool:
        nonlocal info
        info = await get(vcenter, name)
        return info is None

    await context.wait(
        gone,
        lambda seconds: VcfError(
            f"Supervisor namespace {name!r} is still there {seconds:.0f} s after its removal began: it is "
            f"{(info or {}).get('config_status')}.{messages_of(info or {})} Objects with finalizers in it may hold it; "
            "`pulumi destroy` goes on waiting."
        ),
    )
