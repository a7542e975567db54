"""VKS (a simulation): a Cluster becomes a second real API server whose nodes run nowhere.

The control plane is started by ``lab.kubernetes``, kwok plays the kubelets, and each node takes its VM from the vCenter
simulation, so that memory and GPUs count. Everything is found again after a restart: nodes in the guest's API, VMs by
their owner in vCenter, the rest in the Cluster's status.

As with Cluster API 1.9 none of the conditions of v1beta1 waits for workers: they hold as soon as the control plane
does, and go on holding while pools change. ``status.v1beta2.conditions`` has WorkersAvailable and RollingOut, late:
after a change they are those of before for a moment, though ``observedGeneration`` is up to date.
"""

from __future__ import annotations

import shutil
from typing import Any

import kopf

from lab.kubernetes import stop_cluster
from lab.operators.connections import control, supervisor, vcenter
from lab.operators.looks import Looks
from lab.operators.pace import not_before, pace
from lab.operators.reconciling import reconciling
from lab.operators.resources import CLUSTER, SECRET, Object
from lab.simulated.vks.guests import GUESTS, SHOWN, directory_of, owned_vms, part_name
from lab.simulated.vks.look import ClusterLook

INTERVAL = 2.0
"""Seconds between two looks at a Cluster."""

_looks = Looks(4)


@kopf.timer(*CLUSTER.selector, interval=INTERVAL)
@reconciling
def reconcile(body: kopf.Body, **_: Any) -> None:
    """Take a Cluster one look further."""
    cluster = dict(body)
    _looks.take(cluster["metadata"], lambda: ClusterLook(cluster).run())


@kopf.on.delete(*CLUSTER.selector)
@reconciling
def delete(body: kopf.Body, **_: Any) -> None:
    """Release everything a Cluster had."""
    cluster = dict(body)
    with _looks.last(cluster["metadata"]):
        _remove(cluster)


def _remove(cluster: Object) -> None:
    supervisor().status(CLUSTER, cluster, {"phase": "Deleting"})
    metadata = cluster["metadata"]
    not_before(metadata["deletionTimestamp"], pace(60), "the cluster's machines are being removed")
    part = part_name(metadata["namespace"], metadata["name"])
    control().remove(f"{part}-kwok")
    stop_cluster(control(), part)
    GUESTS.forget(metadata["uid"])
    SHOWN.forget(metadata["uid"])
    for each in owned_vms(metadata["uid"]):
        vcenter().delete_vm(each)
    for suffix in ("kubeconfig", "ssh-password"):
        supervisor().delete(SECRET, f"{metadata['name']}-{suffix}", metadata["namespace"])
    shutil.rmtree(directory_of(part), ignore_errors=True)
