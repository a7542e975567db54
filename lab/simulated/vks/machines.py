"""What the Supervisor shows of a Cluster's machines: its control plane and a MachineDeployment per node pool.

Cluster API's admission asks them whether an upgrade is still under way. Their templates exist by name only, and no
Machine is behind them: nodes are made from the Cluster itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence

from lab.operators.kubernetes_api import Api
from lab.operators.resources import CLUSTER, KUBEADM_CONTROL_PLANE, MACHINE_DEPLOYMENT, Object, Resource
from lab.platform import PLATFORM
from lab.simulated.vks.releases import short
from lab.simulated.vks.topology import Pool

_LABEL = "cluster.x-k8s.io/cluster-name"
_OWNED = "topology.cluster.x-k8s.io/owned"
_POOL = "topology.cluster.x-k8s.io/deployment-name"
_INFRASTRUCTURE = PLATFORM.api_version("VSphereMachineTemplate")
_BOOTSTRAP = PLATFORM.api_version("KubeadmConfigTemplate")


def resource_of(pool: Pool) -> Resource:
    """The kind that stands for a pool."""
    return KUBEADM_CONTROL_PLANE if pool.control_plane else MACHINE_DEPLOYMENT


def name_of(cluster: Object, pool: Pool) -> str:
    """The name of the object that stands for a pool: a random-looking end that stays."""
    metadata = cluster["metadata"]
    end = hashlib.sha256(f"{metadata['uid']}/{pool.name}".encode()).hexdigest()[:5]
    return f"{metadata['name']}-{end}" if pool.control_plane else f"{metadata['name']}-{pool.name}-{end}"


def control_plane_reference(cluster: Object, pool: Pool) -> Object:
    """What a Cluster's ``spec.controlPlaneRef`` says."""
    return {
        "apiVersion": KUBEADM_CONTROL_PLANE.api_version,
        "kind": KUBEADM_CONTROL_PLANE.kind,
        "name": name_of(cluster, pool),
        "namespace": cluster["metadata"]["namespace"],
    }


def body_of(cluster: Object, pool: Pool, before: Object | None, *, settled: bool) -> Object:
    """The object of a pool. ``before`` is the one that is there, ``settled`` whether all its nodes are those wanted.

    A MachineDeployment gets another version when its turn has come; while others still roll, and here while its own
    nodes do, it has the one before.
    """
    metadata = cluster["metadata"]
    name, labels = metadata["name"], {_LABEL: metadata["name"], _OWNED: ""}
    machines = {"apiVersion": _INFRASTRUCTURE, "kind": "VSphereMachineTemplate", "name": f"{name}-{pool.name}"}
    version = short(pool.version)
    if pool.control_plane:
        spec = {
            "replicas": pool.replicas,
            "version": version,
            "machineTemplate": {"infrastructureRef": machines},
            "kubeadmConfigSpec": {},
        }
    else:
        if before is not None and not settled:
            version = before["spec"]["template"]["spec"]["version"]
        labels[_POOL] = pool.name
        bootstrap = {"apiVersion": _BOOTSTRAP, "kind": "KubeadmConfigTemplate", "name": f"{name}-{pool.name}"}
        template = {
            "clusterName": name,
            "version": version,
            "bootstrap": {"configRef": bootstrap},
            "infrastructureRef": machines,
        }
        spec = {
            "clusterName": name,
            "replicas": pool.replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": template},
        }
    shown = {
        "name": name_of(cluster, pool),
        "namespace": metadata["namespace"],
        "labels": labels,
        "ownerReferences": [CLUSTER.owner_reference(cluster)],
    }
    return {"metadata": shown, "spec": spec}


def status_of(pool: Pool, there: Collection[str], wanted: Sequence[str], ready: Collection[str]) -> Object:
    """Its status. ``there`` are the pool's nodes, ``wanted`` those that it shall have, ``ready`` all that are."""
    good = len([name for name in there if name in ready])
    status: Object = {
        "replicas": len(there),
        "updatedReplicas": len([name for name in there if name in wanted]),
        "readyReplicas": good,
        "unavailableReplicas": max(0, pool.replicas - good),
    }
    if pool.control_plane:
        status |= {"initialized": bool(there), "ready": good > 0}
        if good and set(there) == set(wanted):
            status["version"] = short(pool.version)
    return status


class Shown:
    """What was shown of each pool the last time, so that nothing is written twice."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], Object] = {}
        self._pools: dict[str, frozenset[str]] = {}

    def show(self, api: Api, cluster: Object, pool: Pool, nodes: Mapping[str, Collection[str]]) -> None:
        """Write the object of a pool. ``nodes``: those ``there``, ``wanted`` and ``ready``, by name."""
        wanted = list(nodes["wanted"])
        status = status_of(pool, nodes["there"], wanted, nodes["ready"])
        settled = set(nodes["there"]) == set(wanted) <= set(nodes["ready"])
        mark = {"status": status, "settled": settled, "version": pool.version, "replicas": pool.replicas}
        key = cluster["metadata"]["uid"], pool.name
        if self._last.get(key) == mark:
            return
        resource = resource_of(pool)
        before = api.get(resource, name_of(cluster, pool), cluster["metadata"]["namespace"])
        item = api.apply(resource, body_of(cluster, pool, before, settled=settled))
        api.status(resource, item, status)
        self._last[key] = mark

    def only(self, api: Api, cluster: Object, pools: Sequence[Pool]) -> None:
        """Take away the objects of pools that a Cluster has no more."""
        uid, namespace = cluster["metadata"]["uid"], cluster["metadata"]["namespace"]
        names = frozenset(name_of(cluster, pool) for pool in pools)
        if self._pools.get(uid) == names:
            return
        for item in api.list(MACHINE_DEPLOYMENT, namespace, f"{_LABEL}={cluster['metadata']['name']}"):
            if item["metadata"]["name"] not in names:
                api.delete(MACHINE_DEPLOYMENT, item["metadata"]["name"], namespace)
        there = {pool.name for pool in pools}
        self._last = {key: mark for key, mark in self._last.items() if key[0] != uid or key[1] in there}
        self._pools[uid] = names

    def forget(self, uid: str) -> None:
        """Forget a Cluster that is gone; its objects go with it, since it owns them."""
        self._last = {key: mark for key, mark in self._last.items() if key[0] != uid}
        self._pools.pop(uid, None)
