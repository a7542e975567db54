"""Where facts come from that several subjects of the pack `licensing` rest on."""

VGPU_LICENSING = "https://docs.nvidia.com/vgpu/latest/grid-licensing-user-guide/index.html"
ISSUE = "the organisation's licence rules; policies/config"
