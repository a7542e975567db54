"""Look-ups of what a program is about to use, made before it makes anything.

None fails for what the other side does not tell: `unanswered` says then what is not known, and why. A wrong vCenter or
login is an error as everywhere else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Final, TypeVar

from . import fields as f
from .errors import GoneError, VcfError
from .function import Function, object_of, out
from .http import pem_bundle
from .platform_look_up import GET_PLATFORM
from .resource import LOOK_AHEAD_SECONDS, Context
from .values import Props
from .vcenter import VCenter, find_compute_cluster, find_library, find_supervisor, segment

_T = TypeVar("_T")
_FOUND, _MISSING, _DENIED = "found", "missing", "denied"
_OK, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 200, 401, 403, 404


async def _within(work: Awaitable[_T], what: str) -> _T:
    """The result, if it comes in time for a look ahead. Raises VcfError."""
    try:
        return await asyncio.wait_for(work, LOOK_AHEAD_SECONDS)
    except TimeoutError:
        raise VcfError(f"{what} did not answer within {LOOK_AHEAD_SECONDS:.0f} s") from None


async def _principals(context: Context, args: Props) -> Props:
    from .directory import principals  # noqa: PLC0415 - brings pyvmomi

    vcenter, entries = context.vcenter, args["entries"]
    # A first REST call reports a wrong server or password in the same words as everywhere else.
    await vcenter.log_in()
    answers: list[Props] = [{"found": True, "domains": [], "known": [], "unanswered": ""} for _ in entries]
    own = [index for index, entry in enumerate(entries) if not entry.get("identityProvider")]
    external = [index for index in range(len(entries)) if index not in own]
    if external:
        providers = await _providers(vcenter, args["supervisor"])
        for index in external:
            answers[index] |= _external(entries[index]["identityProvider"], providers)
    if own:
        try:
            work = asyncio.to_thread(principals, vcenter.account, [entries[index] for index in own])
            for index, answer in zip(own, await _within(work, vcenter.name), strict=True):
                answers[index] |= answer
        except VcfError as error:
            for index in own:
                answers[index]["unanswered"] = str(error)
    if any(answer["domains"] for answer in answers):
        federated = await _federated(vcenter)
        for entry, answer in zip(entries, answers, strict=True):
            if answer["domains"] and str(entry["domain"]).lower() in federated:
                reason = f"vCenter does not list the subjects of {entry['domain']}, which an identity provider signs in"
                answer |= {"found": True, "domains": [], "unanswered": reason}
            elif answer["domains"]:
                answer["domains"] = sorted({*answer["domains"], *federated})
    return {"answers": answers}


def _external(wanted: str, providers: list[Props] | str) -> Props:
    if isinstance(providers, str):
        return {"unanswered": providers}
    names = [str(each["provider"]) for each in providers]
    return {"found": wanted in names, "known": names}


async def _providers(vcenter: VCenter, supervisor: str) -> list[Props] | str:
    """The Supervisor's external identity providers, or why they are not known."""
    try:
        found = await find_supervisor(vcenter, supervisor)
        path = f"/api/vcenter/namespace-management/supervisors/{segment(found['supervisor'])}/identity/providers"
        listed: list[Props] = await vcenter.get(path)
    except VcfError as error:
        return str(error)
    return listed


async def _federated(vcenter: VCenter) -> set[str]:
    """Domains that an identity provider of vCenter itself signs in, in small letters; none where that is not told."""
    try:
        found = await vcenter.get("/api/vcenter/identity/providers")
    except VcfError:
        return set()
    return {str(domain).lower() for each in found or [] for domain in each.get("domain_names") or []}


async def _image_properties(context: Context, args: Props) -> Props:
    vcenter = context.vcenter
    await vcenter.log_in()
    try:
        declared = await _within(_declared(vcenter, args), vcenter.name)
    except VcfError as error:
        return {"known": False, "properties": [], "unanswered": str(error)}
    return {"known": True, "properties": declared, "unanswered": ""}


async def _declared(vcenter: VCenter, args: Props) -> list[str]:
    """Keys of the properties that a user may set, of an OVF item of a library."""
    library, cluster = await asyncio.gather(
        find_library(vcenter, args["library"]), find_compute_cluster(vcenter, args["cluster"])
    )
    wanted = {"name": args["image"], "library_id": library["id"]}
    ids, details = await asyncio.gather(
        vcenter.post("/api/content/library/item", wanted, action="find"),
        vcenter.get(f"/api/vcenter/cluster/{segment(cluster['cluster'])}"),
    )
    if not ids:
        raise GoneError(f"{vcenter.name} has no item {args['image']!r} in content library {args['library']!r}")
    found = await vcenter.post(
        f"/api/vcenter/ovf/library-item/{segment(ids[0])}",
        {"target": {"resource_pool_id": details["resource_pool"]}},
        action="filter",
    )
    given = [each for part in found.get("additional_params") or [] for each in part.get("properties") or []]
    return sorted({_key(each) for each in given})


def _key(declared: Props) -> str:
    """A property's key as it is set: with class and instance, where it has them (OVF specification, 9.5)."""
    parts = (declared.get("class_id"), declared.get("id"), declared.get("instance_id"))
    return ".".join(str(part) for part in parts if part)


async def _models(context: Context, args: Props) -> Props:
    login = {key: args[key] for key in ("registry", "username", "password", "caBundle") if args.get(key)}
    return {"answers": await asyncio.gather(*(_model(context, {**login, **model}) for model in args["models"]))}


