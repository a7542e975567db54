"""What several rules ask: what is declared, and what a class takes of it."""

from __future__ import annotations

from typing import Any

from policies.licensing.configuration import Context, Edition, Entitlement
from policies.shared.model import Resource
from policies.shared.vm_classes import class_profiles


def entitlements_of(edition: Edition, run: Context) -> list[Entitlement]:
    """What is declared of an edition, expired or not."""
    return [each for each in run.settings.entitlements if each.edition == edition]


def class_vgpu_profiles(resource: Resource) -> list[tuple[str, Any]]:
    """Path and value of every vGPU profile of a class. Raises UndecidedError when their number is not known."""
    return class_profiles(resource)


def gpu_mode(run: Context) -> str:
    """Mode of the environment's GPUs, or nothing when the configuration does not tell."""
    gpu = run.environment.get("gpu")
    return str(gpu.get("mode")) if isinstance(gpu, dict) else ""
