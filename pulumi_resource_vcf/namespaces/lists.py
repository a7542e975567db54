"""The lists of a Supervisor namespace, as properties and as vCenter has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from .. import fields as f
from ..errors import Problem
from ..resource import known
from ..sharing import Kind
from ..values import Props, has_unknown

ACCESS = f.Field(
    kind="object",
    type_name="AccessEntry",
    doc="who may do what in the namespace",
    fields={
        "subjectType": f.Field(
            kind="string", doc="user or group", choices=("USER", "GROUP"), type_name="SubjectType", default="GROUP"
        ),
        "subject": f.Field(kind="string", doc="name of the user or group, without domain", required=True),
        "domain": f.Field(kind="string", doc="SSO domain of the subject", required=True),
        "role": f.Field(
            kind="string",
            doc="what they may do",
            choices=("OWNER", "EDIT", "VIEW"),
            type_name="NamespaceRole",
            required=True,
        ),
        "identityProvider": f.Field(
            kind="string", doc="id of the external identity provider that knows the subject; vCenter's own without it"
        ),
    },
)
STORAGE = f.Field(
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


LISTS: Final = (
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
PROPS: Final = frozenset(kind.prop for kind in LISTS)
NOTHING: Final[Mapping[str, Any]] = {prop: [] for prop in PROPS}
_ACCESS_WIRE: Final = {
    "subject_type": "subjectType",
    "subject": "subject",
    "domain": "domain",
    "role": "role",
    "identity_provider": "identityProvider",
}


def spelled(entry: dict[str, Any], program: list[dict[str, Any]]) -> dict[str, Any]:
    """An access entry as property, with its subject as the program writes it: vCenter does not look at the case."""
    live = {_ACCESS_WIRE[key]: value for key, value in entry.items() if key in _ACCESS_WIRE and value is not None}
    for given in program:
        if _principal(access_wire(given)) == _principal(entry):
            return {**given, "role": live["role"]}
    return live


def access_wire(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {wire: entry[name] for wire, name in _ACCESS_WIRE.items() if entry.get(name) is not None}


def by_id(name: str, value: Any, ids: dict[str, str]) -> Any:
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


def wanted_lists(inputs: Mapping[str, Any], ids: Mapping[str, str]) -> list[tuple[Kind, list[Any]]]:
    """Entries of the lists that are managed, in vCenter's form."""
    forms: dict[str, Callable[[Any], Any]] = {
        "accessList": access_wire,
        "storageSpecs": lambda s: _with_limit(
            {"policy": ids.get(f"policy/{s['policy']}", s["policy"])},
            "" if s.get("limitMib") is None else str(s["limitMib"]),
        ),
        "vmClasses": lambda name: name,
        "contentLibraries": lambda name: ids.get(f"library/{name}", name),
    }
    return [(kind, [forms[kind.prop](e) for e in inputs[kind.prop]]) for kind in LISTS if kind.prop in inputs]


def known_part(inputs: Props) -> Props:
    """Inputs of a preview without what is not known yet: of a list the entries that are."""
    found = {
        name: [each for each in value if not has_unknown(each)] if isinstance(value, list) else value
        for name, value in inputs.items()
    }
    return {name: value for name, value in found.items() if not has_unknown(value)}


def values_of(state: Props) -> dict[str, str]:
    """Values of all entries of a state, by token."""
    found: dict[str, str] = {}
    for kind, entries in wanted_lists(state, state.get("resolvedIds") or {}):
        found |= kind.tokens(entries)
    return found


def live_lists(info: dict[str, Any]) -> list[tuple[Kind, list[Any]]]:
    """The lists of a namespace. Libraries are those of the VM Service and of the VM Image Service, as one set."""
    service = info.get("vm_service_spec") or {}
    libraries = [
        *(service.get("content_libraries") or []),
        *(i["content_library"] for i in image_service_libraries(info)),
    ]
    lists = {
        "accessList": info.get("access_list") or [],
        "storageSpecs": info.get("storage_specs") or [],
        "vmClasses": service.get("vm_classes") or [],
        "contentLibraries": list(dict.fromkeys(libraries)),
    }
    return [(kind, lists[kind.prop]) for kind in LISTS]


def image_service_libraries(info: dict[str, Any]) -> list[dict[str, Any]]:
    return info.get("content_libraries") or []


def body(lists: Mapping[str, list[Any]], info: dict[str, Any] | None = None) -> dict[str, Any]:
    """Lists as create and update take them; `info` is what is there, and fills what is only set together."""
    spec: dict[str, Any] = {}
    if "accessList" in lists:
        spec["access_list"] = lists["accessList"]
    if "storageSpecs" in lists:
        spec["storage_specs"] = lists["storageSpecs"]
    if "vmClasses" in lists or "contentLibraries" in lists:
        there = {kind.prop: entries for kind, entries in live_lists(info or {})}
        spec["vm_service_spec"] = {
            "vm_classes": lists.get("vmClasses", there["vmClasses"]),
            "content_libraries": lists.get("contentLibraries", there["contentLibraries"]),
        }
    if "contentLibraries" in lists and (image_service := image_service_libraries(info or {})):
        # Else vCenter would decide what becomes of their settings, and refuses to take a writable one away.
        kept = [each for each in image_service if each["content_library"] in lists["contentLibraries"]]
        spec["content_libraries"] = kept
    return spec


def duplicates(inputs: Props) -> list[Problem]:
    """What is listed twice, which vCenter refuses with less to go on."""
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
                    Problem(f"accessList[{i}]", f"{entry['subject']}@{entry['domain']} is listed twice; expected once")
                )
            subjects.append(subject)
    return problems
