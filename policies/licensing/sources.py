"""Where facts come from that several subjects of the pack `licensing` rest on."""

VGPU_LICENSING = "https://docs.nvidia.com/vgpu/latest/grid-licensing-user-guide/index.html"
ISSUE = "the organization's license rules; policies/config"
