"""What a resource runs: containers and charts, however it names them, and what a machine starts at its first boot."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any

from policies.shared.model import Resource, Undecided, Unknown, known, raw
from policies.shared.selectors import entries_of, is_of, named
from policies.shared.types import NIM, RELEASE, SECRET, VM, VSPHERE_VM

BOOT_KEYS = ("config-json", "docker-compose-uri", "image-oneliner", "user-data")
"""OVF properties of the Deep Learning VM image that say what it starts."""

_HOST = re.compile(r"localhost(?::\d+)?|\[[0-9a-f:]+\](?::\d+)?|[\w-]+:\d+|[\w-]+(?:\.[\w-]+)+(?::\d+)?")
# A repository beside one of these is an image's; alone it may be one of Git or of models.
_OF_AN_IMAGE = {"tag", "digest", "image", "pullPolicy", "imagePullPolicy"}


def has_host(reference: str) -> bool:
    """Whether a reference begins with a host; one without is Docker Hub's."""
    return _HOST.fullmatch(reference.split("/", 1)[0]) is not None


def images(resource: Resource) -> Iterator[tuple[str, str] | Undecided]:
    """Path and reference of every image and model; in a chart's values registry, repository and image are put together.

    A reference that only the chart completes, as an image's bare name, is left out: nothing here tells its registry.
    """
    if not is_of(resource, RELEASE):
        yield from named(
            resource, {"image", "ociRef", *(("repository", "modelPuller") if is_of(resource, NIM) else ())}
        )
        return
    values = raw(resource.properties, "values")
    if isinstance(values, Unknown):
        yield Undecided(values.path)
    yield from _in_values(values, "values")


def _in_values(data: Any, path: str) -> Iterator[tuple[str, str] | Undecided]:
    if isinstance(data, Mapping):
        yield from _image(data, path)
        for key, value in data.items():
            yield from _in_values(value, f"{path}.{key}")
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from _in_values(value, f"{path}.{index}")


def _image(data: Mapping[str, Any], path: str) -> Iterator[tuple[str, str] | Undecided]:
    found = {key: data.get(key) for key in ("registry", "imageRegistry", "repository", "image", "ociRef")}
    unknown = [each for each in found.values() if isinstance(each, Unknown)]
    yield from (Undecided(each.path) for each in unknown)
    if unknown:
        return
    given = {key: _bare(each) for key, each in found.items() if isinstance(each, str) and _bare(each)}
    for key in ("imageRegistry", "ociRef"):
        if key in given:
            yield f"{path}.{key}", given[key] if key == "ociRef" else f"{given[key]}/"
    image = given.get("image", "")
    if has_host(image) and "/" in image:
        yield f"{path}.image", image
        image = ""
    whole = "/".join(part for part in (given.get("registry", ""), given.get("repository", ""), image) if part)
    if "repository" in given:
        of_an_image = bool(_OF_AN_IMAGE & set(data)) or path.lower().endswith("image")
        if has_host(whole) or of_an_image:
            yield f"{path}.repository", whole
    elif "registry" in given:
        if has_host(whole):
            yield f"{path}.registry", whole if image else f"{whole}/"
    elif "/" in image or ":" in image:
        yield f"{path}.image", image


def _bare(text: str) -> str:
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
    if is_of(resource, VM):
        path = "spec.bootstrap.vAppConfig.properties"
        for index, each in enumerate(resource.items(path)):
            value = raw(known(each), "value.value")
            if isinstance(value, Unknown):
                yield Undecided(value.path)
            elif known(each).get("key") in BOOT_KEYS and isinstance(value, str):
                yield f"{path}.{index}.value.value", _plain(value)
        return
    keys = {"stringData": BOOT_KEYS, "data": BOOT_KEYS} if is_of(resource, SECRET) else {}
    keys = {"vapp.properties": BOOT_KEYS} if is_of(resource, VSPHERE_VM) else keys
    for each in entries_of(resource, keys):
        if isinstance(each, Undecided):
            yield each
        else:
            yield each[0], _plain(_plain(each[1]) if each[0].startswith("data.") else each[1])


def _plain(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return text


def mentioned(text: str) -> Iterator[str]:
    """Everything in a text that is written like an image or an address: host, and what is below it."""
    for found in re.finditer(r"[\w.-]+(?::\d+)?(?:/[\w.@:-]+)+", text):
        if has_host(found[0]):
            yield found[0]
