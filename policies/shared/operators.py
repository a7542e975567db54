"""The NVIDIA GPU Operator, however it is set up: by its chart, by one that brings it, or by its own objects."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from policies.shared.charts import Chart, charts_of
from policies.shared.model import Resource, UndecidedError, Unknown, raw_value_at, require_known, value_at
from policies.shared.selectors import is_type
from policies.shared.types import CLUSTER_POLICY, GPU_OPERATOR, NVIDIA_DRIVER

Driver = Literal["vgpu", "data-center"]
_CHART = "gpu-operator"
_PARTS = {"toolkit", "devicePlugin", "dcgmExporter", "migManager", "vgpuManager", "sandboxWorkloads", "gfd"}
"""Settings that only this operator's chart has, beside its driver's."""
_OWN_REGISTRY = re.compile(r"nvcr\.io/nvidia(?:/driver)?/*(?:driver)?$")
"""Where NVIDIA publishes the data-center driver."""


@dataclass(frozen=True)
class GpuOperator:
    """The operator as one resource sets it up.

    `settings` are all of it, at `path` of the resource; `driver_path` is where those of its driver stand in them, ""
    for an object that is a driver's own. `unread` says which settings could not be read, or nothing.
    """

    form: Literal["chart", "policy", "driver"]
    settings: Any
    path: str
    driver_path: str
    version: Any = None
    version_path: str = ""
    unread: str = ""
    brought: bool = False
    """Another chart brings it, which says by its own files in which version."""
    cluster: str = ""
    """Cluster that it goes to, where the object says so itself."""

    def get(self, key: str, default: Any = None) -> Any:
        """A setting. Raises UndecidedError for one that is not known yet, or may stand in what could not be read."""
        found = value_at(self.settings, key)
        if found is None and self.unread:
            raise UndecidedError(f"{self.path}.{key}, which {self.unread} may say", _READABLE)
        return default if found is None else found

    def driver(self, key: str, default: Any = None) -> Any:
        """A setting of its driver. Raises UndecidedError."""
        return self.get(f"{self.driver_path}.{key}" if self.driver_path else key, default)

    def driver_setting(self, key: str) -> str:
        """Path of a setting of its driver in the resource."""
        return ".".join(part for part in (self.path, self.driver_path, key) if part)

    def license_key(self) -> tuple[str, str]:
        """Setting of the driver that names where its license token is, and its value, "" for none.

        The newer name of the same is taken as well. Raises UndecidedError.
        """
        own = "licensingConfig.name" if self.form == "driver" else "licensingConfig.configMapName"
        for key in (own, "licensingConfig.secretName"):
            if found := self.driver(key, ""):
                return key, str(found)
        return own, ""

    def driver_kind(self) -> Driver | None:
        """The driver that it installs; None when it installs none. Raises UndecidedError.

        A site that builds the vGPU driver itself calls it as it likes: it is known by its license as well.
        """
        if self.form == "driver":
            if self._said("driverType") == "vgpu-host-manager":
                return None
        else:
            objects = self.form == "policy" and self._said("useNvidiaDriverCRD")
            alone = self.form == "chart" and self._said("nvidiaDriverCRD.enabled")
            if self._said("enabled") is False or objects:
                return None
            if alone and self._said("nvidiaDriverCRD.deployDefaultCR") is False:
                return None
        kind = self._said("driverType" if self.form == "driver" else "nvidiaDriverCRD.driverType")
        image, version = f"{self._said('repository')}/{self._said('image')}", str(self._said("version"))
        if kind == "vgpu" or "vgpu" in image or version.endswith("-grid"):
            return "vgpu"
        # Only now what is not said counts: it may stand in what could not be read.
        self.driver("enabled", True)
        image = f"{self.driver('repository', '')}/{self.driver('image', '')}".strip("/")
        public = not image or image == "driver" or _OWN_REGISTRY.match(image)
        return "vgpu" if not public and self.license_key()[1] else "data-center"

    def _said(self, key: str) -> Any:
        """A setting of its driver, None where nothing that can be read says it. Raises UndecidedError."""
        return value_at(self.settings, f"{self.driver_path}.{key}" if self.driver_path else key)


_READABLE = (
    "give the settings as values or as the text of an asset, or let the file lie in the program's folder; what a "
    "chart of your own says is accepted by an exemption"
)


def gpu_operators(resource: Resource) -> tuple[GpuOperator, ...]:
    """The operators that a resource sets up; found once."""
    if not is_type(resource, GPU_OPERATOR):
        return ()
    if "operators" not in resource.memo:
        resource.memo["operators"] = tuple(_operators(resource))
    found: tuple[GpuOperator, ...] = resource.memo["operators"]
    return found


def _operators(resource: Resource) -> Iterator[GpuOperator]:
    if is_type(resource, CLUSTER_POLICY + NVIDIA_DRIVER):
        items = raw_value_at(resource.properties, "items")
        if isinstance(items, list):
            for index, each in enumerate(items):
                yield _object(resource, each, f"items.{index}.")
        else:
            yield _object(resource, resource.properties, "")
        return
    for chart in charts_of(resource):
        yield from _of_chart(chart)


def _object(resource: Resource, data: Any, path: str) -> GpuOperator:
    spec = raw_value_at(data, "spec")
    if is_type(resource, NVIDIA_DRIVER):
        return GpuOperator("driver", spec, f"{path}spec", "")
    labels = raw_value_at(data, "metadata.labels")
    label = labels.get("helm.sh/chart") if isinstance(labels, Mapping) else None
    version = str(label).removeprefix(f"{_CHART}-") if isinstance(label, str) and label.startswith(_CHART) else None
    return GpuOperator("policy", spec, f"{path}spec", "driver", version, f"{path}metadata.labels.helm.sh/chart")


def _of_chart(chart: Chart) -> Iterator[GpuOperator]:
    name = require_known(chart.name)
    if _is_name(str(name)) or _is_operators(chart.values):
        yield GpuOperator(
            "chart",
            chart.values,
            chart.values_path,
            "driver",
            chart.version,
            chart.version_path,
            chart.unread,
            cluster=chart.cluster,
        )
        return
    dependencies = chart.folder.dependencies if chart.folder is not None else {}
    own = {alias: version for alias, (name, version) in dependencies.items() if _is_name(name)}
    for alias, version in own.items():
        settings = raw_value_at(chart.values, alias, {})
        if isinstance(settings, Unknown) or raw_value_at(settings, "enabled") is not False:
            yield _part(chart, settings, f"{chart.values_path}.{alias}", version)
    for path, settings in _brought(chart.values, chart.values_path):
        if path.removeprefix(f"{chart.values_path}.") not in own:
            yield _part(chart, settings, path, "")


def _part(chart: Chart, settings: Any, path: str, version: str) -> GpuOperator:
    # What a chart brings has defaults there that only its files tell.
    read = chart.folder is not None and chart.folder.values is not None
    unread = chart.unread if read else chart.unread or f"the chart {chart.name}"
    return GpuOperator(
        "chart", settings, path, "driver", version or None, path, unread, brought=not version, cluster=chart.cluster
    )


def _is_name(name: str) -> bool:
    return name == _CHART or (name.endswith(f"-{_CHART}") and not name.startswith(("amd", "intel", "rocm")))


def _is_operators(values: Any) -> bool:
    """Whether values can only be this operator's, whatever a mirror calls its chart."""
    driver = values.get("driver") if isinstance(values, Mapping) else None
    if not isinstance(driver, Mapping):
        return False
    return bool({"licensingConfig", "nvidiaDriverCRD"} & set(driver)) or bool(_PARTS & set(values))


def _brought(values: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Settings of an operator that a chart brings, by the name of its part, at any depth."""
    if not isinstance(values, Mapping):
        return
    for key, value in values.items():
        if _is_name(re.sub(r"(?<=[a-z])(?=[A-Z])", "-", str(key)).lower()) or _is_operators(value):
            if isinstance(value, Unknown) or (isinstance(value, Mapping) and value.get("enabled") is not False):
                yield f"{path}.{key}", value
        else:
            yield from _brought(value, f"{path}.{key}")
