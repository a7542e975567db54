"""What several rules ask: what is declared, and what a class takes of it."""

from __future__ import annotations

from typing import Any

from policies.licensing.configuration import LICENSES_FILE, Context, licenses_of
from policies.licensing.counting.balance import PRODUCTS
from policies.licensing.counting.need import Product
from policies.shared.model import Resource
from policies.shared.runs import target_of
from policies.shared.vm_classes import class_profiles


def is_declared(product: Product, run: Context) -> bool:
    """Whether a product was ever bought, or came with hardware; B profiles may have vWS as well."""
    licenses = licenses_of(run)
    return licenses.declares(product) or (product == "vpc" and licenses.declares("vws"))


def nothing_declared(run: Context) -> bool:
    """Whether no NVIDIA license is declared at all."""
    return not any(licenses_of(run).declares(each) for each in PRODUCTS)


def undeclared(run: Context) -> str:
    """How a finding says that nothing is declared."""
    made_up = run.settings.licenses.made_up_for
    if made_up and made_up != target_of(run):
        file = f"policies/config/{LICENSES_FILE}"
        return f": {file} is made up for the {made_up} and counts only where paif:target is {made_up}"
    return ""


def class_vgpu_profiles(resource: Resource) -> list[tuple[str, Any]]:
    """Path and value of every vGPU profile of a class. Raises UndecidedError when their number is not known."""
    return class_profiles(resource)


def gpu_mode(run: Context) -> str:
    """Mode of the environment's GPUs, or nothing when the configuration does not tell."""
    gpu = run.environment.get("gpu")
    return str(gpu.get("mode")) if isinstance(gpu, dict) else ""
