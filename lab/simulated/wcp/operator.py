"""The simulated workload control plane: makes the Supervisor look as vCenter wants it, and reports back.

It follows vCenter's wishes by long poll. A namespace appears with its permissions, and is reported RUNNING; its
storage, classes and images come some time later, as do those that are added to it. One that goes is emptied in the
order in which its content depends on each other, and reported gone.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from typing import Any

import httpx
import kopf

from lab.operators.connections import supervisor, vcenter
from lab.operators.kubernetes_api import Api, ApiError
from lab.operators.log import say_once
from lab.operators.pace import Later, backoff, not_before, pace, timestamp
from lab.operators.resources import (
    CLUSTER,
    CLUSTER_CLASS,
    MODEL_ENDPOINT,
    NAMESPACE,
    PAIS_CONFIGURATION,
    POLICY_BINDING,
    POSTGRES_CLUSTER,
    RESOURCE_QUOTA,
    ROLE_BINDING,
    STORAGE_CLASS,
    VIRTUAL_MACHINE,
    VIRTUAL_MACHINE_CLASS,
    VIRTUAL_MACHINE_IMAGE,
    VIRTUAL_MACHINE_SERVICE,
    Object,
    Resource,
)
from lab.operators.vcenter_api import VCenter
from lab.simulated.dsm.binding import publish_binding
from lab.simulated.vks.knowledge import KNOWLEDGE
from lab.simulated.wcp.desired import SELECTOR, Wanted, content, image, metadata_of, namespace_object
from lab.simulated.wcp.vks_content import cluster_classes, releases

POLL_SECONDS = 25.0
"""How long vCenter may hold one long poll."""

REMOVAL = (
    MODEL_ENDPOINT,
    PAIS_CONFIGURATION,
    CLUSTER,
    VIRTUAL_MACHINE_SERVICE,
    VIRTUAL_MACHINE,
    POSTGRES_CLUSTER,
)
"""Kinds that hold something outside the Supervisor: what uses others goes first."""

_ATTEMPTS = 6

OWNED = (RESOURCE_QUOTA, ROLE_BINDING, VIRTUAL_MACHINE_CLASS, VIRTUAL_MACHINE_IMAGE)
"""Kinds in a namespace that are removed when vCenter no longer wants them."""

LATE: dict[Resource, tuple[float, float]] = {
    STORAGE_CLASS: (5, 0.5),
    RESOURCE_QUOTA: (5, 0.5),
    VIRTUAL_MACHINE_CLASS: (10, 1.0),
    VIRTUAL_MACHINE_IMAGE: (60, 1.5),
}
"""Kinds that come after their namespace is RUNNING: seconds at the pace of a real site, and of a fast lab."""


class Wcp:
    """Brings the Supervisor to what vCenter wants, as often as that changes."""

    def __init__(self, api: Api, center: VCenter) -> None:
        self._api = api
        self._center = center
        self._applied: dict[tuple[str, str | None, str], str] = {}
        self._awaited: dict[tuple[str, str | None, str], float] = {}
        self._leaving: set[str] = set()
        self._lock = threading.Lock()

    def run(self) -> None:
        """Follow vCenter for ever."""
        revision, failures = 0, 0
        while True:
            try:
                state = self._center.wcp(revision, POLL_SECONDS if revision else 0)
                if state["revision"] == revision:
                    continue
                pending = self.follow(state)
                # What waits for the lab's pace is looked at again without a change in vCenter.
                revision = 0 if pending else state["revision"]
                failures = 0
                if pending:
                    time.sleep(0.5)
            except (ApiError, httpx.TransportError) as error:
                revision, failures = 0, failures + 1
                # The first miss is usual while the lab comes up or goes down.
                say_once("wcp", str(error) or type(error).__name__, logging.INFO if failures < 3 else logging.WARNING)
                time.sleep(backoff(failures, first=0.2, longest=10))
            except Exception:
                logging.getLogger("lab.operators").exception("wcp: unexpected error in the simulation; tried again")
                revision = 0
                time.sleep(5)

    def begin(self) -> None:
        """Have the Supervisor offer what it has before it is called ready: releases, and what DSM allows.

        A definition may not be served yet; what fails to the end is tried again by ``run``.
        """
        for attempt in range(_ATTEMPTS):
            try:
                state = self._center.wcp(0, 0)
                self._offer(state)
                told = {each["metadata"]["namespace"] for each in self._api.list(POLICY_BINDING)}
                for entry in state.get("namespaces") or []:
                    if entry["config_status"] == "RUNNING" and entry["name"] not in told:
                        # It was there before this Supervisor was started, and so was what is in it.
                        for each in (namespace_object(entry, state), *content(entry, state)):
                            self._apply(each)
                        self._namespace(entry, state)
            except (ApiError, httpx.TransportError) as error:
                say_once("wcp", str(error) or type(error).__name__, logging.INFO)
                time.sleep(backoff(attempt, first=0.2, longest=2))
            else:
                return

    def follow(self, state: Object) -> bool:
        """Bring everything to ``state``; whether something has to wait. Raises the first namespace's ``ApiError``."""
        self._offer(state)
        self._apply(Wanted(NAMESPACE, {"metadata": metadata_of(KNOWLEDGE.central_namespace)}))
        for each in cluster_classes(KNOWLEDGE.central_namespace, central=True):
            self._apply(each)
        pending, first = False, None
        for entry in state.get("namespaces") or []:
            try:
                self._namespace(entry, state)
            except Later:
                pending = True
            except (ApiError, httpx.TransportError) as error:
                first = first or error
        if first is not None:
            raise first
        return pending

    def _offer(self, state: Object) -> None:
        """What the Supervisor has for all namespaces."""
        for release in releases(state):
            self._apply(release)
        shared = set(state.get("supervisor", {}).get("content_libraries") or [])
        for library in state.get("libraries") or []:
            for item in (library.get("items") or []) if library["id"] in shared else []:
                self._apply(image(item, library, None))

    def _namespace(self, entry: Object, state: Object) -> None:
        name = entry["name"]
        if entry["config_status"] == "REMOVING":
            self._start_removal(name)
            return
        self._apply(namespace_object(entry, state))
        wanted = [*content(entry, state), *cluster_classes(name, central=False)]
        running = entry["config_status"] == "RUNNING"
        there = [each for each in wanted if self._has_come(each, running=running)]
        # First, since whoever sees classes and storage may count on it.
        self._publish_binding(name, there)
        for each in there:
            self._apply(each)
        self._prune(name, {each.key for each in wanted})
        if not running:
            found = self._api.get(NAMESPACE, name)
            since = found["metadata"]["creationTimestamp"] if found else timestamp()
            not_before(since, pace(20), "the namespace is being configured")
            # vCenter takes no notice of a report about what it has changed since.
            self._center.report(name, {"config_status": "RUNNING", "revision": entry.get("revision", 0)})
        if len(there) < len(wanted):
            raise Later("what is in the namespace comes after it")

    def _publish_binding(self, namespace: str, there: list[Wanted]) -> None:
        classes = [each.body["metadata"]["name"] for each in there if each.resource is VIRTUAL_MACHINE_CLASS]
        quotas = [key for each in there if each.resource is RESOURCE_QUOTA for key in each.body["spec"]["hard"]]
        publish_binding(self._api, namespace, classes, [key.split(".storageclass.")[0] for key in quotas])

    def _has_come(self, wanted: Wanted, *, running: bool) -> bool:
        """Whether it is time for an object; what is there already stays, whatever it was that made it."""
        if wanted.resource not in LATE or wanted.key in self._applied:
            return True
        metadata = wanted.body["metadata"]
        if wanted.key not in self._awaited:
            if self._api.get(wanted.resource, metadata["name"], metadata.get("namespace")) is not None:
                return True
            if not running:
                return False
            self._awaited[wanted.key] = time.monotonic()
        if time.monotonic() - self._awaited[wanted.key] < pace(*LATE[wanted.resource]):
            return False
        del self._awaited[wanted.key]
        return True

    def _apply(self, wanted: Wanted) -> None:
        """Apply what this process has not applied in the same form before."""
        stable = wanted.body if wanted.status is None else {**wanted.body, "status": _without_times(wanted.status)}
        mark = hashlib.sha256(json.dumps(stable, sort_keys=True).encode()).hexdigest()
        if self._applied.get(wanted.key) == mark:
            return
        if wanted.resource is ROLE_BINDING:
            self._drop_other_role(wanted.body)
        item = self._api.apply(wanted.resource, wanted.body)
        status = wanted.status
        if status is not None and wanted.resource is CLUSTER_CLASS:
            status = {**status, "observedGeneration": item["metadata"].get("generation", 1)}
        if status is not None and _without_times(item.get("status") or {}) != _without_times(status):
            self._api.status(wanted.resource, item, status)
        self._applied[wanted.key] = mark

    def _drop_other_role(self, binding: Object) -> None:
        """Remove a binding to another role, since Kubernetes does not let it change."""
        name, namespace = binding["metadata"]["name"], binding["metadata"]["namespace"]
        found = self._api.get(ROLE_BINDING, name, namespace)
        if found is not None and found["roleRef"] != binding["roleRef"]:
            self._api.delete(ROLE_BINDING, name, namespace)

    def _prune(self, namespace: str, wanted: set[tuple[str, str | None, str]]) -> None:
        for resource in OWNED:
            for item in self._api.list(resource, namespace, SELECTOR):
                key = (resource.kind, namespace, item["metadata"]["name"])
                if key not in wanted:
                    self._api.delete(resource, item["metadata"]["name"], namespace)
                    self._applied.pop(key, None)

    def _start_removal(self, name: str) -> None:
        with self._lock:
            if name in self._leaving:
                return
            self._leaving.add(name)
        threading.Thread(target=self._remove_for_sure, args=[name], name=f"remove-{name}", daemon=True).start()

    def _remove_for_sure(self, name: str) -> None:
        failures = 0
        while True:
            try:
                self.remove(name)
            except (ApiError, httpx.TransportError) as error:
                failures += 1
                say_once(f"Namespace/{name}", f"removal: {error}")
                time.sleep(backoff(failures, longest=10))
                continue
            break
        with self._lock:
            self._leaving.discard(name)

    def remove(self, name: str) -> None:
        """Empty a namespace kind by kind, delete it, and report it gone."""
        for resource in REMOVAL:
            self._empty(resource, name)
        while self._api.get(NAMESPACE, name) is not None:
            self._api.delete(NAMESPACE, name)
            time.sleep(0.3)
        self._applied = {key: mark for key, mark in self._applied.items() if name not in (key[1], key[2])}
        self._awaited = {key: since for key, since in self._awaited.items() if key[1] != name}
        self._center.report(name, {"gone": True})

    def _empty(self, resource: Resource, namespace: str) -> None:
        waited = 0
        while items := self._api.list(resource, namespace):
            for item in items:
                if not item["metadata"].get("deletionTimestamp"):
                    self._api.delete(resource, item["metadata"]["name"], namespace)
            if waited and waited % 100 == 0:
                names = ", ".join(item["metadata"]["name"] for item in items[:5])
                say_once(f"Namespace/{namespace}", f"removal waits for {resource.kind} {names}")
            waited += 1
            time.sleep(0.3)


def _without_times(status: Any) -> Any:
    if isinstance(status, dict):
        return {key: _without_times(value) for key, value in status.items() if key != "lastTransitionTime"}
    return [_without_times(each) for each in status] if isinstance(status, list) else status


@kopf.on.startup()
def follow_vcenter(**_: Any) -> None:
    """Start following; the thread ends with the process."""
    wcp = Wcp(supervisor(), vcenter())
    wcp.begin()
    threading.Thread(target=wcp.run, name="wcp", daemon=True).start()
