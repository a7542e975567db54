"""What of the resources and of the configuration needs licenses, in the terms of the counting."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from math import prod
from typing import Any
from urllib.parse import urlsplit

from policies.licensing.configuration import Context, LicensingSettings
from policies.licensing.counting.need import Demand
from policies.shared.boot_texts import boot_texts
from policies.shared.containers import charts, find_references, images
from policies.shared.machines import GpuClass, MachineDemand, configured_classes, configured_demands, demand_gpu
from policies.shared.model import Resource, Undecided, UndecidedError, Unknown, require_known
from policies.shared.quantities import quantity
from policies.shared.selectors import is_type
from policies.shared.types import CHART, CHART_OBJECT, KUBERNETES, NIM, SECRET, VSPHERE_VM, WORKSTATION

_GPU = re.compile(r"nvidia\.com/(?:gpu(?:\.shared)?|mig-(?P<slices>\d)g\..*)")
_COPIES = ("replicas", "replicaCount", "parallelism")
_MIG_SLICES = 7


def matches(reference: str, patterns: Iterable[str]) -> bool:
    """Whether an image or chart is one of these. A mirror that keeps the whole name has it behind its own."""
    names = [reference, reference[max(reference.find("nvcr.io/"), reference.find("helm.ngc.nvidia.com/"), 0) :]]
    return any(fnmatchcase(each, pattern) for name in names for each in (name, f"{name}/") for pattern in patterns)


def found_software(resource: Resource, patterns: Iterable[str]) -> Iterator[tuple[str, str] | Undecided]:
    """Path and reference of images and charts that match; what a machine starts has no reference, for it may be secret.

    Raises UndecidedError.
    """
    wanted = tuple(patterns)
    if is_type(resource, SECRET + WORKSTATION):
        for each in boot_texts(resource):
            if isinstance(each, Undecided):
                yield each
            elif any(matches(name, wanted) for name in find_references(each[1])):
                yield each[0], ""
        return
    if is_type(resource, CHART + CHART_OBJECT):
        for path, address in charts(resource):
            parts = urlsplit(address)
            if matches(f"{parts.hostname}{parts.path}".rstrip("/"), wanted):
                yield path, address
    for found in images(resource):
        if isinstance(found, Undecided) or matches(found[1], wanted):
            yield found


def software_patterns(settings: LicensingSettings) -> list[str]:
    """Images and charts that need NVIDIA AI Enterprise wherever they run."""
    return [*settings.nim_images, *settings.nvaie_images]


def starts_software(resource: Resource, settings: LicensingSettings) -> bool:
    """Whether a machine starts software of NVIDIA AI Enterprise, as far as is known: what is not, is not counted."""
    try:
        return any(not isinstance(each, Undecided) for each in found_software(resource, software_patterns(settings)))
    except UndecidedError:
        return False


def container_demands(resource: Resource, settings: LicensingSettings) -> list[Demand]:
    """GPUs that containers of NVIDIA AI Enterprise ask for, with all their copies; and whole GPUs of a vSphere machine.

    Raises UndecidedError.
    """
    if "container_demands" not in resource.memo:
        resource.memo["container_demands"] = _container_demands(resource, settings)
    found: list[Demand] = resource.memo["container_demands"]
    return found


def _container_demands(resource: Resource, settings: LicensingSettings) -> list[Demand]:
    if is_type(resource, VSPHERE_VM):
        devices = len(resource.items("pciDeviceIds"))
        software = devices > 0 and starts_software(resource, settings)
        return [Demand(f"workstation {resource.label}", 1, devices=devices, software=True)] if software else []
    if not is_type(resource, KUBERNETES):
        return []
    patterns = software_patterns(settings)
    if is_type(resource, NIM):
        whole = resource.type.endswith((":NIMService", ":NIMPipeline"))
    else:
        whole = is_type(resource, CHART + CHART_OBJECT) and starts_software(resource, settings)
    asked = sum(_requests(resource.properties, (), None if whole else patterns))
    kind = resource.type.rsplit(":", 1)[1]
    return [Demand(f"{kind} {resource.label}", 1, containers=asked)] if asked else []


def _requests(data: Any, copies: tuple[Any, ...], patterns: Iterable[str] | None) -> Iterator[int]:
    """GPUs asked for below here, times copies; of containers whose image matches, where there are patterns.

    Numbers are only asked for where something matches: what is not known elsewhere is nobody's business here.
    """
    if isinstance(data, list):
        for each in data:
            yield from _requests(each, copies, patterns)
    if not isinstance(data, Mapping):
        return
    copies = (*copies, *(data[key] for key in _COPIES if key in data))
    image = data.get("image")
    if "resources" in data and (patterns is None or (isinstance(image, str) and matches(image, patterns))):
        gpus = _gpus(data["resources"])
        yield prod([gpus, *(_number(each) for each in copies)]) if gpus else 0
    for key, value in data.items():
        if key != "resources":
            yield from _requests(value, copies, patterns)


def _number(value: Any) -> int:
    """A number of copies, 1 where it is none. Raises UndecidedError."""
    number = quantity(require_known(value))
    return 1 if number is None else max(0, int(number))


def _gpus(resources: Any) -> int:
    """GPUs of a container's limits, else of its requests; slices of MIG count together."""
    known = require_known(resources)
    if not isinstance(known, Mapping):
        return 0
    for key in ("limits", "requests"):
        listed = require_known(known.get(key))
        if not isinstance(listed, Mapping):
            continue
        whole = slices = 0
        for name, value in listed.items():
            match = _GPU.fullmatch(str(name))
            number = quantity(require_known(value)) if match else None
            if match and number:
                if match["slices"]:
                    slices += int(number) * int(match["slices"])
                else:
                    whole += int(number)
        if whole or slices:
            return whole - (-slices // _MIG_SLICES)
    return 0


def demands_of_machines(demands: Iterable[MachineDemand], run: Context) -> Iterator[Demand | Undecided]:
    """Machines with what their classes give them; those without GPU are left out."""
    classes: dict[str, GpuClass | Undecided | None] = {}
    for each in demands:
        if isinstance(each.vm_class, Unknown):
            yield Undecided(each.vm_class.path)
            continue
        name = str(each.vm_class)
        if each.gpu is not None or name not in classes:
            classes[name] = demand_gpu(each, run, run.observations.classes)
        found = classes[name]
        if isinstance(found, Undecided):
            yield found
        elif found is not None and found.has_gpu and each.count:
            software = each.boots is not None and bool(run.lookup(run.observations.software, each.boots))
            yield _demand(each, found, software=software)


def _demand(machine: MachineDemand, gpu_class: GpuClass, *, software: bool = False) -> Demand:
    return Demand(
        machine.consumer,
        machine.count,
        tuple(gpu_class.profiles),
        gpu_class.devices,
        gpu_class.gpu_model,
        software=software,
        node=machine.node,
    )


def demands_of_configuration(
    environment: Mapping[str, Any], stack: str, existing: Mapping[str, GpuClass]
) -> list[Demand]:
    """What a stack's configuration asks for, as far as it and the classes that exist describe it."""
    classes = {**existing, **configured_classes(environment, stack)}
    return [
        _demand(each, classes[str(each.vm_class)])
        for each in configured_demands(environment)
        if each.count and str(each.vm_class) in classes and classes[str(each.vm_class)].has_gpu
    ]
