"""Resources as the components make them, in an environment `dev` of organization `acme`; tests change single values."""

from __future__ import annotations

import base64
import copy
import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

import paif_catalog as catalog
from tests.policy.harness import RequestedResource

TODAY = dt.date.today()
SOON = (TODAY + dt.timedelta(days=20)).isoformat()
PAST = (TODAY - dt.timedelta(days=3)).isoformat()
FUTURE = (TODAY + dt.timedelta(days=900)).isoformat()
LABELS = {
    "paif.dev/organization": "acme",
    "paif.dev/environment": "dev",
    "paif.dev/owner": "ai-platform",
    "paif.dev/cost-center": "cc-4711",
}
NAMESPACE = "acme-dev-ns-ai"
GPU_CLASS = "acme-dev-class-vgpu-a100-40c"
DIRECTPATH_CLASS = "acme-dev-class-gpu-l40s"
# Public, and looks like a key all the same.
CERTIFICATE = f"-----BEGIN CERTIFICATE-----\n{'MIIBejCCASGgAwIBAgIUQ2' * 3}\n-----END CERTIFICATE-----\n"
UBUNTU = {"run.tanzu.vmware.com/resolve-os-image": "os-name=ubuntu"}
_RELEASE = catalog.baseline().versions["kubernetes-release"].version
GONE: Any = object()


def jwt(**claims: Any) -> str:
    """A token of the form of NVIDIA's, signed by nobody."""
    parts = [json.dumps({"alg": "x"}).encode(), json.dumps(claims).encode(), b"signature"]
    return ".".join(base64.urlsafe_b64encode(each).decode().rstrip("=") for each in parts)


JWT = jwt(service_instance_ref="lab")
UNKNOWN = {"$unknown": True}


def changed(
    resource: RequestedResource, changes: Mapping[str, Any], name: str = "", **options: Any
) -> RequestedResource:
    """A copy with values set at paths such as spec>topology>class; GONE removes one."""
    properties = copy.deepcopy(dict(resource.properties))
    for path, value in changes.items():
        place: Any = properties
        *parents, last = path.split(">")
        for part in parents:
            place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
        if value is GONE:
            del place[int(last) if isinstance(place, list) else last]
        elif isinstance(place, list):
            place[int(last)] = value
        else:
            place[last] = value
    values = {
        "protect": resource.protect,
        "ignored": resource.ignored,
        "provider": resource.provider,
        "after": resource.after,
        **options,
    }
    return RequestedResource(
        options.pop("type", resource.type) if "type" in options else resource.type,
        name or resource.name,
        properties,
        **{key: value for key, value in values.items() if key != "type"},
    )


def _object(api: str, kind: str, name: str, persona: str = "", **more: Any) -> dict[str, Any]:
    labels = {**LABELS, **({"paif.dev/persona": persona} if persona else {})}
    metadata = {"name": name, "namespace": NAMESPACE, "labels": labels}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **more}


STACK = RequestedResource("pulumi:pulumi:Stack", "paif-dev", {}, provider="")

