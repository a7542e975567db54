"""What the Supervisor offers to a namespace's clusters and services."""

from __future__ import annotations

from collections.abc import Mapping

from lab.operators.connections import supervisor
from lab.operators.resources import KUBERNETES_RELEASE, OS_IMAGE, RESOURCE_QUOTA, VIRTUAL_MACHINE_CLASS, Object
from lab.simulated.vks.releases import OsImage, Release
from lab.simulated.vks.vm_classes import VmClass, vm_class_of

_QUOTA = ".storageclass.storage.k8s.io/requests.storage"


def release_from(item: Object, labels: Mapping[str, Mapping[str, str]]) -> Release:
    """A KubernetesRelease as the topology needs it; ``labels`` are those of the OSImages that have come, by name."""
    spec = item["spec"]
    there = (labels[each["name"]] for each in spec.get("osImages", ()) if each["name"] in labels)
    images = (OsImage(each["os-name"], each["os-version"], each.get("content-library", "")) for each in there)
    return Release(spec["version"], tuple(images))


def storage_classes(namespace: str) -> frozenset[str]:
    """Storage classes that a namespace may use: those that its quotas name."""
    hard = [quota["spec"].get("hard", {}) for quota in supervisor().list(RESOURCE_QUOTA, namespace)]
    return frozenset(key.removesuffix(_QUOTA) for limits in hard for key in limits if key.endswith(_QUOTA))


def vm_classes(namespace: str) -> dict[str, VmClass]:
    """VM classes that a namespace may use, by name."""
    return {item["metadata"]["name"]: vm_class_of(item) for item in supervisor().list(VIRTUAL_MACHINE_CLASS, namespace)}


def releases() -> tuple[Release, ...]:
    """The Kubernetes releases of the Supervisor, with those of their images that have come."""
    images = {each["metadata"]["name"]: each["metadata"].get("labels") or {} for each in supervisor().list(OS_IMAGE)}
    return tuple(release_from(item, images) for item in supervisor().list(KUBERNETES_RELEASE))
