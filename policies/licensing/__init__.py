"""Policy pack `licensing`: what NVIDIA and VMware must have been paid for before it runs."""