VM = RequestedResource(
    "kubernetes:vmoperator.vmware.com/v1alpha3:VirtualMachine",
    "alice",
    _object(
        "vmoperator.vmware.com/v1alpha3",
        "VirtualMachine",
        "acme-dev-dlvm-alice",
        "data-scientist",
        spec={
            "className": GPU_CLASS,
            "imageName": "dlvm-9.0.1-simulated",
            "storageClass": "pai-gold",
            "powerState": "PoweredOn",
            "bootstrap": {"vAppConfig": {"rawProperties": "acme-dev-dlvm-alice-ovf"}},
        },
    ),
)
INLINE_VM = changed(
    VM,
    {
        "spec>bootstrap>vAppConfig": {
            "properties": [
                {"key": "hostname", "value": {"value": "alice"}},
                {"key": "password", "value": {"from": {"name": "s", "key": "password"}}},
            ]
        }
    },
)
BOOTSTRAP = RequestedResource(
    "kubernetes:core/v1:Secret",
    "alice-bootstrap",
    {
        "metadata": {"name": "acme-dev-dlvm-alice-ovf", "namespace": NAMESPACE, "labels": LABELS},
        "stringData": {"$secret": {"hostname": "alice", "password": "pass-word-1", "vgpu-license": JWT}},
    },
)
PLAIN_BOOTSTRAP = changed(BOOTSTRAP, {"stringData": {"$secret": {"hostname": "alice", "password": "pass-word-1"}}})
VSPHERE_VM = RequestedResource(
    "vsphere:index/virtualMachine:VirtualMachine",
    "bob",
    {
        "name": "acme-dev-dlvm-bob",
        "memory": 131072,
        "memoryReservation": 131072,
        "memoryReservationLockedToMax": True,
        "firmware": "efi",
        "hardwareVersion": 21,
        "hostSystemId": "host-1",
        "pciDeviceIds": ["0000:3b:00.0"],
        "extraConfig": {"pciPassthru.use64bitMMIO": "TRUE", "pciPassthru.64bitMMIOSizeGB": "128"},
        "tags": ["t1", "t2", "t3", "t4"],
        "clone": {"templateUuid": "u"},
        "vapp": {"properties": {"$secret": {"hostname": "bob", "password": "pass-word-1"}}},
    },
    provider="urn:pulumi:dev::paif::pulumi:providers:vsphere::vsphere",
)
VM_CLASS = RequestedResource(
    "vcf:index:VirtualMachineClass",
    "class",
    {
        "name": GPU_CLASS,
        "cpuCount": 16,
        "memoryMib": 131072,
        "memoryReservationPercent": 100,
        "vgpuProfiles": ["grid_a100-40c"],
        "directPathDevices": [],
    },
    provider="urn:pulumi:dev::paif::pulumi:providers:vcf::vcenter",
)
DIRECTPATH = changed(
    VM_CLASS,
    {
        "name": DIRECTPATH_CLASS,
        "vgpuProfiles": [],
        "directPathDevices": [{"vendorId": "10de", "deviceId": "26b9"}],
    },
    "directpath-class",
)
NAMESPACE_ = RequestedResource(
    "vcf:index:Namespace",
    "namespace",
    {"name": NAMESPACE, "supervisor": "pai-supervisor", "vmClasses": [GPU_CLASS], "adopt": False},
    provider="urn:pulumi:dev::paif::pulumi:providers:vcf::vcenter",
)


def _pool(name: str, vm_class: str, **more: Any) -> dict[str, Any]:
    overrides: list[dict[str, Any]] = [{"name": "vmClass", "value": vm_class}]
    if vm_class != "best-effort-large":
        taint = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
        overrides += [
            {"name": "volumes", "value": [{"name": "c", "mountPath": "/var/lib/containerd", "capacity": "200Gi"}]},
            {"name": "node", "value": {"taints": [taint]}},
        ]
    return {
        "class": "node-pool",
        "name": name,
        "metadata": {"annotations": dict(UBUNTU)},
        "variables": {"overrides": overrides},
        **more,
    }


