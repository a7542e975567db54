"""What DSM allows in a namespace: its DataServicePolicyBinding, and what of a PostgresCluster it refuses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from lab.operators.kubernetes_api import Api
from lab.operators.resources import POLICY_BINDING, Object

BINDING = "binding"
_UNITS = {"Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


@cache
def offer() -> Object:
    """What this DSM offers everywhere: versions, policies, backup locations."""
    data: Object = yaml.safe_load(Path(__file__).with_name("offer.yaml").read_text(encoding="utf-8"))
    return data


def size_bytes(quantity: str) -> int:
    """Bytes of a size such as 60Gi."""
    return int(quantity[:-2]) * _UNITS[quantity[-2:]]


def binding_status(classes: Iterable[str], storage: Iterable[str]) -> Object:
    """The status of a namespace's binding: what a PostgresCluster there may ask for."""
    mine = offer()
    has = {"vmClasses": set(classes), "storagePolicies": set(storage)}
    return {
        "policies": [{"name": name} for name in mine["policies"]],
        "dataServiceVersions": [
            {"serviceType": "postgres", "versions": [{"version": version} for version in mine["versions"]]}
        ],
        "infrastructurePolicies": [
            {
                "name": policy["name"],
                "status": "Ready",
                "zoneCount": 1,
                **{key: sorted(names & set(policy.get(key, names))) for key, names in has.items()},
            }
            for policy in mine["infrastructurePolicies"]
        ],
        "aggregatePostgresPolicy": {
            "allowedReplicas": mine["replicas"],
            "common": {
                "allowedBackupLocations": mine["backupLocations"],
                "allowedStorageSpace": {"max": mine["maxStorage"]},
            },
        },
    }


def publish_binding(api: Api, namespace: str, classes: Iterable[str], storage: Iterable[str]) -> None:
    """Make or renew ``DataServicePolicyBinding/binding`` of a namespace."""
    item = api.get(POLICY_BINDING, BINDING, namespace)
    if item is None:
        item = api.apply(POLICY_BINDING, {"metadata": {"name": BINDING, "namespace": namespace}, "spec": {}})
    api.status(POLICY_BINDING, item, binding_status(classes, storage))


def objections(spec: Mapping[str, Any], status: Mapping[str, Any]) -> list[str]:
    """What in a PostgresCluster's spec the binding's status does not allow, each with what it does allow."""
    policy = spec["infrastructurePolicy"]["name"]
    infrastructure = {each["name"]: each for each in status.get("infrastructurePolicies") or []}
    versions = [
        each["version"]
        for service in status.get("dataServiceVersions") or []
        if service["serviceType"] == "postgres"
        for each in service["versions"]
    ]
    limits = status.get("aggregatePostgresPolicy") or {}
    common = limits.get("common") or {}
    chosen = infrastructure.get(policy) or {}
    checks: list[tuple[str, Any, list[Any]]] = [
        ("version", spec["version"], versions),
        ("infrastructurePolicy", policy, sorted(infrastructure)),
        ("replicas", spec.get("replicas", 0), limits.get("allowedReplicas") or []),
    ]
    if chosen:
        checks.append(("vmClass", spec["vmClass"]["name"], chosen.get("vmClasses") or []))
        checks.append(("storagePolicyName", spec["storagePolicyName"], chosen.get("storagePolicies") or []))
    if "backupLocation" in spec:
        checks.append(("backupLocation", spec["backupLocation"]["name"], common.get("allowedBackupLocations") or []))
    found = [
        f"{field} {value} is not allowed by DataServicePolicyBinding/{BINDING}; allowed: "
        f"{', '.join(str(each) for each in allowed) or 'none'}"
        for field, value, allowed in checks
        if value not in allowed and not (field == "version" and _is_major_of(value, allowed))
    ]
    most = (common.get("allowedStorageSpace") or {}).get("max")
    if most and size_bytes(spec["storageSpace"]) > size_bytes(most):
        found.append(f"storageSpace {spec['storageSpace']} exceeds {most} of DataServicePolicyBinding/{BINDING}")
    return found


def _is_major_of(version: str, allowed: list[str]) -> bool:
    return version.isdecimal() and any(each.split(".")[0] == version for each in allowed)
