"""Supervisor namespaces."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from .. import fields as f
from .. import ownership
from ..errors import GoneError, InitFailedError, Problem, ProblemsError, VcfError, listed, nearest
from ..ownership import Mark, Stored
from ..resource import Context, Notice, Resource, known, notice, refresh_inputs
from ..sharing import Kind, merge, ours
from ..values import Props, has_unknown
from ..vcenter import (
    VCenter,
    VCenterError,
    find_library,
    find_storage_policy,
    find_supervisor,
    messages_of,
    segment,
)

_INSTANCES = "/api/vcenter/namespaces/instances"
_CLASSES = "/api/vcenter/namespace-management/virtual-machine-classes"
# vCenter shows ERROR for a moment while it retries by itself.
_ERROR_GRACE = 30.0
# The key that holds an object's id, and the prefix under which `resolvedIds` keeps its names.
_KINDS = {"supervisor": "supervisor", "policy": "policy", "id": "library"}
DNS_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"

_ACCESS = f.Field(
    kind="object",
    type_name="AccessEntry",
    doc="who may do what in the namespace",
    fields={
        "subjectType": f.Field(kind="string", doc="user or group", choices=("USER", "GROUP"), required=True),
        "subject": f.Field(kind="string", doc="name of the user or group, without domain", required=True),
        "domain": f.Field(kind="string", doc="SSO domain of the subject", required=True),
        "role": f.Field(kind="string", doc="what they may do", choices=("OWNER", "EDIT", "VIEW"), required=True),
        "identityProvider": f.Field(
            kind="string", doc="id of the external identity provider that knows the subject; vCenter's own without it"
        ),
    },
)
_STORAGE = f.Field(
    kind="object",
    type_name="StorageSpec",
    doc="a storage policy that the namespace may use",
    fields={
        "policy": f.Field(kind="string", doc="name or id of the storage policy", required=True),
        "limitMib": f.Field(kind="integer", doc="limit in MiB; without it there is none", minimum=0),
    },
)


def _with_limit(spec: dict[str, Any], limit: str) -> dict[str, Any]:
    rest = {key: value for key, value in spec.items() if key != "limit"}
    return rest | ({"limit": int(limit)} if limit else {})


def _principal(entry: dict[str, Any]) -> str:
    provider = f" of identity provider {entry['identity_provider']}" if entry.get("identity_provider") else ""
    return f"{entry['subject_type']} {entry['subject'].lower()}@{entry['domain'].lower()}{provider}"


_LISTS: Final = (
    Kind(
        "accessList",
        "access of",
        _principal,
        lambda entry: str(entry["role"]),
        lambda entry, role: {**entry, "role": role},
    ),
    Kind(
        "storageSpecs",
        "storage policy",
        lambda spec: str(spec["policy"]),
        lambda spec: "" if spec.get("limit") is None else str(spec["limit"]),
        _with_limit,
    ),
    Kind("vmClasses", "VM class", str),
    Kind("contentLibraries", "content library", str),
)
# More often is lost only what somebody else writes all the time.
_WRITES = 3


@dataclass(frozen=True)
class _Plan:
    """What to send (nothing when all is as wanted), the mark as it will be, and what people should know."""

    spec: dict[str, Any]
    mark: Mark
    lines: list[str]
    loses: bool


class Namespace(Resource):
    """A Supervisor namespace with permissions, storage, VM classes and content libraries.

    An adopted one is shared: entries that it has keep their place, ours are added and taken away again, and its
    description stays, unless it is `exclusive`. docs/decisions/0012-adoption.md has the reasons.

    Source: vSphere Automation API 9.0, com.vmware.vcenter.namespaces.Instances (createV2, getV2, update, delete).
    """

    tok: ClassVar = "vcf:index:Namespace"
    doc: ClassVar = "A Supervisor namespace with permissions, storage limits, VM classes and content libraries."
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
            items=_ACCESS,
            unordered=True,
            kept=True,
        ),
        "storageSpecs": f.Field(
            kind="array", doc="storage policies with limits", items=_STORAGE, unordered=True, kept=True
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
        problems = []
        for name, key in (("storageSpecs", "policy"), ("vmClasses", ""), ("contentLibraries", "")):
            if known(inputs, name):
                seen: list[Any] = []
                for i, item in enumerate(inputs.get(name, [])):
                    value = item[key] if key else item
                    if value in seen:
                        problems.append(Problem(f"{name}[{i}]", f"{value!r} is listed twice; expected each once"))
                    seen.append(value)
        if known(inputs, "accessList"):
            subjects: list[tuple[str, ...]] = []
            for i, entry in enumerate(inputs.get("accessList", [])):
                subject = (
                    entry["subjectType"],
                    entry["subject"].lower(),
                    entry["domain"].lower(),
                    entry.get("identityProvider", ""),
                )
                if subject in subjects:
                    problems.append(
                        Problem(
                            f"accessList[{i}]", f"{entry['subject']}@{entry['domain']} is listed twice; expected once"
                        )
                    )
                subjects.append(subject)
        if inputs.get("exclusive") is True and inputs.get("adopt", False) is False:
            problems.append(Problem("exclusive", "is given without `adopt: true`; a namespace made here is exclusive"))
        return problems

    def same(self, name: str, field: f.Field, old: Any, new: Any, state: Props) -> bool:
        """A name and the id behind it mean the same.

        `adopt` matters at creation only, and the description of a namespace that others share is theirs.
        """
        if name == "adopt" or (name == "description" and _shared(state, state)):
            return True
        if name == "exclusive" and not has_unknown(new):
            return bool(old) is bool(new)
        ids = state.get("resolvedIds") or {}
        return f.same(field, _by_id(name, old, ids), _by_id(name, new, ids))

    async def foresee(self, context: Context, state: Props, inputs: Props) -> Notice | None:
        """What an adoption changes in a namespace that is there, and what it leaves."""
        vcenter, name = context.vcenter, inputs.get("name")
        info = await _get(vcenter, name) if isinstance(name, str) else None
        if info is None or info.get("config_status") == "REMOVING":
            return None
        stored = Stored.of(info.get("description"))
        own, mark = self._marks(context, state, inputs, stored)
        if not mark.adopted:
            return None
        found = _known_part(inputs)
        ids = await _resolve_again(vcenter, found)
        self._check_place(info, ids, found)
        plan = _plan(info, stored, own, mark, found, ids, _values(state))
        return notice(f"Supervisor namespace {name!r}", plan.lines, loses=plan.loses)

    async def create(self, context: Context, inputs: Props) -> tuple[str, Props]:
        """POST, or going on with what an earlier create left; waits until RUNNING."""
        vcenter, name = context.vcenter, str(inputs["name"])
        ids = await _resolve(vcenter, inputs)
        info = await _get(vcenter, name)
        mark = Mark.of(context.urn)
        if info and info.get("config_status") == "REMOVING":
            await _wait_gone(context, vcenter, name)
            info = None
        if info is None:
            try:
                await vcenter.post(
                    f"{_INSTANCES}/v2",
                    {
                        "namespace": name,
                        "supervisor": ids[f"supervisor/{inputs['supervisor']}"],
                        "description": ownership.join(inputs.get("description", ""), mark),
                        **_body({kind.prop: entries for kind, entries in _wanted(inputs, ids)}),
                    },
                )
            except VCenterError as error:
                if error.kind != "ALREADY_EXISTS":
                    raise
                # A lost answer: the first try of this very request may have made it.
                info = await _get(vcenter, name)
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
        name, wanted, values = str(state["name"]), state, _values(before)

        def plan(info: dict[str, Any]) -> _Plan:
            stored = Stored.of(info.get("description"))
            own, mark = marks(stored)
            return _plan(info, stored, own, mark, wanted, wanted["resolvedIds"], values)

        for _ in range(_WRITES):
            done = await _write(context, vcenter, name, plan)
            state = await self._settle(context, vcenter, {**state, "owner": str(done.mark)})
            # Lists are replaced as a whole, so that two who write at the same time undo each other's work.
            info = await _get(vcenter, name)
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
            info = await _get(vcenter, name) or {}
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
            raise failed("was left while being configured (cancelled)") from None
        return {**state, "configStatus": "RUNNING"}

    async def read(self, context: Context, resource_id: str, state: Props) -> tuple[str, Props] | None:
        """Live state, in the program's spelling where names and ids mean the same.

        Of an adopted namespace that is not exclusive only what is ours: foreign entries are no drift.
        """
        vcenter = context.vcenter
        info = await _get(vcenter, resource_id)
        if info is None:
            return None
        stored = Stored.of(info.get("description"))
        recorded = ownership.parse(state.get("owner"))
        own = stored.own(context.urn, recorded)
        ids = await _resolve_again(vcenter, state) if state else await _names_of(vcenter, info)
        names = {f"{key.split('/')[0]}/{value}": key.split("/", 1)[1] for key, value in ids.items()}
        wanted = dict(_wanted(state, ids))
        entries = {
            kind.prop: list(
                ours(
                    kind,
                    found,
                    kind.tokens(wanted.get(kind)),
                    others=stored.others(own) if state else (),
                    whole=not state or not _shared(state, state),
                )
            )
            for kind, found in _live(info)
        }
        live = {
            "name": resource_id,
            "supervisor": names.get(f"supervisor/{info['supervisor']}", info["supervisor"]),
            "description": state.get("description") if state and _shared(state, state) else stored.text,
            "accessList": [_spelled(entry, state.get("accessList", [])) for entry in entries["accessList"]],
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
        ids = await _resolve(vcenter, inputs)
        new = {**inputs, "name": resource_id, "supervisorId": state.get("supervisorId"), "resolvedIds": ids}

        def marks(stored: Stored) -> tuple[Mark | None, Mark]:
            return self._marks(context, state, new, stored)

        return await self._bring(context, vcenter, {**new, "owner": state.get("owner", "")}, state, marks)

    async def delete(self, context: Context, resource_id: str, state: Props) -> None:
        """DELETE and wait; an adopted namespace only loses what was added to it."""
        vcenter = context.vcenter
        info = await _get(vcenter, resource_id)
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
                await _when_allowed(
                    context, vcenter, resource_id, lambda: vcenter.delete(f"{_INSTANCES}/{segment(resource_id)}")
                )
            except GoneError:
                return
        await _wait_gone(context, vcenter, resource_id)

    async def _release(self, context: Context, vcenter: VCenter, name: str, state: Props) -> None:
        """Takes away what was added, gives former values back, and waits until that is so."""
        values = _values(state)

        def plan(info: dict[str, Any]) -> _Plan:
            stored = Stored.of(info.get("description"))
            own = stored.own(context.urn, ownership.parse(state.get("owner")))
            mark = own or ownership.parse(state.get("owner")) or dataclasses.replace(Mark.of(context.urn), adopted=True)
            return _plan(info, stored, own, mark, _NOTHING, {}, values, release=True)

        info: dict[str, Any] | None = None

        async def released() -> bool:
            nonlocal info
            info = await _get(vcenter, name)
            return info is None or info.get("config_status") != "CONFIGURING"

        for _ in range(_WRITES):
            try:
                await _write(context, vcenter, name, plan)
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


_PROPS: Final = frozenset(kind.prop for kind in _LISTS)
_NOTHING: Final[Mapping[str, Any]] = {prop: [] for prop in _PROPS}
_ACCESS_WIRE: Final = {
    "subject_type": "subjectType",
    "subject": "subject",
    "domain": "domain",
    "role": "role",
    "identity_provider": "identityProvider",
}


def _shared(state: Props, inputs: Mapping[str, Any]) -> bool:
    """Whether only entries of ours count: the namespace of this state is adopted, and these inputs leave the rest."""
    return ownership.adopted(state, None) and inputs.get("exclusive") is not True


def _spelled(entry: dict[str, Any], program: list[dict[str, Any]]) -> dict[str, Any]:
    """An access entry as property, with its subject as the program writes it: vCenter does not look at the case."""
    live = {_ACCESS_WIRE[key]: value for key, value in entry.items() if key in _ACCESS_WIRE and value is not None}
    for given in program:
        if _principal(_access_wire(given)) == _principal(entry):
            return {**given, "role": live["role"]}
    return live


def _access_wire(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {wire: entry[name] for wire, name in _ACCESS_WIRE.items() if entry.get(name) is not None}


def _by_id(name: str, value: Any, ids: dict[str, str]) -> Any:
    match name, value:
        case "supervisor", str():
            return ids.get(f"supervisor/{value}", value)
        case "contentLibraries", list():
            return [ids.get(f"library/{item}", item) if isinstance(item, str) else item for item in value]
        case "storageSpecs", list():
            return [
                {**item, "policy": ids.get(f"policy/{item['policy']}", item["policy"])}
                if isinstance(item, dict) and isinstance(item.get("policy"), str)
                else item
                for item in value
            ]
    return value


def _wanted(inputs: Mapping[str, Any], ids: Mapping[str, str]) -> list[tuple[Kind, list[Any]]]:
    """Entries of the lists that are managed, in vCenter's form."""
    forms: dict[str, Callable[[Any], Any]] = {
        "accessList": _access_wire,
        "storageSpecs": lambda s: _with_limit(
            {"policy": ids.get(f"policy/{s['policy']}", s["policy"])},
            "" if s.get("limitMib") is None else str(s["limitMib"]),
        ),
        "vmClasses": lambda name: name,
        "contentLibraries": lambda name: ids.get(f"library/{name}", name),
    }
    return [(kind, [forms[kind.prop](e) for e in inputs[kind.prop]]) for kind in _LISTS if kind.prop in inputs]


