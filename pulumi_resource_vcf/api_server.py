"""An API server that is asked again and again, by many at once, until something is so."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from .clock import Clock
from .errors import VcfError
from .kubernetes import Supervisor

if TYPE_CHECKING:
    import httpx

_FRESH_SECONDS: Final = 1.0
"""For how long what one has read serves others that ask for the same kind."""
_MANY: Final = 6
"""So many objects of a kind, asked for within that time, are read as one list."""
_REQUEST_SECONDS: Final = 20
_OK, _NO_LOGIN, _NO_RIGHTS, _NOT_THERE = 200, 401, 403, 404
_MESSAGE_LENGTH: Final = 300


class UnansweredError(VcfError):
    """The API server could not be reached, or not now: asking again may help."""


class RefusedReadError(VcfError):
    """The API server answered, and does not let this be read."""


class ApiServer:
    """Reads of one API server. What many wait for at once is read once, by its kind, and shared."""

    def __init__(self, kubeconfig: str, clock: Clock) -> None:
        """Of the kubeconfig's current context. Raises VcfError when it cannot be used."""
        self._access = Supervisor(kubeconfig)
        self._clock = clock
        self._client: httpx.AsyncClient | None = None
        self._former: list[httpx.AsyncClient] = []
        self._plurals: dict[str, dict[str, tuple[str, bool]]] = {}
        self._lists: dict[str, tuple[float, asyncio.Task[dict[str, dict[str, Any]]]]] = {}
        self._asked: dict[str, deque[float]] = {}

    @property
    def server(self) -> str:
        """Its address."""
        return self._access.server

    async def close(self) -> None:
        """Closes its connections."""
        for _, task in self._lists.values():
            task.cancel()
        for client in (self._client, *self._former):
            if client is not None:
                await client.aclose()

    async def get(self, path: str, parameters: Mapping[str, str] | None = None) -> dict[str, Any] | None:
        """What is at a path, None when nothing is. Raises UnansweredError or RefusedReadError."""
        import httpx  # noqa: PLC0415 - a third of a second that a plugin start need not pay

        try:
            if self._client is None:
                headers = await self._access.authenticate()
                # Set before anybody else may come by: the line above waits.
                self._client = self._client or self._access.client(headers, _REQUEST_SECONDS)
            answer = await self._client.get(f"{self.server}{path}", params=parameters)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise UnansweredError(f"{self.server} cannot be reached ({reason})") from None
        if answer.status_code == _NOT_THERE:
            return None
        if answer.status_code == _OK:
            try:
                found = answer.json()
            except ValueError:
                found = None
            if isinstance(found, dict):
                return found
            raise RefusedReadError(f"{self.server} answers no JSON to {path}: is it a Kubernetes API server?")
        told = _message(answer)
        if answer.status_code == _NO_LOGIN and self._client is not None:
            # The next read logs in again: credentials of an exec plugin expire. Others may be reading by the old ones.
            self._former.append(self._client)
            self._client = None
        if answer.status_code in {_NO_LOGIN, _NO_RIGHTS}:
            raise RefusedReadError(f"{self.server} answers {answer.status_code} to a read of {path}{told}")
        raise UnansweredError(f"{self.server} answers {answer.status_code}{told}")

    async def version_of(self, group: str) -> str:
        """The version that the API server prefers for a group, "" when it does not have the group."""
        found = await self.get(f"/apis/{group}") or {}
        return str((found.get("preferredVersion") or {}).get("version") or "")

    async def path(self, api_version: str, kind: str, namespace: str) -> str | None:
        """The path of a kind's objects, None when the API server does not have the kind, or with no version of it."""
        if not api_version:
            return None
        found = self._plurals.get(api_version)
        if found is None:
            base = "/api/v1" if api_version == "v1" else f"/apis/{api_version}"
            answer = await self.get(base) or {}
            found = {
                each["kind"]: (each["name"], bool(each.get("namespaced")))
                for each in answer.get("resources") or []
                if "/" not in each["name"]
            }
            if found:
                self._plurals[api_version] = found
        if kind not in found:
            self._plurals.pop(api_version, None)
            return None
        plural, namespaced = found[kind]
        base = "/api/v1" if api_version == "v1" else f"/apis/{api_version}"
        return f"{base}/namespaces/{namespace}/{plural}" if namespaced and namespace else f"{base}/{plural}"

    async def items(
        self, api_version: str, kind: str, namespace: str = "", *, since: float | None = None
    ) -> list[dict[str, Any]]:
        """All objects of a kind, as they are now, or were read for somebody else after `since` (the clock's seconds).

        None of a kind that the API server does not have. Raises UnansweredError or RefusedReadError.
        """
        path = await self.path(api_version, kind, namespace)
        if path is None:
            return []
        task = self._fresh(path, since)
        if task is None:
            task = asyncio.ensure_future(self._read(path, api_version, kind))
            self._lists[path] = (self._clock.now(), task)
        # One of several that wait may be canceled, and the others still want the answer.
        return list((await asyncio.shield(task)).values())

    def _fresh(self, path: str, since: float | None) -> asyncio.Task[dict[str, dict[str, Any]]] | None:
        """A list that somebody else has read, or is reading, after `since`."""
        begun, task = self._lists.get(path, (0.0, None))
        late = since is None or begun < since or self._clock.now() - begun > _FRESH_SECONDS
        return None if late else task

    async def _read(self, path: str, api_version: str, kind: str) -> dict[str, dict[str, Any]]:
        found = await self.get(path) or {}
        # An entry of a list says neither.
        named = {"apiVersion": api_version, "kind": kind}
        return {_place(each): named | each for each in found.get("items") or []}

    async def item(
        self, api_version: str, kind: str, namespace: str, name: str, since: float | None = None
    ) -> dict[str, Any] | None:
        """One object, None when there is none. Where many are asked for, all of its kind are read at once for all."""
        path = await self.path(api_version, kind, namespace)
        if path is None:
            return None
        task = self._fresh(path, since)
        if task is None and not self._much_asked(path):
            return await self.get(f"{path}/{name}")
        try:
            if task is None:
                await self.items(api_version, kind, namespace, since=since)
                _, task = self._lists[path]
            return (await asyncio.shield(task)).get(f"{namespace}/{name}")
        except RefusedReadError:
            # Who may read an object, but not list them all.
            return await self.get(f"{path}/{name}")

    def _much_asked(self, path: str) -> bool:
        """Whether so many objects of a kind are asked for one by one that a list costs less."""
        times, now = self._asked.setdefault(path, deque(maxlen=_MANY)), self._clock.now()
        times.append(now)
        return len(times) == _MANY and now - times[0] < _FRESH_SECONDS


def _place(item: Mapping[str, Any]) -> str:
    return f"{item['metadata'].get('namespace', '')}/{item['metadata']['name']}"


def _message(answer: httpx.Response) -> str:
    try:
        text = str(answer.json().get("message", ""))
    except (ValueError, AttributeError):
        text = ""
    return f": {text[:_MESSAGE_LENGTH]}" if text else ""
