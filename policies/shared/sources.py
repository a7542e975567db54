"""Where facts come from that rules of several packs rest on.

A source begins with an address, or says that the rule is a convention of this toolkit, or that its fact is from memory;
a rule of the last kind refuses nothing.
"""

OWN = "a convention of this toolkit"
FROM_MEMORY = "from memory"

GUIDE = "https://github.com/JaeHoYun/vcf-private-ai-guide"
WRONG_FORM = "https://kubernetes.io/docs/reference/using-api/api-concepts/#setting-the-field-validation-level"
GPU_GUIDE = "https://github.com/JaeHoYun/vcf-private-ai/blob/main/01-infra/docs/11-gpu-enablement.md"
NVAIE_VGPU = "https://docs.nvidia.com/ai-enterprise/release-7/latest/infra-software/vgpu.html"
POWERCLI_PAIF = "https://github.com/vmware/PowerCLI-Example-Scripts/tree/master/Scripts/PAIF-N"
VSPHERE_PROVIDER = "https://github.com/vmware/terraform-provider-vsphere/blob/main/docs/resources"
PAIS_ENDPOINTS = (
    "https://github.com/vsphere-tmm/Supervisor-Services/blob/main/private-ai-services/modelendpoints.yaml "
    "(examples of ModelEndpoint)"
)
