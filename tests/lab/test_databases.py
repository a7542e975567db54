"""Databases that are there: a PostgresCluster that somebody else made, and a PostgreSQL outside of DSM."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.bench.scratch import lab_basics
from tests.lab.conftest import Outputs, Paif, api_client
from tests.lab.connections import database_connection
from tests.lab.project import Project

_CLUSTERS = "/apis/databases.dataservices.vmware.com/v1alpha1/namespaces/databases/postgresclusters"
_HANDMADE = {
    "apiVersion": "databases.dataservices.vmware.com/v1alpha1",
    "kind": "PostgresCluster",
    "metadata": {"name": "handmade", "namespace": "databases"},
    "spec": {
        "version": "16.8+vmware.v9.0.1.0",
        "adminUsername": "keeper",
        "databaseName": "notes",
        "replicas": 0,
        "infrastructurePolicy": {"name": "pai-infra"},
        "vmClass": {"name": "acme-inside-class-db"},
        "storagePolicyName": "pai-gold",
        "storageSpace": "60Gi",
    },
}


def _config(namespace: str, database: dict[str, Any]) -> dict[str, Any]:
    return lab_basics() | {
        "paif:gpu": {"mode": "directpath", "model": "L40S"},
        "paif:namespace": {"name": namespace, "storage": [{"policy": "pai-gold"}]},
        "paif:vmClasses": [{"name": "db", "cpuCount": 4, "memoryGib": 16}],
        "paif:database": database,
    }


def _make(supervisor: httpx.Client) -> None:
    """Make the cluster by hand and follow it until it has a connection."""
    supervisor.post(_CLUSTERS, json=_HANDMADE).raise_for_status()
    watched = {"watch": "true", "timeoutSeconds": "120", "fieldSelector": "metadata.name=handmade"}
    with supervisor.stream("GET", _CLUSTERS, params=watched, timeout=150) as events:
        status: dict[str, Any] = {}
        for event in events.iter_lines():
            status = json.loads(event)["object"].get("status", {})
            if status.get("connection", {}).get("host"):
                return
    pytest.fail(f"the PostgresCluster has no connection after two minutes: {status.get('conditions')}")


def _extension(database: dict[str, Any], folder: Path) -> str | None:
    """Version of pgvector in a database of the outputs, asked for with SQL over verified TLS."""
    with database_connection(database, folder) as connection:
        row = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchone()
    return row[0] if row else None


def test_of_a_database_that_is_there_only_the_extension_is_made_and_stays(
    paif: Paif, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paif("lab", "up")
    (tmp_path / "inside").mkdir()
    inside = Project(paif, tmp_path / "inside", "inside", _config("databases", {"existing": "handmade"}))
    try:
        with monkeypatch.context() as until:
            until.setitem(paif.environment, "PAIF_UNTIL", "foundation")
            # As `./paif up --until` does, which has looked at what lies beyond.
            until.setitem(paif.environment, "PAIF_PROBLEMS", str(tmp_path / "problems.json"))
            inside("up", "--yes", "--skip-preview", "--stack", "inside")
        with api_client(paif.endpoints()["supervisor"]["kubeconfig"], tmp_path) as supervisor:
            _make(supervisor)
            inside("up", "--yes", "--skip-preview", "--stack", "inside")
            # Read, not taken over: the cluster carries nothing of the stack.
            assert "labels" not in supervisor.get(f"{_CLUSTERS}/handmade").json()["metadata"]
        shown = inside("stack", "output", "--json", "--show-secrets", "--stack", "inside")
        database = Outputs(json.loads(shown))["database"]
        assert (database["name"], database["username"]) == ("notes", "keeper")
        assert _extension(database, tmp_path)
        inside("preview", "--expect-no-changes", "--stack", "inside")
        assert database["password"] not in inside("stack", "export", "--stack", "inside")
        _outside(paif, tmp_path, database)
        assert _extension(database, tmp_path)
    finally:
        inside("destroy", "--yes", "--skip-preview", "--stack", "inside")


def _outside(paif: Paif, folder: Path, there: dict[str, Any]) -> None:
    """The same server once more, as one that DSM knows nothing of."""
    external = {
        "host": there["host"],
        "port": int(there["port"]),
        "database": there["name"],
        "username": there["username"],
    }
    (folder / "outside").mkdir()
    outside = Project(paif, folder / "outside", "outside", _config("outside", {"external": external}))
    outside("config", "set", "--secret", "paif:databasePassword", "--stack", "outside", there["password"])
    try:
        outside("up", "--yes", "--skip-preview", "--stack", "outside")
        outside("preview", "--expect-no-changes", "--stack", "outside")
        assert there["password"] not in outside("stack", "export", "--stack", "outside")
        assert outside.outputs()["database"]["passwordSecret"].startswith("acme-outside-pg-vectors-password-")
    finally:
        outside("destroy", "--yes", "--skip-preview", "--stack", "outside")
