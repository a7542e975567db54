"""Reading a Secret of the Supervisor that its operator publishes some time after the object it belongs to is ready."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from .clock import Clock
from .errors import VcfError, listed
from .http import pem_bundle, tls_context

if TYPE_CHECKING:
    import httpx

_REQUEST_SECONDS: Final = 30
# Not there, or refused until the new namespace's rights arrive: both pass.
_NOT_YET: Final = frozenset({403, 404, 429, 502, 503, 504})
_OK: Final = 200
_PROXIES: Final = ("http://", "https://", "socks5://", "socks5h://")


class Supervisor:
    """The API server of a kubeconfig's current context. Raises VcfError for a kubeconfig that cannot be used."""

    def __init__(self, kubeconfig: str) -> None:
        loaded = _parsed(kubeconfig)
        context = _named(loaded, "contexts", "context", loaded.get("current-context"))
        cluster = _named(loaded, "clusters", "cluster", context.get("cluster"))
        self._user = _named(loaded, "users", "user", context.get("user"))
        self.server: str = str(cluster.get("server", "")).rstrip("/")
        if cluster.get("insecure-skip-tls-verify"):
            raise VcfError("The kubeconfig turns certificate checks off; give certificate-authority-data instead.")
        self._tls = tls_context(_authority(cluster), str(cluster.get("tls-server-name") or ""))
        self._proxy = proxy_of(cluster)

    async def secret_value(
        self, namespace: str, name: str, key: str, patience: float, clock: Clock, awaited: str = ""
    ) -> str:
        """The value of a Secret's key as text, waited for up to `patience` seconds. Raises VcfError after that.

        With `awaited` it is waited for until it is that.
        """
        import httpx  # noqa: PLC0415 - a third of a second that a plugin start need not pay

        headers = await self.authenticate()
        start, last = clock.now(), ""
        url = f"{self.server}/api/v1/namespaces/{namespace}/secrets/{name}"
        async with self.client(headers, _REQUEST_SECONDS) as client:
            for pause in clock.backoff(first=0.3, factor=1.5, ceiling=10):
                try:
                    response = await client.get(url)
                    if response.status_code == _OK:
                        value = (response.json().get("data") or {}).get(key)
                        text = base64.b64decode(value).decode() if value else ""
                        if text and text == (awaited or text):
                            return text
                        last = "it still holds another value than was asked for" if text else f"it has no key {key}"
                    elif response.status_code in _NOT_YET:
                        last = f"the API server answers {response.status_code}"
                    else:
                        raise VcfError(
                            f"The Supervisor at {self.server} answers {response.status_code} to a read of Secret "
                            f"{namespace}/{name}: check the rights and the age of the kubeconfig's credentials."
                        )
                except httpx.TransportError as error:
                    last = f"{self.server} cannot be reached ({error})"
                if clock.now() - start + pause > patience:
                    raise VcfError(
                        f"Secret {namespace}/{name} with key {key} was not published within {patience:.0f} s: {last}. "
                        "Look at the object that it belongs to (kubectl describe), then run `pulumi up` again. If "
                        "somebody has deleted it, `./paif drift ENV --undo` makes it again, with what was in it."
                    )
                await clock.sleep(pause)
        raise AssertionError

    def client(self, headers: Mapping[str, str], timeout: float) -> httpx.AsyncClient:
        """A client of this API server with these headers; `timeout` in seconds for each answer, 10 for a connection."""
        import httpx  # noqa: PLC0415 - a third of a second that a plugin start need not pay

        return httpx.AsyncClient(
            verify=self._tls,
            proxy=self._proxy,
            timeout=httpx.Timeout(timeout, connect=min(timeout, 10)),
            headers=dict(headers),
        )

    async def authenticate(self) -> dict[str, str]:
        """Headers with a token, or none after loading a client certificate."""
        user = dict(self._user)
        if "exec" in user:
            user |= await _exec_credential(user["exec"])
        certificate, key = _content(user, "client-certificate"), _content(user, "client-key")
        if certificate and key:
            _load_pair(self._tls, certificate, key)
        token = user.get("token") or _content(user, "tokenFile").strip()
        return {"authorization": f"Bearer {token}"} if token else {}


