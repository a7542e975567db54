"""DirectPath I/O on vSphere: a device that is fixed to its host."""

from __future__ import annotations

import re

from policies.platform.configuration import Context, PlatformObservations, PlatformSettings
from policies.platform.sources import VM_OPERATOR
from policies.shared.model import Findings, Resource, Rules, Severity, UndecidedError, Violation, require_known
from policies.shared.sources import GUIDE, VSPHERE_PROVIDER
from policies.shared.types import DRS_OVERRIDE, SNAPSHOT, VM_CLASS, VSPHERE_VM
from policies.shared.vm_classes import class_devices, class_profiles, unreserved_memory

RULES: Rules[PlatformSettings, PlatformObservations] = Rules()

_VCENTER_PCI = (
    "https://docs.vmware.com/en/VMware-vSphere/8.0/vsphere-networking/GUID-BF2770C3-39ED-4BC5-A8EF-77D55EFE924C.html "
    "(features unavailable with DirectPath I/O)"
)
_MMIO = "https://docs.nvidia.com/ai-enterprise/release-5/5.2/appendix/appendix-misc.html"
_DRS = f"{VSPHERE_PROVIDER}/drs_vm_override.md; {_VCENTER_PCI}"


def has_fixed_device(resource: Resource) -> bool:
    """Whether a vSphere machine has a fixed PCI device. Raises UndecidedError."""
    return bool(resource.get("pciDeviceIds"))


@RULES.rule(
    "directpath-gpu-count",
    VSPHERE_VM + VM_CLASS,
    severity=Severity.HIGH,
    reason="a whole GPU serves one machine only; several in one are the exception and must be meant",
    remedy="give the machine one GPU, or raise directPathGpusPerVm",
    source=f"{GUIDE} (part 1: DirectPath I/O, one GPU per VM)",
)
def directpath_gpu_count(resource: Resource, run: Context) -> Findings:
    if resource.type in VSPHERE_VM:
        paths = [f"pciDeviceIds.{index}" for index, _ in enumerate(resource.items("pciDeviceIds"))]
    else:
        paths = [path for path, _ in class_devices(resource)]
    allowed = run.settings.direct_path_gpus_per_vm
    if len(paths) > allowed:
        yield Violation(f"{len(paths)} whole GPUs, at most {allowed} are allowed", paths[allowed].rsplit(".", 1)[0])


@RULES.rule(
    "directpath-pinned-host",
    VSPHERE_VM,
    severity=Severity.HIGH,
    reason="a fixed device is in one host; elsewhere the machine cannot be powered on",
    remedy="set hostSystemId to the host that has the device",
    source=_VCENTER_PCI,
)
def directpath_pinned_host(resource: Resource, run: Context) -> Findings:
    if has_fixed_device(resource) and not resource.get("hostSystemId"):
        yield Violation("the machine has a fixed device and no host", "hostSystemId")


@RULES.rule(
    "directpath-memory",
    VSPHERE_VM,
    severity=Severity.HIGH,
    reason="a device reaches guest memory at fixed addresses, so that none may be swapped: vSphere refuses to power on",
    remedy="set memoryReservation to memory, and memoryReservationLockedToMax to true",
    source=_VCENTER_PCI,
)
def directpath_memory(resource: Resource, run: Context) -> Findings:
    if not has_fixed_device(resource):
        return
    if resource.get("memoryReservationLockedToMax") is not True:
        yield Violation("the reservation is not locked to all memory", "memoryReservationLockedToMax")
    memory, reserved = resource.get("memory"), resource.get("memoryReservation")
    if reserved != memory:
        yield Violation(f"of {memory} MiB only {reserved or 0} are reserved", "memoryReservation", reserved)


@RULES.rule(
    "gpu-class-memory",
    VM_CLASS,
    severity=Severity.HIGH,
    reason="every machine with a vGPU or a DirectPath device needs all its memory reserved, or it does not power on",
    remedy="set the memory reservation of the class to 100 percent",
    source=_VCENTER_PCI,
)
def gpu_class_memory(resource: Resource, run: Context) -> Findings:
    if not class_profiles(resource) and not class_devices(resource):
        return
    missing = unreserved_memory(resource)
    if missing is not None:
        yield Violation("the class has a GPU and does not reserve all memory", *missing)


@RULES.rule(
    "directpath-firmware",
    VSPHERE_VM,
    severity=Severity.HIGH,
    reason="BIOS limits BAR1 to 256 MB, so that a data-center GPU is not mapped",
    remedy="set firmware to efi",
    source=_MMIO,
)
def directpath_firmware(resource: Resource, run: Context) -> Findings:
    if has_fixed_device(resource) and resource.get("firmware", "bios") != "efi":
        yield Violation("the machine does not boot with EFI", "firmware", resource.get("firmware"))