CLUSTER = RequestedResource(
    "kubernetes:cluster.x-k8s.io/v1beta1:Cluster",
    "cluster",
    _object(
        "cluster.x-k8s.io/v1beta1",
        "Cluster",
        "acme-dev-vks-gpu",
        spec={
            "clusterNetwork": {
                "pods": {"cidrBlocks": ["192.168.156.0/20"]},
                "services": {"cidrBlocks": ["10.96.0.0/12"]},
            },
            "topology": {
                "class": "builtin-generic-v3.2.0",
                "version": _RELEASE,
                "controlPlane": {"replicas": 3, "metadata": {"annotations": dict(UBUNTU)}},
                "variables": [{"name": "vmClass", "value": "guaranteed-medium"}],
                "workers": {
                    "machineDeployments": [
                        _pool("cpu", "best-effort-large", replicas=1),
                        _pool("gpu", GPU_CLASS, replicas=2),
                    ]
                },
            },
        },
    ),
)
POOLS = "spec>topology>workers>machineDeployments"
SCALED = changed(
    CLUSTER,
    {
        f"{POOLS}>1>replicas": GONE,
        f"{POOLS}>1>metadata>annotations": {
            **UBUNTU,
            "cluster.x-k8s.io/cluster-api-autoscaler-node-group-min-size": "1",
            "cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size": "4",
        },
    },
)
DATABASE = RequestedResource(
    "kubernetes:databases.dataservices.vmware.com/v1alpha1:PostgresCluster",
    "database",
    _object(
        "databases.dataservices.vmware.com/v1alpha1",
        "PostgresCluster",
        "acme-dev-pg-vectors",
        spec={
            "version": "16.8+vmware.v9.0.1.0",
            "adminUsername": "pgadmin",
            "databaseName": "pais",
            "replicas": 1,
            "vmClass": {"name": "best-effort-large"},
            "backupLocation": {"name": "s3-default"},
            "backupConfig": {
                "backupRetentionDays": 30,
                "schedules": [{"name": "full-weekly", "type": "full", "schedule": "0 0 * * 0"}],
            },
        },
    ),
)
PAIS = RequestedResource(
    "kubernetes:pais.vmware.com/v1alpha1:PAISConfiguration",
    "pais",
    _object(
        "pais.vmware.com/v1alpha1",
        "PAISConfiguration",
        "default",
        spec={
            "vksControlPlane": {"virtualMachineClassName": "best-effort-large"},
            "auth": {"oidc": {"issuerUrl": "https://idp.example.test", "clientId": "pais"}},
        },
    ),
)
ENDPOINT = RequestedResource(
    "kubernetes:pais.vmware.com/v1alpha1:ModelEndpoint",
    "endpoint",
    _object(
        "pais.vmware.com/v1alpha1",
        "ModelEndpoint",
        "acme-dev-ep-llama",
        "app-developer",
        spec={
            "engine": "vLLM",
            "type": "Completions",
            "routingName": "meta/llama-3.1-8b-instruct",
            "replicas": 3,
            "model": {"ociRef": "harbor.example.test/models/meta/llama-3.1-8b@sha256:" + "0" * 64},
            "virtualMachineClassName": GPU_CLASS,
        },
    ),
)
CONFIG_MAP = RequestedResource(
    "kubernetes:core/v1:ConfigMap",
    "trust",
    {
        "metadata": {"name": "trust-harbor", "namespace": NAMESPACE, "labels": LABELS},
        "data": {"ca.crt": CERTIFICATE},
    },
)
LICENSE = RequestedResource(
    "kubernetes:core/v1:ConfigMap",
    "license",
    {
        "metadata": {"name": "licensing-config-1", "namespace": "gpu-operator", "labels": LABELS},
        "data": {"$secret": {"gridd.conf": "FeatureType=1", "client_configuration_token.tok": JWT}},
    },
)
RELEASE = RequestedResource(
    "kubernetes:helm.sh/v3:Release",
    "operator",
    {
        "name": "gpu-operator",
        "chart": "gpu-operator",
        "version": "v24.9.0",
        "namespace": "gpu-operator",
        "repositoryOpts": {"repo": "https://helm.ngc.nvidia.com/nvidia"},
        "values": {
            "operator": {"defaultRuntime": "containerd"},
            "driver": {
                "enabled": True,
                "repository": "nvcr.io/nvidia/vgpu",
                "image": "vgpu-guest-driver-5",
                "version": "550.127.05",
                "imagePullSecrets": ["ngc-secret"],
                "licensingConfig": {"configMapName": "licensing-config-1", "nlsEnabled": True},
            },
        },
    },
    provider="urn:pulumi:dev::paif::pulumi:providers:kubernetes::guest",
)
GUEST = RequestedResource(
    "pulumi:providers:kubernetes",
    "guest",
    {"clusterIdentifier": "acme-dev-vks-gpu", "kubeconfig": UNKNOWN},
    provider="",
)
OPERATOR_NAMESPACE = RequestedResource(
    "kubernetes:core/v1:Namespace",
    "operator-namespace",
    {
        "metadata": {
            "name": "gpu-operator",
            "labels": {**LABELS, "pod-security.kubernetes.io/enforce": "privileged"},
        }
    },
)
DEPLOYMENT = RequestedResource(
    "kubernetes:apps/v1:Deployment",
    "nim",
    {
        "metadata": {"name": "app", "namespace": "apps", "labels": LABELS},
        "spec": {"template": {"spec": {"containers": [{"name": "c", "image": "nvcr.io/nvidia/cuda:12.4.0"}]}}},
    },
)
IMAGE = "spec>template>spec>containers>0>image"
GALLERY = RequestedResource(
    "vcf:index:GalleryModel",
    "model",
    {
        "registry": "harbor.example.test",
        "repository": "models/meta/llama-3.1-8b",
        "reference": "v1",
        "password": {"$secret": "robot-password"},
    },
    provider="urn:pulumi:dev::paif::pulumi:providers:vcf::vcenter",
)
EXTENSION = RequestedResource(
    "vcf:index:PostgresExtension",
    "vector",
    {"extension": "vector", "version": "0.8.0", "password": {"$secret": "db-password"}},
    provider="urn:pulumi:dev::paif::pulumi:providers:vcf::vcenter",
)
ROLE = RequestedResource("vcf:index:PostgresRole", "role", {"name": "readers", "password": {"$secret": "db-password"}})
LIBRARY = RequestedResource(
    "vsphere:index/contentLibrary:ContentLibrary",
    "library",
    {"name": "dlvm", "subscription": {"subscriptionUrl": {"$secret": "https://dl.broadcom.com/abc/lib.json"}}},
)
DRS = RequestedResource(
    "vsphere:index/drsVmOverride:DrsVmOverride",
    "drs",
    {"computeClusterId": "c", "virtualMachineId": "v", "drsEnabled": True, "drsAutomationLevel": "manual"},
)
SNAPSHOT = RequestedResource(
    "vsphere:index/virtualMachineSnapshot:VirtualMachineSnapshot",
    "snapshot",
    {"virtualMachineUuid": "u", "snapshotName": "s"},
)
VSPHERE_PROVIDER = RequestedResource(
    "pulumi:providers:vsphere",
    "vsphere",
    {"vsphereServer": "vc.example.test", "allowUnverifiedSsl": "false", "password": {"$secret": "vc-password"}},
    provider="",
)
SUPERVISOR = RequestedResource(
    "vsphere:index/supervisorV2:SupervisorV2", "supervisor", {"name": "s", "zones": [{"name": "z1"}]}
)


