"""Objects inside a PostgreSQL database.

Extension, role, schema. Spoken over TLS, always with a verified certificate.
"""

from __future__ import annotations

import dataclasses
import os
import re
import tempfile
from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from .. import fields as f
from .. import ownership
from ..errors import GoneError, Problem, RefusedError, VcfError, listed, nearest
from ..http import pem_bundle
from ..ownership import Mark, Stored
from ..resource import Context, Notice, Resource, known, notice, refresh_inputs
from ..values import Props

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg.sql import Composed, Identifier

    Connection = AsyncConnection[tuple[Any, ...]]

_CONNECT_SECONDS = 10
_CONNECT_DEADLINE = 120.0
# A database that is gone, or down, must not keep a comparison of everything else waiting.
_READ_DEADLINE = 15.0
# A preview looks and does not wait.
_LOOK_SECONDS = 5.0
_PORT = 5432
# Starting up, shutting down, too many connections: over soon (PostgreSQL, appendix A).
_PASSING = ("57P03", "57P01", "53300")

_CONNECTION: dict[str, f.Field] = {
    "host": f.Field(kind="string", doc="host name or address of the database server", required=True, pattern=r"\S+"),
    "port": f.Field(kind="integer", doc="TCP port", minimum=1, maximum=65535, default=_PORT),
    "database": f.Field(kind="string", doc="database to connect to", required=True, replaces=True),
    "username": f.Field(kind="string", doc="role to log in as", required=True),
    "password": f.Field(kind="string", doc="its password", required=True, secret=True),
    "caBundle": f.Field(
        kind="string", doc="CA certificates as PEM text; the machine's CAs without it", parse=pem_bundle
    ),
    "sslMode": f.Field(
        kind="string",
        doc="verify-full checks CA and host name, verify-ca the CA only",
        choices=("verify-full", "verify-ca"),
        default="verify-full",
    ),
    "adopt": f.Field(kind="boolean", doc="manage an object that exists already, and give it back as it was on destroy"),
}
_OWNER = {"owner": f.Field(kind="string", doc="ownership mark in the object's comment", output=True)}
# A move of the server (new address, new certificate, new password) keeps the object: replacing would drop it.
_LOGIN = ("host", "port", "username", "password", "caBundle", "sslMode")


def _id(inputs: Props, name: str) -> str:
    return f"{inputs['host']}:{inputs['port']}/{inputs['database']}/{name}"


def _identifier(doc: str) -> f.Field:
    return f.Field(
        kind="string",
        doc=doc,
        required=True,
        replaces=True,
        pattern=r"(?s)(?!pg_).{1,63}",
        expected="a PostgreSQL name of 1 to 63 characters that does not start with pg_",
    )


class DependedOnError(VcfError):
    """Something else in the database needs the object."""


