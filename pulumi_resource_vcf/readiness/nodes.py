"""The nodes that a cluster promises: as many as asked for, Ready, of its release, and with their GPUs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .status import Finding

GPU: Final = "nvidia.com/gpu"
_CONTROL_PLANE: Final = "node-role.kubernetes.io/control-plane"
_SPELLING: Final = re.compile(r"-vkr\.\d+$")


@dataclass(frozen=True)
class Pool:
    """A node pool as asked for: nodes with a label `key=value`, from `minimum` to `maximum` of them.

    `gpus` is how many each of its nodes has to offer, 0 for none; None leaves that open.
    """

    name: str
    label: str
    minimum: int
    maximum: int
    gpus: int | None = None

    def has(self, node: Mapping[str, Any]) -> bool:
        """Whether a node is one of its."""
        key, _, value = self.label.partition("=")
        labels = node["metadata"].get("labels") or {}
        return key in labels and labels[key] == value


def same_release(kubelet: str, wanted: str) -> bool:
    """Whether a kubelet's version is of a Kubernetes release, in any spelling of it: short, full, or an object's name.

    The number after -vkr. counts revisions of the release around the same Kubernetes.
    """
    release = _SPELLING.sub("", wanted.replace("---", "+"))
    return kubelet == release or kubelet.startswith(tuple(f"{release}{mark}" for mark in ".+-"))


def is_ready(node: Mapping[str, Any]) -> bool:
    """Whether its kubelet says Ready."""
    found = (node.get("status") or {}).get("conditions") or ()
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in found)


def lacking(
    nodes: Sequence[Mapping[str, Any]], pools: Iterable[Pool], control_plane: int, release: str
) -> list[Finding]:
    """What the nodes lack of what was asked for; nothing when all are there and none is left of before."""
    alive = [node for node in nodes if not node["metadata"].get("deletionTimestamp")]
    groups = [
        ("control plane", [node for node in alive if _is_control_plane(node)], control_plane, control_plane),
        *(
            (
                pool.name,
                [node for node in alive if pool.has(node) and not _is_control_plane(node)],
                pool.minimum,
                pool.maximum,
            )
            for pool in pools
        ),
    ]
    found = []
    for name, members, minimum, maximum in groups:
        old = [node for node in members if release and not same_release(_kubelet(node), release)]
        ready = [node for node in members if is_ready(node) and node not in old]
        if len(ready) < minimum or len(ready) < len(members) or len(members) > maximum:
            wanted = str(minimum) if minimum == maximum else f"{minimum} to {maximum}"
            said = [f"{name}: {len(ready)} of {wanted} nodes ready"]
            if old:
                said.append(f"{len(old)} still of {', '.join(sorted({_kubelet(node) for node in old}))}")
            if len(members) > maximum:
                said.append(f"{len(members) - maximum} more than asked for")
            found.append(Finding(", ".join(said), surplus=len(ready) == len(members) > maximum))
    return found


def without_gpus(nodes: Iterable[Mapping[str, Any]], pools: Iterable[Pool]) -> list[tuple[str, Finding]]:
    """Nodes of GPU pools that do not offer their GPUs, each with its name."""
    found = []
    for pool in pools:
        if not pool.gpus:
            continue
        for node in nodes:
            offered = int(((node.get("status") or {}).get("allocatable") or {}).get(GPU) or 0)
            if pool.has(node) and offered != pool.gpus:
                name = node["metadata"]["name"]
                found.append((name, Finding(f"{name} offers {offered} of {pool.gpus} {GPU}")))
    return found


def _kubelet(node: Mapping[str, Any]) -> str:
    return str(((node.get("status") or {}).get("nodeInfo") or {}).get("kubeletVersion") or "no release")


def _is_control_plane(node: Mapping[str, Any]) -> bool:
    return _CONTROL_PLANE in (node["metadata"].get("labels") or {})
