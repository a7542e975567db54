"""How many physical GPUs a set of vGPUs needs at least, and how many licenses the license server gives out for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from fractions import Fraction

from paif_catalog import Gpu, Profile

VGPUS_PER_LICENSE = 16
"""vGPUs of one GPU that a license of NVIDIA AI Enterprise covers.

Source: https://docs.nvidia.com/ai-enterprise/release-8/latest/infra-software/vgpu/licensing.html
"""
_VGPUS_PER_GPU = 32
_MIG_SLICES = 7


def most_vgpus(gpu: Gpu, profile: Profile, *, mixed: bool = False) -> int:
    """Most vGPUs of this profile on one GPU that carries nothing else.

    In mixed-size mode each takes the next power-of-two fraction of the GPU: 3 of 16 GiB on 48 GiB become 2.
    """
    by_memory = max(1, min(gpu.framebuffer_gib // profile.framebuffer_gib, _VGPUS_PER_GPU))
    if profile.slices:
        return max(1, min(_MIG_SLICES // profile.slices, by_memory))
    return 1 << (by_memory.bit_length() - 1) if mixed else by_memory


def gpus_needed(gpu: Gpu, vgpus: Mapping[Profile, int], *, mixed: bool = False) -> int:
    """Fewest GPUs that carry these vGPUs.

    A GPU takes time-sliced vGPUs of one size, in mixed-size mode of any; one in MIG mode takes none beside its slices.
    """
    slices = {profile: count for profile, count in vgpus.items() if profile.slices}
    sizes: Counter[int] = Counter()
    most: dict[int, int] = {}
    for profile, count in vgpus.items():
        if not profile.slices:
            sizes[profile.framebuffer_gib] += count
            most[profile.framebuffer_gib] = most_vgpus(gpu, profile, mixed=mixed)
    if mixed:
        # Fractions that are powers of two leave no gaps when the largest are placed first.
        whole = sum((Fraction(count, most[size]) for size, count in sizes.items()), Fraction())
        return _up(whole.numerator, whole.denominator) + _in_mig_mode(gpu, slices)
    return sum(_up(count, most[size]) for size, count in sizes.items()) + _in_mig_mode(gpu, slices)


def _up(count: int, share: int) -> int:
    return -(-count // share)


def _in_mig_mode(gpu: Gpu, vgpus: Mapping[Profile, int]) -> int:
    """GPUs for MIG-backed vGPUs, the largest placed first: slices and memory of a GPU both have an end."""
    bins: list[tuple[int, int]] = []
    for profile in sorted(vgpus, key=lambda each: (each.slices or 0, each.framebuffer_gib), reverse=True):
        taken = (profile.slices or 0, profile.framebuffer_gib)
        for _ in range(vgpus[profile]):
            place = next((n for n, free in enumerate(bins) if free[0] >= taken[0] and free[1] >= taken[1]), None)
            if place is None:
                bins.append((_MIG_SLICES - taken[0], gpu.framebuffer_gib - taken[1]))
            else:
                bins[place] = (bins[place][0] - taken[0], bins[place][1] - taken[1])
    return len(bins)


def licenses_enforced(gpu: Gpu, vgpus: Mapping[Profile, int], *, mixed: bool = False) -> int:
    """Fewest licenses that the server gives out for these vGPUs when they are on as few GPUs as they need.

    One for each GPU, and another one for each that must carry more vGPUs than a license covers.
    """
    sizes: dict[int, dict[Profile, int]] = {}
    for profile, count in vgpus.items():
        # In mixed-size mode all sizes share GPUs; slices of MIG are never so many.
        key = 0 if mixed or profile.slices else profile.framebuffer_gib
        sizes.setdefault(key, {})[profile] = count
    licenses = 0
    for together in sizes.values():
        gpus = gpus_needed(gpu, together, mixed=mixed)
        most = max(most_vgpus(gpu, each, mixed=mixed) for each in together)
        beyond = sum(together.values()) - gpus * VGPUS_PER_LICENSE
        licenses += gpus + (_up(beyond, most - VGPUS_PER_LICENSE) if beyond > 0 else 0)
    return licenses