class PostgresResource(Resource):
    """What extension, role and schema share. `kind` is the word SQL uses; `key` the input that holds the name.

    `lasting` names inputs that change an adopted object for good, since their former value is not known or not to be
    had again.
    """

    kind: ClassVar[str]
    key: ClassVar[str]
    catalog: ClassVar[str]
    name_column: ClassVar[str]
    comment: ClassVar[str]
    lasting: ClassVar[tuple[str, ...]] = ()

    def cross_check(self, inputs: Props) -> list[Problem]:
        """libpq takes the machine's CAs with full verification only."""
        if known(inputs, "sslMode", "caBundle") and inputs["sslMode"] == "verify-ca" and not inputs.get("caBundle"):
            return [Problem("caBundle", "is missing; expected the CA as PEM text, which sslMode verify-ca needs")]
        return []

    def same(self, name: str, field: f.Field, old: Any, new: Any, state: Props) -> bool:
        """`adopt` matters at creation only."""
        return name == "adopt" or super().same(name, field, old, new, state)

    async def create(self, context: Context, inputs: Props) -> tuple[str, Props]:
        """CREATE and COMMENT in one transaction, or taking over what is marked as ours."""
        state = await self._ensure(context, inputs, {})
        return _id(inputs, str(inputs[self.key])), state

    async def update(self, context: Context, resource_id: str, state: Props, inputs: Props) -> Props:
        """Alters in place; makes the object again where a moved server lacks it."""
        del resource_id
        return await self._ensure(context, inputs, state)

    async def _ensure(self, context: Context, inputs: Props, state: Props) -> Props:
        name = str(inputs[self.key])
        async with connected(context, inputs) as connection:
            comment = await self._comment(connection, name)
            recorded = ownership.parse(state.get("owner"))
            mark, own = Mark.of(context.urn, like=recorded), None
            if comment is None:
                # Whatever the state knows of was another object, on a server that lacks it now.
                mark = dataclasses.replace(mark, adopted=False, was={})
                await self._execute(connection, await self.create_statement(connection, inputs), inputs)
            else:
                own, mark = self._taken(context, inputs, state, Stored.of(comment))
                there = await self.restorable(connection, name)
                for statement in await self.alter_statements(connection, inputs, state):
                    await self._execute(connection, statement, inputs)
                now = await self.restorable(connection, name)
                mark = dataclasses.replace(mark, was=_former(mark, Stored.of(comment).others(own), there, now))
            if objection := await self.objection(connection, inputs):
                raise VcfError(objection)
            await self._note(connection, name, own, mark, adopted=mark.adopted)
            outputs = await self.outputs(connection, name)
        return {**inputs, **outputs, "owner": str(mark)}

    async def _execute(self, connection: Connection, statement: Composed, inputs: Props) -> None:
        """Runs what changes the object; raises VcfError that says who else could."""
        import psycopg  # noqa: PLC0415 - only these resources need it

        try:
            await connection.execute(statement)
        except psycopg.errors.InsufficientPrivilege as error:
            called = self._called(inputs, str(inputs[self.key]))
            raise VcfError(
                f"{called}: {inputs['username']} may not do this: {_words(error)} Give it the right; or have somebody "
                "who has it bring the object to what is wanted here: with `adopt: true` it is then used as it is, for "
                "which no right is needed."
            ) from None

    async def _note(
        self, connection: Connection, name: str, own: Mark | None, mark: Mark | None, *, adopted: bool
    ) -> None:
        """Writes one's mark, or takes it away. Of an adopted object that others own the state alone knows it.

        That is enough: what the state calls adopted is never dropped.
        """
        import psycopg  # noqa: PLC0415 - only these resources need it
        from psycopg import sql  # noqa: PLC0415 - only these resources need it

        comment = await self._comment(connection, name)
        text = str(Stored.of(comment).replacing(own, mark))
        if text == comment:
            return
        try:
            async with connection.transaction():
                await self._set_comment(connection, sql.Identifier(name), text)
        except psycopg.errors.InsufficientPrivilege:
            if not adopted:
                raise

    def _taken(self, context: Context, inputs: Props, state: Props, stored: Stored) -> tuple[Mark | None, Mark]:
        """One's mark on an object that is there, and the one to write; raises VcfError when it is somebody else's."""
        name, recorded = str(inputs[self.key]), ownership.parse(state.get("owner"))
        called = self._called(inputs, name)
        own = stored.own(context.urn, recorded)
        if own and recorded and own.birth == recorded.birth:
            return own, Mark.of(context.urn, like=own)
        if any(state.get(part) != inputs[part] for part in ("host", "port")):
            new = Mark.of(context.urn, like=recorded)
            new = dataclasses.replace(new, adopted=False, was={})
            adopt = inputs.get("adopt") is True
            return own, ownership.claim(called, context.urn, new, stored, adopt=adopt, import_id=_id(inputs, name))
        return ownership.current(called, context.urn, state, stored, adopt=inputs.get("adopt") is True)

    async def foresee(self, context: Context, state: Props, inputs: Props) -> Notice | None:
        """What an adoption changes in an object that is there; a database that cannot be reached is no error here."""
        name = inputs.get(self.key)
        if not isinstance(name, str) or not known(inputs, *_LOGIN, "database"):
            return None
        what = self._called(inputs, name)
        try:
            async with connected(dataclasses.replace(context, timeout=_LOOK_SECONDS), inputs) as connection:
                comment = await self._comment(connection, name)
                there = await self.restorable(connection, name) if comment is not None else {}
                objection = await self.objection(connection, inputs) if comment is not None else ""
        except VcfError as error:
            return Notice(f"{what}: what adopting it would change cannot be told. {error}")
        if comment is None:
            return None
        if objection:
            raise VcfError(objection)
        _, mark = self._taken(context, inputs, state, Stored.of(comment))
        wanted = {part: _text(inputs[part]) for part in there if inputs.get(part) is not None}
        lines = [f"changes {part}: {there[part]} to {value}" for part, value in wanted.items() if there[part] != value]
        lines += [f"sets {part}, which cannot be given back" for part in self.lasting if inputs.get(part) is not None]
        return notice(what, lines or ["stays as it is"]) if mark.adopted else None

    async def read(self, context: Context, resource_id: str, state: Props) -> tuple[str, Props] | None:
        """Live state. On import the login comes from the environment, as libpq names it."""
        login = state or self._imported(resource_id)
        name = str(login[self.key])
        try:
            async with connected(context, login, _READ_DEADLINE) as connection:
                stored = await self._comment(connection, name)
                if stored is None:
                    return None
                live = {**login, **await self.live(connection, name)}
                outputs = await self.outputs(connection, name)
        except GoneError:
            return None
        owner = ownership.after_read(context.urn, state.get("owner"), Stored.of(stored), imported=not state)
        return resource_id, {**refresh_inputs(self, state, live), **outputs, "owner": owner}

    async def delete(self, context: Context, resource_id: str, state: Props) -> None:
        """DROP without CASCADE; an adopted object gets its former values back."""
        from psycopg import sql  # noqa: PLC0415 - only these resources need it

        del resource_id
        name = str(state[self.key])
        try:
            async with connected(context, state) as connection:
                comment = await self._comment(connection, name)
                if comment is None:
                    return
                stored, recorded = Stored.of(comment), ownership.parse(state.get("owner"))
                if not ownership.deletable(self._called(state, name), context.urn, state, stored):
                    return
                own = stored.own(context.urn, recorded)
                if ownership.adopted(state, own):
                    mark = own or recorded or Mark.of(context.urn)
                    await self._release(connection, state, mark, stored.others(own))
                    await self._note(connection, name, own, None, adopted=True)
                else:
                    await connection.execute(sql.SQL(f"DROP {self.kind} {{}}").format(sql.Identifier(name)))
        except GoneError:
            return
        except DependedOnError as error:
            raise VcfError(
                f"{error} Nothing was dropped. Remove what depends on it first; or keep the {self.kind.lower()} "
                "with the "
                f"resource option retainOnDelete or `pulumi state delete '{context.urn}'`."
            ) from None

    async def _release(self, connection: Connection, state: Props, mark: Mark, others: Sequence[Mark]) -> None:
        """Gives former values back, except what somebody else has set since or still wants."""
        there = await self.restorable(connection, str(state[self.key]))
        former = {
            part: _value(self.fields[part], value)
            for part, value in mark.was.items()
            if there.get(part) == _text(state.get(part)) and not any(other.uses(part) for other in others)
        }
        if former:
            changed = {name: value for name, value in {**state, **former}.items() if name not in self.lasting}
            for statement in await self.alter_statements(connection, changed, state):
                await connection.execute(statement)

    def _called(self, inputs: Props, name: str) -> str:
        return f"PostgreSQL {self.kind.lower()} {name!r} in database {inputs['database']!r} on {inputs['host']}"

    def _imported(self, resource_id: str) -> Props:
        found = re.fullmatch(r"(?P<host>.+):(?P<port>\d+)/(?P<database>[^/]+)/(?P<name>.+)", resource_id)
        environ = {name: os.environ.get(name, "") for name in ("PGUSER", "PGPASSWORD", "PGSSLROOTCERT", "PGSSLMODE")}
        if not found or not environ["PGUSER"] or not environ["PGPASSWORD"]:
            raise VcfError(
                f"Cannot import {self.tok} {resource_id!r}: expected the id HOST:PORT/DATABASE/NAME, and the "
                "login in the "
                "environment: PGUSER, PGPASSWORD, and PGSSLROOTCERT (a CA file) unless the machine trusts the CA."
            )
        login: Props = {
            "host": found["host"],
            "port": int(found["port"]),
            "database": found["database"],
            self.key: found["name"],
            "username": environ["PGUSER"],
            "password": environ["PGPASSWORD"],
            "sslMode": "verify-ca" if environ["PGSSLMODE"] == "verify-ca" else "verify-full",
        }
        if environ["PGSSLROOTCERT"]:
            try:
                login["caBundle"] = Path(environ["PGSSLROOTCERT"]).read_text()
            except OSError as error:
                raise VcfError(f"Cannot read the CA file named by PGSSLROOTCERT: {error.strerror}.") from None
        return login

    async def _comment(self, connection: Connection, name: str) -> str | None:
        """Comment of the object, empty when it has none; None when there is no such object."""
        from psycopg import sql  # noqa: PLC0415 - only these resources need it

        query = sql.SQL("SELECT coalesce({}, '') FROM {} WHERE {} = %s").format(
            sql.SQL(self.comment), sql.Identifier("pg_catalog", self.catalog), sql.Identifier(self.name_column)
        )
        row = await (await connection.execute(query, (name,))).fetchone()
        return None if row is None else str(row[0])

    async def _set_comment(self, connection: Connection, name: Identifier, text: str) -> None:
        from psycopg import sql  # noqa: PLC0415 - only these resources need it

        statement = sql.SQL(f"COMMENT ON {self.kind} {{}} IS {{}}")
        await connection.execute(statement.format(name, sql.Literal(text or None)))

    @abstractmethod
    async def create_statement(self, connection: Connection, inputs: Props) -> Composed:
        """The CREATE statement."""

    @abstractmethod
    async def alter_statements(self, connection: Connection, inputs: Props, state: Props) -> list[Composed]:
        """What brings an existing object to the inputs."""

    async def live(self, connection: Connection, name: str) -> Props:
        """Live values of inputs other than the login."""
        del connection, name
        return {}

    async def restorable(self, connection: Connection, name: str) -> dict[str, str]:
        """Live values, as text, of what an adopted object gets back when it is released."""
        del connection, name
        return {}

    async def objection(self, connection: Connection, inputs: Props) -> str:
        """Why an object that is there must not be used as it is, or would be; empty when it may."""
        del connection, inputs
        return ""

    async def outputs(self, connection: Connection, name: str) -> Props:
        """Outputs other than `owner`."""
        del connection, name
        return {}


