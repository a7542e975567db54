"""What all objects inside a PostgreSQL database share."""

from __future__ import annotations

import dataclasses
import os
import re
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from .. import fields as f
from .. import ownership
from ..errors import GoneError, Problem, VcfError
from ..http import pem_bundle
from ..ownership import Mark, Stored
from ..postgres import DependedOnError, connected, words_of
from ..resource import Context, Notice, Resource, known, notice, refresh_inputs
from ..values import Props

if TYPE_CHECKING:
    from psycopg.sql import Composed, Identifier

    from ..postgres import Connection

# A database that is gone, or down, must not keep a comparison of everything else waiting.
READ_DEADLINE = 15.0
# A preview looks and does not wait.
LOOK_SECONDS = 5.0
PORT = 5432
CONNECTION: dict[str, f.Field] = {
    "host": f.Field(kind="string", doc="host name or address of the database server", required=True, pattern=r"\S+"),
    "port": f.Field(kind="integer", doc="TCP port", minimum=1, maximum=65535, default=PORT),
    "database": f.Field(kind="string", doc="database to connect to", required=True, replaces=True),
    "username": f.Field(kind="string", doc="role to log in as", required=True),
    "password": f.Field(kind="string", doc="its password", required=True, secret=True),
    "caBundle": f.Field(
        kind="string", doc="CA certificates as PEM text; the machine's CAs without it", parse=pem_bundle
    ),
    "sslMode": f.Field(
        kind="string",
        doc="how the server is checked: verify-full checks CA and host name, verify-ca the CA only",
        choices=("verify-full", "verify-ca"),
        type_name="SslMode",
        default="verify-full",
    ),
    "adopt": f.Field(kind="boolean", doc="manage an object that exists already, and give it back as it was on destroy"),
}
OWNER = {"owner": f.Field(kind="string", doc="ownership mark in the object's comment", output=True)}
# A move of the server (new address, new certificate, new password) keeps the object: replacing would drop it.
LOGIN = ("host", "port", "username", "password", "caBundle", "sslMode")


def id_of(inputs: Props, name: str) -> str:
    return f"{inputs['host']}:{inputs['port']}/{inputs['database']}/{name}"


def identifier_field(doc: str) -> f.Field:
    return f.Field(
        kind="string",
        doc=doc,
        required=True,
        replaces=True,
        pattern=r"(?s)(?!pg_).{1,63}",
        expected="a PostgreSQL name of 1 to 63 characters that does not start with pg_",
    )


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
        return id_of(inputs, str(inputs[self.key])), state

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
                mark = dataclasses.replace(mark, was=former(mark, Stored.of(comment).others(own), there, now))
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
                f"{called}: {inputs['username']} may not do this: {words_of(error)} Give it the right; or have "
                "somebody who has it bring the object to what is wanted here: with `adopt: true` it is then used as it "
                "is, for which no right is needed."
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
            return own, ownership.claim(called, context.urn, new, stored, adopt=adopt, import_id=id_of(inputs, name))
        return ownership.current(called, context.urn, state, stored, adopt=inputs.get("adopt") is True)

    async def foresee(self, context: Context, state: Props, inputs: Props) -> Notice | None:
        """What an adoption changes in an object that is there; a database that cannot be reached is no error here."""
        name = inputs.get(self.key)
        if not isinstance(name, str) or not known(inputs, *LOGIN, "database"):
            return None
        what = self._called(inputs, name)
        try:
            async with connected(dataclasses.replace(context, timeout=LOOK_SECONDS), inputs) as connection:
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
        wanted = {part: as_text(inputs[part]) for part in there if inputs.get(part) is not None}
        lines = [f"changes {part}: {there[part]} to {value}" for part, value in wanted.items() if there[part] != value]
        lines += [f"sets {part}, which cannot be given back" for part in self.lasting if inputs.get(part) is not None]
        return notice(what, lines or ["stays as it is"]) if mark.adopted else None

    async def read(self, context: Context, resource_id: str, state: Props) -> tuple[str, Props] | None:
        """Live state. On import the login comes from the environment, as libpq names it."""
        login = state or self._imported(resource_id)
        name = str(login[self.key])
        try:
            async with connected(context, login, READ_DEADLINE) as connection:
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
            part: as_value(self.fields[part], value)
            for part, value in mark.was.items()
            if there.get(part) == as_text(state.get(part)) and not any(other.uses(part) for other in others)
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


def as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def as_value(field: f.Field, text: str) -> Any:
    return text == "true" if field.kind == "boolean" else text


def former(mark: Mark, others: Sequence[Mark], there: dict[str, str], now: dict[str, str]) -> dict[str, str]:
    """Former values for the mark of an adopted object, of what differs now or did when somebody else adopted it."""
    if not mark.adopted:
        return {}
    earlier = {part: value for other in reversed(others) for part, value in other.was.items()}
    changed = {part: value for part, value in there.items() if now[part] != value}
    return {**changed, **earlier, **mark.was}
