"""What VM Operator refuses, and what it fills in: the lab's own API server answers as the original does."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.lab.conftest import Paif, api_client, wait_until

_GROUP = "/apis/vmoperator.vmware.com/v1alpha3"
_NAMESPACE = "vm-rules"
_SERVER = f"/api/v1/namespaces/{_NAMESPACE}"
_MACHINES = f"{_GROUP}/namespaces/{_NAMESPACE}/virtualmachines"
_SERVICES = f"{_GROUP}/namespaces/{_NAMESPACE}/virtualmachineservices"
_QUOTA = "rules-gold.storageclass.storage.k8s.io/requests.storage"
_MERGE = {"Content-Type": "application/merge-patch+json"}


def _image(client: httpx.Client, kind: str, name: str, shown: str) -> None:
    """An image in the namespace, or of the whole Supervisor; as the real ones, by an id and a name."""
    within = "" if kind.startswith("Cluster") else f"/namespaces/{_NAMESPACE}"
    path = f"{_GROUP}{within}/{kind.lower()}s"
    body = {"apiVersion": "vmoperator.vmware.com/v1alpha3", "kind": kind, "metadata": {"name": name}}
    reference = {"apiVersion": "imageregistry.vmware.com/v1alpha1", "kind": "ContentLibraryItem", "name": "clitem-1"}
    answer = client.post(path, json={**body, "spec": {"providerRef": reference}})
    assert answer.status_code in {201, 409}, answer.text
    client.patch(f"{path}/{name}/status", json={"status": {"name": shown}}, headers=_MERGE).raise_for_status()


@pytest.fixture(scope="module")
def supervisor(paif: Paif, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The lab's Supervisor, with a namespace that has one storage class and some images."""
    paif("lab", "up")
    kubeconfig = paif.endpoints()["supervisor"]["kubeconfig"]
    with api_client(kubeconfig, tmp_path_factory.mktemp("pair")) as client:
        client.post("/api/v1/namespaces", json={"metadata": {"name": _NAMESPACE}}).raise_for_status()
        for name in ("rules-gold", "rules-silver"):
            stored = {"metadata": {"name": name}, "provisioner": "csi.vsphere.vmware.com"}
            client.post("/apis/storage.k8s.io/v1/storageclasses", json=stored).raise_for_status()
        hard = {"metadata": {"name": "quota"}, "spec": {"hard": {_QUOTA: "1Ti"}}}
        client.post(f"{_SERVER}/resourcequotas", json=hard).raise_for_status()
        _image(client, "VirtualMachineImage", "vmi-00000000000000001", "one")
        _image(client, "VirtualMachineImage", "vmi-00000000000000002", "both")
        _image(client, "ClusterVirtualMachineImage", "vmi-00000000000000003", "both")
        _image(client, "VirtualMachineImage", "vmi-00000000000000004", "twice")
        _image(client, "VirtualMachineImage", "vmi-00000000000000005", "twice")
        yield client
        client.delete(f"/api/v1/namespaces/{_NAMESPACE}")
        for name in ("rules-gold", "rules-silver"):
            client.delete(f"/apis/storage.k8s.io/v1/storageclasses/{name}")


def _machine(**spec: Any) -> dict[str, Any]:
    """A machine as the component makes it; None takes something away, and `metadata` is the object's own."""
    metadata = {"name": "dlvm", **spec.pop("metadata", {})}
    asked = {
        "className": "best-effort-small",
        "imageName": "one",
        "storageClass": "rules-gold",
        "powerState": "PoweredOn",
        "network": {"interfaces": [{"name": "eth0"}]},
        "bootstrap": {"vAppConfig": {"rawProperties": "ovf"}},
        **spec,
    }
    kept = {key: value for key, value in asked.items() if value is not None}
    return {
        "apiVersion": "vmoperator.vmware.com/v1alpha3",
        "kind": "VirtualMachine",
        "metadata": metadata,
        "spec": kept,
    }


def _service(**spec: Any) -> dict[str, Any]:
    metadata = {"name": spec.pop("name", "access")}
    ports = [{"name": "ssh", "protocol": "TCP", "port": 22, "targetPort": 22}]
    asked = {"type": "LoadBalancer", "selector": {"a": "b"}, "ports": ports, **spec}
    api_version = "vmoperator.vmware.com/v1alpha3"
    return {"apiVersion": api_version, "kind": "VirtualMachineService", "metadata": metadata, "spec": asked}


