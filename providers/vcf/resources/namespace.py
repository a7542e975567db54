"""Supervisor namespaces."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from .. import fields as f
from .. import ownership
from ..errors import GoneError, InitFailedError, Problem, ProblemsError, VcfError, listed, nearest
from ..ownership import Mark
from ..resource import Context, Resource, known, refresh_inputs
from ..values import Props
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


class Namespace(Resource):
    """A Supervisor namespace with permissions, storage, VM classes and content libraries.

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
            kind="array", doc="all permissions; other entries are removed", items=_ACCESS, unordered=True, kept=True
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
            kind="boolean", doc="manage a namespace that exists already, and leave it in place on destroy"
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
                subject = (entry["subjectType"], entry["subject"].lower(), entry["domain"].lower())
                if subject in subjects:
                    problems.append(
                        Problem(
                            f"accessList[{i}]", f"{entry['subject']}@{entry['domain']} is listed twice; expected once"
                        )
                    )
                subjects.append(subject)
        return problems

    def same(self, name: str, field: f.Field, old: Any, new: Any, state: Props) -> bool:
        """A name and the id behind it mean the same."""
        ids = state.get("resolvedIds") or {}
        return name == "adopt" or f.same(field, _by_id(name, old, ids), _by_id(name, new, ids))

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
            spec = _spec(inputs, ids, ownership.join(inputs.get("description", ""), mark))
            try:
                await vcenter.post(
                    f"{_INSTANCES}/v2",
                    {"namespace": name, "supervisor": ids[f"supervisor/{inputs['supervisor']}"], **spec},
                )
            except VCenterError as error:
                if error.kind != "ALREADY_EXISTS":
                    raise
                # A lost answer: the first try of this very request may have made it.
                info = await _get(vcenter, name)
                if info is None:
                    raise
        if info is not None:
            mark = await self._claim(context, vcenter, inputs, ids, mark, info)
        state = {
            **inputs,
            "supervisorId": ids[f"supervisor/{inputs['supervisor']}"],
            "resolvedIds": ids,
            "owner": str(mark),
        }
        return name, await self._settle(context, vcenter, state)

    async def _claim(
        self, context: Context, vcenter: VCenter, inputs: Props, ids: dict[str, str], mark: Mark, info: dict[str, Any]
    ) -> Mark:
        name = str(inputs["name"])
        text, found = ownership.split(info.get("description"))
        mark = ownership.claim(
            f"Supervisor namespace {name!r}", context.urn, mark, found, adopt=inputs.get("adopt", False), import_id=name
        )
        if info["supervisor"] != ids[f"supervisor/{inputs['supervisor']}"]:
            raise VcfError(
                f"Supervisor namespace {name!r} exists on another Supervisor ({info['supervisor']}). "
                "Names are unique in a vCenter: choose another name or the other Supervisor."
            )
        description = ownership.join(inputs.get("description", text), mark)
        await vcenter.patch(f"{_INSTANCES}/{segment(name)}", _spec(inputs, ids, description, info))
        return mark

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
        """Live state, in the program's spelling where names and ids mean the same."""
        vcenter = context.vcenter
        info = await _get(vcenter, resource_id)
        if info is None:
            return None
        text, mark = ownership.split(info.get("description"))
        ids = await _resolve_again(vcenter, state) if state else await _names_of(vcenter, info)
        names = {f"{key.split('/')[0]}/{value}": key.split("/", 1)[1] for key, value in ids.items()}
        service = info.get("vm_service_spec") or {}
        storage = [
            {"policy": names.get(f"policy/{s['policy']}", s["policy"])}
            | ({"limitMib": s["limit"]} if s.get("limit") is not None else {})
            for s in info.get("storage_specs") or []
        ]
        access = [
            {
                "subjectType": entry["subject_type"],
                "subject": entry["subject"],
                "domain": entry["domain"],
                "role": entry["role"],
            }
            for entry in info.get("access_list") or []
        ]
        live = {
            "name": resource_id,
            "supervisor": names.get(f"supervisor/{info['supervisor']}", info["supervisor"]),
            "description": text,
            "accessList": access,
            "storageSpecs": storage,
            "vmClasses": list(service.get("vm_classes") or []),
            "contentLibraries": [names.get(f"library/{i}", i) for i in service.get("content_libraries") or []],
        }
        outputs = {
            "configStatus": info["config_status"],
            "supervisorId": info["supervisor"],
            "resolvedIds": ids,
            "owner": str(mark) if mark else "",
        }
        return resource_id, {**refresh_inputs(self, state, live), **outputs}

    async def update(self, context: Context, resource_id: str, state: Props, inputs: Props) -> Props:
        """PATCH of what is managed; waits until RUNNING again."""
        vcenter = context.vcenter
        ids = await _resolve(vcenter, inputs)
        info = await _get(vcenter, resource_id)
        if info is None:
            raise GoneError(
                f"Supervisor namespace {resource_id!r} is gone. `pulumi refresh` notices, `pulumi up` makes it anew."
            )
        text, found = ownership.split(info.get("description"))
        mark = Mark.of(context.urn, like=found or ownership.parse(state.get("owner") or ""))
        description = ownership.join(inputs.get("description", text), mark)
        await vcenter.patch(f"{_INSTANCES}/{segment(resource_id)}", _spec(inputs, ids, description, info))
        new = {**inputs, "supervisorId": state.get("supervisorId"), "resolvedIds": ids, "owner": str(mark)}
        return await self._settle(context, vcenter, new)

    async def delete(self, context: Context, resource_id: str, state: Props) -> None:
        """DELETE and wait; an adopted namespace only loses its mark."""
        vcenter = context.vcenter
        info = await _get(vcenter, resource_id)
        if info is None:
            return
        text, mark = ownership.split(info.get("description"))
        what = f"Supervisor namespace {resource_id!r}"
        if not ownership.deletable(what, context.urn, state.get("owner"), mark):
            return
        if mark and mark.adopted:
            await vcenter.patch(f"{_INSTANCES}/{segment(resource_id)}", {"description": text})
            return
        if info.get("config_status") != "REMOVING":
            try:
                await vcenter.delete(f"{_INSTANCES}/{segment(resource_id)}")
            except GoneError:
                return
        await _wait_gone(context, vcenter, resource_id)


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