class PostgresExtension(PostgresResource):
    """An extension in a database, for example `vector` (pgvector)."""

    tok: ClassVar = "vcf:index:PostgresExtension"
    doc: ClassVar = "A PostgreSQL extension, for example pgvector's `vector`."
    import_id: ClassVar = "HOST:PORT/DATABASE/EXTENSION, with PGUSER, PGPASSWORD and PGSSLROOTCERT in the environment"
    identity: ClassVar = ("database", "extension")
    kind: ClassVar = "EXTENSION"
    key: ClassVar = "extension"
    catalog: ClassVar = "pg_extension"
    name_column: ClassVar = "extname"
    comment: ClassVar = "obj_description(oid, 'pg_extension')"
    lasting: ClassVar = ("version",)
    fields: ClassVar[f.Fields] = {
        **_CONNECTION,
        "extension": _identifier("name of the extension"),
        "version": f.Field(kind="string", doc="version; the server's default without it", pattern=r"\S+", kept=True),
        "minimumVersion": f.Field(
            kind="string",
            doc="least version that is used, whoever installed it; matters when it is made or taken over",
            pattern=r"\d+(\.\d+)*",
            expected="a version such as 0.8",
        ),
        "installedVersion": f.Field(
            kind="string", doc="version that is installed", output=True, source=("version", *_LOGIN)
        ),
        **_OWNER,
    }

    def same(self, name: str, field: f.Field, old: Any, new: Any, state: Props) -> bool:
        """What is used already stays in use."""
        return name == "minimumVersion" or super().same(name, field, old, new, state)

    async def objection(self, connection: Connection, inputs: Props) -> str:
        """A version below the least."""
        least, name = inputs.get("minimumVersion"), str(inputs["extension"])
        version = inputs.get("version") or (await self.outputs(connection, name))["installedVersion"]
        if not isinstance(least, str) or not isinstance(version, str) or _numbers(version) >= _numbers(least):
            return ""
        return (
            f"{self._called(inputs, name)} is version {version}; expected at least {least}. Have its owner run `ALTER "
            f"EXTENSION {name} UPDATE` where the server has a newer one, then run again."
        )

    async def create_statement(self, connection: Connection, inputs: Props) -> Composed:
        """CREATE EXTENSION; raises VcfError when the server does not have it."""
        from psycopg import sql  # noqa: PLC0415 - only these resources need it

        await self._check_available(connection, inputs)
        statement = sql.SQL("CREATE EXTENSION {}").format(sql.Identifier(inputs["extension"]))
        if inputs.get("version"):
            statement += sql.SQL(" VERSION {}").format(sql.Literal(inputs["version"]))
        return statement

    async def alter_statements(self, connection: Connection, inputs: Props, state: Props) -> list[Composed]:
        """ALTER EXTENSION … UPDATE when another version is wanted."""
        from psycopg import sql  # noqa: PLC0415 - only these resources need it

        del state
        installed = (await self.outputs(connection, inputs["extension"]))["installedVersion"]
        if not inputs.get("version") or inputs["version"] == installed:
            return []
        await self._check_available(connection, inputs)
        statement = sql.SQL("ALTER EXTENSION {} UPDATE TO {}")
        return [statement.format(sql.Identifier(inputs["extension"]), sql.Literal(inputs["version"]))]

    async def _check_available(self, connection: Connection, inputs: Props) -> None:
        rows = await (
            await connection.execute("SELECT name, version FROM pg_catalog.pg_available_extension_versions")
        ).fetchall()
        name, version = inputs["extension"], inputs.get("version")
        names = {str(row[0]) for row in rows}
        if name not in names:
            raise VcfError(
                f"The server {inputs['host']} does not have the extension {name!r}{nearest(name, names)}. Its "
                "package must be "
                "installed on the server; DSM bundles pgvector as 'vector'."
            )
        versions = {str(row[1]) for row in rows if row[0] == name}
        if version and version not in versions:
            raise VcfError(
                f"version: the server {inputs['host']} does not have version {version!r} of {name!r}; "
                f"expected one of {listed(versions)}."
            )

    async def live(self, connection: Connection, name: str) -> Props:
        """The installed version counts as drift only where a version is asked for."""
        return {"version": (await self.outputs(connection, name))["installedVersion"]}

    async def outputs(self, connection: Connection, name: str) -> Props:
        """installedVersion."""
        query = "SELECT extversion FROM pg_catalog.pg_extension WHERE extname = %s"
        row = await (await connection.execute(query, (name,))).fetchone()
        return {"installedVersion": str(row[0]) if row else ""}


