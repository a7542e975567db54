"""Helm charts, whoever installs them: Pulumi's releases and charts, Argo CD and Flux; with the values that they get."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from policies.shared.files import Folder, asset_text, parse_yaml
from policies.shared.model import Resource, Unknown, raw_value_at
from policies.shared.selectors import is_type
from policies.shared.types import CHART, CHART_OBJECT


@dataclass(frozen=True)
class Chart:
    """A chart as a resource installs it.

    `name` is the chart's own, without repository and version; Unknown while it is not known. `addresses` are path and
    text of where it comes from, Unknown while it is not known; none for a folder. `values` are all that can be read,
    merged as Helm does, with what the folder of a local chart has as defaults; Unknown while none is. `unread` says
    what could not be read, or nothing. `folder` is that of a chart that lies in one.
    """

    name: Any
    path: str
    addresses: tuple[tuple[str, Any], ...]
    version: Any
    version_path: str
    values: Any
    values_path: str
    unread: str = ""
    folder: Folder | None = None
    cluster: str = ""
    """Cluster that it goes to, where the object says so itself."""


def charts_of(resource: Resource) -> tuple[Chart, ...]:
    """The charts that a resource installs; found once."""
    if "charts" not in resource.memo:
        resource.memo["charts"] = tuple(_charts(resource))
    found: tuple[Chart, ...] = resource.memo["charts"]
    return found


def _charts(resource: Resource) -> Iterator[Chart]:
    if is_type(resource, CHART):
        yield from _pulumi_chart(resource)
    elif is_type(resource, CHART_OBJECT):
        if "argoproj.io" in resource.type:
            yield from _argo_charts(resource)
        else:
            yield from _flux_chart(resource)


def _pulumi_chart(resource: Resource) -> Iterator[Chart]:
    reference = raw_value_at(resource.properties, "chart")
    if reference is None:
        # Of a component its objects are registered one by one, without properties of its own.
        return
    repository = raw_value_at(resource.properties, "repositoryOpts.repo")
    if repository is None:
        repository = raw_value_at(resource.properties, "fetchOpts.repo")
    addresses: list[tuple[str, Any]] = []
    text = _known_text(reference)
    for path, address in (("chart", reference), ("repositoryOpts.repo", repository)):
        if isinstance(address, Unknown) or "://" in _known_text(address):
            addresses.append((path, address))
    values, unread = _values_with_files(resource)
    folder = Folder.of(text) if _is_folder(text) else None
    if folder is not None:
        values, unread = _with_defaults(folder, values, unread)
    version, version_path = raw_value_at(resource.properties, "version"), "version"
    if not version and (match := _VERSIONED.search(text)):
        version, version_path = match[1], "chart"
    if folder is not None and folder.version:
        version, version_path = folder.version, "chart"
    yield Chart(
        reference if isinstance(reference, Unknown) else _chart_name(text),
        "chart",
        tuple(addresses),
        version,
        version_path,
        values,
        "values",
        unread,
        folder,
    )


_VERSIONED = re.compile(r"[-:](v?\d+\.\d+\.\d+[^/]*?)(?:\.tgz|\.tar\.gz)?(?:[?#].*)?$")


def _chart_name(reference: str) -> str:
    """Name of a chart by its reference: an alias with a name, an address, an archive or a folder."""
    last = re.split(r"[?#]", reference.rstrip("/"))[0].rsplit("/", 1)[-1].partition("@")[0]
    return re.sub(r"\.(?:tgz|tar\.gz)$", "", _VERSIONED.sub("", last))


def _is_folder(reference: str) -> bool:
    return "://" not in reference and reference.startswith((".", "/", "~")) and not reference.endswith("gz")


def _known_text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _values_with_files(resource: Resource) -> tuple[Any, str]:
    """The values that a release gives: those of its files, and over them those that it names."""
    values: Any = {}
    unread: list[str] = []
    files = raw_value_at(resource.properties, "valueYamlFiles")
    if isinstance(files, Unknown):
        unread.append(files.path)
    for index, asset in enumerate(files if isinstance(files, list) else []):
        loaded = parse_yaml(asset_text(asset))
        if isinstance(loaded, Mapping):
            values = merge(values, loaded)
        else:
            name = asset.get("path") or asset.get("uri") if isinstance(asset, Mapping) else None
            unread.append(f"valueYamlFiles.{index}" + (f" ({name})" if name else ""))
    own = raw_value_at(resource.properties, "values")
    if isinstance(own, Unknown):
        return own, ", ".join(unread)
    return merge(values, own if isinstance(own, Mapping) else {}), ", ".join(unread)


def _with_defaults(folder: Folder, values: Any, unread: str) -> tuple[Any, str]:
    """Values over those that lie in the chart's folder."""
    if folder.values is None:
        return values, ", ".join(part for part in (unread, f"values.yaml of {folder.path}") if part)
    return (values if isinstance(values, Unknown) else merge(folder.values, values)), unread


