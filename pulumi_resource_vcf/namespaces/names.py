"""What a Supervisor namespace names, and the ids behind it."""

from __future__ import annotations

from typing import Any

from ..errors import GoneError, Problem, ProblemsError, listed, nearest
from ..values import Props
from ..vcenter import VCenter, find_library, find_storage_policy, find_supervisor
from .lists import live_lists

_CLASSES = "/api/vcenter/namespace-management/virtual-machine-classes"
# The key that holds an object's id, and the prefix under which `resolvedIds` keeps its names.
_KINDS = {"supervisor": "supervisor", "policy": "policy", "id": "library"}


async def resolve(vcenter: VCenter, inputs: Props) -> dict[str, str]:
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


async def resolve_again(vcenter: VCenter, state: Props) -> dict[str, str]:
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


async def names_of(vcenter: VCenter, info: dict[str, Any]) -> dict[str, str]:
    """Names of everything a namespace refers to, for import, in the form of `resolvedIds`."""
    supervisor = await find_supervisor(vcenter, info["supervisor"])
    ids = {f"supervisor/{supervisor['name']}": str(supervisor["supervisor"])}
    for spec in info.get("storage_specs") or []:
        policy = await find_storage_policy(vcenter, spec["policy"])
        ids[f"policy/{policy['name']}"] = str(policy["policy"])
    for library_id in next(entries for kind, entries in live_lists(info) if kind.prop == "contentLibraries"):
        library = await find_library(vcenter, library_id)
        ids[f"library/{library['name']}"] = str(library["id"])
    return ids
