"""What a namespace's instance of Private AI Services has: its server's part, its files, its VMs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

import httpx

from lab.operators.connections import control, vcenter
from lab.operators.kubernetes_api import ApiError
from lab.operators.pace import seconds_since
from lab.operators.resources import Object
from lab.state import write_atomically

NAME = "default"
"""The only name that a PAISConfiguration may have."""


class NotReadyError(Exception):
    """Why an object is not ready: one word for the condition, and a message that says what to do."""

    def __init__(self, reason: str, message: str, phase: str = "Failed") -> None:
        super().__init__(message)
        self.reason = reason
        self.phase = phase


def part_name(namespace: str) -> str:
    """The inference server's part in the lab."""
    return f"pais-{namespace}"


def directory(namespace: str) -> Path:
    """What the inference server of a namespace reads."""
    return control().directory / "pais" / namespace


def wait_since_creation(item: Object, seconds: float, what: str) -> None:
    """Wait until ``seconds`` have passed since the object was made. Raises ``NotReadyError`` until then."""
    if seconds_since(item["metadata"]["creationTimestamp"]) < seconds:
        raise NotReadyError("Deploying", what, phase="Deploying")


def write_if_changed(path: Path, text: str) -> None:
    """Replace a file, unless it is so already."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_atomically(path, text)


def remove_if_empty(namespace: str) -> None:
    """Remove the folders of a namespace that nothing is left in."""
    for folder in (directory(namespace) / "endpoints", directory(namespace)):
        # Not empty, or removed by the end of another object meanwhile: either is fine.
        with contextlib.suppress(OSError):
            folder.rmdir()


def vm_owner(uid: str, machine: str) -> str:
    """Whom vCenter's simulation knows as the owner of a worker's VM."""
    return f"pais.{uid}.{machine}"


def take_machines(uid: str, namespace: str, vm_class: str, names: Iterable[str]) -> None:
    """Take VMs for workers. Raises ``NotReadyError`` with vCenter's reasons when no host has room."""
    for name in names:
        try:
            vcenter().create_vm(
                name=f"pais-{uid[:8]}-{name}",
                namespace=namespace,
                vm_class=vm_class,
                owner=vm_owner(uid, name),
                role="pais-worker",
            )
        except ApiError as error:
            if error.status != httpx.codes.CONFLICT:
                raise
            message = f"no VM of class {vm_class} for {name}: {error}"
            raise NotReadyError(error.reason or "InsufficientCapacity", message, phase="Deploying") from None


def release_machines(uid: str, keep: Iterable[str]) -> None:
    """Give back the VMs of an object but those that are named."""
    kept = {vm_owner(uid, name) for name in keep}
    for vm in vcenter().vms():
        owner = str(vm["owner"])
        if owner.startswith(vm_owner(uid, "")) and owner not in kept:
            vcenter().delete_vm(owner)
