"""A site as the provider's look-ups tell of it, on which the complete environment of `samples` is right."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import paif_catalog as catalog

RELEASE = catalog.baseline().versions["kubernetes-release"].version
APIS = [
    "cluster.x-k8s.io/v1beta1",
    "databases.dataservices.vmware.com/v1alpha1",
    "pais.vmware.com/v1alpha1",
    "vmoperator.vmware.com/v1alpha3",
]
_DEVICE = {
    "vendorId": "10de",
    "deviceId": "20b5",
    "name": "NVIDIA A100",
    "passthroughActive": False,
    "assignedTo": [],
}
_PROFILES = ["grid_a100-20c", "grid_a100-40c"]


def inventory(gpus: int = 4, profiles: list[str] | None = None, **device: Any) -> dict[str, Any]:
    """One host with GPUs."""
    devices = [{**_DEVICE, **device, "id": f"0000:{index:02x}:00.0"} for index in range(gpus)]
    host = {"name": "esx-01", "moid": "host-1", "connected": True, "memoryMib": 4194304, "pciDevices": devices}
    return {"hosts": [{**host, "vgpuProfiles": _PROFILES if profiles is None else profiles}]}


OFFER: dict[str, Any] = {
    "namespace": "other-team",
    "infrastructurePolicies": [
        {"name": "pai-infra", "vmClasses": ["best-effort-large"], "storagePolicies": ["pai-gold"]},
        {"name": "pai-small", "vmClasses": ["best-effort-small"], "storagePolicies": ["pai-silver"]},
    ],
    "versions": ["16.8+vmware.v9.0.1.0", "15.12+vmware.v9.0.1.0"],
    "backupLocations": ["s3-default"],
    "replicas": [0, 1],
    "maxStorage": "2Ti",
    "boundClasses": ["best-effort-large", "best-effort-small"],
    "boundStorage": ["pai-gold", "pai-silver"],
}
"""What DSM allows in the namespace of somebody else."""
STANDING: dict[str, Any] = {
    "name": "shared",
    "version": "16.8+vmware.v9.0.1.0",
    "infrastructurePolicy": "pai-infra",
    "vmClass": "best-effort-large",
    "storagePolicy": "pai-gold",
    "backupLocation": "",
    "replicas": 0,
    "storageSpace": "60Gi",
}
"""A PostgresCluster of the namespace."""
PLATFORM: dict[str, Any] = {
    "served": APIS,
    "offered": [
        {
            "name": RELEASE.replace("+", "---"),
            "version": RELEASE,
            "against": "",
            "images": [{"os": "ubuntu", "version": "22.04", "library": "cl-1"}],
        }
    ],
    "allowed": [OFFER],
    "standing": [],
    "clusters": [],
    "virtualMachines": [],
    "unanswered": [],
}
MODEL = {"status": "found", "tags": [], "repositories": [], "reason": ""}
PRINCIPAL = {"found": True, "domains": [], "known": [], "unanswered": ""}
ANSWERS: dict[str, Any] = {
    "vcf:index:getMissing": {"missing": []},
    "vcf:index:getGpuInventory": inventory(),
    "vcf:index:getContentLibrary": {
        "id": "lib-1",
        "name": "dlvm-images",
        "items": [{"id": "i", "name": "dlvm-9.0.1-simulated", "type": "ovf"}],
    },
    "vcf:index:getPlatform": PLATFORM,
    "vcf:index:getImageProperties": {
        "known": True,
        "properties": sorted(catalog.baseline().dlvm_properties.properties),
        "unanswered": "",
    },
    "vcf:index:getModels": lambda args: {"answers": [MODEL for _ in args["models"]]},
    "vcf:index:getPrincipals": lambda args: {"answers": [PRINCIPAL for _ in args["entries"]]},
    "vcf:index:getCharts": {"answers": [{"status": "found", "versions": ["v24.9.0", "v24.6.2"], "reason": ""}]},
}


def platform(**changes: Any) -> dict[str, Any]:
    """Answers in which the Supervisor tells something else."""
    return {**ANSWERS, "vcf:index:getPlatform": {**deepcopy(PLATFORM), **changes}}
