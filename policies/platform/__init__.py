"""Policy pack `platform`: what VCF, vSphere, VKS and the GPU stack can and cannot do, and what production demands."""
