"""Values that the platform publishes as allowed, for the message of an object that it refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from .. import bindings
from ..api_server import ApiServer
from ..errors import listed

_BINDING: Final = ("infrastructure.dataservices.vmware.com", "DataServicePolicyBinding")


async def lines(api: ApiServer, kind: str, namespace: str) -> AsyncIterator[str]:
    """What is allowed for objects of a kind in a namespace; nothing where the platform does not publish it."""
    if kind != "PostgresCluster":
        return
    version = await api.version_of(_BINDING[0])
    for binding in await api.items(f"{_BINDING[0]}/{version}", _BINDING[1], namespace) if version else []:
        for text in of_binding(binding.get("status") or {}):
            yield f"{_BINDING[1]} {binding['metadata']['name']} allows {text}"


def of_binding(status: Mapping[str, Any]) -> list[str]:
    """What a DataServicePolicyBinding allows a PostgresCluster, for a person."""
    offer = bindings.allowed(status)
    found = [f"version: {listed(offer['versions'])}"] if offer["versions"] else []
    found += [
        f"infrastructure policy {policy['name']}, with VM class: {listed(policy['vmClasses'])}; "
        f"storage policy: {listed(policy['storagePolicies'])}"
        for policy in offer["infrastructurePolicies"]
    ]
    if offer["replicas"]:
        found.append(f"replicas: {listed(map(str, offer['replicas']))}")
    if offer["backupLocations"]:
        found.append(f"backup location: {listed(offer['backupLocations'])}")
    if offer["maxStorage"]:
        found.append(f"storage space up to {offer['maxStorage']}")
    return found
