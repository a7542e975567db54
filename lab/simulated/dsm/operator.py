"""The simulated Data Services Manager: a PostgresCluster becomes a real PostgreSQL server with pgvector.

What it publishes in the namespace of PostgresCluster ``<name>``: Secret ``pg-<name>`` (key ``password``), ConfigMap
``pg-<name>-ca`` (key ``ca.crt``, the authority of the server's certificate), and the status with the connection.
The administrator's password changes when ``adminPasswordRef`` names another Secret; one whose content changes is not
read again, since no documentation says that the real one is.
"""

from __future__ import annotations

import base64
import secrets
from typing import Any

import psycopg

from lab.operators.conditions import Conditions
from lab.operators.connections import control, supervisor
from lab.operators.kubernetes_api import Api
from lab.operators.pace import Later, backoff, fault, not_before, pace
from lab.operators.reconciling import on_change, on_delete
from lab.operators.resources import CONFIG_MAP, POLICY_BINDING, POSTGRES_CLUSTER, PREFIX, SECRET, Object
from lab.simulated.dsm.binding import BINDING, objections
from lab.simulated.dsm.postgres import HOST, PostgresError, Server

_UNNOTICED = 1.2
"""Seconds after a change in which the status says what it said before."""


def administrator_password(api: Api, item: Object) -> str:
    """The administrator's password: from the Secret the spec names, else the one published before, else a new one."""
    namespace, name = item["metadata"]["namespace"], item["metadata"]["name"]
    reference = (item["spec"].get("adminPasswordRef") or {}).get("name")
    secret = api.get(SECRET, reference or f"pg-{name}", namespace)
    value = ((secret or {}).get("data") or {}).get("password")
    if value:
        return base64.b64decode(value).decode()
    if reference:
        missing = "has no key password" if secret else "does not exist"
        raise NotYetError("SecretNotReady", f"Secret {reference} of adminPasswordRef {missing}")
    return secrets.token_urlsafe(24)


class NotYetError(Exception):
    """The database cannot be ready yet; reason and message of its condition."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def _publish(api: Api, item: Object, password: str, authority: str) -> None:
    namespace, name = item["metadata"]["namespace"], item["metadata"]["name"]
    labels = {"dsm.vmware.com/cluster": name[:63]}
    owners = [POSTGRES_CLUSTER.owner_reference(item)]
    common: Object = {"namespace": namespace, "labels": labels, "ownerReferences": owners}
    encoded = base64.b64encode(password.encode()).decode()
    api.apply(SECRET, {"metadata": {"name": f"pg-{name}", **common}, "type": "Opaque", "data": {"password": encoded}})
    api.apply(CONFIG_MAP, {"metadata": {"name": f"pg-{name}-ca", **common}, "data": {"ca.crt": authority}})


def _key(namespace: str, name: str) -> str:
    return f"{namespace}.{name}"


def _serve(api: Api, item: Object) -> Object:
    """Bring the database to its spec; the connection for its status. Raises ``NotYetError`` while it cannot be."""
    spec, metadata = item["spec"], item["metadata"]
    binding = api.get(POLICY_BINDING, BINDING, metadata["namespace"])
    if binding is None:
        raise NotYetError(
            "PolicyBindingNotFound",
            f"DataServicePolicyBinding/{BINDING} does not exist: DSM does not serve this namespace",
        )
    if refused := objections(spec, binding.get("status") or {}):
        raise NotYetError("PolicyViolation", "; ".join(refused))
    password = administrator_password(api, item)
    first = not ((item.get("status") or {}).get("connection") or {}).get("port")
    if first and fault("database-never-ready", item) is not None:
        raise NotYetError("Provisioning", "the simulated fault database-never-ready keeps the database from starting")
    if first:
        try:
            not_before(metadata["creationTimestamp"], pace(900), "")
        except Later as wait:
            raise NotYetError("Provisioning", "the database's VMs are being created (simulated)") from wait
    server = Server(control(), _key(metadata["namespace"], metadata["name"]))
    port = server.start(blocked=bool(spec.get("blockDatabaseConnections")))
    database, admin = database_of(item)
    versions = server.provide(port, database=database, admin=admin, password=password)
    _publish(api, item, password, server.ca)
    plays = "a single server" if not spec.get("replicas") else "a primary; its replica and monitor exist by name only"
    said = (
        f"PostgreSQL {versions.server} with pgvector {versions.pgvector} on loopback"
        f" plays {spec['version']} as {plays}; size, maintenance and backups are recorded, not performed"
    )
    if (metadata.get("annotations") or {}).get(f"{PREFIX}/simulation") != said:
        annotations = {"metadata": {"annotations": {f"{PREFIX}/simulation": said}}}
        api.merge(POSTGRES_CLUSTER, metadata["name"], metadata["namespace"], annotations)
    return {
        "host": HOST,
        "port": port,
        "dbname": database,
        "username": admin,
        "passwordRef": {"name": f"pg-{metadata['name']}"},
    }


def database_of(item: Object) -> tuple[str, str]:
    """Database and administrator of a PostgresCluster, which needs to name neither."""
    spec = item["spec"]
    return spec.get("databaseName") or item["metadata"]["name"], spec.get("adminUsername") or "pgadmin"


@on_change(POSTGRES_CLUSTER)
def reconcile(name: str, namespace: str, retry: int, **_: Any) -> None:
    """Bring one database to its spec, and say in its conditions how far it is."""
    api = supervisor()
    item = api.get(POSTGRES_CLUSTER, name, namespace)
    if item is None or item["metadata"].get("deletionTimestamp"):
        return
    if retry == 0 and item.get("status"):
        raise Later("a change is noticed a moment later", delay=_UNNOTICED)
    conditions = Conditions((item.get("status") or {}).get("conditions"))
    status: Object = {"observedGeneration": item["metadata"]["generation"]}
    waiting: Later | None = None
    try:
        status["connection"] = _serve(api, item)
        conditions.set("Ready", True, "ConnectionsBlocked" if item["spec"].get("blockDatabaseConnections") else "Ready")
    except NotYetError as error:
        conditions.set("Ready", False, error.reason, str(error))
        if error.reason == "Provisioning":
            # What is known already is told already: a port of 0 is none yet.
            database, admin = database_of(item)
            status["connection"] = {"host": "", "port": 0, "dbname": database, "username": admin}
        else:
            api.event(POSTGRES_CLUSTER, item, error.reason, str(error), warning=True)
        waiting = Later(str(error), delay=backoff(retry, longest=5))
    except (PostgresError, psycopg.Error) as error:
        # What libpq says names host, port and role, and never the password.
        conditions.set("Ready", False, "DatabaseNotReady", str(error).strip())
        waiting = Later(str(error).strip(), delay=backoff(retry, longest=10))
    if "databaseConfig" in item["spec"]:
        conditions.set("CustomConfigStatus", False, "NotSimulated", "the lab does not apply a DatabaseConfig")
    else:
        conditions.set("CustomConfigStatus", True, "NoCustomConfig")
    status["conditions"] = conditions.as_list()
    api.status(POSTGRES_CLUSTER, item, status)
    if waiting is not None:
        raise waiting


@on_delete(POSTGRES_CLUSTER)
def delete(name: str, namespace: str, **_: Any) -> None:
    """Stop the server, and remove its files, its port and what was published."""
    api = supervisor()
    Server(control(), _key(namespace, name)).remove()
    api.delete(SECRET, f"pg-{name}", namespace)
    api.delete(CONFIG_MAP, f"pg-{name}-ca", namespace)
