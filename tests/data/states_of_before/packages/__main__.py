"""A program that has components by their package's name, as a generated SDK of any language asks for them."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes


class Packaged(pulumi.ComponentResource):
    """Component `kind` of the package `paif`, which its plugin makes; `outputs` are those that are used."""

    def __init__(
        self, kind: str, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions, *outputs: str
    ) -> None:
        """Have the plugin make it."""
        super().__init__(f"paif:index:{kind}", name, {**dict.fromkeys(outputs), **inputs}, opts, remote=True)

    def __getitem__(self, output: str) -> pulumi.Output[Any]:
        return pulumi.get(self, output)


config = pulumi.Config("site")
kubeconfig, authority = config.require_secret("kubeconfig"), config.require("authority")
vcenter = pulumi.ProviderResource(
    "vcf",
    "vcenter",
    {
        "server": config.require("server"),
        "username": config.require("username"),
        "password": config.require_secret("password"),
        "caBundle": authority,
        "kubeconfig": kubeconfig,
    },
)
supervisor = kubernetes.Provider(
    "supervisor", kubeconfig=kubeconfig, cluster_identifier="pai-supervisor", enable_secret_mutable=True
)
options = pulumi.ResourceOptions(providers=[vcenter, supervisor])

vgpu = Packaged(
    "GpuVmClass",
    "packages-a100-4c",
    {"cpuCount": 8, "memoryMib": 32768, "vgpu": {"profiles": ["grid_a100-4c"]}},
    options,
    "name",
)
small = Packaged(
    "CpuVmClass",
    "packages-small",
    {"cpuCount": 4, "memoryMib": 16384},
    options,
    "name",
)
namespace = Packaged(
    "AiNamespace",
    "packages-ns",
    {
        "supervisor": "pai-supervisor",
        "accessList": [{"subjectType": "GROUP", "subject": "data-scientists", "domain": "lab.test", "role": "EDIT"}],
        "storage": [{"policy": "pai-silver", "limitMib": 1048576}],
        "vmClasses": [vgpu["name"], small["name"]],
        "contentLibraries": ["dlvm-images", "kubernetes-releases"],
    },
    options,
    "name",
)
contents = pulumi.CustomResource(
    "vcf:index:NamespaceContents",
    "packages",
    {
        "namespace": namespace["name"],
        "vmClasses": [vgpu["name"], small["name"]],
        "storageClasses": ["pai-silver"],
        "images": [{"name": "dlvm-9.0.1-simulated"}],
    },
    pulumi.ResourceOptions(provider=vcenter),
)
placed = {"namespace": pulumi.get(contents, "namespace"), "labels": {"team": "packages"}}
# By its owner's own hands: a number reached a component of the package as 20.0 then, which no disk's size may be.
cluster = pulumi.CustomResource(
    "kubernetes:databases.dataservices.vmware.com/v1alpha1:PostgresCluster",
    "packages-pg",
    {
        "apiVersion": "databases.dataservices.vmware.com/v1alpha1",
        "kind": "PostgresCluster",
        "metadata": {
            "name": "packages-pg",
            "namespace": placed["namespace"],
            "annotations": {"pulumi.com/waitFor": "condition=Ready"},
        },
        "spec": {
            "version": "16.8+vmware.v9.0.1.0",
            "adminUsername": "packages",
            "databaseName": "vectors",
            "replicas": 0,
            "infrastructurePolicy": {"name": "pai-infra"},
            "vmClass": {"name": small["name"]},
            "storagePolicyName": "pai-silver",
            "storageSpace": "20Gi",
            "maintenanceWindow": {"startDay": "SATURDAY", "startTime": "22:00", "duration": "6h0m0s"},
            "blockDatabaseConnections": False,
        },
    },
    pulumi.ResourceOptions(provider=supervisor),
)
database = Packaged(
    "VectorDatabase",
    "packages-pg",
    {**placed, "existing": {}, "caBundle": authority},
    pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(depends_on=[cluster])),
    "connection",
)
services = Packaged(
    "PrivateAiServices",
    "packages-pais",
    {
        **placed,
        "storageClass": "pai-silver",
        "controlPlaneClass": small["name"],
        "gpuMode": "none",
        "oidc": {"issuerUrl": config.require("issuer"), "clientId": "pais"},
        "database": database["connection"],
        "caBundles": {"site": authority},
    },
    options,
    "url",
)
login = pulumi.Output.json_dumps(
    {
        "auths": {
            config.require("registry"): {
                "username": config.require("registryUsername"),
                "password": config.require_secret("registryPassword"),
            }
        }
    }
)
pull = kubernetes.core.v1.Secret(
    "packages-pull",
    metadata={"name": "packages-pull", "namespace": placed["namespace"]},
    type="kubernetes.io/dockerconfigjson",
    string_data={".dockerconfigjson": login},
    opts=pulumi.ResourceOptions(provider=supervisor),
)
Packaged(
    "ModelEndpoint",
    "packages-embeddings",
    {
        **placed,
        "type": "Embeddings",
        "routingName": "embeddings",
        "gallery": {
            "registry": config.require("registry"),
            "username": config.require("registryUsername"),
            "password": config.require_secret("registryPassword"),
            "caBundle": authority,
            "pullSecret": pull.metadata.name,
        },
        "repository": "models/baai/bge-small-en-v1.5-simulated",
        "reference": "v1",
        "vmClass": small["name"],
        "storageClass": "pai-silver",
    },
    pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(depends_on=[services])),
    "routingName",
)
machine = Packaged(
    "DeepLearningVm",
    "packages-carol",
    {
        "persona": "data-scientist",
        "image": "dlvm-9.0.1-simulated",
        "password": pulumi.Output.secret("not-a-password-of-anybody"),
        "licenseToken": pulumi.Output.secret("x" * 80),
        "ngcApiKey": pulumi.Output.secret("x" * 80),
        "vmService": {**placed, "vmClass": vgpu["name"], "storageClass": "pai-silver"},
    },
    options,
    "address",
)
pulumi.export("url", services["url"])
pulumi.export("address", machine["address"])
