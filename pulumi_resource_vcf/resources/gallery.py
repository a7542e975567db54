"""Models in the gallery (an OCI registry such as Harbor)."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Any, ClassVar

from .. import fields as f
from ..errors import GoneError, Problem, RefusedError, VcfError, listed, nearest
from ..http import Http, pem_bundle
from ..resource import Context, Resource, refresh_inputs
from ..values import Props

_MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    )
)
_DIGEST = r"sha256:[0-9a-f]{64}"
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 401, 403, 404


class GalleryModel(Resource):
    """The fact that a model is in the gallery, and its digest. Makes and removes nothing there.

    Source: OCI distribution specification 1.1 (pull), and the token protocol of the Docker registry (which Harbor
    speaks).
    """

    tok: ClassVar = "vcf:index:GalleryModel"
    doc: ClassVar = (
        "A model that must be in the gallery: resolves its digest, fails while it is missing. With "
        "customTimeouts.create it "
        "waits that long for the model to be pushed."
    )
    import_id: ClassVar = (
        "REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@sha256:…, with VCF_GALLERY_USERNAME, VCF_GALLERY_PASSWORD and "
        "VCF_GALLERY_CA (a CA file) in the environment where the gallery needs them"
    )
    identity: ClassVar = ("registry", "repository", "reference")
    fields: ClassVar[f.Fields] = {
        "registry": f.Field(
            kind="string",
            doc="host or host:port of the registry",
            required=True,
            replaces=True,
            pattern=r"[A-Za-z0-9.\-\[\]:]+",
            expected="host or host:port, without https:// and without a path",
        ),
        "repository": f.Field(
            kind="string",
            doc="project/…/model",
            required=True,
            replaces=True,
            pattern=r"[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*",
            expected="lower-case path such as pai/meta/llama-3-8b",
        ),
        "reference": f.Field(
            kind="string",
            doc="tag or digest",
            required=True,
            replaces=True,
            pattern=rf"{_DIGEST}|[A-Za-z0-9_][A-Za-z0-9._-]{{0,127}}",
            expected="a tag such as 1.0, or sha256: and 64 hex digits",
        ),
        "username": f.Field(kind="string", doc="user or robot account"),
        "password": f.Field(kind="string", doc="its password or token", secret=True),
        "caBundle": f.Field(
            kind="string", doc="CA certificates as PEM text; the machine's CAs without it", parse=pem_bundle
        ),
        "digest": f.Field(
            kind="string",
            doc="digest of the manifest",
            output=True,
            source=("registry", "repository", "reference"),
        ),
        "ociRef": f.Field(
            kind="string",
            doc="REGISTRY/REPOSITORY@DIGEST, which never changes its content",
            output=True,
            source=("registry", "repository", "reference"),
        ),
    }

    def cross_check(self, inputs: Props) -> list[Problem]:
        """A user name without password, or the other way round."""
        given = [name for name in ("username", "password") if name in inputs]
        if len(given) == 1:
            missing = "password" if given == ["username"] else "username"
            return [Problem(missing, f"is missing; expected it together with {given[0]}")]
        return []

    async def create(self, context: Context, inputs: Props) -> tuple[str, Props]:
        """Resolves the digest; waits for the model when customTimeouts.create says so."""
        start = context.clock.now()
        for pause in context.clock.backoff(first=1, factor=1.5, ceiling=15):
            try:
                return _id(inputs), await self._resolved(context, inputs)
            except GoneError as error:
                spent = context.clock.now() - start
                if spent + pause > context.timeout:
                    waited = f" Waited {spent:.0f} s for it." if context.timeout else ""
                    raise VcfError(f"{error}{waited}") from None
                await context.clock.sleep(pause)
        raise AssertionError

    async def read(self, context: Context, resource_id: str, state: Props) -> tuple[str, Props] | None:
        """The digest as it is now; None when the model is gone."""
        login = state or _imported(resource_id)
        try:
            resolved = await self._resolved(context, login)
        except GoneError:
            return None
        outputs = {"digest": resolved["digest"], "ociRef": resolved["ociRef"]}
        return resource_id, {**refresh_inputs(self, state, login), **outputs}

    async def update(self, context: Context, resource_id: str, state: Props, inputs: Props) -> Props:
        """Only the login can change; resolves with the new one."""
        del resource_id, state
        return await self._resolved(context, inputs)

    async def delete(self, context: Context, resource_id: str, state: Props) -> None:
        """Leaves the gallery as it is."""
        del context, resource_id, state

    async def _resolved(self, context: Context, inputs: Props) -> Props:
        gallery = Gallery(context, inputs)
        try:
            digest = await gallery.digest()
        finally:
            await gallery.close()
        return {**inputs, "digest": digest, "ociRef": f"{inputs['registry']}/{inputs['repository']}@{digest}"}


class Gallery:
    """One registry, with at most one repository."""

    def __init__(self, context: Context, inputs: Props) -> None:
        self._inputs = inputs
        self._where = f"gallery {inputs['registry']}"
        address, patience = f"https://{inputs['registry']}", 0.0 if "repository" in inputs else context.timeout
        self._http = Http(self._where, address, inputs.get("caBundle"), context.clock, patience)
        self._token: str | None = None

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.close()

    async def log_in(self) -> None:
        """Tries the login. Raises RefusedError when the gallery does not take it."""
        response = await self._get("GET", "/v2/")
        if response.status_code in (_UNAUTHORIZED, _FORBIDDEN):
            raise RefusedError(
                f"The {self._where} does not take the login of {self._inputs['username']}: {_errors(response)} Check "
                "`username` and `password`, and that the account is neither locked nor expired."
            )
        if not response.is_success:
            raise VcfError(f"The {self._where} answered {response.status_code} to GET /v2/: {_errors(response)}")

    async def answer(self) -> int:
        """The status with which the registry answers to a look for the reference."""
        path = f"/v2/{self._inputs['repository']}/manifests/{self._inputs['reference']}"
        return int((await self._get("HEAD", path)).status_code)

    async def tags(self) -> list[str]:
        """Tags of the repository. Raises GoneError when there is none, VcfError when that cannot be told."""
        found: list[str] = []
        path = f"/v2/{self._inputs['repository']}/tags/list"
        while path:
            response = await self._get("GET", path)
            if response.status_code == _NOT_FOUND:
                raise GoneError(f"The {self._where} has no repository {self._inputs['repository']}.")
            if not response.is_success:
                raise VcfError(f"The {self._where} answered {response.status_code} to GET {path}: {_errors(response)}")
            found += [str(tag) for tag in response.json().get("tags") or []]
            path = _next_page(response)
        return found

    async def repositories(self) -> list[str]:
        """Repositories beside the one that is asked for, none where the account may not list them."""
        response = await self._get("GET", "/v2/_catalog")
        if response.is_success:
            return [str(each) for each in response.json().get("repositories") or []]
        # Harbor lets administrators only list all, and others those of a project, by its own API.
        self._token = None
        path = f"/api/v2.0/projects/{self._inputs['repository'].partition('/')[0]}/repositories"
        response = await self._http.send("GET", path, params={"page_size": "100"}, **self._basic())
        try:
            return [str(each["name"]) for each in response.json()] if response.is_success else []
        except (ValueError, KeyError, TypeError):
            return []

    async def digest(self) -> str:
        """Digest of the reference; raises GoneError with what there is instead."""
        repository, reference = self._inputs["repository"], self._inputs["reference"]
        path = f"/v2/{repository}/manifests/{reference}"
        response = await self._get("HEAD", path)
        if response.is_success and response.headers.get("docker-content-digest"):
            return str(response.headers["docker-content-digest"])
        response = await self._get("GET", path)
        if response.is_success:
            return "sha256:" + hashlib.sha256(response.content).hexdigest()
        if response.status_code == _NOT_FOUND:
            raise GoneError(await self._missing())
        if response.status_code in (_UNAUTHORIZED, _FORBIDDEN):
            raise VcfError(await self._denied(_errors(response)))
        raise VcfError(f"The {self._where} answered {response.status_code} to GET {path}: {_errors(response)}")

    async def _denied(self, words: str) -> str:
        """Why a pull is denied: Harbor answers alike to a wrong login, a missing right and a missing project."""
        repository, user = self._inputs["repository"], self._inputs.get("username") or "an anonymous user"
        told = f"The {self._where} does not let {user} pull {repository}: {words}"
        self._token = None
        response = await self._get("GET", "/v2/")
        if response.status_code in (_UNAUTHORIZED, _FORBIDDEN):
            return f"{told} It does not take the login either: check `username` and `password`."
        project = repository.partition("/")[0]
        return (
            f"{told} It takes the login: check that there is a project {project!r}, spelled so, and that the account "
            "may pull from it."
        )

    async def _missing(self) -> str:
        repository, reference = self._inputs["repository"], self._inputs["reference"]
        name = (
            f"{self._inputs['registry']}/{repository}" + ("@" if reference.startswith("sha256:") else ":") + reference
        )
        response = await self._get("GET", f"/v2/{repository}/tags/list")
        tags = [str(tag) for tag in (response.json().get("tags") or [])] if response.is_success else []
        if tags:
            there = f"The repository has the tags {listed(tags)}{nearest(reference, tags)}."
        else:
            known = await self.repositories()
            there = f"There is no such repository or it is empty{nearest(repository, known)}."
        # A gallery is a project, and a model has its organization in its name.
        project, _, model = repository.partition("/")
        store = f"{self._inputs['registry']}/{project}"
        return (
            f"The model {name} is not in the gallery. {there} MLOps push it, for example from a DLVM: "
            f"`vcf pais models push --modelName {model or repository} --modelStore {store} --tag {reference}`, "
            "in the model's folder; then run again."
        )

    async def _get(self, method: str, path: str) -> Any:
        accept = {"accept": _MANIFESTS} if "/manifests/" in path else {}
        response = await self._http.send(method, path, headers={**accept, **self._authorization()}, **self._basic())
        challenge = response.headers.get("www-authenticate", "")
        if response.status_code == _UNAUTHORIZED and challenge.lower().startswith("bearer "):
            self._token = await self._fetch_token(challenge, scoped=path != "/v2/")
            response = await self._http.send(method, path, headers={**accept, **self._authorization()})
        return response

    def _authorization(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._token}"} if self._token else {}

    def _basic(self) -> dict[str, Any]:
        if self._token or not self._inputs.get("username"):
            return {}
        return {"auth": (self._inputs["username"], self._inputs["password"])}

    async def _fetch_token(self, challenge: str, *, scoped: bool) -> str | None:
        parts = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        realm = parts.pop("realm", "")
        if not realm.startswith("https://"):
            raise VcfError(f"The {self._where} asks for a token from {realm!r}; expected an https address.")
        self._token = None
        if "repository" in self._inputs and scoped:
            # What the challenge asks for, unless it asks for nothing.
            parts.setdefault("scope", f"repository:{self._inputs['repository']}:pull")
        response = await self._http.send("GET", realm, params=parts, **self._basic())
        if response.status_code in (_UNAUTHORIZED, _FORBIDDEN):
            return None
        if not response.is_success:
            raise VcfError(f"The {self._where}'s token service answered {response.status_code}: {_errors(response)}")
        body = response.json()
        return str(body.get("token") or body.get("access_token"))


def _errors(response: Any) -> str:
    """The registry's own words."""
    try:
        errors = response.json()["errors"]
        return "; ".join(str(e.get("message") or e.get("code")) for e in errors) + "."
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{response.reason_phrase}."