def _refusal(answer: httpx.Response) -> str:
    assert answer.is_error, answer.text
    return str(answer.json()["message"])


_ONLY_CLOUD_INIT = "is available only with the following bootstrap providers: CloudInit"
_LONG = "a" * 64
_UUID = "5f1d3f0e-3ef7-4b8c-9d27-000000000000"
_NEW: dict[str, tuple[dict[str, Any], str]] = {
    "image that is not there": (
        {"imageName": "none"},
        'no VM image exists for "none" in namespace or cluster scope',
    ),
    "image in both scopes": (
        {"imageName": "both"},
        'multiple VM images exist for "both" in namespace and cluster scope',
    ),
    "image twice in the namespace": (
        {"imageName": "twice"},
        'multiple VM images exist for "twice" in namespace scope',
    ),
    "no image": ({"imageName": None}, "spec.image: Required value"),
    "no class": ({"className": None}, "spec.className: Required value"),
    "storage class that is not there": (
        {"storageClass": "bronze"},
        'spec.storageClass: Invalid value: "bronze": Storage policy bronze does not exist',
    ),
    "storage class without quota": (
        {"storageClass": "rules-silver"},
        'spec.storageClass: Invalid value: "rules-silver": Storage policy is not associated with the namespace'
        " vm-rules",
    ),
    "Suspended": (
        {"powerState": "Suspended"},
        'spec.powerState: Invalid value: "Suspended": cannot set a new VM\'s power state to Suspended',
    ),
    "64 characters": (
        {"metadata": {"name": _LONG}},
        f'metadata.name: Invalid value: "{_LONG}": host name must adhere to RFC-1123',
    ),
    "hardware version": (
        {"minHardwareVersion": 23},
        "spec.minHardwareVersion: Invalid value: 23: should be less than or equal to 22",
    ),
    "zone": (
        {"metadata": {"labels": {"topology.kubernetes.io/zone": "moon"}}},
        'metadata.labels[topology.kubernetes.io/zone]: Invalid value: "moon": zones.topology.tanzu.vmware.com "moon"'
        " not found",
    ),
    "paused": (
        {"metadata": {"labels": {"vmoperator.vmware.com/paused": "devops"}}},
        "metadata.labels.vmoperator.vmware.com/paused: Forbidden: modifying this label is not allowed for non-admin"
        " users",
    ),
    "annotation of the platform": (
        {"metadata": {"annotations": {"virtualmachine.vmoperator.vmware.com/first-boot-done": "true"}}},
        "metadata.annotations[virtualmachine.vmoperator.vmware.com/first-boot-done]: Forbidden: modifying this"
        " annotation is not allowed for non-admin users",
    ),
    "TCP probe on VPC": (
        {"readinessProbe": {"tcpSocket": {"port": 22}}},
        "spec.readinessProbe.tcpSocket: Forbidden: VPC networking doesn't allow TCP readiness probe to be specified",
    ),
    "two probes": (
        {"readinessProbe": {"guestHeartbeat": {}, "guestInfo": [{"key": "a", "value": "b"}]}},
        "spec.readinessProbe: Forbidden: only one action can be specified",
    ),
    "instanceUUID": (
        {"instanceUUID": _UUID},
        "spec.instanceUUID: Forbidden: only privileged users may set this field",
    ),
    "biosUUID": (
        {"biosUUID": _UUID},
        "spec.biosUUID: Forbidden: only privileged users may set this field",
    ),
    "nameservers with vApp": (
        {"network": {"nameservers": ["192.0.2.1", "192.0.2.2"]}},
        'spec.network.nameservers: Invalid value: "192.0.2.1,192.0.2.2": nameservers is available only with the'
        " following bootstrap providers: LinuxPrep and Sysprep",
    ),
    "nameserver that is no address": (
        {"network": {"nameservers": ["192.0.2.1", "dns.test"]}},
        'spec.network.nameservers[1]: Invalid value: "dns.test": must be an IPv4 or IPv6 address',
    ),
    "search domains with vApp": (
        {"network": {"searchDomains": ["lab.test"]}},
        'spec.network.searchDomains: Invalid value: "lab.test": searchDomains is available only with the following'
        " bootstrap providers: LinuxPrep and Sysprep",
    ),
    "mtu with vApp": (
        {"network": {"interfaces": [{"name": "eth0"}, {"name": "eth1", "mtu": 9000}]}},
        f"spec.network.interfaces[1].mtu: Invalid value: 9000: mtu {_ONLY_CLOUD_INIT}",
    ),
    "device name with vApp": (
        {"network": {"interfaces": [{"name": "eth0", "guestDeviceName": "ens1"}]}},
        f'spec.network.interfaces[0].guestDeviceName: Invalid value: "ens1": guestDeviceName {_ONLY_CLOUD_INIT}',
    ),
    "routes with vApp": (
        {
            "network": {
                "interfaces": [{"name": "eth0", "routes": [{"to": "192.0.2.0/24", "via": "192.0.2.1", "metric": 1}]}]
            }
        },
        f'spec.network.interfaces[0].routes: Invalid value: "routes": routes {_ONLY_CLOUD_INIT}',
    ),
    "interface's nameservers with vApp": (
        {"network": {"interfaces": [{"name": "eth0", "nameservers": ["192.0.2.1"]}]}},
        'spec.network.interfaces[0].nameservers: Invalid value: "192.0.2.1": nameservers is available only with the'
        " following bootstrap providers: CloudInit and Sysprep",
    ),
    "interface's search domains with vApp": (
        {"network": {"interfaces": [{"name": "eth0", "searchDomains": ["lab.test"]}]}},
        f'spec.network.interfaces[0].searchDomains: Invalid value: "lab.test": searchDomains {_ONLY_CLOUD_INIT}',
    ),
    "cloud-init and vApp": (
        {"bootstrap": {"cloudInit": {}, "vAppConfig": {"rawProperties": "ovf"}}},
        "spec.bootstrap.cloudInit: Forbidden: CloudInit may not be used with any other bootstrap provider",
    ),
    "Linux prep and Sysprep": (
        {"bootstrap": {"linuxPrep": {}, "sysprep": {"rawSysprep": {"name": "a", "key": "b"}}}},
        "spec.bootstrap.linuxPrep: Forbidden: LinuxPrep may not be used with either CloudInit or Sysprep bootstrap"
        " providers",
    ),
    "properties and raw properties": (
        {"bootstrap": {"vAppConfig": {"rawProperties": "ovf", "properties": [{"key": "a", "value": {"value": "b"}}]}}},
        'spec.bootstrap.vAppConfig: Invalid value: "vAppConfig": properties and rawProperties are mutually exclusive',
    ),
    "value and where it comes from": (
        {
            "bootstrap": {
                "vAppConfig": {
                    "properties": [{"key": "a", "value": {"value": "b", "from": {"name": "ovf", "key": "a"}}}]
                }
            }
        },
        'spec.bootstrap.vAppConfig.properties.value: Invalid value: "value": from and value is mutually exclusive',
    ),
    "restart of a new machine": (
        {"nextRestartTime": "now"},
        'spec.nextRestartTime: Invalid value: "now": cannot restart VM on create',
    ),
    "disk of half a MiB": (
        {"advanced": {"bootDiskCapacity": "512Ki"}},
        "spec.advanced.bootDiskCapacity: Invalid value: 524288: value must be a multiple of MB",
    ),
}


