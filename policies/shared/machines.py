"""GPU machines of an environment: what their VM classes give them, from resources and from the configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field

import paif_catalog as catalog
from paif_catalog.predicates import guards_of
from policies.shared.configuration import Model, Settings
from policies.shared.model import (
    Resource,
    Run,
    Undecided,
    UndecidedError,
    Unknown,
    WrongFormError,
    raw_value_at,
    require_known,
    value_at,
)
from policies.shared.quantities import quantity
from policies.shared.selectors import is_type
from policies.shared.types import CLUSTER, ENDPOINT, VM, VM_REPLICA_SET, VSPHERE_VM
from policies.shared.vm_classes import class_devices, class_name, class_profiles

_AUTOSCALER = "cluster.x-k8s.io/cluster-api-autoscaler-node-group"


class GpuClass(Model):
    """A VM class that exists already: what it gives a machine."""

    profiles: list[str] = Field(default=[], description="vGPU profiles")
    devices: int = Field(default=0, ge=0, description="whole GPUs (DirectPath I/O)")
    gpu_model: str = Field(
        default="", description="model of the whole GPUs as in paif:gpu.model, for licenses that come with hardware"
    )

    @property
    def has_gpu(self) -> bool:
        """Whether a machine of the class has a GPU, or a share of one."""
        return bool(self.profiles or self.devices)


class MachineSettings(Settings):
    """Settings of packs that need to know what a VM class has."""

    existing_classes: dict[str, GpuClass] = Field(
        default={}, description="VM classes that are not made here: {name: {profiles: [...], devices: n}}"
    )


Classes = dict[str, GpuClass | Undecided]
"""VM classes by name, as far as the resources so far tell."""


def observe_class(resource: Resource, run: Run[Any, Any], classes: Classes) -> None:
    """Note what a VM class has, as undecided while its GPUs are not known."""
    name = class_name(resource)
    if resource.partial:
        # What a patch leaves out of a class, nothing here tells.
        return
    if isinstance(name, Unknown):
        run.record_unnamed(classes)
    elif isinstance(name, str):
        run.record(classes, name, _resource_class(resource, name))


def _resource_class(resource: Resource, name: str) -> GpuClass | Undecided:
    try:
        profiles = [str(require_known(each)) for _, each in class_profiles(resource)]
        devices = class_devices(resource)
        ids = [value_at(each, "deviceId") for each in resource.items("directPathDevices") if isinstance(each, dict)]
        models = {catalog.gpus().by_device(each) or "" for each in ids if isinstance(each, str)}
        return GpuClass(profiles=profiles, devices=len(devices), gpu_model=models.pop() if len(models) == 1 else "")
    except (UndecidedError, WrongFormError):
        return Undecided(f"content of class {name}")


def configured_classes(environment: Mapping[str, Any], stack: str) -> dict[str, GpuClass]:
    """Classes of the stack's configuration by their short name and by their name in vCenter."""
    classes: dict[str, GpuClass] = {}
    for entry in _entries(environment, "vmClasses"):
        profile, gpus = entry.get("profile"), entry.get("gpus") or 0
        gpu_class = GpuClass(
            profiles=[profile] if isinstance(profile, str) else [],
            devices=gpus if isinstance(gpus, int) else 0,
            gpu_model=_model_of(environment, entry.get("deviceId")),
        )
        name = str(entry.get("name"))
        classes[name] = gpu_class
        if not entry.get("existing"):
            code = catalog.naming().kinds["vm-class"].code
            classes[f"{environment.get('organization')}-{stack}-{code}-{name}"] = gpu_class
    return classes


def _model_of(environment: Mapping[str, Any], device_id: Any) -> str:
    """Model of whole GPUs: that of the device where one is named, else the environment's."""
    model = catalog.gpus().by_device(device_id) if isinstance(device_id, str) else None
    return model or configured_model(environment)


def configured_model(environment: Mapping[str, Any]) -> str:
    """The environment's GPU model, or nothing when the configuration does not tell."""
    gpu = environment.get("gpu")
    model = gpu.get("model") if isinstance(gpu, dict) else None
    return model if isinstance(model, str) else ""


def gpu_class(name: Any, run: Run[Any, Any], classes: Classes) -> GpuClass | None:
    """What the VM class of this name has; None when no class is named. Raises UndecidedError when nothing tells."""
    if require_known(name) is None:
        return None
    text = str(name)
    declared: Mapping[str, GpuClass] = run.settings.existing_classes
    match = run.lookup(classes, text) or declared.get(text) or configured_classes(run.environment, run.stack).get(text)
    if match is None and text not in run.platform.cluster_classes.default_vm_classes:
        raise run.missing_entry(
            classes,
            f"content of class {text}",
            f"let it depend on class {text} (take the name from its output); a class that is not made here is declared "
            "under existingClasses with its profiles or devices, none of both when it has no GPU",
        )
    return match or GpuClass()


