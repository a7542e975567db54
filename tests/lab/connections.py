"""How tests reach what the lab plays, beside the program: vCenter, the lab's own view of it, a database."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg

from tests.lab.conftest import Paif


def _client(paif: Paif) -> httpx.Client:
    ends = paif.endpoints()["vcenter"]
    trust = ssl.create_default_context(cadata=ends["ca"])
    return httpx.Client(base_url=f"https://{ends['server']}", verify=trust, trust_env=False, timeout=60)


def lab_api(paif: Paif) -> httpx.Client:
    """The vCenter simulation's own API, ``/lab/v1``: what there is, whoever made it."""
    client = _client(paif)
    client.headers["X-Lab-Token"] = (paif.state / "lab" / "token").read_text()
    return client


@contextmanager
def vcenter_session(paif: Paif) -> Iterator[httpx.Client]:
    """vCenter's REST API, logged in as the lab's user."""
    ends = paif.endpoints()["vcenter"]
    with _client(paif) as client:
        session = client.post("/api/session", auth=(ends["username"], ends["password"])).raise_for_status()
        client.headers["vmware-api-session-id"] = session.json()
        yield client
        client.delete("/api/session")


def database_connection(database: Mapping[str, Any], folder: Path) -> psycopg.Connection[Any]:
    """A connection to the database of an environment's outputs, over verified TLS; ``folder`` takes its authority."""
    bundle = folder / "database-ca.pem"
    bundle.write_text(database["caBundle"], encoding="utf-8")
    return psycopg.connect(
        host=database["host"],
        port=int(database["port"]),
        dbname=database["name"],
        user=database["username"],
        password=database["password"],
        sslmode="verify-full",
        sslrootcert=str(bundle),
    )