def _parsed(kubeconfig: str) -> Mapping[str, Any]:
    try:
        loaded = yaml.safe_load(kubeconfig)
    except yaml.YAMLError:
        loaded = None
    if not isinstance(loaded, dict):
        # Without the parser's own words, which quote the text.
        raise VcfError("`kubeconfig` of the vcf provider is no kubeconfig: expected its text as YAML, not a path.")
    return loaded


def _named(loaded: Mapping[str, Any], group: str, kind: str, name: object) -> Mapping[str, Any]:
    entries = loaded.get(group)
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and entry.get("name") == name and isinstance(entry.get(kind), dict):
            return dict(entry[kind])
    raise VcfError(f"The kubeconfig has no {kind} {name!r}, which its current context needs.")


def proxy_of(cluster: Mapping[str, Any]) -> str | None:
    """The proxy through which a kubeconfig's cluster is reached, whatever the environment says; None without one.

    Raises VcfError, without the address, which may hold a password.
    """
    address = cluster.get("proxy-url")
    if not address:
        return None
    if not isinstance(address, str) or not address.startswith(_PROXIES):
        raise VcfError(f"The kubeconfig's proxy-url is none: expected an address that begins with {listed(_PROXIES)}.")
    return address


def _authority(cluster: Mapping[str, Any]) -> str | None:
    authority = _content(cluster, "certificate-authority")
    try:
        return pem_bundle(authority) if authority else None
    except ValueError as error:
        raise VcfError(f"The kubeconfig's certificate-authority cannot be used: {error}.") from None


def _content(entry: Mapping[str, Any], name: str) -> str:
    """Text of an entry that is given as base64 or as a file. Raises VcfError, without the text."""
    if entry.get(f"{name}-data"):
        try:
            return base64.b64decode(entry[f"{name}-data"], validate=True).decode()
        except (ValueError, TypeError):
            raise VcfError(f"The kubeconfig's {name}-data is no base64 of a text.") from None
    if isinstance(entry.get(name), str):
        path = Path(entry[name]).expanduser()
        if not path.is_absolute():
            raise VcfError(f"The kubeconfig's {name} is {entry[name]!r}: expected an absolute path, or {name}-data.")
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise VcfError(f"The kubeconfig's {name}, {path}, cannot be read: {error}.") from None
    return ""


def _load_pair(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """The ssl module reads client certificates from files only: one of ours, readable by nobody else, for a moment."""
    with tempfile.TemporaryDirectory(prefix="vcf-") as folder:
        pair = Path(folder) / "client.pem"
        pair.touch(mode=0o600)
        pair.write_text(f"{certificate}\n{key}", encoding="utf-8")
        try:
            context.load_cert_chain(pair)
        except ssl.SSLError as error:
            raise VcfError(
                f"The kubeconfig's client certificate and key cannot be used ({error.reason}): expected a pair as PEM."
            ) from None


async def _exec_credential(spec: Mapping[str, Any]) -> dict[str, str]:
    """Runs a credential plugin, as kubectl does; returns the token or client certificate it answers with."""
    extra = {entry["name"]: entry["value"] for entry in spec.get("env") or []}
    request = {"apiVersion": spec.get("apiVersion"), "kind": "ExecCredential", "spec": {"interactive": False}}
    try:
        process = await asyncio.create_subprocess_exec(
            spec["command"],
            *(spec.get("args") or []),
            env={**os.environ, **extra, "KUBERNETES_EXEC_INFO": json.dumps(request)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
    except OSError as error:
        raise VcfError(f"The kubeconfig's credential plugin {spec['command']} cannot be run: {error}.") from None
    if process.returncode:
        said = errors.decode(errors="replace").strip()[-300:]
        raise VcfError(f"The kubeconfig's credential plugin {spec['command']} failed: {said}")
    try:
        status = json.loads(output)["status"]
        status["token" if "token" in status else "clientCertificateData"]
    except (ValueError, KeyError, TypeError):
        # Without what it printed, which may be half a token.
        raise VcfError(
            f"The kubeconfig's credential plugin {spec['command']} printed no ExecCredential with a token or client "
            "certificate: run it by hand to see what it says."
        ) from None
    result = {"token": status.get("token", "")}
    for name, member in (("client-certificate", "clientCertificateData"), ("client-key", "clientKeyData")):
        if status.get(member):
            result[f"{name}-data"] = base64.b64encode(status[member].encode()).decode()
    return result
