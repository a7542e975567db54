"""vGPU: profiles, and drivers of hosts and guests."""

from __future__ import annotations

import re
from collections.abc import Iterator

import paif_catalog as catalog
from policies.platform.configuration import Context, PlatformObservations, PlatformSettings
from policies.shared.machines import gpu_class
from policies.shared.model import (
    Findings,
    Resource,
    Rules,
    Severity,
    Violation,
    mandatory_in,
    raw_value_at,
    require_known,
    value_at,
)
from policies.shared.operators import gpu_operators
from policies.shared.selectors import profiles_key
from policies.shared.sources import GPU_GUIDE, GUIDE, NVAIE_VGPU
from policies.shared.types import GPU_OPERATOR, VM, VM_CLASS

RULES: Rules[PlatformSettings, PlatformObservations] = Rules()

_MIXED = "https://blogs.vmware.com/cloud-foundation/2024/07/03/what-is-new-for-gpus-in-vsphere-8-update-3/"


@RULES.rule(
    "profile-homogeneous",
    VM_CLASS,
    severity=Severity.HIGH,
    reason="a GPU in the usual mode takes one profile size at a time; how many GPUs there are is not known here, so "
    "that two sizes are taken to meet on one, where a machine finds no place though memory is free",
    remedy="use one size per GPU model, or set mixedProfileSizes where there is a GPU for each size or GPUs take both",
    source=_MIXED,
)
def profile_homogeneous(resource: Resource, run: Context) -> Findings:
    if run.settings.mixed_profile_sizes:
        return
    for path, profile in class_profiles(resource):
        size, owner = run.observations.sizes.get(profile.prefix, (profile.framebuffer_gib, ""))
        # Slices of a GPU in MIG mode differ as they like.
        if size != profile.framebuffer_gib and not profile.slices:
            other = f"{owner.rsplit('::', 1)[1]} has {size} GiB of the same GPU model"
            yield Violation(f"{other}, and nothing tells that there is a GPU for each size", path, profile.name)


def class_profiles(resource: Resource) -> Iterator[tuple[str, catalog.Profile]]:
    """Path and parts of every vGPU profile of a class. Raises UndecidedError."""
    key = profiles_key(resource)
    for index, each in enumerate(resource.items(key)):
        profile = catalog.parse_profile(str(require_known(each)))
        if profile is not None:
            yield f"{key}.{index}", profile


@RULES.rule(
    "class-one-gpu-model",
    VM_CLASS,
    severity=Severity.HIGH,
    reason="no host has both models for one machine, and profiles do not go with whole devices",
    remedy="make one class per GPU model and mode",
    source=NVAIE_VGPU,
)
def class_one_gpu_model(resource: Resource, run: Context) -> Findings:
    models = {profile.prefix for _, profile in class_profiles(resource)}
    devices = {str(value_at(each, "deviceId", "")) for each in resource.items("directPathDevices")}
    if len(models) > 1 or len(devices) > 1:
        yield Violation(f"the class mixes GPUs: {', '.join(sorted(models | devices))}")
    elif models and devices:
        yield Violation("the class has vGPU profiles and whole devices", "directPathDevices")


@RULES.rule(
    "mig-one-kind",
    VM_CLASS,
    severity=Severity.MEDIUM,
    reason="a machine may have MIG profiles of one kind only",
    remedy="use the same MIG profile for all vGPUs of the class",
    source=f"{GPU_GUIDE} §11.5.3",
)
def mig_one_kind(resource: Resource, run: Context) -> Findings:
    names = sorted({profile.name for _, profile in class_profiles(resource) if profile.slices})
    if len(names) > 1:
        yield Violation(f"the class mixes MIG profiles: {', '.join(names)}", "vgpuProfiles")


@RULES.rule(
    "driver-branch",
    GPU_OPERATOR,
    severity=Severity.CRITICAL,
    reason="a vGPU guest driver loads with a host driver of its own branch or of the next one, never of an older",
    remedy="take a guest driver of the hosts' branch or of the branch before, or update the hosts first",
    source=f"{GPU_GUIDE} §11.6",
)
def driver_branch(resource: Resource, run: Context) -> Findings:
    host = run.settings.host_driver
    if host is None:
        return
    for operator in gpu_operators(resource):
        # A version that is missing is told by gpu-operator-vgpu-driver.
        if operator.driver_kind() == "vgpu" and (version := operator.driver("version")):
            problem = _branch_problem(str(version), host.branch, run.settings.driver_branches)
            if problem:
                yield Violation(problem, operator.driver_setting("version"), version)


def _branch_problem(version: str, host: int, branches: list[int]) -> str:
    """Why guests with a driver of this version do not go with hosts of this branch; nothing when they do."""
    guest = int(version.split(".", 1)[0]) if re.match(r"\d+\.", version) else 0
    if host not in branches or guest not in branches:
        return f"branch {guest or version!r} is not known beside the hosts' {host}" if guest != host else ""
    if branches.index(host) - branches.index(guest) not in {0, 1}:
        return f"guests of branch {guest} do not go with hosts of branch {host}"
    return ""


@RULES.rule(
    "dlvm-host-driver",
    VM,
    severity=Severity.HIGH,
    levels=mandatory_in("staging", "prod"),
    reason="Deep Learning VM 9.0 is supported with host drivers of AI Enterprise 6 and older only",
    remedy="keep GPU hosts for Deep Learning VMs on AI Enterprise 6.x, or use a newer image",
    source=f"{GUIDE} (part 2, 4.2)",
)
def dlvm_host_driver(resource: Resource, run: Context) -> Findings:
    host = run.settings.host_driver
    if host is None or host.nvaie_major <= 6:
        return
    found = gpu_class(raw_value_at(resource.properties, "spec.className"), run, run.observations.classes)
    if found is None or found.profiles:
        yield Violation(f"the hosts have AI Enterprise {host.nvaie_major}")