def _known_part(inputs: Props) -> Props:
    """Inputs of a preview without what is not known yet: of a list the entries that are."""
    found = {
        name: [each for each in value if not has_unknown(each)] if isinstance(value, list) else value
        for name, value in inputs.items()
    }
    return {name: value for name, value in found.items() if not has_unknown(value)}


def _values(state: Props) -> dict[str, str]:
    """Values of all entries of a state, by token."""
    found: dict[str, str] = {}
    for kind, entries in _wanted(state, state.get("resolvedIds") or {}):
        found |= kind.tokens(entries)
    return found


def _live(info: dict[str, Any]) -> list[tuple[Kind, list[Any]]]:
    """The lists of a namespace. Libraries are those of the VM Service and of the VM Image Service, as one set."""
    service = info.get("vm_service_spec") or {}
    libraries = [*(service.get("content_libraries") or []), *(i["content_library"] for i in _image_service(info))]
    lists = {
        "accessList": info.get("access_list") or [],
        "storageSpecs": info.get("storage_specs") or [],
        "vmClasses": service.get("vm_classes") or [],
        "contentLibraries": list(dict.fromkeys(libraries)),
    }
    return [(kind, lists[kind.prop]) for kind in _LISTS]


def _image_service(info: dict[str, Any]) -> list[dict[str, Any]]:
    return info.get("content_libraries") or []


