"""Logins that are tried before anything uses them.

They make and remove nothing. A login that is refused changes nothing either: what holds the old one depends on it.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from .. import fields as f
from ..errors import Problem, RefusedError, VcfError
from ..postgres import connected
from ..resource import Context, Resource, known
from ..values import Props
from .gallery import Gallery, GalleryModel
from .postgres_extension import PostgresExtension

_ONLY_TRIED: f.Fields = {name: PostgresExtension.fields[name] for name in ("host", "port", "caBundle", "sslMode")}


class Login(Resource):
    """What both logins share. `server` are the inputs that, besides user and password, say where it holds."""

    import_id: ClassVar = "none: it is no object of its own"
    server: ClassVar[tuple[str, ...]]

    @abstractmethod
    async def log_in(self, context: Context, inputs: Props) -> None:
        """Logs in and out again. Raises RefusedError when the other side does not take the login, else VcfError."""

    async def try_out(self, context: Context, old: Props, inputs: Props) -> list[Problem]:
        """Logs in when the login of a server is another one; warns when that cannot be tried.

        A server that is new gets no password at preview: it may be one that the policy packs are about to refuse.
        """
        named = (*self.server, "username", "password")
        if not known(inputs, *named) or old.get(self.server[0]) != inputs[self.server[0]]:
            return []
        if all(old.get(name) == inputs.get(name) for name in named):
            return []
        try:
            await self.log_in(context, inputs)
        except RefusedError as error:
            return [Problem("password", f"{error} Nothing was changed.")]
        except VcfError as error:
            await context.warn(context.urn, f"The login could not be tried, so it may be wrong or right: {error}")
        return []

    async def create(self, context: Context, inputs: Props) -> tuple[str, Props]:
        """Logs in."""
        await self._log_in(context, inputs)
        return f"{inputs['username']}@{inputs[self.server[0]]}", inputs

    async def update(self, context: Context, resource_id: str, state: Props, inputs: Props) -> Props:
        """Logs in with what is new."""
        del resource_id, state
        await self._log_in(context, inputs)
        return inputs

    async def _log_in(self, context: Context, inputs: Props) -> None:
        try:
            await self.log_in(context, inputs)
        except RefusedError:
            raise
        except VcfError as error:
            raise VcfError(f"{error} The login could not be tried, and what uses it keeps the one before.") from None

    async def read(self, context: Context, resource_id: str, state: Props) -> tuple[str, Props] | None:
        """As it was: there is nothing that could have changed."""
        del context
        if not state:
            raise VcfError(f"Cannot import {resource_id!r}: a login is no object; declare it without importing it.")
        return resource_id, state

    async def delete(self, context: Context, resource_id: str, state: Props) -> None:
        """Leaves the other side as it is."""
        del context, resource_id, state


class GalleryLogin(Login):
    """A login at an OCI registry such as Harbor."""

    tok: ClassVar = "vcf:index:GalleryLogin"
    doc: ClassVar = (
        "A login that the gallery must take. A new one is tried at preview already; what must not change before it is "
        "known to work depends on it."
    )
    identity: ClassVar = ("registry", "username")
    server: ClassVar = ("registry", "caBundle")
    fields: ClassVar[f.Fields] = {
        "registry": f.Field(
            kind="string",
            doc="host or host:port of the registry",
            required=True,
            pattern=GalleryModel.fields["registry"].pattern,
            expected=GalleryModel.fields["registry"].expected,
        ),
        "username": f.Field(kind="string", doc="user or robot account", required=True),
        "password": f.Field(kind="string", doc="its password or token", required=True, secret=True),
        "caBundle": GalleryModel.fields["caBundle"],
    }

    async def log_in(self, context: Context, inputs: Props) -> None:
        """By basic authentication or by a token, as the gallery asks."""
        gallery = Gallery(context, inputs)
        try:
            await gallery.log_in()
        finally:
            await gallery.close()


class PostgresLogin(Login):
    """A login at a PostgreSQL server."""

    tok: ClassVar = "vcf:index:PostgresLogin"
    doc: ClassVar = (
        "A login that the PostgreSQL server must take. A new one is tried at preview already; what must not change "
        "before it is known to work depends on it."
    )
    identity: ClassVar = ("host", "username")
    server: ClassVar = ("host", "port", "database", "caBundle", "sslMode")
    fields: ClassVar[f.Fields] = {
        **_ONLY_TRIED,
        "database": f.Field(kind="string", doc="database to connect to", required=True),
        "username": PostgresExtension.fields["username"],
        "password": PostgresExtension.fields["password"],
    }

    async def log_in(self, context: Context, inputs: Props) -> None:
        """Over verified TLS, into the database."""
        async with connected(context, inputs):
            pass
