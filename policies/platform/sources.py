"""Where facts come from that several subjects of the pack `platform` rest on."""

from policies.shared.sources import OWN

CAPI = "https://github.com/kubernetes-sigs/cluster-api/tree/v1.9.0"
VM_OPERATOR = "https://github.com/vmware-tanzu/vm-operator/tree/main/config/crd/bases"
VKS = "https://github.com/vmware/terraform-provider-vcfa/blob/main/docs/resources/vks_cluster.md"
VKS_CLASSES = "https://developer.broadcom.com/xapis/vmware-vsphere-kubernetes-service/latest/variable-docs.html"
OPERATOR = "https://github.com/NVIDIA/gpu-operator/tree/v24.9.0"
PAIS_EXAMPLES = (
    "https://developer.broadcom.com/xapis/vmware-private-ai-service-kubernetes-api/latest/api-docs.html; "
    "https://github.com/vsphere-tmm/Supervisor-Services/tree/main/private-ai-services (examples)"
)
GUARD = f"{OWN}: what production demands"