def _body(lists: Mapping[str, list[Any]], info: dict[str, Any] | None = None) -> dict[str, Any]:
    """Lists as create and update take them; `info` is what is there, and fills what is only set together."""
    spec: dict[str, Any] = {}
    if "accessList" in lists:
        spec["access_list"] = lists["accessList"]
    if "storageSpecs" in lists:
        spec["storage_specs"] = lists["storageSpecs"]
    if "vmClasses" in lists or "contentLibraries" in lists:
        there = {kind.prop: entries for kind, entries in _live(info or {})}
        spec["vm_service_spec"] = {
            "vm_classes": lists.get("vmClasses", there["vmClasses"]),
            "content_libraries": lists.get("contentLibraries", there["contentLibraries"]),
        }
    if "contentLibraries" in lists and (image_service := _image_service(info or {})):
        # Else vCenter would decide what becomes of their settings, and refuses to take a writable one away.
        kept = [each for each in image_service if each["content_library"] in lists["contentLibraries"]]
        spec["content_libraries"] = kept
    return spec


def _plan(
    info: dict[str, Any],
    stored: Stored,
    own: Mark | None,
    mark: Mark,
    inputs: Mapping[str, Any],
    ids: Mapping[str, str],
    before: Mapping[str, str],
    *,
    release: bool = False,
) -> _Plan:
    """What changes in a namespace that is there, marked `own` until now, so that it is as `inputs` want it.

    `mark` is the one to write. `release`: nothing is wanted any more, and the mark goes too.
    """
    others, wanted = stored.others(own), dict(_wanted(inputs, ids))
    shared = mark.adopted and inputs.get("exclusive") is not True
    lists: dict[str, list[Any]] = {}
    lines: list[str] = []
    left: list[str] = []
    added: set[str] = set()
    was: dict[str, str] = {}
    loses = False
    for kind, found in _live(info):
        merged = merge(kind, found, wanted.get(kind), own=mark, others=others, before=before, whole=not shared)
        if merged.entries != found:
            lists[kind.prop] = merged.entries
        lines += merged.lines
        left += [f"{merged.left} of {kind.prop}"] if merged.left else []
        added |= merged.added
        was |= merged.was
        loses = loses or merged.loses
    mark = dataclasses.replace(mark, added=frozenset(added), was=was)
    text = stored.text
    if not shared and not release and inputs.get("description", text) != text:
        text = str(inputs["description"])
        lines.append("REPLACES the description" if mark.adopted else "changes the description")
        loses = loses or bool(stored.text)
    elif text:
        left.append(f"the description {text!r}")
    lines.append(f"leaves {'; '.join(left)}" if left else "there is nothing else in it")
    description = str(stored.worded(text).replacing(own, None if release else mark))
    spec = _body(lists, info)
    if description != (info.get("description") or ""):
        spec["description"] = description
    return _Plan(spec, mark, lines, loses)


