"""Where facts come from that several subjects of the pack `platform` rest on."""

CAPI = "https://github.com/kubernetes-sigs/cluster-api v1.9.0"
VM_OPERATOR = "https://github.com/vmware-tanzu/vm-operator config/crd/bases"
VKS = "https://github.com/vmware/terraform-provider-vcfa docs/resources/vks_cluster.md"
OPERATOR = "https://github.com/NVIDIA/gpu-operator tag v24.9.0"
PAIS_EXAMPLES = "https://github.com/vsphere-tmm/Supervisor-Services (PAIS examples)"
GUARD = "design of this project: what production demands"
