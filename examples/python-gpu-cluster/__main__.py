"""A Kubernetes cluster with GPU nodes, the NVIDIA GPU Operator, and a namespace for applications on it."""

import pulumi
import pulumi_kubernetes as kubernetes

import pulumi_paif as paif

config = pulumi.Config()
gpu_class = paif.GpuVmClass(
    "example-gpu-vgpu", {"cpu_count": 16, "memory_mib": 131072, "vgpu": {"profiles": [config.require("profile")]}}
)
namespace = paif.AiNamespace(
    "example-gpu",
    {
        "supervisor": config.require("supervisor"),
        "access_list": [
            {
                "subject": "platform-engineers",
                "domain": config.require("domain"),
                "role": paif.vcf.NamespaceRole.OWNER,
            }
        ],
        "storage": [{"policy": config.require("storagePolicy")}],
        "vm_classes": ["best-effort-large", gpu_class.name],
        "content_libraries": [config.require("contentLibrary")],
    },
)
cluster = paif.GpuCluster(
    "example-gpu-vks",
    {
        "namespace": namespace.name,
        "namespace_name": "example-gpu",
        "storage_class": namespace.storage_classes[0],
        "control_plane_class": "best-effort-large",
        "pools": [
            {"name": "cpu", "vm_class": "best-effort-large", "replicas": 1},
            {"name": "gpu", "vm_class": gpu_class.name, "gpu_count": 1, "replicas": config.require_int("gpuNodes")},
        ],
    },
)
operator = paif.GpuOperator(
    "example-gpu-operator",
    {
        "kubeconfig": cluster.kubeconfig,
        "pools": cluster.gpu_pools,
        "gpu_mode": paif.GpuMode.VGPU,
        "repository": {"url": config.get("chartRepository")},
        "license_token": config.require_secret("licenseToken"),
        "ngc_api_key": config.require_secret("ngcApiKey"),
    },
    # It goes with its cluster: from one that is gone nothing needs to be taken.
    pulumi.ResourceOptions(providers=[cluster.provider], deleted_with=cluster.cluster),
)
applications = kubernetes.core.v1.Namespace(
    "applications",
    metadata={"name": "applications"},
    opts=pulumi.ResourceOptions(provider=cluster.provider, depends_on=[operator], deleted_with=cluster.cluster),
)

pulumi.export("cluster", cluster.name)
pulumi.export("gpuOperator", operator.state)
pulumi.export("kubeconfig", cluster.kubeconfig)