@RULES.rule(
    "directpath-mmio",
    VSPHERE_VM,
    severity=Severity.HIGH,
    reason="the memory of a large GPU is mapped above 4 GB into a window of its own, which must hold it",
    remedy="set pciPassthru.use64bitMMIO=TRUE and pciPassthru.64bitMMIOSizeGB to a power of two of at least 64",
    source=_MMIO,
)
def directpath_mmio(resource: Resource, run: Context) -> Findings:
    if not has_fixed_device(resource):
        return
    extra = resource.mapping("extraConfig")
    on, size = (require_known(extra.get(f"pciPassthru.{key}")) for key in ("use64bitMMIO", "64bitMMIOSizeGB"))
    if str(on).upper() != "TRUE":
        yield Violation("64-bit MMIO is off", "extraConfig.pciPassthru.use64bitMMIO", on)
    gib = int(size) if size is not None and str(size).isdigit() else 0
    if gib < 64 or gib & (gib - 1):
        yield Violation("the window is no power of two of at least 64", "extraConfig.pciPassthru.64bitMMIOSizeGB", size)


@RULES.rule(
    "directpath-no-snapshot",
    SNAPSHOT,
    severity=Severity.HIGH,
    reason="a machine with a DirectPath device cannot be snapshotted, since its device's state cannot be saved",
    remedy="back up the machine's data instead; exempt a snapshot of a machine without GPU",
    source=_VCENTER_PCI,
)
def directpath_no_snapshot(resource: Resource, run: Context) -> Findings:
    # Which machine it is of is known by a UUID that only exists after the machine does.
    pinned = _pinned(run)
    if pinned:
        yield Violation(f"{pinned}: DirectPath devices", "virtualMachineUuid")


def _pinned(run: Context) -> str:
    """Names of the machines with fixed devices. Raises UndecidedError while the only ones are not known yet."""
    machines = run.all_entries(run.observations.pinned).values()
    fixed = [name for name, has in machines if has]
    undecided = [name for name, has in machines if has is None]
    if undecided and not fixed:
        raise UndecidedError(f"pciDeviceIds of {', '.join(undecided)}")
    return ", ".join(fixed)


@RULES.rule(
    "directpath-no-drs",
    DRS_OVERRIDE,
    severity=Severity.HIGH,
    reason="DRS cannot move a machine with a DirectPath device, and fails whenever it tries",
    remedy="set drsAutomationLevel to manual, or switch DRS off for the machine",
    source=_DRS,
)
def directpath_no_drs(resource: Resource, run: Context) -> Findings:
    level = resource.get("drsAutomationLevel", "manual")
    if not resource.get("drsEnabled", False) or level not in {"fullyAutomated", "partiallyAutomated"}:
        return
    pinned = _pinned(run)
    if pinned:
        yield Violation(f"DRS is automatic beside the DirectPath devices of {pinned}", "drsAutomationLevel", level)


@RULES.rule(
    "directpath-no-vmotion",
    VSPHERE_VM,
    severity=Severity.HIGH,
    reason="a fixed device cannot be moved while it is in use: neither vMotion nor Storage DRS may want to",
    remedy="place it on a datastore instead of a datastore cluster, and leave migration settings out of extraConfig",
    source=_VCENTER_PCI,
)
def directpath_no_vmotion(resource: Resource, run: Context) -> Findings:
    if not has_fixed_device(resource):
        return
    if resource.get("datastoreClusterId"):
        yield Violation("Storage DRS may move the machine", "datastoreClusterId")
    for key in resource.mapping("extraConfig"):
        if re.match(r"(?i)(vgpu\.hotmigrate|pciPassthru.*migrat|migrate\.)", key):
            yield Violation(f"{key} asks for migration", f"extraConfig.{key}")


@RULES.rule(
    "directpath-no-hot-add",
    VSPHERE_VM,
    severity=Severity.MEDIUM,
    reason="memory and CPUs cannot be added while a device reaches into the machine's memory",
    remedy="leave memoryHotAddEnabled and cpuHotAddEnabled off",
    source=_VCENTER_PCI,
)
def directpath_no_hot_add(resource: Resource, run: Context) -> Findings:
    if has_fixed_device(resource):
        for path in ("memoryHotAddEnabled", "cpuHotAddEnabled"):
            if resource.get(path) is True:
                yield Violation("hot add is on", path, True)


@RULES.rule(
    "directpath-device-once",
    VSPHERE_VM,
    severity=Severity.CRITICAL,
    reason="a device belongs to one machine; the second one does not power on, and nothing says so at its creation",
    remedy="give each machine a device of its own",
    source=_VCENTER_PCI,
)
def directpath_device_once(resource: Resource, run: Context) -> Findings:
    for index, device in enumerate(resource.items("pciDeviceIds")):
        owner = run.observations.devices.get(
            (str(resource.get("hostSystemId", "")), str(require_known(device))), resource.urn
        )
        if owner != resource.urn:
            other = owner.rsplit("::", 1)[1]
            yield Violation(f"{other} has this device already", f"pciDeviceIds.{index}", device)


@RULES.rule(
    "directpath-hardware",
    VSPHERE_VM,
    severity=Severity.MEDIUM,
    reason="virtual hardware below 17 does not take such devices",
    remedy="set hardwareVersion to 17 or newer, best to the hosts' own",
    source=VM_OPERATOR,
)
def directpath_hardware(resource: Resource, run: Context) -> Findings:
    version = resource.get("hardwareVersion")
    if has_fixed_device(resource) and isinstance(version, int) and version < 17:
        yield Violation("the virtual hardware is too old", "hardwareVersion", version)
