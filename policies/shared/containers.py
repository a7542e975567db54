"""What a resource runs: containers and charts, however it names them, and what a machine starts at its first boot."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from policies.shared.charts import charts_of
from policies.shared.model import Resource, Undecided, Unknown, require_known
from policies.shared.selectors import is_type
from policies.shared.types import CHART, CHART_OBJECT, CONFIG_MAP, SECRET, VM

_HOST = re.compile(r"localhost(?::\d+)?|\[[0-9a-f:]+\](?::\d+)?|[\w-]+:\d+|[\w-]+(?:\.[\w-]+)+(?::\d+)?")
# A repository beside one of these is an image's; alone it may be one of Git or of models.
_IMAGE_KEYS = {"tag", "digest", "image", "pullPolicy", "imagePullPolicy"}


def has_host(reference: str) -> bool:
    """Whether a reference begins with a host; one without is Docker Hub's."""
    return _HOST.fullmatch(reference.split("/", 1)[0]) is not None


@dataclass
class Content:
    """What a resource of a cluster holds: images and models with their paths, and whether it asks for a GPU."""

    images: list[tuple[str, str] | Undecided] = field(default_factory=list)
    wants_gpu: bool = False


def content_of(resource: Resource) -> Content:
    """What a resource of a cluster holds, wherever it stands; found once."""
    found: Content | None = resource.memo.get("content")
    if found is None:
        found = resource.memo["content"] = Content()
        if is_type(resource, CHART + CHART_OBJECT):
            for chart in charts_of(resource):
                if isinstance(chart.values, Unknown):
                    found.images.append(Undecided(chart.values.path))
                _values(chart.values, chart.values_path, found)
        elif not is_type(resource, _WITHOUT_CONTAINERS):
            kind = resource.type.rsplit(":", 1)[-1]
            for key, value in resource.properties.items():
                if key not in _NO_CONTENT:
                    _walk(value, key, key, found, _RUNS_PODS.match(kind) is not None)
    return found


def images(resource: Resource) -> Iterator[tuple[str, str] | Undecided]:
    """Path and reference of every image and model; registry, repository and image are put together.

    A reference that only a chart completes, as an image's bare name, is left out: nothing here tells its registry.
    """
    yield from content_of(resource).images


_WITHOUT_CONTAINERS = (
    *SECRET,
    *CONFIG_MAP,
    *VM,
    "kubernetes:apiextensions.k8s.io/*",
    "kubernetes:rbac.authorization.k8s.io/*",
    "kubernetes:kyverno.io/*",
    "kubernetes:templates.gatekeeper.sh/*",
    "kubernetes:constraints.gatekeeper.sh/*",
)
"""Objects whose content is data or rules about images, none that run."""
_NO_CONTENT = {"metadata", "status", "apiVersion", "kind"}
_RUNS_PODS = re.compile(
    r"(?:Pod|Deployment|StatefulSet|DaemonSet|ReplicaSet|ReplicationController|Job|CronJob)(?:Patch)?$"
)
_CONTAINERS = {"containers", "initContainers", "ephemeralContainers", "container", "initContainer"}
_HOLDERS = {*_CONTAINERS, "template", "podTemplate", "jobTemplate", "image", "items"}
"""Keys below which containers stand: while one is not known, nothing tells what runs."""
_MODELS = {"ociRef", "modelPuller"}
_REFERENCE = re.compile(r"[\w.\-]+(?::\d+)?(?:/[\w.\-]+)*(?::[\w.\-]+)?(?:@sha\d+:[0-9a-f]+)?")


def _walk(data: Any, key: str, path: str, found: Content, pod: bool) -> None:
    """Look through an object. `pod`: what `spec` holds below here are pods, or the object runs some."""
    if isinstance(data, Mapping):
        _look_at(data, key, path, found)
        for inner, value in data.items():
            _walk(value, inner, f"{path}.{inner}", found, pod)
    elif isinstance(data, list):
        for index, value in enumerate(data):
            _walk(value, key, f"{path}.{index}", found, pod)
    elif isinstance(data, Unknown):
        if key in _HOLDERS or key in _MODELS or (pod and key == "spec"):
            found.images.append(Undecided(path))
    elif isinstance(data, str):
        _text(data, key, path, found)


def _text(text: str, key: str, path: str, found: Content) -> None:
    if key in _MODELS:
        if reference := _without_scheme(text):
            found.images.append((path, reference))
    elif key in {"storageUri", "uri"}:
        if text.startswith("oci://"):
            found.images.append((path, _without_scheme(text)))
    elif key == "runtimeClassName":
        found.wants_gpu |= text.startswith("nvidia")
    elif key == "deviceClassName":
        found.wants_gpu |= text.endswith(".nvidia.com")
    elif key.endswith("Image") and has_host(text) and "/" in text and _REFERENCE.fullmatch(text):
        found.images.append((path, text))


def _look_at(data: Mapping[str, Any], key: str, path: str, found: Content) -> None:
    """A mapping by itself: an image in it, or resources that it asks for."""
    if key in {"limits", "requests", "resourceLimits", "resourceRequests"} or key == "nodeSelector":
        found.wants_gpu |= any(str(each).startswith("nvidia.com/") for each in data)
    image = data.get("image")
    if isinstance(image, str) and "repository" not in data:
        # The name alone is an image's only in a container: elsewhere it may be a machine's or anything.
        if image and _REFERENCE.fullmatch(image) and (key in _CONTAINERS or "/" in image or ":" in image):
            found.images.append((f"{path}.image", image))
        return
    if key == "image" and isinstance(data.get("reference"), str):
        # A volume whose content is an image.
        found.images.append((f"{path}.reference", data["reference"]))
    elif "repository" in data and (key == "image" or {*_IMAGE_KEYS, "version"} & set(data)):
        found.images += _images_in_mapping({name: each for name, each in data.items() if name not in _MODELS}, path)


def _values(data: Any, path: str, found: Content) -> None:
    """Look through a chart's values."""
    if isinstance(data, Mapping):
        found.images += _images_in_mapping(data, path)
        for key, value in data.items():
            if key in {"limits", "requests", "nodeSelector"} and isinstance(value, Mapping):
                found.wants_gpu |= any(str(each).startswith("nvidia.com/") for each in value)
            _values(value, f"{path}.{key}", found)
    elif isinstance(data, list):
        for index, value in enumerate(data):
            _values(value, f"{path}.{index}", found)


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
    """Path and address of where charts come from; none for a local folder. Raises UndecidedError."""
    for chart in charts_of(resource):
        for path, address in chart.addresses:
            yield path, require_known(address)


def find_references(text: str) -> Iterator[str]:
    """Everything in a text that is written like an image or an address: host, and what is below it."""
    for match in re.finditer(r"(?<![\w.-])[\w.-]+(?::\d+)?(?:/[\w.@:-]+)+", text):
        if has_host(match[0]):
            yield match[0]
