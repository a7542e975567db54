"""vGPU profiles and the editions that license them."""

from __future__ import annotations

from collections.abc import Iterator

import paif_catalog as catalog
from policies.licensing.configuration import Context, LicensingObservations, LicensingSettings
from policies.licensing.counting.balance import TITLES
from policies.licensing.counting.need import PRODUCT_OF_SERIES
from policies.licensing.declarations import class_vgpu_profiles, gpu_mode, is_declared, nothing_declared, undeclared
from policies.shared.machines import configured_classes
from policies.shared.model import Findings, Resource, Rules, Severity, Undecided, Unknown, Violation, mandatory_in
from policies.shared.sources import GPU_GUIDE, NVAIE_VGPU, POWERCLI_PAIF
from policies.shared.types import ROOT, VM_CLASS

RULES: Rules[LicensingSettings, LicensingObservations] = Rules()


def _parsed(resource: Resource) -> Iterator[tuple[str, catalog.Profile] | Undecided]:
    for path, each in class_vgpu_profiles(resource):
        if isinstance(each, Unknown):
            yield Undecided(each.path)
            continue
        profile = catalog.parse_profile(str(each))
        if profile is not None:
            yield path, profile


@RULES.rule(
    "vgpu-entitlement",
    VM_CLASS + ROOT,
    severity=Severity.CRITICAL,
    reason="every vGPU needs an NVIDIA license, for compute that of NVIDIA AI Enterprise; without, it is slowed "
    "down and then loses CUDA, and an audit costs",
    remedy="declare the entitlement in policies/config/licenses.yaml, or use DirectPath I/O",
    source=NVAIE_VGPU,
)
def vgpu_entitlement(resource: Resource, run: Context) -> Findings:
    if not nothing_declared(run):
        return
    used = any(each.profiles for each in configured_classes(run.environment, run.stack).values())
    told_with_the_stack = gpu_mode(run) == "vgpu" and used
    if resource.type in ROOT:
        if told_with_the_stack:
            yield Violation(f"the configuration uses vGPU and no NVIDIA entitlement is declared{undeclared(run)}")
    elif class_vgpu_profiles(resource) and not told_with_the_stack:
        yield Violation(
            f"the class has a vGPU and no NVIDIA entitlement is declared{undeclared(run)}",
            class_vgpu_profiles(resource)[0][0],
        )


@RULES.rule(
    "profile-edition",
    VM_CLASS,
    severity=Severity.HIGH,
    reason="each series of profiles is licensed by its own product: C by AI Enterprise, Q by vWS, B by vPC or "
    "vWS, A by vApps",
    remedy="use a profile of a licensed series, or declare that product in policies/config/licenses.yaml",
    source=f"{GPU_GUIDE} (11.6)",
)
def profile_edition(resource: Resource, run: Context) -> Findings:
    if nothing_declared(run):
        return
    for each in _parsed(resource):
        if isinstance(each, Undecided):
            yield each
            continue
        path, profile = each
        product = PRODUCT_OF_SERIES[profile.series]
        if not is_declared(product, run):
            yield Violation(
                f"series {profile.series.upper()} needs {TITLES[product]}, which is not declared",
                path,
                profile.name,
            )


@RULES.rule(
    "profile-compute",
    VM_CLASS,
    severity=Severity.MEDIUM,
    levels=mandatory_in("staging", "prod"),
    reason="graphics profiles have no place on an AI platform: they cost another license and limit CUDA",
    remedy="use the C profile of the same size",
    source=f"{GPU_GUIDE} (11.11.2)",
)
def profile_compute(resource: Resource, run: Context) -> Findings:
    for each in _parsed(resource):
        if isinstance(each, Undecided):
            yield each
        elif each[1].series != "c":
            yield Violation(f"series {each[1].series.upper()} is not for compute", each[0], each[1].name)


@RULES.rule(
    "profile-known",
    VM_CLASS,
    severity=Severity.MEDIUM,
    reason="a name that is no vGPU profile tells nothing of the license it takes",
    remedy="use a profile name as the inventory shows it, such as grid_a100-40c",
    source=f"{POWERCLI_PAIF} (names of profiles)",
)
def profile_known(resource: Resource, run: Context) -> Findings:
    for path, each in class_vgpu_profiles(resource):
        if isinstance(each, Unknown):
            yield Undecided(each.path)
        elif catalog.parse_profile(str(each)) is None:
            yield Violation("this is no vGPU profile", path, each)
