"""What the simulated VM Service accepts, and what its conditions say."""

from __future__ import annotations

import base64
from typing import Any

from lab.operators.resources import (
    CLUSTER_VIRTUAL_MACHINE_IMAGE,
    RESOURCE_QUOTA,
    SECRET,
    STORAGE_CLASS,
    VIRTUAL_MACHINE_CLASS,
    VIRTUAL_MACHINE_IMAGE,
    Object,
    Resource,
)
from lab.simulated.vm_service.operator import Finding, bootstrap_keys, guest_bootstrap, prerequisites, running_status

NAMESPACE = "pai-dev"
READY = {"conditions": [{"type": "Ready", "status": "True", "reason": "True", "lastTransitionTime": ""}]}


def image(name: str, display: str, *, namespace: str | None = NAMESPACE, keys: tuple[str, ...] = ()) -> Object:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    properties = [{"key": key, "type": "string"} for key in keys]
    return {"metadata": metadata, "status": {**READY, "name": display, "ovfProperties": properties}}


class Site:
    """What exists around the VM."""

    def __init__(self) -> None:
        self.images = [image("vmi-1", "dlvm", keys=("hostname", "user-data"))]
        self.objects: dict[tuple[Resource, str, str | None], Object] = {
            (VIRTUAL_MACHINE_CLASS, "vgpu", NAMESPACE): {"spec": {}},
            (STORAGE_CLASS, "gold", None): {},
            (STORAGE_CLASS, "silver", None): {},
            (RESOURCE_QUOTA, "pai-dev-storagequota", NAMESPACE): {
                "spec": {"hard": {"gold.storageclass.storage.k8s.io/requests.storage": "1Gi"}}
            },
        }

    def get(self, resource: Resource, name: str, namespace: str | None) -> Object | None:
        if resource in {VIRTUAL_MACHINE_IMAGE, CLUSTER_VIRTUAL_MACHINE_IMAGE}:
            places = (each for each in self.images if each["metadata"]["name"] == name)
            return next((each for each in places if each["metadata"].get("namespace") == namespace), None)
        return self.objects.get((resource, name, namespace))

    def secret(self, name: str, **data: str) -> None:
        encoded = {key.replace("_", "-"): base64.b64encode(value.encode()).decode() for key, value in data.items()}
        self.objects[SECRET, name, NAMESPACE] = {"data": encoded}

    def findings(self, **spec: Any) -> dict[str, Finding]:
        vm = {
            "metadata": {"name": "dlvm-01", "namespace": NAMESPACE},
            "spec": {"className": "vgpu", "imageName": "dlvm", "storageClass": "gold", **spec},
        }
        return {each.condition: each for each in prerequisites(vm, self.get, lambda: self.images)}


def test_conditions_come_in_vm_operators_order_and_hold_when_all_is_there() -> None:
    found = Site().findings()
    assert list(found) == [
        "VirtualMachineClassReady",
        "VirtualMachineImageReady",
        "VirtualMachineBootstrapReady",
        "VirtualMachineStorageReady",
        "VirtualMachineNetworkReady",
    ]
    assert {each.reason for each in found.values()} == {""}


def test_every_failure_is_found_at_once() -> None:
    found = Site().findings(className="other", imageName="none", storageClass="bronze")
    assert [each.condition for each in found.values() if each.reason == "NotFound"] == [
        "VirtualMachineClassReady",
        "VirtualMachineImageReady",
        "VirtualMachineStorageReady",
    ]


def test_a_class_of_another_namespace_is_not_found() -> None:
    site = Site()
    site.objects[VIRTUAL_MACHINE_CLASS, "other", "elsewhere"] = {"spec": {}}
    assert site.findings(className="other")["VirtualMachineClassReady"].reason == "NotFound"


def test_a_storage_class_without_quota_does_not_belong_to_the_namespace() -> None:
    found = Site().findings(storageClass="silver")["VirtualMachineStorageReady"]
    assert (found.reason, "not associated" in found.message) == ("Invalid", True)


def test_a_disabled_network_has_no_condition() -> None:
    assert "VirtualMachineNetworkReady" not in Site().findings(network={"disabled": True})


def test_an_image_by_reference_is_the_one_that_is_meant() -> None:
    site = Site()
    site.images.append(image("vmi-2", "dlvm", namespace=None))
    reference = {"kind": "ClusterVirtualMachineImage", "name": "vmi-2"}
    assert not site.findings(image=reference)["VirtualMachineImageReady"].reason


def test_two_images_of_one_display_name_are_refused() -> None:
    site = Site()
    site.images.append(image("vmi-2", "dlvm"))
    assert "multiple VM images" in site.findings()["VirtualMachineImageReady"].message
    assert not site.findings(imageName="vmi-2")["VirtualMachineImageReady"].reason


def test_an_image_that_is_not_ready_is_waited_for() -> None:
    site = Site()
    site.images[0]["status"]["conditions"] = []
    assert site.findings()["VirtualMachineImageReady"].reason == "NotReady"


def bootstrap(site: Site, **config: Any) -> tuple[str, str]:
    found = site.findings(bootstrap={"vAppConfig": config})["VirtualMachineBootstrapReady"]
    return found.reason, found.message


def test_a_missing_bootstrap_secret_or_key_is_named() -> None:
    site = Site()
    source = {"key": "user-data", "value": {"from": {"name": "ovf", "key": "user-data"}}}
    assert bootstrap(site, rawProperties="ovf") == ("NotFound", 'secrets "ovf" not found')
    site.secret("ovf", hostname="x")
    assert bootstrap(site, properties=[source]) == (
        "RequiredKeyNotFound",
        'required key "user-data" not found in Secret ovf',
    )


def test_a_property_that_the_image_does_not_have_is_left_out_in_silence() -> None:
    site = Site()
    site.secret("ovf", hostname="x", made_up="hidden-value")
    assert bootstrap(site, rawProperties="ovf") == ("", "")
    vm = {"metadata": {"namespace": NAMESPACE}, "spec": {"bootstrap": {"vAppConfig": {"rawProperties": "ovf"}}}}
    assert bootstrap_keys(vm, site.images[0], site.get) == {"hostname"}


def guest(devices: Object, keys: set[str], *, down: bool = True) -> str:
    vm = {"metadata": {"name": "dlvm-01"}}
    vm_class = {"spec": {"hardware": {"devices": devices}}}
    return guest_bootstrap(vm, vm_class, keys, license_server_down=down).reason


def test_only_a_vgpu_guest_with_a_license_needs_the_license_server() -> None:
    vgpu = {"vgpuDevices": [{"profileName": "grid_a100-40c"}]}
    direct = {"dynamicDirectPathIODevices": [{"vendorID": 1, "deviceID": 1}]}
    assert guest(vgpu, {"vgpu-license"}) == "LicenseServerUnreachable"
    assert guest(vgpu, {"vgpu-license"}, down=False) == ""
    assert guest(vgpu, set()) == ""
    assert guest(direct, {"vgpu-license"}) == ""


MADE = {"moid": "vm-7", "bios_uuid": "b", "instance_uuid": "i", "host": "esx-01.lab.test", "ip": "198.18.0.7"}


def test_a_vm_without_power_has_no_address() -> None:
    vm = {"spec": {"className": "vgpu", "powerState": "PoweredOff"}}
    assert running_status(vm, MADE, on=False)["network"] is None
    status = running_status(vm, MADE, on=True)
    assert status["network"]["primaryIP4"] == "198.18.0.7"
    assert status["uniqueID"] == "vm-7"