def class_or_undecided(name: Any, run: Run[Any, Any], classes: Classes) -> GpuClass | Undecided | None:
    """`gpu_class` for callers that go on with others when one is undecided."""
    try:
        return gpu_class(name, run, classes)
    except UndecidedError as error:
        return error.undecided


@dataclass(frozen=True)
class MachineDemand:
    """Machines of one class that a resource or an entry of the configuration asks for, at most."""

    consumer: str
    vm_class: Any
    """Name of the class; may be Unknown. None where `gpu` tells what each machine has."""
    count: int
    gpu: GpuClass | Undecided | None = None
    """What each machine has without any class: a clone's devices."""
    node: bool = False
    """Whether containers of a cluster run on them."""
    boots: tuple[str, str] | None = None
    """Namespace and name of the Secret that says what the machine starts, where that is known."""


def machine_demands(resource: Resource) -> Iterator[MachineDemand]:
    """Machines that a resource brings, autoscaling's maximum included. Raises UndecidedError for an unknown number."""
    if is_type(resource, VM):
        yield MachineDemand(f"workstation {resource.label}", machine_class(resource), 1, boots=_boot_secret(resource))
    elif is_type(resource, VM_REPLICA_SET):
        count = _count(resource, "spec.replicas")
        consumer = f"workstations {resource.label}"
        yield MachineDemand(consumer, machine_class(resource), count, boots=_boot_secret(resource))
    elif is_type(resource, VSPHERE_VM):
        gpu = clone_gpu(resource)
        if isinstance(gpu, Undecided) or gpu.has_gpu:
            yield MachineDemand(f"workstation {resource.label}", None, 1, gpu)
    elif is_type(resource, CLUSTER):
        for pool in node_pools(resource):
            consumer = f"cluster {resource.label}, pool {pool.name}"
            yield MachineDemand(consumer, pool.vm_class, pool.max_nodes, node=True)
        yield _control_plane(resource)
    elif is_type(resource, ENDPOINT):
        vm_class = raw_value_at(resource.properties, "spec.virtualMachineClassName")
        yield MachineDemand(f"endpoint {resource.label}", vm_class, _count(resource, "spec.replicas"))


def demand_gpu(demand: MachineDemand, run: Run[Any, Any], classes: Classes) -> GpuClass | Undecided | None:
    """What each machine of a demand has; None when it names no class."""
    return demand.gpu if demand.gpu is not None else class_or_undecided(demand.vm_class, run, classes)


def _count(resource: Resource, path: str) -> int:
    """A number of machines, one when none is said. Raises UndecidedError and WrongFormError."""
    return whole_number(resource.get(path, 1), path)


def whole_number(value: Any, path: str) -> int:
    """A whole number, also written as text, as annotations must. Raises UndecidedError and WrongFormError."""
    number = None if isinstance(require_known(value), bool) else quantity(value)
    if number is None or not float(number).is_integer():
        raise WrongFormError(path, value, "a whole number")
    return int(number)


def machine_spec(resource: Resource) -> str:
    """Dotted path of a VM Service machine's specification: of one machine, or of a set's."""
    return "spec.template.spec" if is_type(resource, VM_REPLICA_SET) else "spec"


def machine_class(resource: Resource) -> Any:
    """Name of a VM Service machine's class; may be Unknown. From v1alpha5 on it may be named by `class` instead."""
    spec = machine_spec(resource)
    name = raw_value_at(resource.properties, f"{spec}.className")
    return raw_value_at(resource.properties, f"{spec}.class.name") if name is None else name


def machine_labels(resource: Resource) -> tuple[str, Mapping[str, Any]]:
    """Path and labels of a VM Service machine, or of those that a set makes. Raises UndecidedError."""
    path = "spec.template.metadata.labels" if is_type(resource, VM_REPLICA_SET) else "metadata.labels"
    return path, resource.mapping(path)


_VGPU = re.compile(r"(?i)pciPassthru\d+\.vgpu")
_PROFILE_LISTS = ("vgpus", "vgpuProfiles", "sharedPciDeviceIds")
"""Lists of vGPU profiles that plugins beside vSphere's own give a machine."""


def clone_profiles(resource: Resource) -> list[tuple[str, Any]]:
    """Path and value of every vGPU profile of a vSphere machine; a value may be Unknown. Raises UndecidedError."""
    found = [
        (f"extraConfig.{key}", value)
        for key, value in resource.mapping("extraConfig").items()
        if _VGPU.fullmatch(key) and value is not None and (isinstance(value, Unknown) or value != "")
    ]
    return found + [
        (f"{path}.{index}", each) for path in _PROFILE_LISTS for index, each in enumerate(resource.items(path))
    ]


def clone_gpu(resource: Resource) -> GpuClass | Undecided:
    """What a vSphere machine has by its own devices."""
    try:
        profiles = [str(require_known(each)) for _, each in clone_profiles(resource)]
        return GpuClass(profiles=profiles, devices=len(resource.items("pciDeviceIds")))
    except UndecidedError as error:
        return error.undecided
    except WrongFormError as error:
        return Undecided(error.path)