@pytest.mark.parametrize("case", _NEW)
def test_a_new_machine_is_refused_in_vm_operators_words(supervisor: httpx.Client, case: str) -> None:
    change, message = _NEW[case]
    said = _refusal(supervisor.post(_MACHINES, json=_machine(**copy.deepcopy(change)), params={"dryRun": "All"}))
    assert said.endswith(f": {message}"), said


@pytest.fixture
def machine(supervisor: httpx.Client) -> Iterator[dict[str, Any]]:
    """A machine that is there, as the API server stored it."""
    network = {"interfaces": [{"name": "eth0"}, {"name": "eth1", "network": {"name": "other"}}]}
    answer = supervisor.post(_MACHINES, json=_machine(network=network, minHardwareVersion=19))
    assert answer.status_code == 201, answer.text
    yield answer.json()
    supervisor.delete(f"{_MACHINES}/dlvm")
    wait_until(lambda: supervisor.get(f"{_MACHINES}/dlvm").status_code == 404, "the machine is gone")


def _changed(supervisor: httpx.Client, **change: Any) -> httpx.Response:
    return supervisor.patch(f"{_MACHINES}/dlvm", json=change, headers=_MERGE, params={"dryRun": "All"})


_EXISTING: dict[str, tuple[dict[str, Any], str]] = {
    "class": (
        {"spec": {"className": "best-effort-large"}},
        'spec.className: Invalid value: "best-effort-large": field is immutable',
    ),
    "image": ({"spec": {"imageName": "another"}}, 'spec.imageName: Invalid value: "another": field is immutable'),
    "image's reference": (
        {"spec": {"image": {"name": "vmi-2"}}},
        'spec.image: Invalid value: "vmi-2": field is immutable',
    ),
    "storage class": (
        {"spec": {"storageClass": "rules-silver"}},
        'spec.storageClass: Invalid value: "rules-silver": field is immutable',
    ),
    "biosUUID": ({"spec": {"biosUUID": _UUID}}, f'spec.biosUUID: Invalid value: "{_UUID}": field is immutable'),
    "instanceUUID": (
        {"spec": {"instanceUUID": _UUID}},
        f'spec.instanceUUID: Invalid value: "{_UUID}": field is immutable',
    ),
    "power state removed": (
        {"spec": {"powerState": None}},
        'spec.powerState: Invalid value: "": cannot set power state to empty string',
    ),
    "bootstrap of what is on": (
        {"spec": {"bootstrap": {"vAppConfig": {"rawProperties": "another"}}}},
        "spec.bootstrap: Forbidden: updates to this field is not allowed when VM power is on",
    ),
    "guest of what is on": (
        {"spec": {"guestID": "ubuntu64Guest"}},
        "spec.guestID: Forbidden: updates to this field is not allowed when VM power is on",
    ),
    "interface renamed": (
        {"spec": {"network": {"interfaces": [{"name": "eth9"}, {"name": "eth1"}]}}},
        "spec.network.interfaces[0].name: Forbidden: field is immutable",
    ),
    "interface's network changed": (
        {"spec": {"network": {"interfaces": [{"name": "eth0"}, {"name": "eth1", "network": {"name": "new"}}]}}},
        "spec.network.interfaces[0].network: Forbidden: field is immutable",
    ),
    "interface removed": (
        {"spec": {"network": {"interfaces": [{"name": "eth0"}]}}},
        "spec.network.interfaces: Forbidden: network interfaces cannot be added or removed",
    ),
    "older hardware": (
        {"spec": {"minHardwareVersion": 18}},
        "spec.minHardwareVersion: Invalid value: 18: cannot downgrade hardware version",
    ),
    "newer hardware of what is on": (
        {"spec": {"minHardwareVersion": 21}},
        "spec.minHardwareVersion: Invalid value: 21: cannot upgrade hardware version unless powered off",
    ),
    "host name": (
        {"spec": {"network": {"hostName": "a_b"}}},
        'spec.network.hostName: Invalid value: "a_b": host name must adhere to RFC-1123',
    ),
    "where it was made": (
        {"metadata": {"annotations": {"vmoperator.vmware.com/created-at-build-version": "mine"}}},
        "metadata.annotations[vmoperator.vmware.com/created-at-build-version]: Forbidden: modifying this annotation is"
        " not allowed for non-admin users",
    ),
    "paused": (
        {"metadata": {"labels": {"vmoperator.vmware.com/paused": "devops"}}},
        "metadata.labels.vmoperator.vmware.com/paused: Forbidden: modifying this label is not allowed for non-admin"
        " users",
    ),
}


