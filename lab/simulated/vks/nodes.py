"""A cluster's nodes: what the kubelet of each would register, and which come and go next. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lab.operators.resources import Object
from lab.simulated.vks.knowledge import KNOWLEDGE
from lab.simulated.vks.releases import short
from lab.simulated.vks.topology import POOL_LABEL, Pool
from lab.simulated.vks.vm_classes import DEVICES

_MIB_PER_KIB = 1024


def node_object(pool: Pool, name: str, vm: Mapping[str, Any]) -> Object:
    """The Node that the kubelet of this VM would register: without GPUs, which only a device plugin can announce."""
    system = KNOWLEDGE.systems[pool.system]
    labels = {
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/os": "linux",
        "kubernetes.io/hostname": name,
        "node.kubernetes.io/instance-type": pool.vm_class.name,
        POOL_LABEL: pool.name,
    } | dict(pool.labels)
    taints = [dict(taint) for taint in pool.taints]
    if pool.control_plane:
        labels["node-role.kubernetes.io/control-plane"] = ""
        taints.append({"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"})
    resources = {
        "cpu": str(pool.vm_class.cpus),
        "memory": f"{pool.vm_class.memory_mib * _MIB_PER_KIB}Ki",
        "ephemeral-storage": "100Gi",
        "pods": "110",
    }
    release = short(pool.version)
    return {
        "metadata": {
            "name": name,
            "labels": labels,
            "annotations": {DEVICES: json.dumps([vars(gpu) for gpu in pool.vm_class.gpus])},
        },
        "spec": {"providerID": f"vsphere://{vm['bios_uuid']}", "taints": taints},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": vm["ip"]},
                {"type": "Hostname", "address": name},
            ],
            "capacity": resources,
            "allocatable": resources,
            "nodeInfo": {
                "architecture": "amd64",
                "operatingSystem": "linux",
                "osImage": system["image"],
                "kernelVersion": system["kernel"],
                "containerRuntimeVersion": KNOWLEDGE.containerd,
                "kubeletVersion": release,
                "kubeProxyVersion": release,
                "machineID": str(vm["instance_uuid"]).replace("-", ""),
                "systemUUID": vm["bios_uuid"],
                "bootID": vm["instance_uuid"],
            },
        },
    }


@dataclass(frozen=True)
class Step:
    """What to do next to a pool: nodes to make and nodes to remove, by name."""

    create: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()


def next_step(wanted: list[str], existing: Iterable[str], ready: Iterable[str], max_surge: int) -> Step:
    """The next step from the ``existing`` nodes to the ``wanted`` ones; an empty one when nothing is left to do.

    Growing and shrinking go at once. Replacing goes node by node: first the new one when there may be one more than
    wanted (``max_surge``), and the old one only once the new one is ``ready``.
    """
    there, good = set(existing), set(ready)
    missing = tuple(name for name in wanted if name not in there)
    surplus = tuple(sorted(there - set(wanted)))
    if not missing or not surplus:
        settled = all(name in good for name in wanted if name in there)
        return Step(create=missing, remove=surplus if settled else ())
    room = len(wanted) + max_surge - len(there)
    if room > 0:
        return Step(create=missing[:1])
    if any(name not in good for name in wanted if name in there):
        return Step()
    return Step(remove=surplus[:1])
