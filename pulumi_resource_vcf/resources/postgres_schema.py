"""Schemas of a PostgreSQL database."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from .. import fields as f
from ..values import Props
from .postgres import CONNECTION, OWNER, PostgresResource, as_text, identifier_field

if TYPE_CHECKING:
    from psycopg.sql import Composed

    from ..postgres import Connection


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
        **CONNECTION,
        "name": identifier_field("name of the schema"),
        "ownerRole": f.Field(kind="string", doc="role that owns it; the login role without it", kept=True),
        **OWNER,
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
        return {"ownerRole": as_text((await self.live(connection, name))["ownerRole"])}
