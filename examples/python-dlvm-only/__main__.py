"""A Deep Learning VM with a vGPU for one data scientist, in a namespace of its own."""

import pulumi

import pulumi_paif as paif

config = pulumi.Config()
vm_class = paif.GpuVmClass(
    "example-dlvm-vgpu",
    {
        "cpu_count": 8,
        "memory_mib": config.require_int("memoryMib"),
        "vgpu": {"profiles": [config.require("profile")]},
    },
)
namespace = paif.AiNamespace(
    "example-dlvm",
    {
        "supervisor": config.require("supervisor"),
        "access_list": [
            {
                "subject": config.require("owner"),
                "domain": config.require("domain"),
                "role": paif.vcf.NamespaceRole.EDIT,
            }
        ],
        "storage": [{"policy": config.require("storagePolicy")}],
        "vm_classes": [vm_class.name],
        "content_libraries": [config.require("contentLibrary")],
        "images": [config.require("image")],
    },
)
machine = paif.DeepLearningVm(
    "example-dlvm-alice",
    {
        "persona": paif.Persona.DATA_SCIENTIST,
        "image": config.require("image"),
        "password": config.require_secret("password"),
        "license_token": config.require_secret("licenseToken"),
        "ngc_api_key": config.require_secret("ngcApiKey"),
        "vm_service": {
            "namespace": namespace.name,
            "vm_class": vm_class.name,
            "storage_class": namespace.storage_classes[0],
            "labels": {"team": config.require("team")},
        },
    },
)

pulumi.export("ssh", machine.ssh)
pulumi.export("jupyter", machine.jupyter_url)
