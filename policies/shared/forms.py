"""Forms of the values that rules read: each is put right, or marked as one that nobody can read, before any rule runs.

So no rule can take a list for a mapping or text for a number. What the engine's plugins turn into one another anyway
(numbers, booleans and text of vSphere's and of this project's) is turned into the right one. A Kubernetes server turns
nothing: what it would refuse is marked. Null is nothing, as both have it. A form that no table names is judged where a
rule reads it (`Resource.items`, `mapping`, `text`, `number`).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from policies.shared.model import Unknown, Unreadable

EVERY = "*"
"""Key of a form that stands for all other keys."""


class Leaf(Enum):
    """Form of a value that holds no others; the value is what a message calls it."""

    TEXT = "text"
    NUMBER = "a number"
    FLAG = "true or false"
    ANY = "anything"


Form = Any
"""A Leaf; a mapping of keys to forms, for a mapping; a list with one form, for a list."""
TEXT, NUMBER, FLAG, ANY = Leaf.TEXT, Leaf.NUMBER, Leaf.FLAG, Leaf.ANY

_TEXTS = {EVERY: TEXT}
_META = {"name": TEXT, "generateName": TEXT, "namespace": TEXT, "labels": _TEXTS, "annotations": _TEXTS}
_OBJECT = {"apiVersion": TEXT, "kind": TEXT, "metadata": _META}
_REFERENCE = {"name": TEXT, "key": TEXT}
_PAIR = {"key": TEXT, "value": {"value": TEXT, "from": _REFERENCE}}
_MACHINE = {
    "className": TEXT,
    "class": {"name": TEXT},
    "imageName": TEXT,
    "image": {"name": TEXT},
    "storageClass": TEXT,
    "powerState": TEXT,
    "bootstrap": {
        "cloudInit": {
            "rawCloudConfig": _REFERENCE,
            "cloudConfig": {
                "users": [{"name": TEXT, "passwd": _REFERENCE, "hashed_passwd": _REFERENCE}],
                "write_files": [{"path": TEXT}],
            },
            "sshAuthorizedKeys": [TEXT],
        },
        "vAppConfig": {"rawProperties": TEXT, "properties": [_PAIR]},
        "linuxPrep": {"password": _REFERENCE},
        "sysprep": {},
    },
    "vmMetadata": {"configMapName": TEXT, "secretName": TEXT, "transport": TEXT},
}
_VARIABLES = [{"name": TEXT, "value": ANY}]
_POOL_META = {"labels": _TEXTS, "annotations": _TEXTS}
_TOPOLOGY = {
    "class": TEXT,
    "classNamespace": TEXT,
    "classRef": {"name": TEXT, "namespace": TEXT},
    "version": TEXT,
    "controlPlane": {"replicas": NUMBER, "metadata": _POOL_META, "variables": {"overrides": _VARIABLES}},
    "variables": _VARIABLES,
    "workers": {
        "machineDeployments": [
            {
                "class": TEXT,
                "name": TEXT,
                "replicas": NUMBER,
                "metadata": _POOL_META,
                "variables": {"overrides": _VARIABLES},
            }
        ]
    },
}
_FORMS: dict[str, Form] = {
    "kubernetes:vmoperator.vmware.com/*:VirtualMachine": {"spec": _MACHINE},
    "kubernetes:vmoperator.vmware.com/*:VirtualMachineReplicaSet": {
        "spec": {"replicas": NUMBER, "template": {"metadata": _META, "spec": _MACHINE}}
    },
    "kubernetes:vmoperator.vmware.com/*:VirtualMachineClass": {
        "spec": {
            "hardware": {
                "devices": {
                    "vgpuDevices": [{"profileName": TEXT}],
                    "dynamicDirectPathIODevices": [{"vendorID": NUMBER, "deviceID": NUMBER, "customLabel": TEXT}],
                }
            },
            "policies": {"resources": {"requests": {}, "limits": {}}},
            "configSpec": {},
        }
    },
    "kubernetes:cluster.x-k8s.io/*:Cluster": {
        "spec": {
            "clusterNetwork": {"pods": {"cidrBlocks": [TEXT]}, "services": {"cidrBlocks": [TEXT]}},
            "topology": _TOPOLOGY,
        }
    },
    "kubernetes:databases.dataservices.vmware.com/*:PostgresCluster": {
        "spec": {
            "version": TEXT,
            "databaseName": TEXT,
            "adminUsername": TEXT,
            "replicas": NUMBER,
            "vmClass": {"name": TEXT},
            "backupLocation": {"name": TEXT},
            "backupConfig": {
                "backupRetentionDays": NUMBER,
                "schedules": [{"name": TEXT, "type": TEXT, "schedule": TEXT}],
            },
        }
    },
    "kubernetes:pais.vmware.com/*:PAISConfiguration": {
        "spec": {
            "vksControlPlane": {"virtualMachineClassName": TEXT},
            "auth": {"oidc": {"issuerUrl": TEXT, "clientId": TEXT}},
        }
    },
    "kubernetes:pais.vmware.com/*:ModelEndpoint": {
        "spec": {
            "engine": TEXT,
            "type": TEXT,
            "routingName": TEXT,
            "replicas": NUMBER,
            "model": {"ociRef": TEXT},
            "virtualMachineClassName": TEXT,
        }
    },
    "kubernetes:core/v1:Secret": {"data": _TEXTS, "stringData": _TEXTS, "type": TEXT},
    "kubernetes:core/v1:ConfigMap": {"data": _TEXTS, "binaryData": _TEXTS},
    "kubernetes:infrastructure.cci.vmware.com/*:SupervisorNamespace": {
        "spec": {"className": TEXT, "regionName": TEXT, "description": TEXT}
    },
    "kubernetes:helm.sh/v3:Release": {
        "name": TEXT,
        "chart": TEXT,
        "version": TEXT,
        "namespace": TEXT,
        "repositoryOpts": {"repo": TEXT, "username": TEXT, "password": TEXT},
        "values": {},
    },
    "vcf:index:*": {"name": TEXT, "namespace": TEXT},
    "vcf:index:VirtualMachineClass": {
        "vgpuProfiles": [TEXT],
        "directPathDevices": [{"vendorId": TEXT, "deviceId": TEXT}],
        "memoryReservationPercent": NUMBER,
    },
    "vcf:index:Namespace": {"supervisor": TEXT, "vmClasses": [TEXT]},
    "vcf:index:Postgres*": {"extension": TEXT, "version": TEXT, "password": TEXT},
    "vcf:index:Gallery*": {"registry": TEXT, "repository": TEXT, "reference": TEXT, "password": TEXT},
    "vsphere:index/*": {"name": TEXT},
    "vsphere:index/virtualMachineClass:VirtualMachineClass": {"vgpuDevices": [TEXT], "memoryReservation": NUMBER},
    "vsphere:index/namespace:Namespace": {"vmServices": [{"vmClasses": [TEXT], "contentLibraries": [TEXT]}]},
    "vsphere:index/supervisor:Supervisor": {"namespaces": [{"name": TEXT, "vmClasses": [TEXT]}]},
    "vsphere:index/supervisorV2:SupervisorV2": {"zones": [ANY]},
    "vsphere:index/license:License": {"licenseKey": TEXT, "labels": _TEXTS},
    "vsphere:index/contentLibrary:ContentLibrary": {"subscription": {"subscriptionUrl": TEXT, "password": TEXT}},
    "vsphere:index/drsVmOverride:DrsVmOverride": {"drsEnabled": FLAG, "drsAutomationLevel": TEXT},
    "vsphere:index/virtualMachine:VirtualMachine": {
        "annotation": TEXT,
        "memory": NUMBER,
        "memoryReservation": NUMBER,
        "memoryReservationLockedToMax": FLAG,
        "memoryHotAddEnabled": FLAG,
        "cpuHotAddEnabled": FLAG,
        "firmware": TEXT,
        "hardwareVersion": NUMBER,
        "hostSystemId": TEXT,
        "datastoreClusterId": TEXT,
        "pciDeviceIds": [TEXT],
        "tags": [TEXT],
        "extraConfig": _TEXTS,
        "customAttributes": _TEXTS,
        "clone": {"templateUuid": TEXT, "customize": ANY},
        "vapp": {"properties": _TEXTS},
    },
    "vcfa:index/supervisorNamespace:SupervisorNamespace": {"namePrefix": TEXT, "className": TEXT, "regionName": TEXT},
}


def _merged(one: Form, other: Form) -> Form:
    if isinstance(one, dict) and isinstance(other, dict):
        return {key: _merged(one.get(key, other.get(key)), other.get(key, one.get(key))) for key in {**one, **other}}
    return one


@cache
def form_of(kind: str) -> Form | None:
    """Form of the properties of a resource type; None when no rule reads any."""
    form: Form = dict(_OBJECT) if kind.startswith("kubernetes:") and ".sh/" not in kind else None
    for pattern, each in _FORMS.items():
        if fnmatchcase(kind, pattern):
            form = _merged(each, form or {})
    return form


class Conformer:
    """Puts one resource's properties into their forms; `unreadable` are those that have none."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._strict = kind.startswith("kubernetes:") and ".sh/" not in kind
        self.unreadable: list[Unreadable] = []

    def conform(self, properties: Mapping[str, Any]) -> Mapping[str, Any]:
        """The properties, each in its form or marked."""
        form = form_of(self._kind)
        return properties if form is None else self._mapping(form, properties, "")

    def _mapping(self, form: Mapping[str, Form], values: Mapping[str, Any], path: str) -> dict[str, Any]:
        prefix = f"{path}." if path else ""
        rest = form.get(EVERY, ANY)
        return {
            key: None if value is None else self._value(form.get(key, rest), value, f"{prefix}{key}")
            for key, value in values.items()
        }

    def _value(self, form: Form, value: Any, path: str) -> Any:
        if form is ANY or isinstance(value, Unknown):
            return value
        if isinstance(form, dict):
            return self._mapping(form, value, path) if isinstance(value, dict) else self._mark(path, value, "a mapping")
        if isinstance(form, list):
            if not isinstance(value, list):
                return self._mark(path, value, "a list")
            return [self._value(form[0], each, f"{path}.{index}") for index, each in enumerate(value)]
        return self._leaf(form, value, path)

    def _leaf(self, form: Leaf, value: Any, path: str) -> Any:
        kind: Any = {Leaf.TEXT: str, Leaf.NUMBER: (int, float), Leaf.FLAG: bool}[form]
        if isinstance(value, kind) and (form is Leaf.FLAG or not isinstance(value, bool)):
            return value
        turned = None if self._strict else _turned(form, value)
        return self._mark(path, value, form.value) if turned is None else turned

    def _mark(self, path: str, value: Any, expected: str) -> Unreadable:
        marked = Unreadable(path, value, expected)
        self.unreadable.append(marked)
        return marked


def _turned(form: Leaf, value: Any) -> Any:
    """A value as the plugin turns it into this form; None when it cannot."""
    if form is Leaf.TEXT and isinstance(value, bool):
        return str(value).lower()
    if form is Leaf.TEXT and isinstance(value, int | float):
        return str(value)
    if form is Leaf.FLAG and isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    if form is Leaf.NUMBER and isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return None
        return int(number) if number.is_integer() else number
    return None