def merge(base: Any, over: Any) -> Any:
    """Values with others over them, as Helm merges: mapping by mapping, and null takes a value away."""
    if isinstance(base, Mapping) and isinstance(over, Mapping):
        both = {key: merge(base.get(key), value) for key, value in over.items()}
        return {**base, **both}
    return over


def _argo_charts(resource: Resource) -> Iterator[Chart]:
    """Sources of an Application, or of what an ApplicationSet makes Applications of."""
    spec = "spec.template.spec" if "ApplicationSet" in resource.type else "spec"
    sources = raw_value_at(resource.properties, f"{spec}.sources")
    found = [(f"{spec}.source", raw_value_at(resource.properties, f"{spec}.source"))]
    if isinstance(sources, list):
        found += [(f"{spec}.sources.{index}", each) for index, each in enumerate(sources)]
    target = raw_value_at(resource.properties, f"{spec}.destination")
    cluster = ""
    if isinstance(target, Mapping):
        cluster = _known_text(target.get("name")) or _known_text(target.get("server"))
    for path, source in found:
        if isinstance(source, Mapping):
            yield _argo_chart(source, path, "" if "kubernetes.default.svc" in cluster else cluster)


def _argo_chart(source: Mapping[str, Any], path: str, cluster: str) -> Chart:
    helm = source.get("helm")
    helm = helm if isinstance(helm, Mapping) else {}
    repository, chart = source.get("repoURL"), source.get("chart")
    unread = [f"{path}.helm.valueFiles"] if helm.get("valueFiles") else []
    values: Any = {}
    text = helm.get("values")
    if isinstance(text, str) and text.strip():
        loaded = parse_yaml(text)
        if isinstance(loaded, Mapping):
            values = loaded
        else:
            unread.append(f"{path}.helm.values")
    elif isinstance(text, Unknown):
        unread.append(f"{path}.helm.values")
    given = helm.get("valuesObject")
    if isinstance(given, Unknown):
        unread.append(f"{path}.helm.valuesObject")
    elif isinstance(given, Mapping):
        values = merge(values, given)
    parameters = helm.get("parameters")
    for each in parameters if isinstance(parameters, list) else []:
        if isinstance(each, Mapping) and isinstance(each.get("name"), str) and each["name"].count(".") < _LONGEST:
            values = merge(values, _nested(each["name"].split("."), _parameter(each)))
    name: Any = chart
    if chart is None:
        # A folder of a repository of Git, which holds the chart's own values.
        name = _chart_name(_known_text(source.get("path")))
        unread.append(f"{path}.path")
    address = repository
    if chart is not None and isinstance(address, str) and address and "://" not in address:
        address = f"oci://{address}"
    return Chart(
        name,
        f"{path}.chart" if chart is not None else f"{path}.path",
        ((f"{path}.repoURL", address),) if isinstance(address, Unknown) or "://" in _known_text(address) else (),
        source.get("targetRevision") if chart is not None else None,
        f"{path}.targetRevision",
        values,
        f"{path}.helm.valuesObject" if given else f"{path}.helm.values",
        ", ".join(unread),
        cluster=cluster,
    )


def _parameter(parameter: Mapping[str, Any]) -> Any:
    """Value of a parameter, which is text that Helm reads as YAML unless it is told not to."""
    value = parameter.get("value")
    return parse_yaml(value) if isinstance(value, str) and parameter.get("forceString") is not True else value


_LONGEST = 20
"""Parts of a parameter's name at most."""


def _nested(keys: list[str], value: Any) -> Any:
    return {keys[0]: _nested(keys[1:], value)} if keys else value


def _flux_chart(resource: Resource) -> Iterator[Chart]:
    reference = raw_value_at(resource.properties, "spec.chart.spec.chart")
    if reference is None:
        reference = raw_value_at(resource.properties, "spec.chartRef.name")
    if reference is None:
        return
    values = raw_value_at(resource.properties, "spec.values") or {}
    yield Chart(
        reference if isinstance(reference, Unknown) else _chart_name(_known_text(reference)),
        "spec.chart.spec.chart",
        (),
        raw_value_at(resource.properties, "spec.chart.spec.version"),
        "spec.chart.spec.version",
        values,
        "spec.values",
        "spec.valuesFrom" if raw_value_at(resource.properties, "spec.valuesFrom") else "",
    )
