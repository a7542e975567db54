"""Supervisor namespaces."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

from .. import fields as f
from .. import ownership
from ..errors import GoneError, InitFailedError, Problem, VcfError
from ..namespaces.instances import INSTANCES, get, wait_gone, when_allowed, write
from ..namespaces.lists import (
    ACCESS,
    NOTHING,
    STORAGE,
    body,
    by_id,
    duplicates,
    known_part,
    live_lists,
    spelled,
    values_of,
    wanted_lists,
)
from ..namespaces.names import names_of, resolve, resolve_again
from ..namespaces.plan import Plan, only_ours, planned
from ..ownership import Mark, Stored
from ..resource import Context, Notice, Resource, notice, refresh_inputs
from ..sharing import ours
from ..values import Props, has_unknown
from ..vcenter import VCenter, VCenterError, messages_of, segment

# vCenter shows ERROR for a moment while it retries by itself.
_ERROR_GRACE = 30.0
DNS_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
# More often is lost only what somebody else writes all the time.
_WRITES = 3


class Namespace(Resource):
    """A Supervisor namespace with permissions, storage, VM classes and content libraries.

    An adopted one is shared: entries that it has keep their place, ours are added and taken away again, and its
    description stays, unless it is `exclusive`. docs/decisions/0012-adoption.md has the reasons.

    Source: vSphere Automation API 9.0, com.vmware.vcenter.namespaces.Instances (createV2, getV2, update, delete).
    """

    tok: ClassVar = "vcf:index:Namespace"
    doc: ClassVar = (
        "A Supervisor namespace with permissions, storage limits, VM classes and content libraries, created and waited "
        "for until it is RUNNING. Its lists are complete: entries of others are removed. `adopt` shares a namespace "
        "that exists already instead: entries of others and the description stay, and destroy only takes away what was "
        "added; with `exclusive` the lists are complete there too, and what was removed does not come back."
    )
    import_id: ClassVar = "the namespace's name, for example pai-dev"
    identity: ClassVar = ("name",)
    fields: ClassVar[f.Fields] = {
        "name": f.Field(
            kind="string",
            doc="name, unique in the vCenter",
            required=True,
            replaces=True,
            pattern=DNS_LABEL,
            expected="a DNS label: lower-case letters, digits and hyphens, at most 63 characters",
        ),
        "supervisor": f.Field(kind="string", doc="name or id of the Supervisor", required=True, replaces=True),
        "description": f.Field(kind="string", doc="text that vCenter shows beside the name", kept=True),
        "accessList": f.Field(
            kind="array",
            doc="all permissions; of an adopted namespace only those to add",
            items=ACCESS,
            unordered=True,
            kept=True,
        ),
        "storageSpecs": f.Field(
            kind="array", doc="storage policies with limits", items=STORAGE, unordered=True, kept=True
        ),
        "vmClasses": f.Field(
            kind="array",
            doc="names of the VM classes that may be used",
            items=f.Field(kind="string", doc="VM class"),
            unordered=True,
            kept=True,
        ),
        "contentLibraries": f.Field(
            kind="array",
            doc="names or ids of the content libraries whose images may be used",
            items=f.Field(kind="string", doc="content library"),
            unordered=True,
            kept=True,
        ),
        "adopt": f.Field(
            kind="boolean",
            doc="share a namespace that exists already: foreign entries and the description stay, and on destroy only "
            "what was added is taken away",
        ),
        "exclusive": f.Field(
            kind="boolean", doc="of an adopted namespace, remove all entries that are not given here, for good"
        ),
        "configStatus": f.Field(kind="string", doc="CONFIGURING, RUNNING, REMOVING or ERROR", output=True),
        "supervisorId": f.Field(kind="string", doc="id of the Supervisor", output=True, source=("supervisor",)),
        "resolvedIds": f.Field(
            kind="object",
            doc="ids behind the names used, as KIND/NAME: id",
            output=True,
            source=("supervisor", "storageSpecs", "contentLibraries"),
        ),
        "owner": f.Field(kind="string", doc="ownership mark in the description", output=True),
    }

    def cross_check(self, inputs: Props) -> list[Problem]:
        """Duplicates, which vCenter refuses with less to go on."""
        problems = duplicates(inputs)
        if inputs.get("exclusive") is True and inputs.get("adopt", False) is False:
            problems.append(Problem("exclusive", "is given without `adopt: true`; a namespace made here is exclusive"))
        return problems

    def same(self, name: str, field: f.Field, old: Any, new: Any, state: Props) -> bool:
        """A name and the id behind it mean the same.

        `adopt` matters at creation only, and the description of a namespace that others share is theirs.
        """
        if name == "adopt" or (name == "description" and only_ours(state, state)):
            return True
        if name == "exclusive" and not has_unknown(new):
            return bool(old) is bool(new)
        ids = state.get("resolvedIds") or {}
        return f.same(field, by_id(name, old, ids), by_id(name, new, ids))

    async def foresee(self, context: Context, state: Props, inputs: Props) -> Notice | None:
        """What an adoption changes in a namespace that is there, and what it leaves."""
        vcenter, name = context.vcenter, inputs.get("name")
        info = await get(vcenter, name) if isinstance(name, str) else None
        if info is None or info.get("config_status") == "REMOVING":
            return None
        stored = Stored.of(info.get("description"))
        own, mark = self._marks(context, state, inputs, stored)
        if not mark.adopted:
            return None
        found = known_part(inputs)
        ids = await resolve_again(vcenter, found)
        self._check_place(info, ids, found)
        plan = planned(info, stored, own, mark, found, ids, values_of(state))
        return notice(f"Supervisor namespace {name!r}", plan.lines, loses=plan.loses)

    async def create(self, context: Context, inputs: Props) -> tuple[str, Props]:
        """POST, or going on with what an earlier create left; waits until RUNNING."""
        vcenter, name = context.vcenter, str(inputs["name"])
        ids = await resolve(vcenter, inputs)
        info = await get(vcenter, name)
        mark = Mark.of(context.urn)
        if info and info.get("config_status") == "REMOVING":
            await wait_gone(context, vcenter, name)
            info = None
        if info is None:
            try:
                await vcenter.post(
                    f"{INSTANCES}/v2",
                    {
                        "namespace": name,
                        "supervisor": ids[f"supervisor/{inputs['supervisor']}"],
                        "description": ownership.join(inputs.get("description", ""), mark),
                        **body({kind.prop: entries for kind, entries in wanted_lists(inputs, ids)}),
                    },
                )
            except VCenterError as error:
                if error.kind != "ALREADY_EXISTS":
                    raise
                # A lost answer: the first try of this very request may have made it.
                info = await get(vcenter, name)
                if info is None:
                    raise
        state = {
            **inputs,
            "supervisorId": ids[f"supervisor/{inputs['supervisor']}"],
            "resolvedIds": ids,
            "owner": str(mark),
        }
        if info is None:
            return name, await self._settle(context, vcenter, state)
        self._check_place(info, ids, inputs)
        birth = mark

        def marks(stored: Stored) -> tuple[Mark | None, Mark]:
            own = stored.own(context.urn, None)
            return own, self._claim(context, inputs, birth, stored)

        return name, await self._bring(context, vcenter, state, {}, marks)

    def _claim(self, context: Context, inputs: Props, mark: Mark, stored: Stored) -> Mark:
        name, adopt = str(inputs["name"]), inputs.get("adopt") is True
        what = f"Supervisor namespace {name!r}"
        return ownership.claim(what, context.urn, mark, stored, adopt=adopt, import_id=name)

    def _marks(self, context: Context, state: Props, inputs: Props, stored: Stored) -> tuple[Mark | None, Mark]:
        """The mark that is there and the one that will be, of a create (no state) or an update."""
        if not state:
            return stored.own(context.urn, None), self._claim(context, inputs, Mark.of(context.urn), stored)
        what = f"Supervisor namespace {inputs['name']!r}"
        adopt = inputs.get("adopt") is True
        return ownership.current(what, context.urn, state, stored, adopt=adopt)

    def _check_place(self, info: dict[str, Any], ids: dict[str, str], inputs: Props) -> None:
        wanted = ids.get(f"supervisor/{inputs.get('supervisor')}")
        if wanted and info["supervisor"] != wanted:
            raise VcfError(
                f"Supervisor namespace {inputs['name']!r} exists on another Supervisor ({info['supervisor']}). "
                "Names are unique in a vCenter: choose another name or the other Supervisor."
            )

    async def _bring(
        self,
        context: Context,
        vcenter: VCenter,
        state: Props,
        before: Props,
        marks: Callable[[Stored], tuple[Mark | None, Mark]],
    ) -> Props:
        """Brings a namespace that is there to `state` (inputs, ids, mark) from `before`; waits until RUNNING again."""
        name, wanted, values = str(state["name"]), state, values_of(before)

        def plan(info: dict[str, Any]) -> Plan:
            stored = Stored.of(info.get("description"))
            own, mark = marks(stored)
            return planned(info, stored, own, mark, wanted, wanted["resolvedIds"], values)

        for _ in range(_WRITES):
            done = await write(context, vcenter, name, plan)
            state = await self._settle(context, vcenter, {**state, "owner": str(done.mark)})
            # Lists are replaced as a whole, so that two who write at the same time undo each other's work.
            info = await get(vcenter, name)
            if not done.mark.adopted or info is None or not plan(info).spec:
                break
        return state

    async def _settle(self, context: Context, vcenter: VCenter, state: Props) -> Props:
        """State once RUNNING; else InitFailedError, so that the engine records what exists."""
        name = str(state["name"])
        info: dict[str, Any] = {}
        failing_since: float | None = None

        def failed(reason: str) -> InitFailedError:
            status = info.get("config_status", "UNKNOWN")
            return InitFailedError(
                f"Supervisor namespace {name!r} {reason}: it is {status}.{messages_of(info)} "
                "See Supervisor Management > Namespaces in vCenter; `pulumi up` goes on from here.",
                name,
                {**state, "configStatus": status},
            )

        async def running() -> bool:
            nonlocal info, failing_since
            info = await get(vcenter, name) or {}
            if info.get("config_status") != "ERROR":
                failing_since = None
            elif failing_since is None:
                failing_since = context.clock.now()
            elif context.clock.now() - failing_since > _ERROR_GRACE:
                raise failed("cannot be configured")
            return info.get("config_status") == "RUNNING"

        try:
            await context.wait(
                running,
                lambda seconds: failed(f"is not RUNNING after {seconds:.0f} s (customTimeouts gives it longer)"),
            )
        except asyncio.CancelledError:
            raise failed("was left while being configured (canceled)") from None
        return {**state, "configStatus": "RUNNING"}

    async def read(self, context: Context, resource_id: str, state: Props) -> tuple[str, Props] | None:
        """Live state, in the program's spelling where names and ids mean the same.

        Of an adopted namespace that is not exclusive only what is ours: foreign entries are no drift.
        """
        vcenter = context.vcenter
        info = await get(vcenter, resource_id)
        if info is None:
            return None
        stored = Stored.of(info.get("description"))
        recorded = ownership.parse(state.get("owner"))
        own = stored.own(context.urn, recorded)
        ids = await resolve_again(vcenter, state) if state else await names_of(vcenter, info)
        names = {f"{key.split('/')[0]}/{value}": key.split("/", 1)[1] for key, value in ids.items()}
        wanted = dict(wanted_lists(state, ids))
        entries = {
            kind.prop: list(
                ours(
                    kind,
                    found,
                    kind.tokens(wanted.get(kind)),
                    others=stored.others(own) if state else (),
                    whole=not state or not only_ours(state, state),
                )
            )
            for kind, found in live_lists(info)
        }
        live = {
            "name": resource_id,
            "supervisor": names.get(f"supervisor/{info['supervisor']}", info["supervisor"]),
            "description": state.get("description") if state and only_ours(state, state) else stored.text,
            "accessList": [spelled(entry, state.get("accessList", [])) for entry in entries["accessList"]],
            "storageSpecs": [
                {"policy": names.get(f"policy/{s['policy']}", s["policy"])}
                | ({"limitMib": s["limit"]} if s.get("limit") is not None else {})
                for s in entries["storageSpecs"]
            ],
            "vmClasses": entries["vmClasses"],
            "contentLibraries": [names.get(f"library/{i}", i) for i in entries["contentLibraries"]],
        }
        outputs = {
            "configStatus": info["config_status"],
            "supervisorId": info["supervisor"],
            "resolvedIds": ids,
            "owner": ownership.after_read(context.urn, state.get("owner"), stored, imported=not state),
        }
        return resource_id, {**refresh_inputs(self, state, live), **outputs}

    async def update(self, context: Context, resource_id: str, state: Props, inputs: Props) -> Props:
        """PATCH of what is managed; waits until RUNNING again."""
        vcenter = context.vcenter
        ids = await resolve(vcenter, inputs)
        new = {**inputs, "name": resource_id, "supervisorId": state.get("supervisorId"), "resolvedIds": ids}

        def marks(stored: Stored) -> tuple[Mark | None, Mark]:
            return self._marks(context, state, new, stored)

        return await self._bring(context, vcenter, {**new, "owner": state.get("owner", "")}, state, marks)

    async def delete(self, context: Context, resource_id: str, state: Props) -> None:
        """DELETE and wait; an adopted namespace only loses what was added to it."""
        vcenter = context.vcenter
        info = await get(vcenter, resource_id)
        if info is None:
            return
        what = f"Supervisor namespace {resource_id!r}"
        stored = Stored.of(info.get("description"))
        if not ownership.deletable(what, context.urn, state, stored):
            return
        if ownership.adopted(state, stored.own(context.urn, ownership.parse(state.get("owner")))):
            await self._release(context, vcenter, resource_id, state)
            return
        if info.get("config_status") != "REMOVING":
            try:
                await when_allowed(
                    context, vcenter, resource_id, lambda: vcenter.delete(f"{INSTANCES}/{segment(resource_id)}")
                )
            except GoneError:
                return
        await wait_gone(context, vcenter, resource_id)

    async def _release(self, context: Context, vcenter: VCenter, name: str, state: Props) -> None:
        """Takes away what was added, gives former values back, and waits until that is so."""
        values = values_of(state)

        def plan(info: dict[str, Any]) -> Plan:
            stored = Stored.of(info.get("description"))
            own = stored.own(context.urn, ownership.parse(state.get("owner")))
            mark = own or ownership.parse(state.get("owner")) or dataclasses.replace(Mark.of(context.urn), adopted=True)
            return planned(info, stored, own, mark, NOTHING, {}, values, release=True)

        info: dict[str, Any] | None = None

        async def released() -> bool:
            nonlocal info
            info = await get(vcenter, name)
            return info is None or info.get("config_status") != "CONFIGURING"

        for _ in range(_WRITES):
            try:
                await write(context, vcenter, name, plan)
            except GoneError:
                return
            await context.wait(
                released,
                lambda seconds: VcfError(
                    f"Supervisor namespace {name!r} is still {(info or {}).get('config_status')} {seconds:.0f} s after "
                    f"it was released.{messages_of(info or {})} `pulumi destroy` goes on waiting."
                ),
            )
            if info is None or info.get("config_status") == "REMOVING" or not plan(info).spec:
                break
