"""Machines of route vsphere that a run which was cut off left in vCenter, unfinished.

Every other creation adopts what it made before; that of the official vsphere plugin does not, and fails because the
name is taken. Such a machine was never handed out. It is removed rather than imported: settings that only a creation
makes (OVF properties, and with them the login) may be missing, and no later run would notice.

A machine is known by its annotation, in which the component writes its URN. Objects and properties as in the vSphere
Web Services API 9.0.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cli.engine.stack_state import plaintext
from cli.output.console import Failed
from pulumi_resource_vcf.http import tls_context

_MACHINE = "vsphere:index/virtualMachine:VirtualMachine"
_PROVIDER = "pulumi:providers:vsphere"
# Asked for outright, as every vCenter from 8.0 on answers in it: negotiation fails with servers newer than pyvmomi.
_API_VERSION = "vim.version.v8_0_0_1"
_HTTPS = 443
_TASK_SECONDS = 900.0


@dataclass(frozen=True)
class Account:
    """A vCenter and a login, as the stack's own vsphere provider has them."""

    server: str
    user: str
    password: str

    def __repr__(self) -> str:
        return f"Account({self.user} at {self.server})"


@dataclass(frozen=True)
class UnfinishedClone:
    """A machine that is in vCenter and in no state."""

    name: str
    annotation: str
    created: datetime | None
    machine: Any


def pending_annotations(state: dict[str, Any]) -> set[str]:
    """Annotations of the machines whose creation never ended, by the pending operations of an exported state."""
    operations = (state.get("deployment") or {}).get("pending_operations") or []
    return {
        str(each["resource"]["inputs"].get("annotation", ""))
        for each in operations
        if each["type"] == "creating" and each["resource"]["type"] == _MACHINE
    } - {""}


def uses_vsphere(state: dict[str, Any]) -> bool:
    """Whether the stack makes machines with the vsphere plugin."""
    return any(each["type"] == _PROVIDER for each in (state.get("deployment") or {}).get("resources") or [])


def unfinished(
    state: dict[str, Any], machines: list[UnfinishedClone], stack: str, since: datetime | None
) -> list[UnfinishedClone]:
    """Those of the machines in vCenter that a run which was cut off began.

    They are pending in the state, or of this stack (``<name>::<project>``) and made after ``since``, the end of the
    last run that succeeded (none did: ``None``): an older one was taken out of the state on purpose.
    """
    pending, of_stack = pending_annotations(state), f"urn:pulumi:{stack}::"
    return [
        each
        for each in machines
        if each.annotation in pending
        or (of_stack in each.annotation and each.created is not None and (since is None or each.created > since))
    ]


def account(state: dict[str, Any]) -> Account:
    """The login of the stack's vsphere provider, from a state that was exported with its secrets shown."""
    provider = next(each for each in state["deployment"]["resources"] if each["type"] == _PROVIDER)
    inputs = {name: plaintext(value) for name, value in provider["inputs"].items()}
    return Account(str(inputs["vsphereServer"]), str(inputs["user"]), str(inputs["password"]))


