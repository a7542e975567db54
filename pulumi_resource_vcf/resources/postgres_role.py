"""Roles of a PostgreSQL server."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from .. import fields as f
from ..values import Props
from .postgres import CONNECTION, OWNER, PostgresResource, as_text, identifier_field

if TYPE_CHECKING:
    from psycopg.sql import Composed

    from ..postgres import Connection


class PostgresRole(PostgresResource):
    """A role, with a login password or without."""

    tok: ClassVar = "vcf:index:PostgresRole"
    doc: ClassVar = "A PostgreSQL role. Its own password is sent to the server as a SCRAM verifier only."
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
        **CONNECTION,
        "database": f.Field(kind="string", doc="database to connect to", required=True),
        "name": identifier_field("name of the role"),
        "login": f.Field(kind="boolean", doc="whether the role may log in", default=True),
        "rolePassword": f.Field(kind="string", doc="the role's password", secret=True, kept=True),
        **OWNER,
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
        return {"login": as_text((await self.live(connection, name))["login"])}