async def _model(context: Context, inputs: Props) -> Props:
    from .resources.gallery import Gallery  # noqa: PLC0415 - in a circle with the resources otherwise

    answer: Props = {"status": "", "tags": [], "repositories": [], "reason": ""}
    gallery = Gallery(context, inputs)
    try:
        work = _status(gallery, logs_in="username" in inputs)
        return answer | await _within(work, f"The gallery {inputs['registry']}")
    except VcfError as error:
        return answer | {"reason": str(error)}
    finally:
        await gallery.close()


async def _status(gallery: Any, *, logs_in: bool) -> Props:
    status = await gallery.answer()
    if status == _OK:
        return {"status": _FOUND}
    if status in (_UNAUTHORIZED, _FORBIDDEN):
        if logs_in:
            # A login that is not taken says nothing of the model; VcfError tells it.
            await gallery.log_in()
        try:
            await gallery.digest()
        except VcfError as error:
            return {"status": _DENIED, "reason": str(error)}
        return {"status": _FOUND}
    if status != _NOT_FOUND:
        return {"reason": f"the gallery answers {status}"}
    try:
        tags = await gallery.tags()
    except VcfError:
        tags = []
    return {"status": _MISSING, "tags": tags, "repositories": [] if tags else await gallery.repositories()}


async def _charts(context: Context, args: Props) -> Props:
    return {"answers": await asyncio.gather(*(_chart(context, chart) for chart in args["charts"]))}


async def _chart(context: Context, chart: Props) -> Props:
    from .charts import versions  # noqa: PLC0415 - few runs need it

    try:
        found = await _within(versions(context, chart), f"The chart repository {chart['repository']}")
    except GoneError as error:
        return {"status": _MISSING, "versions": [], "reason": str(error)}
    except VcfError as error:
        return {"status": "", "versions": [], "reason": str(error)}
    return {"status": _FOUND, "versions": found, "reason": ""}


_TEXT = f.Field(kind="string", doc="", output=True)


def _text(doc: str, **more: Any) -> f.Field:
    return f.Field(kind="string", doc=doc, **more)


_UNANSWERED = out("string", 'why it is not known, "" when it is')
_ENTRY = object_of(
    "Principal",
    "a user or group",
    {
        "subjectType": _text("USER or GROUP", required=True),
        "subject": _text("name without domain", required=True),
        "domain": _text("SSO domain", required=True),
        "identityProvider": _text("id of an external identity provider of the Supervisor"),
    },
)
_ENTRY_ANSWER = object_of(
    "PrincipalAnswer",
    "whether it is there",
    {
        "found": out("boolean", "whether it is there, or cannot be told"),
        "domains": out("array", "the domains there are, when its domain is not", _TEXT),
        "known": out("array", "subjects of the domain, or ids of identity providers, when it is not", _TEXT),
        "unanswered": _UNANSWERED,
    },
)
_MODEL = object_of(
    "Model",
    "a model of the gallery",
    {"repository": _text("project/…/model", required=True), "reference": _text("tag or digest", required=True)},
)
_MODEL_ANSWER = object_of(
    "ModelAnswer",
    "whether it is there",
    {
        "status": out("string", 'what the gallery says: found, missing, denied, or "" when it is not known'),
        "tags": out("array", "tags of its repository, when it is missing", _TEXT),
        "repositories": out("array", "repositories there are, when its own is missing", _TEXT),
        "reason": out("string", "why it is denied, or not known"),
    },
)
_CHART = object_of(
    "Chart",
    "a chart of a Helm repository",
    {
        "repository": _text("address, https://… or oci://…", required=True),
        "chart": _text("its name", required=True),
        "username": _text("login, where the repository asks for one"),
        "password": _text("its password", secret=True),
        "caBundle": _text("CA certificates as PEM text; the machine's CAs without it", parse=pem_bundle),
    },
)
_CHART_ANSWER = object_of(
    "ChartAnswer",
    "its versions",
    {
        "status": out("string", 'what the repository says: found, missing, or "" when it is not known'),
        "versions": out("array", "its versions", _TEXT),
        "reason": out("string", "what is missing, or why it is not known"),
    },
)


def _list(doc: str, items: f.Field) -> f.Field:
    return f.Field(kind="array", doc=doc, items=items, required=True)


LOOK_UPS: Final = (
    GET_PLATFORM,
    Function(
        "vcf:index:getPrincipals",
        "Tells which of these users and groups are there to be given access.",
        {
            "supervisor": _text("name or id of the Supervisor", required=True),
            "entries": _list("users and groups", _ENTRY),
            "answers": out("array", "one for each, in their order", _ENTRY_ANSWER),
        },
        _principals,
    ),
    Function(
        "vcf:index:getImageProperties",
        "Tells which OVF properties an image of a content library lets its user set.",
        {
            "library": _text("name or id of the content library", required=True),
            "image": _text("name of the item", required=True),
            "cluster": _text("compute cluster on which it is to run", required=True),
            "known": out("boolean", "whether vCenter told"),
            "properties": out("array", "their keys", _TEXT),
            "unanswered": _UNANSWERED,
        },
        _image_properties,
    ),
    Function(
        "vcf:index:getModels",
        "Tells which of these models are in a gallery.",
        {
            "registry": _text("host or host:port", required=True),
            "username": _text("user or robot account"),
            "password": _text("its password or token", secret=True),
            "caBundle": _text("CA certificates as PEM text; the machine's CAs without it", parse=pem_bundle),
            "models": _list("models", _MODEL),
            "answers": out("array", "one for each, in their order", _MODEL_ANSWER),
        },
        _models,
    ),
    Function(
        "vcf:index:getCharts",
        "Tells which versions there are of these charts.",
        {
            "charts": f.Field(kind="array", doc="charts to look for", items=_CHART, required=True, secret=True),
            "answers": out("array", "one for each, in their order", _CHART_ANSWER),
        },
        _charts,
    ),
)
