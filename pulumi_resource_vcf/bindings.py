"""What a DataServicePolicyBinding of DSM allows in its namespace, read from its status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .values import Props


def allowed(status: Mapping[str, Any]) -> Props:
    """Infrastructure policies, versions of PostgreSQL, backup locations, numbers of replicas, largest storage space.

    Empty, or "" for the storage space, where the binding says nothing.
    """
    limits = status.get("aggregatePostgresPolicy") or {}
    common = limits.get("common") or {}
    return {
        "infrastructurePolicies": [
            {
                "name": str(each["name"]),
                "vmClasses": [_name(one) for one in each.get("vmClasses") or []],
                "storagePolicies": [_name(one) for one in each.get("storagePolicies") or []],
            }
            for each in status.get("infrastructurePolicies") or []
        ],
        "versions": [
            str(each["version"])
            for service in status.get("dataServiceVersions") or []
            if "postgres" in str(service.get("serviceType"))
            for each in service.get("versions") or []
        ],
        "backupLocations": [_name(each) for each in common.get("allowedBackupLocations") or []],
        "replicas": [int(each) for each in limits.get("allowedReplicas") or []],
        "maxStorage": str((common.get("allowedStorageSpace") or {}).get("max") or ""),
    }


def _name(value: Any) -> str:
    # A name by itself in one release of DSM, an object with it in another.
    return str(value.get("name") or "") if isinstance(value, dict) else str(value)