class VCenter:
    """What is done in vCenter about such machines. Blocks; every wait is bounded."""

    def __init__(self, service: Any, account: Account) -> None:
        self._content = service.RetrieveContent()
        self._account = account

    def wait_for_tasks(self) -> None:
        """Wait for what vCenter still does for this account: a deployment goes on when its client is gone.

        Raises ``Failed`` naming the tasks that do not end.
        """
        deadline = time.monotonic() + _TASK_SECONDS
        while busy := list(self._running()):
            if time.monotonic() > deadline:
                raise Failed(
                    f"vCenter {self._account.server} has been working on {', '.join(busy)} for {self._account.user} "
                    f"for {_TASK_SECONDS / 60:.0f} minutes; run again when it is done"
                )
            time.sleep(1)

    def _running(self) -> Iterator[str]:
        """What kind of tasks of this account have not ended."""
        from pyVmomi import vim, vmodl  # noqa: PLC0415 - a third of a second that few commands need

        collector: Any = vmodl.query.PropertyCollector
        # Not the whole of a task: vCenter knows kinds of entities that pyvmomi does not.
        properties = [
            collector.PropertySpec(type=vim.Task, pathSet=["info.state", "info.reason", "info.descriptionId"])
        ]
        for task in self._content.taskManager.recentTask:
            query = collector.FilterSpec(objectSet=[collector.ObjectSpec(obj=task)], propSet=properties)
            try:
                page = self._content.propertyCollector.RetrievePropertiesEx([query], collector.RetrieveOptions())
            except vmodl.fault.ManagedObjectNotFound:
                continue
            for item in page.objects if page is not None else []:
                values = {each.name: each.val for each in item.propSet}
                by = getattr(values.get("info.reason"), "userName", None)
                if values.get("info.state") in ("queued", "running") and by and _same_user(by, self._account.user):
                    yield str(values.get("info.descriptionId"))

    def machines(self, known: set[str]) -> list[UnfinishedClone]:
        """Machines with an annotation whose BIOS UUID, the plugin's id, is not among ``known``."""
        from pyVmomi import vim, vmodl  # noqa: PLC0415 - as above

        view = self._content.viewManager.CreateContainerView(self._content.rootFolder, [vim.VirtualMachine], True)
        collector: Any = vmodl.query.PropertyCollector
        names = ["name", "config.annotation", "config.uuid", "config.createDate"]
        step = collector.TraversalSpec(name="view", path="view", skip=False, type=vim.view.ContainerView)
        query = collector.FilterSpec(
            objectSet=[collector.ObjectSpec(obj=view, skip=True, selectSet=[step])],
            propSet=[collector.PropertySpec(type=vim.VirtualMachine, pathSet=names)],
        )
        clones = []
        try:
            page = self._content.propertyCollector.RetrievePropertiesEx([query], collector.RetrieveOptions())
            while page is not None:
                for item in page.objects:
                    values = {each.name: each.val for each in item.propSet}
                    if values.get("config.annotation") and values.get("config.uuid") not in known:
                        created = values.get("config.createDate")
                        clones.append(UnfinishedClone(values["name"], values["config.annotation"], created, item.obj))
                more = page.token
                page = self._content.propertyCollector.ContinueRetrievePropertiesEx(more) if more else None
        finally:
            view.Destroy()
        return sorted(clones, key=lambda each: each.name)

    def remove(self, clone: UnfinishedClone) -> None:
        """Power the machine off and delete it with its disks. Raises ``Failed`` with vCenter's words."""
        if clone.machine.runtime.powerState != "poweredOff":
            self._wait_for_task(clone, "power off", clone.machine.PowerOffVM_Task())
        self._wait_for_task(clone, "delete", clone.machine.Destroy_Task())

    def _wait_for_task(self, clone: UnfinishedClone, what: str, task: Any) -> None:
        deadline = time.monotonic() + _TASK_SECONDS
        while (info := task.info).state in ("queued", "running"):
            if time.monotonic() > deadline:
                raise Failed(
                    f"vCenter {self._account.server} did not {what} the unfinished machine {clone.name} in time"
                )
            time.sleep(0.3)
        if info.state != "success":
            output = getattr(info.error, "localizedMessage", "") or getattr(info.error, "msg", "") or "no reason given"
            raise Failed(
                f"vCenter {self._account.server} did not {what} the machine {clone.name}, which a run that was cut off "
                f"left unfinished: {output}. Remove it there, then run again"
            )


def _same_user(one: str, other: str) -> bool:
    # In tasks users are DOMAIN\name, in logins name@domain.
    return _user(one) == _user(other)


def _user(name: str) -> tuple[str, str]:
    domain, separator, plain = name.rpartition("\\")
    if not separator:
        plain, _, domain = name.partition("@")
    return plain.lower(), domain.lower()


@contextmanager
def connected(account: Account, trust: str | None) -> Iterator[VCenter]:
    """A session with certificate checks; ``trust`` is a file of authorities instead of the system's.

    Raises ``Failed`` when vCenter cannot be asked, here and in the body.
    """
    from pyVim import connect  # noqa: PLC0415 - a third of a second that few commands need
    from pyVmomi import vmodl  # noqa: PLC0415

    host, _, port = account.server.rpartition(":") if account.server.rpartition(":")[2].isdigit() else ("", "", "")
    service: Any = None
    log_in: Any = connect.Connect
    log_out: Any = connect.Disconnect
    try:
        service = log_in(
            host=host or account.server,
            port=int(port or _HTTPS),
            user=account.user,
            pwd=account.password,
            sslContext=tls_context(Path(trust).read_text(encoding="ascii", errors="ignore") if trust else None),
            httpConnectionTimeout=30,
            version=_API_VERSION,
        )
        yield VCenter(service, account)
    except (vmodl.MethodFault, OSError, http.client.HTTPException) as error:
        output = getattr(error, "msg", None) or error or type(error).__name__
        raise Failed(
            f"vCenter {account.server} cannot be asked what a run that was cut off left there: {output}. Nothing was "
            "changed; run again when it answers"
        ) from None
    finally:
        if service is not None:
            log_out(service)
