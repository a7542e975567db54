"""What NVIDIA's GPU Operator has made for its ClusterPolicy: DaemonSets that are rolled out, and why pods do not start.

Its own state says `ready` before it did anything, with no GPU node, and between two steps (measured with 24.9.0); so it
is one of several things that have to be so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from .status import Finding

_STARTING: Final = frozenset({"ContainerCreating", "PodInitializing", ""})


def owned(items: Iterable[Mapping[str, Any]], uid: str) -> list[Mapping[str, Any]]:
    """Those that belong to the object with this uid."""
    return [
        each
        for each in items
        if any(owner.get("uid") == uid for owner in each["metadata"].get("ownerReferences") or [])
    ]


def not_rolled_out(policy: Mapping[str, Any], sets: Iterable[Mapping[str, Any]]) -> list[Finding]:
    """DaemonSets that are not of the policy's versions yet, or whose pods are not all there, new and ready."""
    versions = _versions(policy)
    by_hand = not ((policy["spec"].get("driver") or {}).get("upgradePolicy") or {}).get("autoUpgrade")
    found = []
    for each in sets:
        name, status = each["metadata"]["name"], each.get("status") or {}
        wanted = _older(each, versions)
        if wanted:
            found.append(Finding(f"{name} is not yet of {wanted}"))
            continue
        desired = status.get("desiredNumberScheduled") or 0
        on_delete = (each["spec"].get("updateStrategy") or {}).get("type") == "OnDelete"
        updated = desired if on_delete and by_hand else status.get("updatedNumberScheduled") or 0
        ready = min(status.get("numberReady") or 0, updated)
        if (status.get("observedGeneration") or 0) < (each["metadata"].get("generation") or 0) or ready < desired:
            found.append(Finding(f"{name}: {ready} of {desired} pods new and ready"))
    return found


def held_up(pods: Iterable[Mapping[str, Any]], nodes: Iterable[str]) -> list[Finding]:
    """Why pods on these nodes do not start, each in the kubelet's own words."""
    on = set(nodes)
    found = {}
    for pod in pods:
        status = pod.get("status") or {}
        if (pod.get("spec") or {}).get("nodeName") not in on:
            continue
        owner = next((each["name"] for each in pod["metadata"].get("ownerReferences") or []), pod["metadata"]["name"])
        for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
            waits = (container.get("state") or {}).get("waiting") or {}
            reason = str(waits.get("reason") or "")
            if reason not in _STARTING:
                message = str(waits.get("message") or "").strip()
                text = f"{owner}: {reason}" + (f": {message}" if message else "")
                found[text] = Finding(text, reason)
    return list(found.values())


def _versions(policy: Mapping[str, Any]) -> dict[str, str]:
    """Image name → version, as the policy asks for them."""
    parts = [each for each in policy["spec"].values() if isinstance(each, Mapping)]
    return {str(each["image"]): str(each["version"]) for each in parts if each.get("image") and each.get("version")}


def _older(item: Mapping[str, Any], versions: Mapping[str, str]) -> str:
    """The image that a DaemonSet should run and does not, "" when it runs it.

    A driver's tag has the node's operating system behind the version.
    """
    for container in ((item["spec"].get("template") or {}).get("spec") or {}).get("containers") or []:
        repository, _, tag = str(container.get("image") or "").rpartition(":")
        image = repository.rsplit("/", 1)[-1]
        if image in versions and not tag.startswith(versions[image]):
            return f"{image}:{versions[image]}"
    return ""