async def _write(context: Context, vcenter: VCenter, name: str, plan: Callable[[dict[str, Any]], _Plan]) -> _Plan:
    """Sends what is planned for the namespace as it is at that moment; raises GoneError when it is not there."""
    done: _Plan | None = None

    async def send() -> None:
        nonlocal done
        info = await _get(vcenter, name)
        if info is None:
            raise GoneError(
                f"Supervisor namespace {name!r} is gone. `pulumi refresh` notices, `pulumi up` makes it anew."
            )
        done = plan(info)
        if done.spec:
            await vcenter.patch(f"{_INSTANCES}/{segment(name)}", done.spec)

    await _when_allowed(context, vcenter, name, send)
    assert done is not None  # noqa: S101 - send has run
    return done


async def _when_allowed(context: Context, vcenter: VCenter, name: str, send: Callable[[], Awaitable[None]]) -> None:
    """Sends a change, again and again while the namespace is being configured and takes none."""
    refusal = ""

    async def sent() -> bool:
        nonlocal refusal
        try:
            await send()
        except VCenterError as error:
            info = await _get(vcenter, name)
            if error.kind != "NOT_ALLOWED_IN_CURRENT_STATE" or (info or {}).get("config_status") == "REMOVING":
                raise
            refusal = str(error)
            return False
        return True

    await context.wait(sent, lambda seconds: VcfError(f"{refusal} It was still so after {seconds:.0f} s."))