def _spec(inputs: Props, ids: dict[str, str], description: str, info: dict[str, Any] | None = None) -> dict[str, Any]:
    """Body of create and update.

    Only what is managed. `info` fills the other half of vm_service_spec, which is set as one.
    """
    spec: dict[str, Any] = {"description": description}
    if "accessList" in inputs:
        spec["access_list"] = [
            {"subject_type": e["subjectType"], "subject": e["subject"], "domain": e["domain"], "role": e["role"]}
            for e in inputs["accessList"]
        ]
    if "storageSpecs" in inputs:
        spec["storage_specs"] = [
            {"policy": ids[f"policy/{s['policy']}"]}
            | ({"limit": s["limitMib"]} if s.get("limitMib") is not None else {})
            for s in inputs["storageSpecs"]
        ]
    if "vmClasses" in inputs or "contentLibraries" in inputs:
        current = (info or {}).get("vm_service_spec") or {}
        libraries = inputs.get("contentLibraries")
        spec["vm_service_spec"] = {
            "vm_classes": inputs.get("vmClasses", current.get("vm_classes") or []),
            "content_libraries": [ids[f"library/{i}"] for i in libraries]
            if libraries is not None
            else current.get("content_libraries") or [],
        }
    return spec


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
    wanted = [(str(state["supervisor"]), find_supervisor, "supervisor")]
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
    for library_id in (info.get("vm_service_spec") or {}).get("content_libraries") or []:
        library = await find_library(vcenter, library_id)
        ids[f"library/{library['name']}"] = str(library["id"])
    return ids