def _next_page(response: Any) -> str:
    """Path of the rest of a list that a registry gives in parts, "" at its end."""
    found = re.search(r'<([^>]*)>;\s*rel="?next"?', response.headers.get("link", ""))
    return re.sub(r"^https?://[^/]*", "", found[1]) if found else ""


def _id(inputs: Props) -> str:
    separator = "@" if inputs["reference"].startswith("sha256:") else ":"
    return f"{inputs['registry']}/{inputs['repository']}{separator}{inputs['reference']}"


def _imported(resource_id: str) -> Props:
    found = re.fullmatch(
        rf"(?P<registry>[^/]+)/(?P<repository>.+?)(@(?P<digest>{_DIGEST})|:(?P<tag>[^:/@]+))", resource_id
    )
    if not found:
        raise VcfError(f"Cannot import a model by {resource_id!r}: expected the id {GalleryModel.import_id}.")
    login: Props = {
        "registry": found["registry"],
        "repository": found["repository"],
        "reference": found["digest"] or found["tag"],
    }
    for name, variable in (("username", "VCF_GALLERY_USERNAME"), ("password", "VCF_GALLERY_PASSWORD")):
        if os.environ.get(variable):
            login[name] = os.environ[variable]
    if os.environ.get("VCF_GALLERY_CA"):
        try:
            login["caBundle"] = Path(os.environ["VCF_GALLERY_CA"]).read_text()
        except OSError as error:
            raise VcfError(f"Cannot read the CA file named by VCF_GALLERY_CA: {error.strerror}.") from None
    return login