async def _get(vcenter: VCenter, name: str) -> dict[str, Any] | None:
    try:
        info: dict[str, Any] = await vcenter.get(f"{_INSTANCES}/v2/{segment(name)}")
    except GoneError:
        return None
    return info


async def _wait_gone(context: Context, vcenter: VCenter, name: str) -> None:
    info: dict[str, Any] | None = None

    async def gone() -> bool:
        nonlocal info
        info = await _get(vcenter, name)
        return info is None

    await context.wait(
        gone,
        lambda seconds: VcfError(
            f"Supervisor namespace {name!r} is still there {seconds:.0f} s after its removal began: it is "
            f"{(info or {}).get('config_status')}.{messages_of(info or {})} Objects with finalizers in it may hold it; "
            "`pulumi destroy` goes on waiting."
        ),
    )


async def _resolve(vcenter: VCenter, inputs: Props) -> dict[str, str]:
    """Ids of everything the inputs name, as in `resolvedIds`.

    Raises one error with all names that vCenter does not know.
    """
    ids: dict[str, str] = {}
    problems: list[Problem] = []

    async def look_up(path: str, name: str, find: Any, key: str) -> None:
        try:
            ids[f"{_KINDS[key]}/{name}"] = str((await find(vcenter, name))[key])
        except GoneError as error:
            problems.append(Problem(path, str(error)))

    await look_up("supervisor", str(inputs["supervisor"]), find_supervisor, "supervisor")
    for i, spec in enumerate(inputs.get("storageSpecs", [])):
        await look_up(f"storageSpecs[{i}].policy", spec["policy"], find_storage_policy, "policy")
    for i, library in enumerate(inputs.get("contentLibraries", [])):
        await look_up(f"contentLibraries[{i}]", library, find_library, "id")
    if inputs.get("vmClasses"):
        classes = [str(c["id"]) for c in await vcenter.get(_CLASSES)]
        problems += [
            Problem(
                f"vmClasses[{i}]",
                f"{vcenter.name} has no VM class {name!r}{nearest(name, classes)}. There are: {listed(classes)}.",
            )
            for i, name in enumerate(inputs["vmClasses"])
            if name not in classes
        ]
    if problems:
        raise ProblemsError(f"Supervisor namespace {inputs['name']!r} names what does not exist", problems)
    return ids


