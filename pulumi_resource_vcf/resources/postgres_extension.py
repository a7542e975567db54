"""Extensions of a PostgreSQL database."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from .. import fields as f
from ..errors import VcfError, listed, nearest
from ..values import Props
from .postgres import CONNECTION, LOGIN, OWNER, PostgresResource, identifier_field

if TYPE_CHECKING:
    from psycopg.sql import Composed

    from ..postgres import Connection


class PostgresExtension(PostgresResource):
    """An extension in a database, for example `vector` (pgvector)."""

    tok: ClassVar = "vcf:index:PostgresExtension"
    doc: ClassVar = (
        "A PostgreSQL extension, for example pgvector's `vector`. Deleting drops it, and fails while tables use it: "
        "give the option deletedWith the database where that goes as a whole."
    )
    import_id: ClassVar = "HOST:PORT/DATABASE/EXTENSION, with PGUSER, PGPASSWORD and PGSSLROOTCERT in the environment"
    identity: ClassVar = ("database", "extension")
    kind: ClassVar = "EXTENSION"
    key: ClassVar = "extension"
    catalog: ClassVar = "pg_extension"
    name_column: ClassVar = "extname"
    comment: ClassVar = "obj_description(oid, 'pg_extension')"
    lasting: ClassVar = ("version",)
    fields: ClassVar[f.Fields] = {
        **CONNECTION,
        "extension": identifier_field("name of the extension"),
        "version": f.Field(kind="string", doc="version; the server's default without it", pattern=r"\S+", kept=True),
        "minimumVersion": f.Field(
            kind="string",
            doc="least version that is used, whoever installed it; matters when it is made or taken over",
            pattern=r"\d+(\.\d+)*",
            expected="a version such as 0.8",
        ),
        "installedVersion": f.Field(
            kind="string", doc="version that is installed", output=True, source=("version", *LOGIN)
        ),
        **OWNER,
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


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()
