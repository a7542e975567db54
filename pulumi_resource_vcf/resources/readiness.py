"""Readiness: waits until objects of a Supervisor or cluster are what was asked for, and fails when they cannot be."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from .. import fields as f
from ..errors import Problem, VcfError
from ..progress import Progress
from ..readiness.declared import OBJECT
from ..readiness.waiting import MESSAGE_LENGTH, Wait
from ..resource import Context, Resource, known
from ..values import Props, Unknown, has_unknown

_FEW: Final = 4
_WHAT_IS_WAITED_FOR: Final = [
    "apiVersion",
    "kind",
    "namespace",
    "name",
    "asked",
    "members",
    "waitFor",
    "nodes",
    "values",
]
_PAIRS: Final = {"patience": ("reason", "seconds"), "values": ("key", "path")}
"""How the first versions wrote an entry of what is a map now."""


class Readiness(Resource):
    """See the module's docstring. It is no object of its own: making it waits, removing it does nothing."""

    tok: ClassVar = "vcf:index:Readiness"
    doc: ClassVar = (
        "Objects that are ready: their controllers have seen what was asked for, their conditions hold, and what they "
        "promise is there (nodes of a cluster, GPUs of nodes). Waited for when it is created, and again whenever "
        "`asked` changes; given up as soon as the platform says that it cannot be."
    )
    import_id: ClassVar = "none: it is no object of its own"
    identity: ClassVar = ()
    fields: ClassVar[f.Fields] = {
        "objects": f.Field(kind="array", doc="what to wait for", required=True, items=OBJECT),
        "kubeconfig": f.Field(
            kind="string", doc="kubeconfig of the API server as YAML text; the provider's without it", secret=True
        ),
        "values": f.Field(kind="object", doc="what was asked for under `values`, by key", output=True),
    }

    def upgraded(self, state: Props) -> Props:
        """The first versions wrote `patience` and `values` as lists of pairs."""
        objects = state.get("objects")
        return {**state, "objects": [_upgraded(each) for each in objects]} if isinstance(objects, list) else state

    def same(self, name: str, field: f.Field, old: Any, new: Any, state: Props) -> bool:
        """Another login, or another patience, is no reason to wait again."""
        if name == "kubeconfig":
            return True
        if name == "objects" and isinstance(old, list) and isinstance(new, list):
            old, new = _essence(old), _essence(new)
        return super().same(name, field, old, new, state)

    def preview(self, state: Props, inputs: Props) -> Props:
        """What was given out stays, as far as can be told: what depends on it need not be made anew."""
        values = state.get("values") if state and not has_unknown(inputs.get("objects")) else None
        return {**inputs, "values": Unknown() if values is None else values}

    async def expect(self, context: Context, inputs: Props) -> Props | None:
        """At preview, of what is there and ready already: what it will give out; None when that cannot be told."""
        if has_unknown(inputs.get("objects")) or not known(inputs, "kubeconfig"):
            return None
        try:
            waits = self._waits(context, inputs)
            looks = await asyncio.gather(*(wait.look() for wait in waits))
        except VcfError:
            return None
        return None if any(look.waiting for look in looks) else {**inputs, "values": _values(waits)}

    async def create(self, context: Context, inputs: Props) -> tuple[str, Props]:
        """Waits."""
        values = await self._wait(context, inputs)
        named = [f"{each['kind']}/{each.get('name') or len(each['members'])}" for each in inputs["objects"]]
        return "/".join(named), {**inputs, "values": values}

    async def update(self, context: Context, resource_id: str, state: Props, inputs: Props) -> Props:
        """Waits again."""
        del resource_id, state
        return {**inputs, "values": await self._wait(context, inputs)}

    async def read(self, context: Context, resource_id: str, state: Props) -> tuple[str, Props] | None:
        """What the objects say now; None when one is gone. Unreachable, it is as it was: nothing is lost by that."""
        if not state:
            raise VcfError(f"Cannot import {resource_id!r}: a readiness is no object; declare it without importing it.")
        waits = self._waits(context, state)
        try:
            there = await asyncio.gather(*(wait.find() for wait in waits))
        except VcfError:
            # The objects are read by resources of their own, which tell why they cannot be.
            return resource_id, state
        return (resource_id, {**state, "values": _values(waits)}) if all(there) else None

    async def delete(self, context: Context, resource_id: str, state: Props) -> None:
        """Leaves the objects as they are."""
        del context, resource_id, state

    def cross_check(self, inputs: Props) -> list[Problem]:
        """Names what it waits for, in one way."""
        return [
            Problem(f"objects[{index}].name", "expected either name or members, to know what to wait for")
            for index, each in enumerate(inputs["objects"])
            if isinstance(each, dict) and bool(each.get("name")) == bool(each.get("members"))
        ]

    @staticmethod
    def _waits(context: Context, inputs: Props) -> list[Wait]:
        if inputs.get("kubeconfig"):
            api = context.api_server(str(inputs["kubeconfig"]))
        else:
            api = context.supervisor("to see whether objects are ready")
        return [Wait(context, api, single) for each in inputs["objects"] for single in _singles(each)]

    async def _wait(self, context: Context, inputs: Props) -> dict[str, Any]:
        waits = self._waits(context, inputs)
        progress = Progress(context)

        async def tell() -> None:
            await progress.tell(_summary([each.progress for each in waits]))

        tasks = [asyncio.ensure_future(wait.until_ready(tell)) for wait in waits]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
        return _values(waits)


def _upgraded(awaited: Any) -> Any:
    if not isinstance(awaited, dict):
        return awaited
    maps = {
        name: {each[key]: each[value] for each in pairs}
        for name, (key, value) in _PAIRS.items()
        if isinstance(pairs := awaited.get(name), list)
    }
    return {**awaited, **maps}


def _singles(awaited: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """An awaited object, or each of its members as one."""
    if awaited.get("name"):
        return [awaited]
    values: Mapping[str, str] = awaited.get("values") or {}
    return [
        {**awaited, "name": name, "asked": asked, "values": {f"{name}/{key}": path for key, path in values.items()}}
        for name, asked in awaited["members"].items()
    ]


def _essence(objects: Sequence[Any]) -> list[Any]:
    return [
        {key: each[key] for key in _WHAT_IS_WAITED_FOR if each.get(key)} if isinstance(each, dict) else each
        for each in objects
    ]


def _summary(progress: Sequence[str]) -> str:
    """What is waited for, with the number of those that are ready already where there are many."""
    left = [each for each in progress if each]
    text = "; ".join(left)[:MESSAGE_LENGTH]
    return f"{len(progress) - len(left)} of {len(progress)} ready; {text}" if left and len(progress) > _FEW else text


def _values(waits: Sequence[Wait]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for wait in waits:
        found |= wait.values()
    return found
