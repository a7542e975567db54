"""Where facts come from that several subjects of the pack `licensing` rest on; docs/licenses.md says what they say."""

from policies.shared.sources import OWN

VGPU_LICENSING = "https://docs.nvidia.com/vgpu/latest/grid-licensing-user-guide/index.html"
NVAIE_GUIDE = "https://docs.nvidia.com/ai-enterprise/planning-resource/licensing-guide/latest/licensing.html"
NVAIE_ENFORCED = "https://docs.nvidia.com/ai-enterprise/release-8/latest/infra-software/vgpu/licensing.html"
VGPU_PACKAGING = "https://docs.nvidia.com/vgpu/packaging-pricing-licensing-guide/latest/index.html"
NVAIE_EULA = "https://www.nvidia.com/en-us/data-center/products/nvidia-ai-enterprise/eula/"
ISSUE = f"{OWN}: the organization's license rules, policies/config"