class PostgresRole(PostgresResource):
    """A role, with a login password or without."""

    tok: ClassVar = "vcf:index:PostgresRole"
    doc: ClassVar = "A PostgreSQL role."
    import_id: ClassVar = "HOST:PORT/DATABASE/ROLE, with PGUSER, PGPASSWORD and PGSSLROOTCERT in the environment"
    identity: ClassVar = ("name",)
    kind: ClassVar = "ROLE"
    key: ClassVar = "name"
    catalog: ClassVar = "pg_roles"
    name_column: ClassVar = "rolname"
    comment: ClassVar = "shobj_description(oid, 'pg_authid')"
    lasting: ClassVar = ("rolePassword",)
    fields: ClassVar[f.Fields] = {
        # Roles belong to the server: the database is only the way in.
        **_CONNECTION,
        "database": f.Field(kind="string", doc="database to connect to", required=True),
        "name": _identifier("name of the role"),
        "login": f.Field(kind="boolean", doc="whether the role may log in", default=True),
        "rolePassword": f.Field(kind="string", doc="the role's password", secret=True, kept=True),
        **_OWNER,
    }

    async def create_statement(self, connection: Connection, inputs: Props) -> Composed:
        """CREATE ROLE."""
        return self._statement("CREATE", connection, inputs)

    async def alter_statements(self, connection: Connection, inputs: Props, state: Props) -> list[Composed]:
        """ALTER ROLE, which demands a right over the role, where something is to change."""
        given = inputs.get("rolePassword")
        login = (await self.live(connection, str(inputs["name"])))["login"]
        if login == inputs["login"] and (not given or given == state.get("rolePassword")):
            return []
        return [self._statement("ALTER", connection, inputs)]

    def _statement(self, verb: str, connection: Connection, inputs: Props) -> Composed:
        from psycopg import sql  # noqa: PLC0415 - only these resources need it

        name = str(inputs["name"])
        login = "LOGIN" if inputs["login"] else "NOLOGIN"
        statement = sql.SQL(f"{verb} ROLE {{}} {login}").format(sql.Identifier(name))
        if inputs.get("rolePassword"):
            # Sent as SCRAM verifier: the server may log statements.
            verifier = connection.pgconn.encrypt_password(
                str(inputs["rolePassword"]).encode(), name.encode(), b"scram-sha-256"
            )
            statement += sql.SQL(" PASSWORD {}").format(sql.Literal(verifier.decode()))
        return statement

    async def live(self, connection: Connection, name: str) -> Props:
        """Whether it may log in; a password cannot be read back."""
        query = "SELECT rolcanlogin FROM pg_catalog.pg_roles WHERE rolname = %s"
        row = await (await connection.execute(query, (name,))).fetchone()
        return {"login": bool(row and row[0])}

    async def restorable(self, connection: Connection, name: str) -> dict[str, str]:
        """Whether it may log in."""
        return {"login": _text((await self.live(connection, name))["login"])}


