"""vCenter's REST API (`/api`) and its sessions. Paths and field names as in the vSphere Automation API 9.0."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from .clock import Clock
from .errors import AmbiguousNameError, GoneError, UnknownNameError, VcfError
from .http import Http

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SESSION = "/api/session"
_HEADER = "vmware-api-session-id"
_UNAUTHORIZED, _NOT_FOUND = 401, 404


@dataclass(frozen=True)
class Account:
    """Where to log in. `server` is host or host:port, `ca_bundle` PEM text or None for the machine's CAs."""

    server: str
    username: str
    password: str
    ca_bundle: str | None = None

    def __repr__(self) -> str:
        return f"Account({self.username} at {self.server})"


class VCenterError(VcfError):
    """vCenter refused a request; `kind` is its error type, for example ALREADY_EXISTS."""

    def __init__(self, message: str, status: int, kind: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


class VCenter:
    """One vCenter.

    Logs in at the first request, again when the session has expired, and never twice with a wrong password.
    """

    def __init__(self, account: Account, clock: Clock) -> None:
        self.account = account
        self.clock = clock
        self.name = f"vCenter {account.server}"
        self._http: Http | None = None
        self._token: str | None = None
        self._login = asyncio.Lock()
        self._refused: VcfError | None = None

    async def log_in(self) -> None:
        """Makes sure there is a session; raises VcfError when there cannot be one."""
        await self._session()

    async def get(self, path: str, **params: str) -> Any:
        """GET; raises GoneError when the object does not exist."""
        return await self._call("GET", path, params=params)

    async def post(self, path: str, body: Any, **params: str) -> Any:
        """POST."""
        return await self._call("POST", path, json=body, params=params)

    async def patch(self, path: str, body: Any) -> Any:
        """PATCH."""
        return await self._call("PATCH", path, json=body)

    async def delete(self, path: str) -> None:
        """DELETE; raises GoneError when the object does not exist."""
        await self._call("DELETE", path)

    async def close(self) -> None:
        """Ends the session, since a vCenter allows only so many, and the connections."""
        if self._http and self._token:
            await self._http.send("DELETE", _SESSION, headers={_HEADER: self._token})
        if self._http:
            await self._http.close()
        self._http = self._token = None

    async def _call(self, method: str, path: str, **arguments: Any) -> Any:
        for _ in range(2):
            http, token = await self._session()
            response = await http.send(method, path, headers={_HEADER: token}, **arguments)
            if response.status_code != _UNAUTHORIZED:
                break
            if self._token == token:
                self._token = None
        if response.is_success:
            return response.json() if response.content else None
        kind, text = _explanation(response)
        message = f"{self.name} answered {response.status_code} {kind} to {method} {path}: {text}"
        if response.status_code == _NOT_FOUND:
            raise GoneError(message)
        raise VCenterError(message, response.status_code, kind)

    async def _session(self) -> tuple[Http, str]:
        async with self._login:
            if self._refused:
                # Repeating a wrong password for every resource would lock the account.
                raise self._refused
            if self._http is None:
                self._http = Http(self.name, f"https://{self.account.server}", self.account.ca_bundle, self.clock)
            if self._token is None:
                response = await self._http.send("POST", _SESSION, auth=(self.account.username, self.account.password))
                if not response.is_success:
                    self._refused = self._login_error(response)
                    raise self._refused
                self._token = str(response.json())
            return self._http, self._token

    def _login_error(self, response: Any) -> VcfError:
        _, text = _explanation(response)
        if response.status_code == _UNAUTHORIZED:
            return VcfError(
                f"{self.name} refused the login of {self.account.username}: {text} "
                "Check `username` (user@domain) and `password` of the vcf provider; no second attempt was made."
            )
        return VcfError(
            f"{self.account.server} does not answer like a vCenter: {response.status_code} to POST {_SESSION}: {text} "
            "Check `server` of the vcf provider."
        )


def _explanation(response: Any) -> tuple[str, str]:
    """Error type and vCenter's own words of a failed response."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return response.reason_phrase or "error", (response.text or "no explanation given").strip()[:300]
    messages = body.get("messages") or (body.get("value") or {}).get("messages") or []
    text = " ".join(str(m.get("default_message", "")).strip() for m in messages if isinstance(m, dict))
    return str(body.get("error_type") or body.get("type") or "error"), text or "no explanation given"


def segment(name: str) -> str:
    """A name as one segment of a path."""
    return quote(name, safe="")


def messages_of(info: dict[str, Any]) -> str:
    """What vCenter says about an object (`messages` of namespaces and VM classes), ready to append to a sentence."""
    texts = []
    for message in info.get("messages") or []:
        details = message.get("details") or {}
        text = details.get("localized") or details.get("default_message") or ""
        if text:
            texts.append(f"{message.get('severity', 'INFO')}: {text}")
    return " vCenter says: " + " | ".join(texts) if texts else " vCenter gives no message."


async def find_supervisor(vcenter: VCenter, wanted: str) -> dict[str, Any]:
    """Summary of the Supervisor with this id or name: {supervisor, name, config_status, kubernetes_status}."""
    answer = await vcenter.get("/api/vcenter/namespace-management/supervisors/summaries")
    items = [{"supervisor": item["supervisor"], **item.get("info", {})} for item in answer.get("items", [])]
    return _choose(vcenter, "Supervisor", wanted, items, "supervisor")


async def find_storage_policy(vcenter: VCenter, wanted: str) -> dict[str, Any]:
    """The storage policy with this id or name: {policy, name, description}."""
    return _choose(vcenter, "storage policy", wanted, await vcenter.get("/api/vcenter/storage/policies"), "policy")


async def find_library(vcenter: VCenter, wanted: str) -> dict[str, Any]:
    """The content library with this id or name: {id, name, type, …}."""
    if _UUID.fullmatch(wanted):
        with suppress(GoneError):
            library: dict[str, Any] = await vcenter.get(f"/api/content/library/{segment(wanted)}")
            return library
    ids = await vcenter.post("/api/content/library", {"name": wanted}, action="find")
    if len(ids) == 1:
        return {"id": ids[0], "name": wanted}
    libraries = [
        await vcenter.get(f"/api/content/library/{segment(i)}") for i in await vcenter.get("/api/content/library")
    ]
    return _choose(vcenter, "content library", wanted, libraries, "id")


async def find_compute_cluster(vcenter: VCenter, wanted: str) -> dict[str, Any]:
    """The compute cluster of this name, under which the inventory finds it: {cluster, name, …}."""
    return _choose(vcenter, "compute cluster", wanted, await vcenter.get("/api/vcenter/cluster"), "name")


async def find_vm_class(vcenter: VCenter, wanted: str) -> dict[str, Any]:
    """The VM class of this name, which is its id."""
    classes = await vcenter.get("/api/vcenter/namespace-management/virtual-machine-classes")
    return _choose(vcenter, "VM class", wanted, [{**each, "name": each["id"]} for each in classes], "id")


def _choose(vcenter: VCenter, what: str, wanted: str, items: list[dict[str, Any]], key: str) -> dict[str, Any]:
    found = [item for item in items if item[key] == wanted] or [item for item in items if item.get("name") == wanted]
    names = [str(item.get("name")) for item in items]
    if not found:
        raise UnknownNameError(vcenter.name, what, wanted, names)
    if len(found) > 1:
        raise AmbiguousNameError(vcenter.name, what, wanted, [str(item[key]) for item in found])
    return found[0]
