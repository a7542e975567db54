"""Connections to a PostgreSQL server: always over TLS with a verified certificate, and errors in its own words."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import GoneError, RefusedError, VcfError
from .resource import Context
from .values import Props

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    Connection = AsyncConnection[tuple[Any, ...]]


_CONNECT_SECONDS = 10
CONNECT_DEADLINE = 120.0
# Starting up, shutting down, too many connections: over soon (PostgreSQL, appendix A).
_PASSING = ("57P03", "57P01", "53300")


class DependedOnError(VcfError):
    """Something else in the database needs the object."""


@contextmanager
def ca_file(bundle: str | None) -> Iterator[str]:
    """A path under which libpq, which takes files only, can read the CA bundle; `system` without one.

    In memory where the kernel offers that, else a file only its owner can read; gone afterwards in both cases.
    """
    if not bundle:
        yield "system"
    elif hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir():
        with os.fdopen(os.memfd_create("ca"), "wb") as memory:
            memory.write(bundle.encode())
            memory.flush()
            yield f"/proc/self/fd/{memory.fileno()}"
    else:
        with tempfile.NamedTemporaryFile(prefix="vcf-ca-", suffix=".pem") as file:
            file.write(bundle.encode())
            file.flush()
            yield file.name


@asynccontextmanager
async def connected(context: Context, login: Props, patience: float = CONNECT_DEADLINE) -> AsyncIterator[Connection]:
    """A connection in one transaction, committed at the end; raises GoneError when the database does not exist.

    `patience` is how many seconds it tries where `customTimeouts` says nothing.
    """
    import psycopg  # noqa: PLC0415 - only these resources need it

    where = f"PostgreSQL {login['host']}:{login['port']} database {login['database']!r}"
    connection = await _connect(context, login, where, patience)
    try:
        async with connection:
            yield connection
    except psycopg.errors.DependentObjectsStillExist as error:
        raise DependedOnError(f"{where}: {words_of(error)}") from None
    except psycopg.Error as error:
        raise VcfError(f"{where}: {words_of(error)}") from None


async def _connect(context: Context, login: Props, where: str, patience: float) -> Connection:
    import psycopg  # noqa: PLC0415 - only these resources need it

    start = context.clock.now()
    for pause in context.clock.backoff():
        try:
            with ca_file(login.get("caBundle")) as ca:
                return await psycopg.AsyncConnection.connect(
                    host=login["host"],
                    port=int(login["port"]),
                    dbname=login["database"],
                    user=login["username"],
                    password=login["password"],
                    sslmode=login["sslMode"],
                    sslrootcert=ca,
                    connect_timeout=_CONNECT_SECONDS,
                    application_name="pulumi-vcf",
                    # libpq would otherwise look for a client certificate and a password file in the home directory.
                    sslcert="/nonexistent",
                    passfile="/nonexistent",
                )
        except psycopg.OperationalError as error:
            words = words_of(error)
            if "does not exist" in words and f'database "{login["database"]}"' in words:
                raise GoneError(f"{where} does not exist.") from None
            spent = context.clock.now() - start
            if not _passing(error, words) or spent + pause > (context.timeout or patience):
                kind = RefusedError if refused(error, words) else VcfError
                raise kind(f"{where} cannot be used as {login['username']}: {words}{_remedy(words)}") from None
            await context.clock.sleep(pause)
    raise AssertionError


def _passing(error: Any, words: str) -> bool:
    text = words.lower()
    return (
        getattr(error, "sqlstate", None) in _PASSING
        or "starting up" in text
        or "connection refused" in text
        or "timeout" in text
        or "timed out" in text
        or "server closed the connection" in text
        or "too many clients" in text
    )


def refused(error: Any, words: str) -> bool:
    """Whether it is the login that the server does not take (PostgreSQL, appendix A, class 28)."""
    return (
        str(getattr(error, "sqlstate", None)).startswith("28")
        or any(
            text in words for text in ("authentication failed", "is not permitted to log in", "no pg_hba.conf entry")
        )
        or ("role " in words and "does not exist" in words)
    )


def _remedy(words: str) -> str:
    text = words.lower()
    if "certificate" in text or "ssl" in text:
        return (
            " Give the CA that signed the server's certificate, its root included, as PEM text in `caBundle`, and the "
            "name in it as `host`."
        )
    if "password authentication" in text:
        return " Check `username` and `password`."
    if "refused" in text or "timeout" in text or "timed out" in text:
        return " Check `host` and `port`, and that this machine may reach them."
    return ""


def words_of(error: Exception) -> str:
    """PostgreSQL's own message with detail and hint, on one line."""
    diagnosis = getattr(error, "diag", None)
    parts = [getattr(diagnosis, part, None) for part in ("message_primary", "message_detail", "message_hint")]
    text = " ".join(part for part in parts if part) or str(error)
    text = " ".join(text.split())
    return text if text.endswith((".", "?")) else text + "."