@pytest.mark.parametrize("case", _EXISTING)
def test_a_change_is_refused_in_vm_operators_words(
    supervisor: httpx.Client, machine: dict[str, Any], case: str
) -> None:
    change, message = _EXISTING[case]
    said = _refusal(_changed(supervisor, **change))
    assert said.endswith(f": {message}"), said


def test_bootstrap_and_hardware_may_change_together_with_the_power_going_off(
    supervisor: httpx.Client, machine: dict[str, Any]
) -> None:
    changed = {"bootstrap": {"vAppConfig": {"rawProperties": "another"}}, "minHardwareVersion": 21}
    _changed(supervisor, spec={**changed, "powerState": "PoweredOff"}).raise_for_status()


def test_a_suspension_of_what_is_off_is_refused(supervisor: httpx.Client) -> None:
    supervisor.post(_MACHINES, json=_machine(powerState="PoweredOff")).raise_for_status()
    try:
        said = _refusal(_changed(supervisor, spec={"powerState": "Suspended"}))
    finally:
        supervisor.delete(f"{_MACHINES}/dlvm")
        wait_until(lambda: supervisor.get(f"{_MACHINES}/dlvm").status_code == 404, "the machine is gone")
    assert said.endswith(': spec.powerState: Invalid value: "Suspended": cannot suspend a VM that is powered off')


