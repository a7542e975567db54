"""Values that the platform publishes as allowed, for the message of an object that it refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, Final

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
    """What a DataServicePolicyBinding of DSM allows a PostgresCluster, in its status's own form."""
    found = []
    for service in status.get("dataServiceVersions") or []:
        if service.get("serviceType") == "postgres":
            found.append(f"version: {_names(service.get('versions'), 'version')}")
    for policy in status.get("infrastructurePolicies") or []:
        classes, storage = listed(policy.get("vmClasses") or []), listed(policy.get("storagePolicies") or [])
        found.append(f"infrastructure policy {policy.get('name')}, with VM class: {classes}; storage policy: {storage}")
    limits = status.get("aggregatePostgresPolicy") or {}
    common = limits.get("common") or {}
    if limits.get("allowedReplicas"):
        found.append(f"replicas: {listed(map(str, limits['allowedReplicas']))}")
    if common.get("allowedBackupLocations"):
        found.append(f"backup location: {listed(common['allowedBackupLocations'])}")
    if (common.get("allowedStorageSpace") or {}).get("max"):
        found.append(f"storage space up to {common['allowedStorageSpace']['max']}")
    return found


def _names(items: Iterable[Mapping[str, Any]] | None, key: str) -> str:
    return listed(str(each[key]) for each in items or [] if each.get(key))
