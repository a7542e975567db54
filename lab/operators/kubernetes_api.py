"""A Kubernetes API server as the simulated operators ask it."""

from __future__ import annotations

import base64
import hashlib
import os
import ssl
import time
from collections.abc import Mapping
from typing import Any, cast

import httpx

from lab.operators.log import log
from lab.operators.pace import backoff, timestamp
from lab.operators.resources import EVENT, PREFIX, Object, Resource

_TRANSIENT = frozenset({429, 500, 502, 503, 504})
_ATTEMPTS = 5
POOL = httpx.Limits(max_connections=24, max_keepalive_connections=24)
WAIT_FOR_API = httpx.Timeout(30, connect=5)


class ApiError(Exception):
    """An API server (or the vCenter simulation) refused; ``status`` is HTTP's, ``reason`` the server's short word."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


def client_context(cluster: Mapping[str, Any], user: Mapping[str, Any]) -> ssl.SSLContext:
    """TLS for one cluster and one user of a kubeconfig; the server is always verified.

    Inline certificates reach OpenSSL, which reads files only, by anonymous memory: no key is ever written to disk.
    """
    data = cluster.get("certificate-authority-data")
    context = ssl.create_default_context(
        cafile=cluster.get("certificate-authority"), cadata=base64.b64decode(data).decode("ascii") if data else None
    )
    if "client-certificate-data" in user:
        files = [_in_memory(base64.b64decode(user[f"client-{part}-data"])) for part in ("certificate", "key")]
        try:
            context.load_cert_chain(*(f"/proc/self/fd/{handle}" for handle in files))
        finally:
            for handle in files:
                os.close(handle)
    elif "client-certificate" in user:
        context.load_cert_chain(user["client-certificate"], user["client-key"])
    return context


def _in_memory(content: bytes) -> int:
    handle = os.memfd_create("paif")
    os.write(handle, content)
    return handle


class Api:
    """A Kubernetes API server, for any thread: JSON in and out, keep-alive, retries where repeating is harmless."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    @classmethod
    def of(cls, kubeconfig: Mapping[str, Any]) -> Api:
        """The API server of the current context of a kubeconfig mapping (client certificate or token)."""
        by_name = {
            kind: {entry["name"]: entry[kind] for entry in kubeconfig[f"{kind}s"]}
            for kind in ("cluster", "user", "context")
        }
        context = by_name["context"][kubeconfig["current-context"]]
        cluster, user = by_name["cluster"][context["cluster"]], by_name["user"][context["user"]]
        headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
        return cls(
            httpx.Client(
                base_url=cluster["server"],
                headers=headers,
                verify=client_context(cluster, user),
                timeout=WAIT_FOR_API,
                limits=POOL,
                trust_env=False,
            )
        )

    def close(self) -> None:
        self._client.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        params: Mapping[str, str] | None = None,
        media: str = "application/json",
        repeatable: bool = True,
    ) -> Any:
        """One call; the decoded JSON answer.

        Raises ``ApiError`` with the server's message, ``httpx.TransportError`` when it stays out of reach.
        """
        for attempt in range(_ATTEMPTS):
            last = attempt == _ATTEMPTS - 1 or not repeatable
            try:
                answer = self._client.request(method, path, json=body, params=params, headers={"Content-Type": media})
            except httpx.TransportError:
                if last:
                    raise
            else:
                if answer.is_success:
                    return answer.json() if answer.content else None
                if last or answer.status_code not in _TRANSIENT:
                    raise refusal(answer)
            time.sleep(backoff(attempt, first=0.1, longest=2))
        raise AssertionError("unreachable")

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        """The object, or None when there is none (nor its kind)."""
        try:
            return cast(Object, self.request("GET", resource.path(name, namespace)))
        except ApiError as error:
            if error.status == httpx.codes.NOT_FOUND:
                return None
            raise

    def list(self, resource: Resource, namespace: str | None = None, labels: str | None = None) -> list[Object]:
        """All objects of a kind, in one namespace or everywhere; ``labels`` is a label selector. [] without the CRD."""
        params = {"labelSelector": labels} if labels else None
        try:
            return cast(list[Object], self.request("GET", resource.path(None, namespace), params=params)["items"])
        except ApiError as error:
            if error.status == httpx.codes.NOT_FOUND:
                return []
            raise

    def apply(self, resource: Resource, body: Object) -> Object:
        """Create or change an object by server-side apply: what the lab set before and leaves out now is removed."""
        body = {"apiVersion": resource.api_version, "kind": resource.kind, **body}
        path = resource.path(body["metadata"]["name"], body["metadata"].get("namespace"))
        return cast(
            Object,
            self.request(
                "PATCH",
                path,
                body=body,
                params={"fieldManager": PREFIX, "force": "true"},
                media="application/apply-patch+yaml",
            ),
        )

    def merge(self, resource: Resource, name: str, namespace: str | None, body: Object) -> Object:
        """JSON merge patch; a value of None removes its key."""
        return cast(
            Object,
            self.request("PATCH", resource.path(name, namespace), body=body, media="application/merge-patch+json"),
        )

    def status(self, resource: Resource, item: Object, status: Object) -> None:
        """Merge ``status`` into the object's status; no call when nothing would change, none wrong when it is gone."""
        current = item.get("status") or {}
        if all(current.get(key) == value for key, value in status.items()):
            return
        metadata = item["metadata"]
        path = resource.path(metadata["name"], metadata.get("namespace")) + "/status"
        try:
            self.request("PATCH", path, body={"status": status}, media="application/merge-patch+json")
        except ApiError as error:
            if error.status != httpx.codes.NOT_FOUND:
                raise

    def delete(self, resource: Resource, name: str, namespace: str | None = None) -> bool:
        """Ask for deletion; False when the object is gone already."""
        try:
            self.request("DELETE", resource.path(name, namespace), params={"propagationPolicy": "Background"})
        except ApiError as error:
            if error.status == httpx.codes.NOT_FOUND:
                return False
            raise
        return True

    def event(self, resource: Resource, item: Object, reason: str, message: str, *, warning: bool = False) -> None:
        """Post an Event on the object: one per reason and message, however often it happens. Never fails."""
        metadata = item["metadata"]
        namespace = metadata.get("namespace") or "default"
        mark = hashlib.sha256(f"{metadata.get('uid')}{reason}{message}".encode()).hexdigest()[:16]
        now = timestamp()
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{metadata['name']}.{mark}", "namespace": namespace},
            "involvedObject": {
                "apiVersion": resource.api_version,
                "kind": resource.kind,
                "name": metadata["name"],
                "namespace": metadata.get("namespace"),
                "uid": metadata.get("uid"),
            },
            "reason": reason,
            "message": message[:1024],
            "type": "Warning" if warning else "Normal",
            "source": {"component": f"{resource.kind.lower()}-simulation"},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            self.request("POST", EVENT.path(None, namespace), body=body, repeatable=False)
        except (ApiError, httpx.TransportError):
            log.debug("event %s of %s not posted", reason, metadata["name"])


def refusal(answer: httpx.Response) -> ApiError:
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        body = {}
    message = str(body.get("message") or answer.text[:300] or answer.reason_phrase)
    return ApiError(answer.status_code, str(body.get("reason") or answer.reason_phrase), message)