def owning(gpus: int, **others: Any) -> dict[str, Any]:
    """What an organization owns: NVIDIA AI Enterprise for so many GPUs, and the PAIF add-on for its hosts."""
    return {
        "nvaie": {"owned": [{"gpus": gpus, "ends": FUTURE}]},
        "paifAddOn": {
            "owned": [{"cores": 512, "ends": FUTURE}],
            "hosts": [{"count": 4, "cpus": 2, "coresPerCpu": 64}],
        },
        **others,
    }


SETTINGS: dict[str, dict[str, Any]] = {
    "naming": {"organization": "acme"},
    "licensing": {
        "licenseTokenForm": "jwt",
        "licenses": owning(100),
        "existingClasses": {
            GPU_CLASS: {"profiles": ["grid_a100-40c"]},
            DIRECTPATH_CLASS: {"devices": 1},
        },
    },
    "platform": {
        "mixedProfileSizes": False,
        "gpus": {"A100": 1},
        "hostDriver": {"branch": 550, "nvaieMajor": 5},
        "trustedRegistries": ["harbor.example.test"],
        "existingClasses": {
            GPU_CLASS: {"profiles": ["grid_a100-40c"]},
            DIRECTPATH_CLASS: {"devices": 1},
        },
    },
}
CONFIG: dict[str, Any] = {
    "kind": "dev",
    "organization": "acme",
    "owner": "ai-platform",
    "costCenter": "cc-4711",
    "gpu": {"mode": "vgpu", "model": "A100"},
    "vmClasses": [
        {"name": "vgpu-a100-40c", "cpuCount": 16, "memoryGib": 128, "profile": "grid_a100-40c"},
        {"name": "gpu-l40s", "cpuCount": 16, "memoryGib": 128, "gpus": 1},
    ],
}
TOKEN = {"licenseToken": JWT}
