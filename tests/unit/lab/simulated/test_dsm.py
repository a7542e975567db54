"""What the simulated Data Services Manager offers and refuses, and how its databases are set up."""

from __future__ import annotations

import asyncio
import base64
import ssl
import struct
from pathlib import Path
from typing import Any

import pytest

import paif_catalog as catalog
from lab.operators.resources import SECRET, Object
from lab.pki import Authority
from lab.simulated.dsm.binding import binding_status, objections, offer
from lab.simulated.dsm.operator import NotYetError, administrator_password, database_of
from lab.simulated.dsm.postgres import access, settings
from lab.simulated.dsm.tls_front import Front

SPEC: Object = {
    "version": "16.8+vmware.v9.0.1.0",
    "infrastructurePolicy": {"name": "pai-infra"},
    "vmClass": {"name": "best-effort-large"},
    "storagePolicyName": "pai-gold",
    "storageSpace": "60Gi",
    "replicas": 1,
    "backupLocation": {"name": "s3-default"},
}


def refused(**changes: Any) -> list[str]:
    return objections({**SPEC, **changes}, binding_status(["best-effort-large"], ["pai-gold"]))


def test_the_version_of_the_catalog_is_on_offer() -> None:
    assert catalog.baseline().versions["dsm-postgresql"].version in offer()["versions"]


def test_what_the_binding_offers_is_accepted() -> None:
    assert refused() == []
    assert refused(version="16") == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"version": "17.7+vmware.v9.0.2.0"}, "version 17.7+vmware.v9.0.2.0"),
        ({"version": "9"}, "version 9"),
        ({"infrastructurePolicy": {"name": "other"}}, "infrastructurePolicy other"),
        ({"vmClass": {"name": "tiny"}}, "vmClass tiny"),
        ({"storagePolicyName": "pai-silver"}, "storagePolicyName pai-silver"),
        ({"backupLocation": {"name": "tape"}}, "backupLocation tape"),
        ({"storageSpace": "3Ti"}, "storageSpace 3Ti exceeds 2Ti"),
        ({"replicas": 3}, "replicas 3"),
    ],
)
def test_what_the_binding_does_not_offer_is_refused_by_name(changes: Object, said: str) -> None:
    (objection,) = refused(**changes)
    assert said in objection


def test_all_objections_come_at_once() -> None:
    assert len(refused(version="1", vmClass={"name": "tiny"}, storageSpace="9Ti")) == 3


def test_a_database_needs_neither_a_name_nor_an_administrator_of_its_own() -> None:
    item: Object = {"metadata": {"name": "vectors"}, "spec": {}}
    assert database_of(item) == ("vectors", "pgadmin")
    item["spec"] = {"databaseName": "pais", "adminUsername": "root"}
    assert database_of(item) == ("pais", "root")


def test_a_policy_may_allow_less_than_the_namespace_has() -> None:
    status = binding_status(["best-effort-large", "tiny"], ["pai-gold", "pai-silver"])
    allowed = {each["name"]: (each["vmClasses"], each["storagePolicies"]) for each in status["infrastructurePolicies"]}
    assert allowed == {
        "pai-infra": (["best-effort-large", "tiny"], ["pai-gold", "pai-silver"]),
        "pai-infra-gold": (["best-effort-large"], ["pai-gold"]),
    }
    assert status["policies"] == [{"name": "pai-data"}]


class Secrets:
    def __init__(self, **passwords: str) -> None:
        self.passwords = passwords

    def get(self, resource: object, name: str, _: str) -> Object | None:
        assert resource is SECRET
        value = self.passwords.get(name.replace("-", "_"))
        return None if value is None else {"data": {"password": base64.b64encode(value.encode()).decode()}}


def password(api: Any, **spec: Any) -> str:
    return administrator_password(api, {"metadata": {"name": "db", "namespace": "n"}, "spec": spec})


def test_the_password_comes_from_the_named_secret_then_from_the_published_one() -> None:
    api = Secrets(mine="one", pg_db="two")
    assert password(api, adminPasswordRef={"name": "mine"}) == "one"
    assert password(api) == "two"


def test_a_password_is_generated_when_none_is_known_and_a_missing_named_secret_is_an_error() -> None:
    assert len(password(Secrets())) >= 24
    with pytest.raises(NotYetError, match="does not exist"):
        password(Secrets(), adminPasswordRef={"name": "mine"})


def test_a_blocked_database_lets_only_the_lab_in() -> None:
    assert access(blocked=True).splitlines() == [
        "local all dsm_simulation scram-sha-256",
        "local all all reject",
    ]
    assert "trust" not in access(blocked=False)


def test_the_server_has_no_tcp_port_and_logs_no_statement() -> None:
    text = settings(Path("/state/it's here"))
    assert "listen_addresses = ''\n" in text
    assert "log_min_error_statement = 'panic'\n" in text
    assert "hba_file = '/state/it''s here/pg_hba.conf'\n" in text


def startup(code: int, body: bytes = b"") -> bytes:
    return struct.pack("!ii", 8 + len(body), code) + body


async def converse(front: Front, sent: bytes, *, tls: ssl.SSLContext | None = None) -> bytes:
    """Send bytes through the front, over TLS when a context is given, and return everything that comes back."""
    server = await asyncio.start_server(front.serve, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
        if tls is not None:
            writer.write(startup(80877103))
            assert await reader.readexactly(1) == b"S"
            await writer.start_tls(tls, server_hostname="127.0.0.1")
        writer.write(sent)
        writer.write_eof() if writer.can_write_eof() else None
        received = await reader.read()
        writer.close()
    return received


@pytest.fixture
def pair(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = Authority.load_or_create(tmp_path, "test")
    issued = authority.issue("server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.cert, issued.key)
    return context, ssl.create_default_context(cafile=str(authority.cert))


def test_a_client_without_tls_is_refused_before_the_server_sees_it(pair: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    front = Front(pair[0], "/nonexistent/socket")
    answer = asyncio.run(converse(front, startup(196608, b"user\0pgadmin\0\0")))
    assert answer.startswith(b"E")
    assert b"no encryption" in answer
    assert b"28000" in answer


def test_what_a_client_says_over_tls_reaches_the_server_unchanged(
    pair: tuple[ssl.SSLContext, ssl.SSLContext], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sent = startup(196608, b"user\0pgadmin\0\0")

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"server got " + await reader.readexactly(len(sent)))
        writer.close()

    async def both() -> bytes:
        async with await asyncio.start_unix_server(echo, "./s"):
            return await converse(Front(pair[0], "./s"), sent, tls=pair[1])

    assert asyncio.run(both()) == b"server got " + sent