class PostgresSchema(PostgresResource):
    """A schema in a database."""

    tok: ClassVar = "vcf:index:PostgresSchema"
    doc: ClassVar = "A PostgreSQL schema."
    import_id: ClassVar = "HOST:PORT/DATABASE/SCHEMA, with PGUSER, PGPASSWORD and PGSSLROOTCERT in the environment"
    identity: ClassVar = ("database", "name")
    kind: ClassVar = "SCHEMA"
    key: ClassVar = "name"
    catalog: ClassVar = "pg_namespace"
    name_column: ClassVar = "nspname"
    comment: ClassVar = "obj_description(oid, 'pg_namespace')"
    fields: ClassVar[f.Fields] = {
        **_CONNECTION,
        "name": _identifier("name of the schema"),
        "ownerRole": f.Field(kind="string", doc="role that owns it; the login role without it", kept=True),
        **_OWNER,
    }

    async def create_statement(self, connection: Connection, inputs: Props) -> Composed:
        """CREATE SCHEMA."""
        from psycopg import sql  # noqa: PLC0415 - only these resources need it

        del connection

        statement = sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(inputs["name"]))
        if inputs.get("ownerRole"):
            statement += sql.SQL(" AUTHORIZATION {}").format(sql.Identifier(inputs["ownerRole"]))
        return statement

    async def alter_statements(self, connection: Connection, inputs: Props, state: Props) -> list[Composed]:
        """ALTER SCHEMA … OWNER TO when another owner is wanted."""
        from psycopg import sql  # noqa: PLC0415 - only these resources need it

        del state
        wanted = inputs.get("ownerRole")
        if not wanted or (await self.live(connection, inputs["name"]))["ownerRole"] == wanted:
            return []
        statement = sql.SQL("ALTER SCHEMA {} OWNER TO {}")
        return [statement.format(sql.Identifier(inputs["name"]), sql.Identifier(wanted))]

    async def live(self, connection: Connection, name: str) -> Props:
        """Its owner."""
        query = "SELECT pg_get_userbyid(nspowner) FROM pg_catalog.pg_namespace WHERE nspname = %s"
        row = await (await connection.execute(query, (name,))).fetchone()
        return {"ownerRole": str(row[0]) if row else ""}

    async def restorable(self, connection: Connection, name: str) -> dict[str, str]:
        """Its owner."""
        return {"ownerRole": _text((await self.live(connection, name))["ownerRole"])}


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _value(field: f.Field, text: str) -> Any:
    return text == "true" if field.kind == "boolean" else text