def test_what_nobody_asked_for_is_filled_in(machine: dict[str, Any]) -> None:
    spec, annotations = machine["spec"], machine["metadata"]["annotations"]
    assert spec["image"] == {"kind": "VirtualMachineImage", "name": "vmi-00000000000000001"}
    assert spec["imageName"] == "one"
    assert spec["instanceUUID"] != spec["biosUUID"]
    subnet = {"kind": "SubnetSet", "apiVersion": "crd.nsx.vmware.com/v1alpha1", "name": ""}
    assert spec["network"]["interfaces"] == [
        {"name": "eth0", "network": subnet},
        {"name": "eth1", "network": {**subnet, "name": "other"}},
    ]
    assert {key for key in annotations if "created-at" in key} == {
        "vmoperator.vmware.com/created-at-build-version",
        "vmoperator.vmware.com/created-at-schema-version",
    }


@pytest.mark.parametrize(
    ("wanted", "kind"), [("2", "VirtualMachineImage"), ("3", "ClusterVirtualMachineImage")], ids=str
)
def test_of_two_images_with_one_name_the_id_tells_which(supervisor: httpx.Client, wanted: str, kind: str) -> None:
    name = f"vmi-0000000000000000{wanted}"
    answer = supervisor.post(_MACHINES, json=_machine(imageName=name), params={"dryRun": "All"})
    assert answer.json()["spec"]["image"] == {"kind": kind, "name": name}


_PORT = {"name": "ssh", "protocol": "TCP", "port": 22, "targetPort": 22}
_SERVICE: dict[str, tuple[dict[str, Any], str]] = {
    "leading digit": (
        {"name": "1-access"},
        'metadata.name: Invalid value: "1-access": a DNS-1035 label must consist of lower case alphanumeric characters'
        ' or "-", start with an alphabetic character, and end with an alphanumeric character (e.g. "my-name",  or'
        ' "abc-123", regex used for validation is "[a-z]([-a-z0-9]*[a-z0-9])?")',
    ),
    "no ports": ({"ports": []}, "spec.ports: Required value"),
    "same port twice": (
        {"ports": [_PORT, {**_PORT, "name": "again"}]},
        'spec.ports[1]: Duplicate value: VirtualMachineServicePort{Name:"", Protocol:"TCP", Port:22, TargetPort:0}',
    ),
    "same name twice": (
        {"ports": [_PORT, {**_PORT, "port": 23}]},
        'spec.ports[0].name: Duplicate value: "ssh"',
    ),
    "no such port": (
        {"ports": [{**_PORT, "port": 70000}]},
        "spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive",
    ),
    "no such protocol": (
        {"ports": [{**_PORT, "protocol": "ICMP"}]},
        'spec.ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
    ),
    "source range without mask": (
        {"loadBalancerSourceRanges": ["10.0.0.0/8", "192.0.2.1"]},
        'spec.loadBalancerSourceRanges[1]: Invalid value: "192.0.2.1": must be compatible with'
        " https://pkg.go.dev/net#ParseCIDR",
    ),
    "source ranges inside": (
        {"type": "ClusterIP", "loadBalancerSourceRanges": ["10.0.0.0/8"]},
        "spec.loadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
    ),
}


@pytest.mark.parametrize("case", _SERVICE)
def test_a_service_is_refused_in_vm_operators_words(supervisor: httpx.Client, case: str) -> None:
    change, message = _SERVICE[case]
    said = _refusal(supervisor.post(_SERVICES, json=_service(**copy.deepcopy(change)), params={"dryRun": "All"}))
    assert said.endswith(f": {message}"), said


def test_what_the_components_make_is_taken(supervisor: httpx.Client) -> None:
    for path, body in ((_MACHINES, _machine()), (_SERVICES, _service())):
        supervisor.post(path, json=body, params={"dryRun": "All"}).raise_for_status()
