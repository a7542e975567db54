"""What a resource runs: containers and charts, however it names them, and what a machine starts at its first boot."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any

from policies.shared.model import Resource, Undecided, Unknown, raw_value_at, require_known
from policies.shared.selectors import is_type, mapping_entries, properties_named
from policies.shared.types import NIM, RELEASE, SECRET, VM, VSPHERE_VM

BOOT_KEYS = ("config-json", "docker-compose-uri", "image-oneliner", "user-data")
"""OVF properties of the Deep Learning VM image that say what it starts."""

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


def boot_texts(resource: Resource) -> Iterator[tuple[str, str] | Undecided]:
    """Path and plain text of what a Deep Learning VM starts: of a bootstrap Secret, or of the machine's own properties.

    Raises UndecidedError.
    """
    if is_type(resource, VM):
        path = "spec.bootstrap.vAppConfig.properties"
        for index, each in enumerate(resource.items(path)):
            value = raw_value_at(require_known(each), "value.value")
            if isinstance(value, Unknown):
                yield Undecided(value.path)
            elif require_known(each).get("key") in BOOT_KEYS and isinstance(value, str):
                yield f"{path}.{index}.value.value", _decode_base64(value)
        return
    keys = {"stringData": BOOT_KEYS, "data": BOOT_KEYS} if is_type(resource, SECRET) else {}
    keys = {"vapp.properties": BOOT_KEYS} if is_type(resource, VSPHERE_VM) else keys
    for each in mapping_entries(resource, keys):
        if isinstance(each, Undecided):
            yield each
        else:
            yield each[0], _decode_base64(_decode_base64(each[1]) if each[0].startswith("data.") else each[1])


def _decode_base64(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return text


def find_references(text: str) -> Iterator[str]:
    """Everything in a text that is written like an image or an address: host, and what is below it."""
    for match in re.finditer(r"[\w.-]+(?::\d+)?(?:/[\w.@:-]+)+", text):
        if has_host(match[0]):
            yield match[0]
