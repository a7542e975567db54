"""Where facts come from that rules of several packs rest on."""

GUIDE = "https://github.com/JaeHoYun/vcf-private-ai-guide"
WRONG_FORM = "https://kubernetes.io/docs/reference/using-api/api-concepts/#setting-the-field-validation-level"
GPU_GUIDE = "https://github.com/JaeHoYun/vcf-private-ai 01-infra/docs/11-gpu-enablement.md"
NVAIE_VGPU = "https://docs.nvidia.com/ai-enterprise/release-7/latest/infra-software/vgpu.html"
