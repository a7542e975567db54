"""What VM Operator's webhooks look up: images, storage and zones that a new machine names."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping

from lab.operators.kubernetes_api import Api
from lab.operators.resources import NAMESPACE, RESOURCE_QUOTA, STORAGE_CLASS, Object, Resource
from lab.simulated.vm_service.machine_rules import CREATED_AT, IMAGES, ZONE_LABEL

VPC_NETWORK = {"kind": "SubnetSet", "apiVersion": "crd.nsx.vmware.com/v1alpha1", "name": ""}
"""What an interface is connected to that names no network."""


class DeniedError(Exception):
    """A request that a look-up refuses, in VM Operator's words."""


_FRESH_SECONDS = 5.0
_seen: dict[tuple[Resource, str | None], tuple[float, list[Object]]] = {}
"""What was listed last: a hundred machines at once ask for the same few things. Only what is there is believed."""


def _look(
    api: Api, kinds: Mapping[Resource, str | None], wanted: Callable[[Object], bool]
) -> dict[Resource, list[Object]]:
    """Objects that are ``wanted``, by kind. When none is among what was seen lately, what is there now counts."""

    def among(seconds: float) -> dict[Resource, list[Object]]:
        found = {}
        for resource, namespace in kinds.items():
            when, items = _seen.get((resource, namespace), (0.0, []))
            if time.monotonic() - when >= seconds:
                items = api.list(resource, namespace)
                _seen[resource, namespace] = time.monotonic(), items
            found[resource] = [each for each in items if wanted(each)]
        return found

    found = among(_FRESH_SECONDS)
    return found if any(found.values()) else among(0)


def resolved_image(api: Api, wanted: str, namespace: str) -> tuple[Resource, str]:
    """Kind and object name of the image that a machine names by display name or ``vmi-…``. Raises ``DeniedError``."""
    by_id = wanted.startswith("vmi-")

    def is_it(image: Object) -> bool:
        return bool(image["metadata"]["name"] == wanted if by_id else (image.get("status") or {}).get("name") == wanted)

    found = _look(api, {kind: namespace if kind.namespaced else None for kind in IMAGES}, is_it)
    places = dict(zip(IMAGES, ("namespace", "cluster"), strict=True))
    for kind, images in found.items():
        if len(images) > 1 and not by_id:
            raise DeniedError(f'multiple VM images exist for "{wanted}" in {places[kind]} scope')
    if all(found.values()) and not by_id:
        raise DeniedError(f'multiple VM images exist for "{wanted}" in namespace and cluster scope')
    for kind, images in found.items():
        if images:
            return kind, str(images[0]["metadata"]["name"])
    raise DeniedError(f'no VM image exists for "{wanted}" in namespace or cluster scope')


def filled_in(api: Api, vm: Object, namespace: str) -> Object:
    """Metadata and spec that a new machine gets. Raises ``DeniedError``."""
    spec = vm["spec"]
    for field in ("instanceUUID", "biosUUID"):
        if spec.get(field):
            raise DeniedError(f"spec.{field}: Forbidden: only privileged users may set this field")
    made: Object = {
        "powerState": spec.get("powerState") or "PoweredOn",
        "instanceUUID": str(uuid.uuid4()),
        "biosUUID": str(uuid.uuid4()),
    }
    network = spec.get("network") or {}
    if not network.get("disabled"):
        interfaces = [
            {**each, "network": {**VPC_NETWORK, **(each.get("network") or {})}}
            for each in network.get("interfaces") or [{"name": "eth0"}]
        ]
        made["network"] = {**network, "interfaces": interfaces}
    cloud_init = (spec.get("bootstrap") or {}).get("cloudInit")
    if cloud_init is not None and not cloud_init.get("instanceID"):
        made["bootstrap"] = {**spec["bootstrap"], "cloudInit": {**cloud_init, "instanceID": made["biosUUID"]}}
    if wanted := spec.get("imageName"):
        kind, name = resolved_image(api, wanted, namespace)
        reference = {"kind": kind.kind, "name": name}
        if spec.get("image") not in (None, reference):
            raise DeniedError(
                f'spec.imageName: Invalid value: "{wanted}": must refer to the same resource as spec.image'
            )
        made["image"] = reference
    return {"metadata": {"annotations": CREATED_AT}, "spec": made}


def _only_zone(api: Api, namespace: str) -> str:
    """The simulated Supervisor has one zone, and no object for it: it is called as its vSphere cluster."""
    found = api.get(NAMESPACE, namespace) or {"metadata": {}}
    return str((found["metadata"].get("labels") or {}).get("vSphereClusterID") or "")


def objections(api: Api, vm: Object, namespace: str) -> list[str]:
    """What look-ups find wrong with a new machine."""
    found = []
    if (zone := (vm["metadata"].get("labels") or {}).get(ZONE_LABEL)) and zone != _only_zone(api, namespace):
        said = f'zones.topology.tanzu.vmware.com "{zone}" not found'
        found.append(f'metadata.labels[{ZONE_LABEL}]: Invalid value: "{zone}": {said}')
    if name := vm["spec"].get("storageClass"):
        wrong = f'spec.storageClass: Invalid value: "{name}": '
        prefix = f"{name}.storageclass.storage.k8s.io/"

        def allows(quota: Object) -> bool:
            return any(key.startswith(prefix) for key in quota["spec"].get("hard") or {})

        if not any(_look(api, {STORAGE_CLASS: None}, lambda each: each["metadata"]["name"] == name).values()):
            found.append(f"{wrong}Storage policy {name} does not exist")
        elif not any(_look(api, {RESOURCE_QUOTA: namespace}, allows).values()):
            found.append(f"{wrong}Storage policy is not associated with the namespace {namespace}")
    return found
