"""vGPU: profiles, and drivers of hosts and guests."""

from __future__ import annotations

import re
from collections.abc import Iterator

import paif_catalog as catalog
from policies.platform.configuration import Context, PlatformObservations, PlatformSettings
from policies.shared.deep_learning_vms import is_deep_learning_vm
from policies.shared.machines import machine_gpu
from policies.shared.model import (
    Findings,
    Level,
    Resource,
    Rules,
    Severity,
    Violation,
    everywhere,
    mandatory_in,
    require_known,
)
from policies.shared.operators import gpu_operators
from policies.shared.sources import GPU_GUIDE, GUIDE, NVAIE_VGPU
from policies.shared.types import GPU_OPERATOR, VM_CLASS, VM_SERVICE, VSPHERE_VM
from policies.shared.vm_classes import class_devices
from policies.shared.vm_classes import class_profiles as declared_profiles

RULES: Rules[PlatformSettings, PlatformObservations] = Rules()

_MIXED = "https://blogs.vmware.com/cloud-foundation/2024/07/03/what-is-new-for-gpus-in-vsphere-8-update-3/"


@RULES.rule(
    "profile-homogeneous",
    VM_CLASS,
    severity=Severity.HIGH,
    reason="a GPU in the usual mode takes one profile size at a time: of more sizes than GPUs, one finds no place "
    "though memory is free",
    remedy="use fewer sizes of the GPU model, or set mixedProfileSizes where its GPUs take several",
    source=_MIXED,
)
def profile_homogeneous(resource: Resource, run: Context) -> Findings:
    for path, profile, others in _further_sizes(resource, run):
        gpus = _gpus_of(profile, run)
        if gpus is not None and len(others) >= gpus:
            sizes = ", ".join(f"{size} GiB" for size in sorted(others))
            many = "GPU" if gpus == 1 else "GPUs"
            yield Violation(f"{gpus} {many} of the model: {sizes} before this one", path, profile.name)


@RULES.rule(
    "profile-sizes",
    VM_CLASS,
    severity=Severity.LOW,
    levels=everywhere(Level.ADVISORY),
    reason="a GPU in the usual mode takes one profile size at a time, and how many GPUs there are is not declared",
    remedy="declare the GPUs of each model under platform.gpus, or set mixedProfileSizes where GPUs take several sizes",
    source=_MIXED,
)
def profile_sizes(resource: Resource, run: Context) -> Findings:
    for path, profile, others in _further_sizes(resource, run):
        if _gpus_of(profile, run) is None:
            size, owner = next(iter(others.items()))
            other = f"{owner.rsplit('::', 1)[1]} has {size} GiB of the same GPU model"
            yield Violation(f"{other}, and nothing tells that there is a GPU for each size", path, profile.name)


def _further_sizes(resource: Resource, run: Context) -> Iterator[tuple[str, catalog.Profile, dict[int, str]]]:
    """Each profile of a size that came after others of its GPU model, with those: size -> URN of its class."""
    if run.settings.mixed_profile_sizes:
        return
    for path, profile in class_profiles(resource):
        # Slices of a GPU in MIG mode differ as they like.
        sizes = {} if profile.slices else run.observations.sizes.get(profile.prefix, {})
        before = list(sizes)[: list(sizes).index(profile.framebuffer_gib)] if profile.framebuffer_gib in sizes else []
        if before:
            yield path, profile, {size: sizes[size] for size in before}


def _gpus_of(profile: catalog.Profile, run: Context) -> int | None:
    """How many GPUs of a profile's model there are; None when it is not declared."""
    counts = run.settings.gpus.items()
    return next((count for name, count in counts if catalog.names_gpu(name, profile, catalog.gpus())), None)


def class_profiles(resource: Resource) -> Iterator[tuple[str, catalog.Profile]]:
    """Path and parts of every vGPU profile of a class. Raises UndecidedError."""
    for path, each in declared_profiles(resource):
        profile = catalog.parse_profile(str(require_known(each)))
        if profile is not None:
            yield path, profile


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
    found = class_devices(resource)
    devices = {device for _, device in found}
    if len(models) > 1 or len(devices) > 1:
        yield Violation(f"the class mixes GPUs: {', '.join(sorted(models | devices))}")
    elif models and devices:
        yield Violation("the class has vGPU profiles and whole devices", found[0][0])


@RULES.rule(
    "mig-one-kind",
    VM_CLASS,
    severity=Severity.MEDIUM,
    reason="a machine may have MIG profiles of one kind only",
    remedy="use the same MIG profile for all vGPUs of the class",
    source=f"{GPU_GUIDE} (11.5.3)",
)
def mig_one_kind(resource: Resource, run: Context) -> Findings:
    slices = [(path, profile.name) for path, profile in class_profiles(resource) if profile.slices]
    names = sorted({name for _, name in slices})
    if len(names) > 1:
        yield Violation(f"the class mixes MIG profiles: {', '.join(names)}", slices[-1][0])


@RULES.rule(
    "driver-branch",
    GPU_OPERATOR,
    severity=Severity.CRITICAL,
    reason="a vGPU guest driver loads with a host driver of its own branch or of the next one, never of an older",
    remedy="take a guest driver of the hosts' branch or of the branch before, or update the hosts first",
    source=f"{GPU_GUIDE} (11.6)",
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
    VM_SERVICE + VSPHERE_VM,
    severity=Severity.HIGH,
    levels=mandatory_in("staging", "prod"),
    reason="Deep Learning VM 9.0 is supported with host drivers of AI Enterprise 6 and older only",
    remedy="keep GPU hosts for Deep Learning VMs on AI Enterprise 6.x, or use a newer image",
    source=f"{GUIDE} (part 2, 4.2)",
)
def dlvm_host_driver(resource: Resource, run: Context) -> Findings:
    host = run.settings.host_driver
    # An image of one's own brings a driver of its own.
    if host is None or host.nvaie_major <= 6 or not is_deep_learning_vm(resource, run):
        return
    found = machine_gpu(resource, run, run.observations.classes)
    if found is None or found.profiles:
        yield Violation(f"the hosts have AI Enterprise {host.nvaie_major}")
