"""Charts in a Helm repository: an index over HTTP, or an OCI registry."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Final

import yaml

from .errors import GoneError, VcfError
from .http import Http
from .resource import Context
from .resources.gallery import Gallery
from .values import Props

_SECONDS: Final = 10.0
_OCI: Final = "oci://"
_MISSING: Final = (404, 410)
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


async def versions(context: Context, given: Props) -> list[str]:
    """Versions of {chart} in {repository}, newest as the repository has them.

    Raises GoneError when there is no such repository or chart, VcfError when that cannot be told.
    """
    repository = str(given["repository"]).rstrip("/")
    if repository.startswith(_OCI):
        return await _tags(context, repository.removeprefix(_OCI), given)
    http = Http(f"chart repository {repository}", repository, given.get("caBundle"), context.clock, _SECONDS)
    try:
        login = {"auth": (given["username"], given["password"])} if given.get("username") else {}
        response = await http.send("GET", f"{repository}/index.yaml", follow_redirects=True, **login)
    finally:
        await http.close()
    if response.status_code in _MISSING:
        raise GoneError(f"{repository}/index.yaml is not there (status {response.status_code})")
    if not response.is_success:
        raise VcfError(f"{repository}/index.yaml answers {response.status_code}")
    # A vendor's index takes a second to parse: not in the loop that serves the other look-ups.
    entries = await asyncio.to_thread(_entries, response.text, str(given["chart"]))
    if entries is None:
        raise GoneError(f"{repository}/index.yaml is no index of a Helm repository")
    return entries


async def _tags(context: Context, path: str, given: Props) -> list[str]:
    registry, _, project = path.partition("/")
    inputs = {"registry": registry, "repository": f"{project}/{given['chart']}".lstrip("/")}
    inputs |= {key: given[key] for key in ("username", "password", "caBundle") if given.get(key)}
    gallery = Gallery(context, inputs)
    try:
        # A plus sign is none of a tag's characters.
        return [tag.replace("_", "+") for tag in await gallery.tags()]
    finally:
        await gallery.close()


def _entries(text: str, chart: str) -> list[str] | None:
    """Versions of a chart in an index; None when it is none."""
    # The one chart's part by itself, where it can be told: all of a vendor's index takes a second.
    loaded = _loaded(_part(text, chart) or text)
    entries = loaded.get("entries") if isinstance(loaded, Mapping) else None
    if not isinstance(entries, Mapping):
        return None
    listed = entries.get(chart)
    return [
        str(each["version"])
        for each in (listed if isinstance(listed, list) else ())
        if isinstance(each, Mapping) and "version" in each
    ]


def _part(text: str, chart: str) -> str:
    """An index with one chart only, "" when it cannot be cut out: only charts stand as far left as the first."""
    first = re.search(r"^entries:\n( +)\S", text, re.M)
    if first is None:
        return ""
    found = re.search(rf"^{first[1]}{re.escape(chart)}:\n(?:{first[1]}[ -].*\n|\s*\n)+", text[first.start() :], re.M)
    return f"entries:\n{found[0]}" if found else ""


def _loaded(text: str) -> Any:
    try:
        return yaml.load(text, Loader=_LOADER)  # noqa: S506 (a safe loader)
    except yaml.YAMLError:
        return None
