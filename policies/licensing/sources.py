"""Where facts come from that several subjects of the pack `licensing` rest on."""

from policies.shared.sources import OWN

VGPU_LICENSING = "https://docs.nvidia.com/vgpu/latest/grid-licensing-user-guide/index.html"
NVAIE_EULA = "https://www.nvidia.com/en-us/data-center/products/nvidia-ai-enterprise/eula/"
ISSUE = f"{OWN}: the organization's license rules, policies/config"
