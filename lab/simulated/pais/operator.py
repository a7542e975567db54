"""Private AI Services (a simulation): one inference server per namespace, and model endpoints that it serves.

The real service makes a VKS cluster of its own, installs the GPU Operator there and runs inference engines. Here that
cluster's VMs are taken from the vCenter simulation, so that memory and GPUs count; everything that a configuration
refers to is really used: the database is connected to, the issuer asked, the model looked for in the gallery.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kopf

from lab.operators.conditions import Conditions
from lab.operators.connections import supervisor
from lab.operators.looks import Looks
from lab.operators.pace import Later
from lab.operators.reconciling import reconciling
from lab.operators.resources import MODEL_ENDPOINT, PAIS_CONFIGURATION, Object, Resource
from lab.simulated.pais.configuration import remove_configuration, serve_configuration
from lab.simulated.pais.endpoint import serve_endpoint, withdraw
from lab.simulated.pais.instance import NotReadyError, release_machines, remove_if_empty

READY_REASON = "paisAvailable"
INTERVAL = 2.0
"""Seconds between two looks at an object that is not ready."""

_looks = Looks(15)


def _report(resource: Resource, item: Object, why: NotReadyError | None, reason: str, more: Object) -> None:
    """Write the condition Ready and the rest of the status; an event when something new is wrong."""
    before = item.get("status") or {}
    conditions = Conditions(before.get("conditions"))
    if why is not None and conditions.message("Ready") != str(why):
        supervisor().event(resource, item, why.reason, str(why), warning=True)
    conditions.set("Ready", why is None, reason if why is None else why.reason, "" if why is None else str(why))
    status = {"observedGeneration": item["metadata"]["generation"], "conditions": conditions.as_list()}
    supervisor().status(resource, item, status | more)


def _look(resource: Resource, item: Object, reason: str, serve: Callable[[Object], Object]) -> None:
    """One look at an object: ``serve`` brings it further and gives more of its status, or raises why it cannot."""

    def look() -> bool:
        try:
            more = serve(item)
        except NotReadyError as why:
            more = {"phase": why.phase} if resource is MODEL_ENDPOINT else {}
            if resource is MODEL_ENDPOINT and why.phase != "Deploying":
                withdraw(item)
                more["readyReplicas"] = 0
            _report(resource, item, why, reason, more)
            raise Later(f"{why.reason}: {why}", delay=INTERVAL) from None
        _report(resource, item, None, reason, more)
        return True

    _looks.take(item["metadata"], look)


@kopf.timer(*PAIS_CONFIGURATION.selector, interval=INTERVAL)
@reconciling
def reconcile_configuration(body: kopf.Body, **_: Any) -> None:
    """Take a PAISConfiguration one look further."""
    _look(PAIS_CONFIGURATION, dict(body), READY_REASON, serve_configuration)


@kopf.on.delete(*PAIS_CONFIGURATION.selector)
@reconciling
def delete_configuration(body: kopf.Body, **_: Any) -> None:
    """Stop the server and release what the configuration had."""
    with _looks.last(body["metadata"]):
        remove_configuration(body["metadata"]["name"], body["metadata"]["namespace"], body["metadata"]["uid"])


@kopf.timer(*MODEL_ENDPOINT.selector, interval=INTERVAL)
@reconciling
def reconcile_endpoint(body: kopf.Body, **_: Any) -> None:
    """Take a ModelEndpoint one look further."""
    _look(MODEL_ENDPOINT, dict(body), "Available", serve_endpoint)


@kopf.on.delete(*MODEL_ENDPOINT.selector)
@reconciling
def delete_endpoint(body: kopf.Body, **_: Any) -> None:
    """Stop serving, and release the workers."""
    item = dict(body)
    with _looks.last(item["metadata"]):
        withdraw(item)
        release_machines(item["metadata"]["uid"], keep=())
        remove_if_empty(item["metadata"]["namespace"])
