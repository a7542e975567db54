"""What a resource runs: containers and charts, however it names them, and what a machine starts at its first boot."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from policies.shared.model import Resource, Undecided, Unknown, raw_value_at
from policies.shared.selectors import is_type, properties_named
from policies.shared.types import NIM, RELEASE

_HOST = re.compile(r"localhost(?::\d+)?|\[[0-9a-f:]+\](?::\d+)?|[\w-]+:\d+|[\w-]+(?:\.[\w-]+)+(?::\d+)?")
# A repository beside one of these is an image's; alone it may be one of Git or of models.
_IMAGE_KEYS = {"tag", "digest", "image", "pullPolicy", "imagePullPolicy"}


def has_host(reference: str) -> bool:
    """Whether a reference begins with a host; one without is Docker Hub's."""
    return _HOST.fullmatch(reference.split("/", 1)[0]) is not None


def images(resource: Resource) -> Iterator[tuple[str, str] | Undecided]:
    """Path and reference of every image and model; in a chart's values registry, repository and image are put together.

    A reference that only the chart completes, as an image's bare name, is left out: nothing here tells its registry.
    """
    if not is_type(resource, RELEASE):
        yield from properties_named(
            resource, {"image", "ociRef", *(("repository", "modelPuller") if is_type(resource, NIM) else ())}
        )
        return
    values = raw_value_at(resource.properties, "values")
    if isinstance(values, Unknown):
        yield Undecided(values.path)
    yield from _images_in_values(values, "values")


def _images_in_values(data: Any, path: str) -> Iterator[tuple[str, str] | Undecided]:
    if isinstance(data, Mapping):
        yield from _images_in_mapping(data, path)
        for key, value in data.items():
            yield from _images_in_values(value, f"{path}.{key}")
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from _images_in_values(value, f"{path}.{index}")


def _images_in_mapping(data: Mapping[str, Any], path: str) -> Iterator[tuple[str, str] | Undecided]:
    entries = {key: data.get(key) for key in ("registry", "imageRegistry", "repository", "image", "ociRef")}
    unknown = [each for each in entries.values() if isinstance(each, Unknown)]
    yield from (Undecided(each.path) for each in unknown)
    if unknown:
        return
    parts = {
        key: _without_scheme(each) for key, each in entries.items() if isinstance(each, str) and _without_scheme(each)
    }
    for key in ("imageRegistry", "ociRef"):
        if key in parts:
            yield f"{path}.{key}", parts[key] if key == "ociRef" else f"{parts[key]}/"
    image = parts.get("image", "")
    if has_host(image) and "/" in image:
        yield f"{path}.image", image
        image = ""
    reference = "/".join(part for part in (parts.get("registry", ""), parts.get("repository", ""), image) if part)
    if "repository" in parts:
        is_image = bool(_IMAGE_KEYS & set(data)) or path.lower().endswith("image")
        if has_host(reference) or is_image:
            yield f"{path}.repository", reference
    elif "registry" in parts:
        if has_host(reference):
            yield f"{path}.registry", reference if image else f"{reference}/"
    elif "/" in image or ":" in image:
        yield f"{path}.image", image


def _without_scheme(text: str) -> str:
    """A reference without its scheme; nothing for an address that is no registry's."""
    text = re.sub(r"^(?:oci|docker)://", "", text).strip("/")
    return "" if "://" in text else text


def charts(resource: Resource) -> Iterator[tuple[str, str]]:
    """Path and address of where a Helm release's chart comes from; none for a local folder. Raises UndecidedError."""
    for path in ("chart", "repositoryOpts.repo"):
        address = resource.get(path)
        if isinstance(address, str) and "://" in address:
            yield path, address


def find_references(text: str) -> Iterator[str]:
    """Everything in a text that is written like an image or an address: host, and what is below it."""
    for match in re.finditer(r"(?<![\w.-])[\w.-]+(?::\d+)?(?:/[\w.@:-]+)+", text):
        if has_host(match[0]):
            yield match[0]
