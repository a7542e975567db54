"""Helm releases that a run which was cut off left pending in a cluster of the environment.

Helm takes a record that says "pending" for a lock that nobody ever frees: every later installation ends with "cannot
re-use a name that is still in use", every upgrade with "another operation is in progress". A record is put right here,
and nothing else: what the release runs is left as it is. The next installation adopts it, since it bears the release's
name, and the next upgrade begins from the revision that was deployed last.

Records as Helm 3.18 keeps them (pkg/storage/driver/secrets.go): one Secret for each revision, whose labels tell name,
revision and status, and whose content is the release as JSON, packed and twice in base64.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx
import yaml

import paif_catalog as catalog
from cli.engine.stack_state import plaintext
from pulumi_resource_vcf.errors import VcfError
from pulumi_resource_vcf.http import tls_context
from pulumi_resource_vcf.kubernetes import proxy_of

_RELEASE = "kubernetes:helm.sh/v3:Release"
_NAMESPACE = "kubernetes:core/v1:Namespace"
_PROVIDER = "pulumi:providers:kubernetes"
_SECONDS = 20.0

Remedy = Literal["", "forget", "fail", "foreign"]


class UnreachableError(Exception):
    """A cluster cannot be asked for its releases; the message says which and why."""


@dataclass(frozen=True)
class ReleaseLocation:
    """Where a release of a stack is or would be. ``installed`` tells that the state has it as installed."""

    provider: str
    namespace: str
    name: str
    installed: bool

    @property
    def cluster(self) -> str:
        """The name of the provider that reaches its cluster."""
        return self.provider.split("::")[-2] if "::" in self.provider else self.provider


@dataclass(frozen=True)
class Revision:
    """One revision of a release, as its Secret tells it."""

    secret: str
    revision: int
    status: str
    description: str = ""


@dataclass(frozen=True)
class BlockedRelease:
    """A release whose records a cut-off run left so that Helm refuses the next one, and what mends them.

    ``forget`` removes the records, so that the next installation adopts what is there; ``fail`` notes that the newest
    revision failed, so that the next upgrade begins from the one before; ``foreign``: it is not this stack's, and is
    left alone.
    """

    location: ReleaseLocation
    revisions: tuple[Revision, ...]
    remedy: Remedy

    def __str__(self) -> str:
        newest = self.revisions[-1]
        return f"{self.location.namespace}/{self.location.name} ({newest.status}, revision {newest.revision})"


def uses_releases(state: dict[str, Any]) -> bool:
    """Whether the stack installs releases, or was about to."""
    return bool(locations(state))


def has_pending_operation(state: dict[str, Any]) -> bool:
    """Whether an operation on a release never ended, by the pending operations of an exported state."""
    operations = (state.get("deployment") or {}).get("pending_operations") or []
    return any(each["resource"]["type"] == _RELEASE for each in operations)


def locations(state: dict[str, Any]) -> list[ReleaseLocation]:
    """Where this stack's releases are or would be, by an exported state.

    A creation that failed is in it nowhere. What it would have made is looked for by the catalog's name, in the
    namespaces that the stack has made in its clusters.
    """
    deployment = state.get("deployment") or {}
    resources = deployment.get("resources") or []
    pending = [each["resource"] for each in deployment.get("pending_operations") or []]
    locations: dict[tuple[str, str, str], ReleaseLocation] = {}
    # Of whatever version the platform was when they were made.
    charts = {each.versions["gpu-operator"].chart for each in catalog.all_baselines().values()}
    for each, in_state in [*((each, True) for each in resources), *((each, False) for each in pending)]:
        inputs = each.get("inputs") or {}
        if each["type"] == _RELEASE:
            namespace, names, installed = plaintext(inputs.get("namespace")), {plaintext(inputs.get("name"))}, in_state
        elif each["type"] == _NAMESPACE and in_state:
            namespace, names, installed = (
                plaintext((plaintext(inputs.get("metadata")) or {}).get("name")),
                charts,
                False,
            )
        else:
            continue
        for name in names:
            if isinstance(namespace, str) and isinstance(name, str) and each.get("provider"):
                key = (each["provider"], namespace, name)
                if key not in locations or installed:
                    locations[key] = ReleaseLocation(*key, installed)
    return list(locations.values())


def remedy_for(location: ReleaseLocation, revisions: Iterable[Revision], mark: str) -> Remedy:
    """What lets the next run go on; ``mark`` is in the description of every revision that this stack has deployed."""
    ordered = sorted(revisions, key=lambda each: each.revision)
    if not ordered:
        return ""
    newest = ordered[-1]
    if location.installed:
        return "fail" if newest.status.startswith("pending-") else ""
    if any(mark in each.description for each in ordered):
        return "forget"
    if len(ordered) == 1 and newest.status in {"pending-install", "failed", "uninstalling", "unknown"}:
        # It never served. Whoever serves has been deployed, and then bears the mark or is somebody else's.
        return "forget"
    return "foreign"


def blocked_releases(state: dict[str, Any], stack: str, *, proxies: bool = True) -> Iterator[BlockedRelease]:
    """The releases that a cut-off run of ``stack`` (``<name>::<project>``) left, by a state with its secrets shown.

    Raises ``UnreachableError``.
    """
    for place in locations(state):
        with _api(state, place, proxies=proxies) as api:
            revisions = api.revisions(place)
            what = remedy_for(place, revisions, f"urn:pulumi:{stack}::")
            if what:
                yield BlockedRelease(place, tuple(sorted(revisions, key=lambda each: each.revision)), what)


def repair(state: dict[str, Any], release: BlockedRelease, *, proxies: bool = True) -> None:
    """Put the records of a release right. Raises ``UnreachableError``."""
    with _api(state, release.location, proxies=proxies) as api:
        if release.remedy == "fail":
            api.fail(release.location, release.revisions[-1])
        elif release.remedy == "forget":
            # The newest first: half of it leaves what is mended the same way.
            for each in reversed(release.revisions):
                api.remove(release.location, each)


@dataclass
class _Api:
    """The Secrets of one cluster."""

    name: str
    client: httpx.Client = field(repr=False)

    def revisions(self, location: ReleaseLocation) -> list[Revision]:
        chosen = {"labelSelector": f"owner=helm,name={location.name}"}
        found = []
        for each in self._call("GET", f"/api/v1/namespaces/{location.namespace}/secrets", params=chosen)["items"]:
            labels = each["metadata"].get("labels", {})
            revision = str(labels.get("version", ""))
            if revision.isdecimal():
                output = _description(each)
                found.append(Revision(each["metadata"]["name"], int(revision), str(labels.get("status", "")), output))
        return found

    def fail(self, location: ReleaseLocation, revision: Revision) -> None:
        path = f"/api/v1/namespaces/{location.namespace}/secrets/{revision.secret}"
        secret = self._call("GET", path)
        secret["metadata"]["labels"]["status"] = "failed"
        content = _decode_release(secret["data"]["release"])
        content["info"] |= {"status": "failed", "description": f"{revision.status} when its run was cut off"}
        secret["data"]["release"] = _encode_release(content)
        # With the version that was read: one that somebody changed meanwhile is refused.
        self._call("PUT", path, json=secret)

    def remove(self, location: ReleaseLocation, revision: Revision) -> None:
        self._call("DELETE", f"/api/v1/namespaces/{location.namespace}/secrets/{revision.secret}")

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            answer = self.client.request(method, path, **arguments)
            if answer.is_error and not (method == "DELETE" and answer.status_code == httpx.codes.NOT_FOUND):
                raise UnreachableError(f"{self.name} answers {answer.status_code} to {method} {path}")
            return answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise UnreachableError(f"{self.name} does not answer: {type(error).__name__}: {error}") from None


@contextmanager
def _api(state: dict[str, Any], location: ReleaseLocation, *, proxies: bool) -> Iterator[_Api]:
    resources = state["deployment"].get("resources") or []
    wanted = (each for each in resources if f"{each['urn']}::{each.get('id')}" == location.provider)
    provider = next(wanted, None)
    given = plaintext(((provider or {}).get("inputs") or {}).get("kubeconfig"))
    try:
        client = api_client(given, proxies=proxies, timeout=_SECONDS)
    except (AttributeError, KeyError, TypeError, ValueError, OSError, yaml.YAMLError, VcfError) as error:
        raise UnreachableError(
            f"{location.cluster}: its kubeconfig in the state cannot be used here ({type(error).__name__})"
        ) from None
    with client:
        yield _Api(location.cluster, client)


def api_client(kubeconfig: str, *, proxies: bool, timeout: float) -> httpx.Client:
    """A client of the API server of a kubeconfig's present context, with its login.

    `proxies`: those of the environment count, where the kubeconfig names none; `timeout` in seconds.
    """
    config = yaml.safe_load(kubeconfig)
    context = _named(config["contexts"], config.get("current-context"))["context"]
    cluster = _named(config["clusters"], context["cluster"])["cluster"]
    user = _named(config["users"], context["user"])["user"]
    authority = cluster.get("certificate-authority-data")
    pem = base64.b64decode(authority).decode() if authority else None
    trust = tls_context(pem, str(cluster.get("tls-server-name") or ""))
    if "client-certificate-data" in user:
        pair = base64.b64decode(user["client-certificate-data"]) + b"\n" + base64.b64decode(user["client-key-data"])
        # A file without a name: the key is on no disk, and gone with this process.
        handle = os.memfd_create("pair")
        try:
            os.write(handle, pair)
            trust.load_cert_chain(f"/proc/self/fd/{handle}")
        finally:
            os.close(handle)
    elif "token" not in user:
        raise ValueError("neither certificate nor token")
    headers = {"Authorization": f"Bearer {user['token']}"} if user.get("token") else {}
    server, proxy = str(cluster["server"]), proxy_of(cluster)
    return httpx.Client(base_url=server, verify=trust, proxy=proxy, headers=headers, trust_env=proxies, timeout=timeout)


def _named(items: list[dict[str, Any]], name: str | None) -> dict[str, Any]:
    """The entry of that name, or the first one where none is asked for. Raises ``KeyError``."""
    for each in items:
        if not name or each["name"] == name:
            return each
    raise KeyError(name)


def _description(secret: dict[str, Any]) -> str:
    try:
        return str(_decode_release(secret["data"]["release"])["info"].get("description", ""))
    except (KeyError, TypeError, ValueError, OSError, EOFError):
        return ""


def _decode_release(data: str) -> Any:
    content = base64.b64decode(base64.b64decode(data))
    return json.loads(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content)


def _encode_release(release: Any) -> str:
    content = gzip.compress(json.dumps(release, separators=(",", ":"), ensure_ascii=False).encode(), 9)
    return base64.b64encode(base64.b64encode(content)).decode()
