"""What the simulated platform knows of container registries: references, pull secrets, and a look for a model."""

from __future__ import annotations

import base64
import binascii
import json
import re
import ssl
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

Object = dict[str, Any]

_MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_REFERENCE = re.compile(
    r"(?P<repository>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_SECRET_TYPE = "kubernetes.io/dockerconfigjson"  # noqa: S105 - the type of a Secret


class ModelError(Exception):
    """A model cannot be had; ``reason`` is one word for a condition."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Reference:
    """An OCI reference in its parts; ``reference`` is a tag or a digest."""

    registry: str
    repository: str
    reference: str

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Raises ``ModelError`` when it is not of the form host/path:tag or host/path@sha256:digest."""
        registry, _, rest = text.partition("/")
        found = _REFERENCE.fullmatch(rest)
        if found is None or registry_of(text) != registry:
            raise ModelError(
                "InvalidReference",
                f"model.ociRef {text!r}: expected host/path:tag or host/path@sha256:digest, the path in lower case",
            )
        return cls(registry, found["repository"], found["digest"] or found["tag"] or "latest")


@dataclass(frozen=True)
class Model:
    """A model in the gallery: its digest, and what its manifest says of itself."""

    digest: str
    annotations: Mapping[str, str]


def registry_of(repository: str) -> str:
    """The registry's host of ``host/path`` (Docker's own when there is none)."""
    first = repository.partition("/")[0]
    return first if "." in first or ":" in first or first == "localhost" else "docker.io"


def _host(key: str) -> str:
    return key.removeprefix("https://").removeprefix("http://").partition("/")[0]


def logins(secret: Object) -> dict[str, tuple[str, str]]:
    """User name and password by registry, of a Secret of type dockerconfigjson. Raises ``ValueError``."""
    try:
        entries = json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))["auths"]
        return {_host(key): _login(entry) for key, entry in entries.items()}
    except (KeyError, ValueError, TypeError, AttributeError, binascii.Error):
        # What was read may be a password: the reason must not show it.
        raise ValueError("no valid .dockerconfigjson") from None


def _login(entry: Mapping[str, str]) -> tuple[str, str]:
    if "auth" in entry:
        username, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
        return username, password
    return entry.get("username", ""), entry.get("password", "")


def pull_secret_problem(secret: Object | None, name: str, registry: str) -> str:
    """Why a Secret does not log in to ``registry``; empty when it does. Never tells what the Secret holds."""
    if secret is None:
        return f"Secret {name} does not exist in the namespace"
    if secret.get("type") != _SECRET_TYPE:
        return f"Secret {name} is of type {secret.get('type')}, expected {_SECRET_TYPE}"
    try:
        known = logins(secret)
    except ValueError as error:
        return f"Secret {name} holds {error}"
    if registry not in known:
        return f"Secret {name} has no login for {registry}; it has {', '.join(known) or 'no registry'}"
    return "" if all(known[registry]) else f"Secret {name} has an empty user name or password for {registry}"


class _Login(httpx.Auth):
    """Asks without a login first and goes where the registry sends it, as a container runtime does."""

    requires_response_body = True

    def __init__(self, login: tuple[str, str] | None) -> None:
        self._login = login
        self._token = ""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """The request, and once more with a token of the token service, or with the login itself."""
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        answer = yield request
        scheme, _, told = answer.headers.get("www-authenticate", "").partition(" ")
        if answer.status_code != httpx.codes.UNAUTHORIZED or self._login is None:
            return
        basic = httpx.BasicAuth(*self._login)
        if scheme.lower() == "basic":
            yield from basic.auth_flow(request)
        elif scheme.lower() == "bearer":
            parts = dict(re.findall(r'(\w+)="([^"]*)"', told))
            answer = yield next(basic.auth_flow(httpx.Request("GET", parts.pop("realm"), params=parts)))
            if answer.is_success:
                self._token = answer.json()["token"]
                request.headers["Authorization"] = f"Bearer {self._token}"
                yield request


def find_model(reference: Reference, login: tuple[str, str] | None, authorities: str) -> Model:
    """Look for a model in its registry, which is verified with ``authorities`` (PEM; empty: the system's).

    Raises ``ModelError`` that says what was looked for, what there is, and what to do.
    """
    name = f"{reference.repository} {reference.reference}"
    try:
        with httpx.Client(
            base_url=f"https://{reference.registry}/v2/{reference.repository}",
            auth=_Login(login),
            verify=ssl.create_default_context(cadata=authorities or None),
            timeout=10,
            trust_env=False,
        ) as client:
            answer = client.get(f"/manifests/{reference.reference}", headers={"Accept": _MANIFESTS})
            if answer.status_code == httpx.codes.NOT_FOUND:
                tags = client.get("/tags/list")
                there = ", ".join((tags.json().get("tags") or []) if tags.is_success else []) or "nothing"
                raise ModelError(
                    "ModelNotFound",
                    f"model {name} is not in the gallery {reference.registry}; of it there is {there}."
                    " MLOps push it, from a DLVM with `vcf pais models push` or elsewhere",
                )
    except httpx.TransportError as error:
        raise ModelError("RegistryUnreachable", f"gallery {reference.registry}: {error}") from None
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise ModelError(
            "ImagePullFailed", f"gallery {reference.registry} refuses the login of the pull secret{_words(answer)}"
        )
    if answer.is_error:
        raise ModelError("RegistryUnreachable", f"gallery {reference.registry}: status {answer.status_code}")
    digest = answer.headers.get("Docker-Content-Digest", reference.reference)
    return Model(digest, answer.json().get("annotations") or {})


def _words(answer: httpx.Response) -> str:
    """The registry's own words, to be appended."""
    try:
        return ": " + "; ".join(str(each["message"]) for each in answer.json()["errors"])
    except (ValueError, KeyError, TypeError):
        return ""