def _former(mark: Mark, others: Sequence[Mark], there: dict[str, str], now: dict[str, str]) -> dict[str, str]:
    """Former values for the mark of an adopted object, of what differs now or did when somebody else adopted it."""
    if not mark.adopted:
        return {}
    earlier = {part: value for other in reversed(others) for part, value in other.was.items()}
    changed = {part: value for part, value in there.items() if now[part] != value}
    return {**changed, **earlier, **mark.was}


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
async def connected(context: Context, login: Props, patience: float = _CONNECT_DEADLINE) -> AsyncIterator[Connection]:
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
        raise DependedOnError(f"{where}: {_words(error)}") from None
    except psycopg.Error as error:
        raise VcfError(f"{where}: {_words(error)}") from None


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
            words = _words(error)
            if "does not exist" in words and f'database "{login["database"]}"' in words:
                raise GoneError(f"{where} does not exist.") from None
            spent = context.clock.now() - start
            if not _passing(error, words) or spent + pause > (context.timeout or patience):
                kind = RefusedError if _refused(error, words) else VcfError
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


def _refused(error: Any, words: str) -> bool:
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


def _words(error: Exception) -> str:
    """PostgreSQL's own message with detail and hint, on one line."""
    diagnosis = getattr(error, "diag", None)
    parts = [getattr(diagnosis, part, None) for part in ("message_primary", "message_detail", "message_hint")]
    text = " ".join(part for part in parts if part) or str(error)
    text = " ".join(text.split())
    return text if text.endswith((".", "?")) else text + "."