def machine_gpu(resource: Resource, run: Run[Any, Any], classes: Classes) -> GpuClass | None:
    """What a machine has, by its class or by its own devices; None when it names no class. Raises UndecidedError."""
    if not is_type(resource, VSPHERE_VM):
        return gpu_class(machine_class(resource), run, classes)
    found = clone_gpu(resource)
    if isinstance(found, Undecided):
        raise UndecidedError(found.path)
    return found


def _control_plane(resource: Resource) -> MachineDemand:
    """The control plane's machines, which may have GPUs by mistake. Raises UndecidedError."""
    path = "spec.topology.controlPlane"
    variables = {
        **_variables(resource.get("spec.topology.variables")),
        **_variables(resource.get(f"{path}.variables.overrides")),
    }
    consumer = f"cluster {resource.label}, control plane"
    return MachineDemand(consumer, variables.get("vmClass"), _count(resource, f"{path}.replicas"))


def _boot_secret(resource: Resource) -> tuple[str, str] | None:
    """Namespace and name of a VM Service machine's bootstrap Secret, as far as both are known."""
    boots = raw_value_at(resource.properties, f"{machine_spec(resource)}.bootstrap.vAppConfig.rawProperties")
    namespace = raw_value_at(resource.properties, "metadata.namespace", "")
    return (namespace, boots) if isinstance(boots, str) and isinstance(namespace, str) else None


@dataclass(frozen=True)
class NodePool:
    """A machine deployment of a Cluster, with variables resolved: the pool's own override those of the cluster."""

    index: int
    data: Mapping[str, Any]
    variables: Mapping[str, Any]

    @property
    def path(self) -> str:
        """Dotted path of the pool in the Cluster."""
        return f"spec.topology.workers.machineDeployments.{self.index}"

    @property
    def name(self) -> str:
        """Name of the pool. Raises UndecidedError."""
        return str(value_at(self.data, "name", ""))

    @property
    def vm_class(self) -> Any:
        """Name of its VM class; may be Unknown."""
        return self.variables.get("vmClass")

    def annotation(self, name: str) -> Any:
        """One of its annotations, or None. Raises UndecidedError."""
        return require_known((value_at(self.data, "metadata.annotations") or {}).get(name))

    @property
    def min_size(self) -> int | None:
        """The autoscaler's lower bound, if there is one. Raises UndecidedError."""
        return self._bound("min")

    @property
    def max_size(self) -> int | None:
        """The autoscaler's upper bound, if there is one. Raises UndecidedError."""
        return self._bound("max")

    @property
    def max_nodes(self) -> int:
        """Most nodes that the pool may have. Raises UndecidedError."""
        if self.max_size is not None:
            return self.max_size
        return whole_number(value_at(self.data, "replicas", 1), f"{self.path}.replicas")

    def _bound(self, which: str) -> int | None:
        name = f"{_AUTOSCALER}-{which}-size"
        value = self.annotation(name)
        return None if value is None else whole_number(value, f"{self.path}.metadata.annotations.{name}")


def _variables(listed: Any) -> dict[str, Any]:
    return {str(value_at(each, "name")): raw_value_at(each, "value") for each in (require_known(listed) or [])}


def node_pools(resource: Resource) -> Iterator[NodePool]:
    """The node pools of a Cluster. Raises UndecidedError."""
    shared = _variables(resource.get("spec.topology.variables"))
    for index, data in enumerate(resource.items("spec.topology.workers.machineDeployments")):
        own = _variables(value_at(require_known(data), "variables.overrides"))
        yield NodePool(index, data, {**shared, **own})


def configured_demands(environment: Mapping[str, Any]) -> Iterator[MachineDemand]:
    """Machines that the stack's configuration asks for."""
    guards = guards_of(environment.get("kind"))
    for entry in _entries(environment, "workstations"):
        if entry.get("route", "vm-service") == "vm-service":
            yield MachineDemand(f"workstation {entry.get('name')}", entry.get("class"), 1)
    for cluster in _entries(environment, "clusters"):
        for pool in _entries(cluster, "pools"):
            count = pool.get("maxReplicas") or pool.get("replicas") or 0
            consumer = f"cluster {cluster.get('name')}, pool {pool.get('name')}"
            yield MachineDemand(consumer, pool.get("class"), _int_or_zero(count), node=True)
        plane = cluster.get("controlPlane")
        plane = plane if isinstance(plane, dict) else {}
        machines = _int_or_zero(plane.get("replicas", guards.control_plane_replicas))
        yield MachineDemand(f"cluster {cluster.get('name')}, control plane", plane.get("class"), machines)
    replicas = guards.endpoint_replicas
    for entry in _entries(environment, "modelEndpoints"):
        count = _int_or_zero(entry.get("replicas", replicas))
        yield MachineDemand(f"endpoint {entry.get('name')}", entry.get("class"), count)


def _int_or_zero(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _entries(mapping: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    value = mapping.get(key)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


entries = _entries
