"""What belongs to a guest cluster: its parts, its files, its VMs, and a client of its API server."""

from __future__ import annotations

import threading
from pathlib import Path

from lab.kubernetes import admin_kubeconfig
from lab.operators.connections import control, vcenter
from lab.operators.kubernetes_api import Api
from lab.simulated.vks.machines import Shown


def part_name(namespace: str, name: str) -> str:
    """The name of a cluster's parts in the lab, and of its prefix in etcd."""
    return f"vks-{namespace}-{name}"


def vm_owner(uid: str, node: str) -> str:
    """Whom vCenter's simulation knows as the owner of a node's VM."""
    return f"vks.{uid}.{node}"


def owned_vms(uid: str) -> list[str]:
    """The owners of a cluster's VMs that there are."""
    return [each["owner"] for each in vcenter().vms() if str(each["owner"]).startswith(f"vks.{uid}.")]


def directory_of(part: str) -> Path:
    """What the parts of one cluster are configured by."""
    return control().directory / "vks" / part


class Guests:
    """One client per guest cluster; by uid, since a cluster of the same name made anew has another authority."""

    def __init__(self) -> None:
        self._apis: dict[str, Api] = {}
        self._lock = threading.Lock()

    def of(self, uid: str, part: str) -> Api:
        with self._lock:
            if uid not in self._apis:
                self._apis[uid] = Api.of(admin_kubeconfig(control(), part))
            return self._apis[uid]

    def forget(self, uid: str) -> None:
        with self._lock:
            api = self._apis.pop(uid, None)
        if api is not None:
            api.close()


GUESTS = Guests()
SHOWN = Shown()
