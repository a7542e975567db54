"""A Pulumi program as one would write it without the toolkit: a namespace, a VM class and a number of DLVMs, plainly.

It makes the resources that the toolkit makes for the same environment, without models, checks or components.
"""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, os.environ["PAIF_ROOT"])

import pulumi
import pulumi_kubernetes as kubernetes

from pulumi_paif import vcf

endpoints = json.loads((Path(os.environ["PAIF_STATE"]) / "lab" / "endpoints.json").read_text())
count = int(os.environ["PAIF_BENCH_MACHINES"])
name = f"bench-raw-{count}"
labels = json.loads(os.environ["PAIF_BENCH_LABELS"])
vcenter = vcf.Provider(
    "vcenter",
    server=endpoints["vcenter"]["server"],
    username=endpoints["vcenter"]["username"],
    password=pulumi.Output.secret(endpoints["vcenter"]["password"]),
    ca_bundle=endpoints["vcenter"]["ca"],
    kubeconfig=pulumi.Output.secret(endpoints["supervisor"]["kubeconfig"]),
)
supervisor = kubernetes.Provider(
    "supervisor",
    kubeconfig=pulumi.Output.secret(endpoints["supervisor"]["kubeconfig"]),
    cluster_identifier=endpoints["supervisor"]["name"],
)
in_vcenter = pulumi.ResourceOptions(provider=vcenter)
vm_class = vcf.VirtualMachineClass(
    "class",
    name=f"{name}-a100-4c",
    cpu_count=8,
    memory_mib=32 * 1024,
    memory_reservation_percent=100,
    vgpu_profiles=["grid_a100-4c"],
    opts=in_vcenter,
)
namespace = vcf.Namespace(
    "namespace",
    name=name,
    supervisor=endpoints["supervisor"]["name"],
    access_list=[],
    storage_specs=[vcf.StorageSpec(policy="pai-gold")],
    vm_classes=[vm_class.name],
    content_libraries=["dlvm-images", "kubernetes-releases"],
    opts=in_vcenter,
)
# The platform refuses machines that come before their image and their storage: a plain program has to wait as well.
contents = vcf.NamespaceContents(
    "contents",
    namespace=namespace.name,
    vm_classes=[vm_class.name],
    storage_classes=["pai-gold"],
    images=[vcf.AwaitedImage(name=os.environ["PAIF_BENCH_IMAGE"])],
    opts=in_vcenter,
)
secrets = json.loads(os.environ["PAIF_BENCH_SECRETS"])
properties = {
    "password": secrets["workstationPassword"],
    "vgpu-license": secrets["licenseToken"],
    "nvidia-portal-api-key": secrets["ngcApiKey"],
}
for index in range(count):
    machine = f"{name}-dlvm-{index:03d}"
    bootstrap = kubernetes.core.v1.Secret(
        f"{machine}-bootstrap",
        metadata={"name": f"{machine}-ovf", "namespace": contents.namespace, "labels": labels},
        string_data=pulumi.Output.secret({"hostname": machine, **properties}),
        opts=pulumi.ResourceOptions(provider=supervisor),
    )
    vm = kubernetes.apiextensions.CustomResource(
        machine,
        api_version=os.environ["PAIF_BENCH_VM_OPERATOR"],
        kind="VirtualMachine",
        metadata={
            "name": machine,
            "namespace": contents.namespace,
            "labels": {**labels, "workstation": machine},
            "annotations": {"pulumi.com/waitFor": os.environ["PAIF_BENCH_WAIT"]},
        },
        spec={
            "className": vm_class.name,
            "imageName": os.environ["PAIF_BENCH_IMAGE"],
            "storageClass": "pai-gold",
            "powerState": "PoweredOn",
            "powerOffMode": "TrySoft",
            "network": {"interfaces": [{"name": "eth0"}]},
            "bootstrap": {"vAppConfig": {"rawProperties": bootstrap.metadata["name"]}},
        },
        opts=pulumi.ResourceOptions(provider=supervisor, depends_on=[bootstrap], ignore_changes=["spec.imageName"]),
    )
    kubernetes.apiextensions.CustomResource(
        f"{machine}-access",
        api_version=os.environ["PAIF_BENCH_VM_OPERATOR"],
        kind="VirtualMachineService",
        metadata={
            "name": machine,
            "namespace": contents.namespace,
            "labels": labels,
            "annotations": {"pulumi.com/waitFor": os.environ["PAIF_BENCH_SERVICE_WAIT"]},
        },
        spec={
            "type": "LoadBalancer",
            "selector": {"workstation": machine},
            "ports": [
                {"name": "ssh", "protocol": "TCP", "port": 22, "targetPort": 22},
                {"name": "jupyter", "protocol": "TCP", "port": 8888, "targetPort": 8888},
            ],
        },
        opts=pulumi.ResourceOptions(provider=supervisor, depends_on=[vm]),
    )