async def _resolve_again(vcenter: VCenter, state: Props) -> dict[str, str]:
    """Ids now behind the names in the state; a name that means nothing any more is left out."""
    ids: dict[str, str] = {}
    wanted = [(str(state["supervisor"]), find_supervisor, "supervisor")] if "supervisor" in state else []
    wanted += [(s["policy"], find_storage_policy, "policy") for s in state.get("storageSpecs", [])]
    wanted += [(library, find_library, "id") for library in state.get("contentLibraries", [])]
    for name, find, key in wanted:
        try:
            ids[f"{_KINDS[key]}/{name}"] = str((await find(vcenter, name))[key])
        except GoneError:
            continue
    return ids


async def _names_of(vcenter: VCenter, info: dict[str, Any]) -> dict[str, str]:
    """Names of everything a namespace refers to, for import, in the form of `resolvedIds`."""
    supervisor = await find_supervisor(vcenter, info["supervisor"])
    ids = {f"supervisor/{supervisor['name']}": str(supervisor["supervisor"])}
    for spec in info.get("storage_specs") or []:
        policy = await find_storage_policy(vcenter, spec["policy"])
        ids[f"policy/{policy['name']}"] = str(policy["policy"])
    for library_id in next(entries for kind, entries in _live(info) if kind.prop == "contentLibraries"):
        library = await find_library(vcenter, library_id)
        ids[f"library/{library['name']}"] = str(library["id"])
    return ids
