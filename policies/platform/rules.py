"""The rules of the pack `platform`."""

# ruff: noqa: ARG001 - every rule takes the same two arguments, and some need one of them only

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

import catalog
from catalog.redaction import has_secret_shape, is_credential_name, is_secret_path, leaves
from policies.platform.configuration import Platform, PlatformSettings
from policies.shared.containers import boot_texts, charts, images
from policies.shared.machines import (
    GpuClass,
    NodePool,
    class_or_undecided,
    entries,
    gpu_class,
    node_pools,
    observe_class,
)
from policies.shared.model import (
    Found,
    Level,
    Resource,
    Rules,
    Run,
    Severity,
    Undecided,
    UndecidedError,
    Unknown,
    Violation,
    at,
    everywhere,
    guarded,
    known,
    raw,
)
from policies.shared.quantities import quantity
from policies.shared.selectors import has_vgpu_driver, is_gpu_operator, is_of, profiles_key
from policies.shared.sources import GPU_GUIDE, GUIDE, NVAIE_VGPU
from policies.shared.types import (
    CLUSTER,
    CONFIG_MAP,
    DATABASE,
    DRS_OVERRIDE,
    ENDPOINT,
    EXTENSION,
    GALLERY_LOGIN,
    GALLERY_MODEL,
    KUBERNETES_NAMESPACE,
    LIBRARY,
    NIM,
    PAIS,
    PROVIDER,
    RELEASE,
    ROOT,
    SECRET,
    SNAPSHOT,
    VM,
    VM_CLASS,
    VSPHERE_VM,
    WORKLOAD,
    WORKSTATION,
)

pack: Rules[PlatformSettings, Platform] = Rules()
Context = Run[PlatformSettings, Platform]

_VCENTER_PCI = "vSphere 8 Networking, DirectPath I/O (docs.vmware.com GUID-BF2770C3, GUID-5B3CAB26)"
_MMIO = "https://docs.nvidia.com/ai-enterprise/release-5/5.2/appendix/appendix-misc.html"
_MIXED = "https://blogs.vmware.com/cloud-foundation/2024/07/03/what-is-new-for-gpus-in-vsphere-8-update-3/"
_VERSIONS = "catalog/versions.yaml"
_CLASSES = "catalog/cluster_classes.yaml"
_CAPI = "https://github.com/kubernetes-sigs/cluster-api v1.9.0"
_VM_OPERATOR = "https://github.com/vmware-tanzu/vm-operator config/crd/bases"
_VKS = "https://github.com/vmware/terraform-provider-vcfa docs/resources/vks_cluster.md"
_OPERATOR = "https://github.com/NVIDIA/gpu-operator tag v24.9.0"
_PAIS = "https://github.com/vsphere-tmm/Supervisor-Services (PAIS examples)"
_DSM = "https://developer.broadcom.com/xapis/vmware-data-services-manager-kubernetes-api/9.0.1.0/"
_GUARD = "design of this project: what production demands"
_PULUMI_SECRETS = "https://www.pulumi.com/docs/iac/concepts/secrets/"
_DRS = "https://github.com/vmware/terraform-provider-vsphere docs/resources/drs_vm_override.md"


# DirectPath I/O on vSphere: a device that is fixed to its host.


def _fixed(resource: Resource) -> bool:
    """Whether a vSphere machine has a fixed PCI device. Raises UndecidedError."""
    return bool(resource.get("pciDeviceIds"))


@pack.rule(
    "directpath-gpu-count",
    VSPHERE_VM + VM_CLASS,
    severity=Severity.HIGH,
    reason="a whole GPU serves one machine only; several in one are the exception and must be meant",
    remedy="give the machine one GPU, or raise directPathGpusPerVm",
    source=f"{GUIDE} (part 1: DirectPath I/O, one GPU per VM)",
)
def directpath_gpu_count(resource: Resource, run: Context) -> Found:
    path = "pciDeviceIds" if resource.type in VSPHERE_VM else "directPathDevices"
    count = len(resource.items(path))
    if count > run.settings.direct_path_gpus_per_vm:
        yield Violation(f"{count} whole GPUs, at most {run.settings.direct_path_gpus_per_vm} are allowed", path)


@pack.rule(
    "directpath-pinned-host",
    VSPHERE_VM,
    severity=Severity.HIGH,
    reason="a fixed device is in one host; elsewhere the machine cannot be powered on",
    remedy="set hostSystemId to the host that has the device",
    source=_VCENTER_PCI,
)
def directpath_pinned_host(resource: Resource, run: Context) -> Found:
    if _fixed(resource) and not resource.get("hostSystemId"):
        yield Violation("the machine has a fixed device and no host", "hostSystemId")


@pack.rule(
    "directpath-memory",
    VSPHERE_VM,
    severity=Severity.HIGH,
    reason="a device reaches guest memory at fixed addresses, so that none may be swapped: vSphere refuses to power on",
    remedy="set memoryReservation to memory, and memoryReservationLockedToMax to true",
    source=_VCENTER_PCI,
)
def directpath_memory(resource: Resource, run: Context) -> Found:
    if not _fixed(resource):
        return
    if resource.get("memoryReservationLockedToMax") is not True:
        yield Violation("the reservation is not locked to all memory", "memoryReservationLockedToMax")
    memory, reserved = resource.get("memory"), resource.get("memoryReservation")
    if reserved != memory:
        yield Violation(f"of {memory} MiB only {reserved or 0} are reserved", "memoryReservation", reserved)


@pack.rule(
    "gpu-class-memory",
    VM_CLASS,
    severity=Severity.HIGH,
    reason="every machine with a vGPU or a DirectPath device needs all its memory reserved, or it does not power on",
    remedy="set the memory reservation of the class to 100 percent",
    source=_VCENTER_PCI,
)
def gpu_class_memory(resource: Resource, run: Context) -> Found:
    has_gpu = bool(resource.get(profiles_key(resource))) or bool(resource.get("directPathDevices"))
    path = "memoryReservation" if resource.type.startswith("vsphere:") else "memoryReservationPercent"
    if has_gpu and resource.get(path) != 100:
        yield Violation("the class has a GPU and does not reserve all memory", path, resource.get(path))


@pack.rule(
    "directpath-firmware",
    VSPHERE_VM,
    severity=Severity.HIGH,
    reason="BIOS limits BAR1 to 256 MB, so that a data-centre GPU is not mapped",
    remedy="set firmware to efi",
    source=_MMIO,
)
def directpath_firmware(resource: Resource, run: Context) -> Found:
    if _fixed(resource) and resource.get("firmware", "bios") != "efi":
        yield Violation("the machine does not boot with EFI", "firmware", resource.get("firmware"))


@pack.rule(
    "directpath-mmio",
    VSPHERE_VM,
    severity=Severity.HIGH,
    reason="the memory of a large GPU is mapped above 4 GB into a window of its own, which must hold it",
    remedy="set pciPassthru.use64bitMMIO=TRUE and pciPassthru.64bitMMIOSizeGB to a power of two of at least 64",
    source=_MMIO,
)
def directpath_mmio(resource: Resource, run: Context) -> Found:
    if not _fixed(resource):
        return
    extra = resource.mapping("extraConfig")
    on, size = (known(extra.get(f"pciPassthru.{key}")) for key in ("use64bitMMIO", "64bitMMIOSizeGB"))
    if str(on).upper() != "TRUE":
        yield Violation("64-bit MMIO is off", "extraConfig.pciPassthru.use64bitMMIO", on)
    gib = int(size) if size is not None and str(size).isdigit() else 0
    if gib < 64 or gib & (gib - 1):
        yield Violation("the window is no power of two of at least 64", "extraConfig.pciPassthru.64bitMMIOSizeGB", size)


@pack.rule(
    "directpath-no-snapshot",
    SNAPSHOT,
    severity=Severity.HIGH,
    reason="a machine with a DirectPath device cannot be snapshotted, since its device's state cannot be saved",
    remedy="back up the machine's data instead; exempt a snapshot of a machine without GPU",
    source=_VCENTER_PCI,
)
def directpath_no_snapshot(resource: Resource, run: Context) -> Found:
    # Which machine it is of is known by a UUID that only exists after the machine does.
    pinned = _pinned(run)
    if pinned:
        yield Violation(f"{pinned}: DirectPath devices", "virtualMachineUuid")


def _pinned(run: Context) -> str:
    """Names of the machines with fixed devices. Raises UndecidedError while the only ones are not known yet."""
    machines = run.whole(run.seen.pinned).values()
    fixed = [name for name, has in machines if has]
    undecided = [name for name, has in machines if has is None]
    if undecided and not fixed:
        raise UndecidedError(f"pciDeviceIds of {', '.join(undecided)}")
    return ", ".join(fixed)


@pack.rule(
    "directpath-no-drs",
    DRS_OVERRIDE,
    severity=Severity.HIGH,
    reason="DRS cannot move a machine with a DirectPath device, and fails whenever it tries",
    remedy="set drsAutomationLevel to manual, or switch DRS off for the machine",
    source=_DRS,
)
def directpath_no_drs(resource: Resource, run: Context) -> Found:
    level = resource.get("drsAutomationLevel", "manual")
    if not resource.get("drsEnabled", False) or level not in {"fullyAutomated", "partiallyAutomated"}:
        return
    pinned = _pinned(run)
    if pinned:
        yield Violation(f"DRS is automatic beside the DirectPath devices of {pinned}", "drsAutomationLevel", level)


@pack.rule(
    "directpath-no-vmotion",
    VSPHERE_VM,
    severity=Severity.HIGH,
    reason="a fixed device cannot be moved while it is in use: neither vMotion nor Storage DRS may want to",
    remedy="place it on a datastore instead of a datastore cluster, and leave migration settings out of extraConfig",
    source=_VCENTER_PCI,
)
def directpath_no_vmotion(resource: Resource, run: Context) -> Found:
    if not _fixed(resource):
        return
    if resource.get("datastoreClusterId"):
        yield Violation("Storage DRS may move the machine", "datastoreClusterId")
    for key in resource.mapping("extraConfig"):
        if re.match(r"(?i)(vgpu\.hotmigrate|pciPassthru.*migrat|migrate\.)", key):
            yield Violation(f"{key} asks for migration", f"extraConfig.{key}")


@pack.rule(
    "directpath-no-hot-add",
    VSPHERE_VM,
    severity=Severity.MEDIUM,
    reason="memory and CPUs cannot be added while a device reaches into the machine's memory",
    remedy="leave memoryHotAddEnabled and cpuHotAddEnabled off",
    source=_VCENTER_PCI,
)
def directpath_no_hot_add(resource: Resource, run: Context) -> Found:
    if _fixed(resource):
        for path in ("memoryHotAddEnabled", "cpuHotAddEnabled"):
            if resource.get(path) is True:
                yield Violation("hot add is on", path, True)


@pack.rule(
    "directpath-device-once",
    VSPHERE_VM,
    severity=Severity.CRITICAL,
    reason="a device belongs to one machine; the second one does not power on, and nothing says so at its creation",
    remedy="give each machine a device of its own",
    source=_VCENTER_PCI,
)
def directpath_device_once(resource: Resource, run: Context) -> Found:
    for index, device in enumerate(resource.items("pciDeviceIds")):
        owner = run.seen.devices.get((str(resource.get("hostSystemId", "")), str(known(device))), resource.urn)
        if owner != resource.urn:
            other = owner.rsplit("::", 1)[1]
            yield Violation(f"{other} has this device already", f"pciDeviceIds.{index}", device)


@pack.rule(
    "directpath-hardware",
    VSPHERE_VM,
    severity=Severity.MEDIUM,
    reason="virtual hardware below 17 does not take such devices",
    remedy="set hardwareVersion to 17 or newer, best to the hosts' own",
    source=_VM_OPERATOR,
)
def directpath_hardware(resource: Resource, run: Context) -> Found:
    version = resource.get("hardwareVersion")
    if _fixed(resource) and isinstance(version, int) and version < 17:
        yield Violation("the virtual hardware is too old", "hardwareVersion", version)


# vGPU.


@pack.rule(
    "profile-homogeneous",
    VM_CLASS,
    severity=Severity.HIGH,
    reason="a GPU in the usual mode takes one profile size at a time; how many GPUs there are is not known here, so "
    "that two sizes are taken to meet on one, where a machine finds no place though memory is free",
    remedy="use one size per GPU model, or set mixedProfileSizes where there is a GPU for each size or GPUs take both",
    source=_MIXED,
)
def profile_homogeneous(resource: Resource, run: Context) -> Found:
    if run.settings.mixed_profile_sizes:
        return
    for path, profile in _class_profiles(resource):
        size, owner = run.seen.sizes.get(profile.prefix, (profile.framebuffer_gib, ""))
        # Slices of a GPU in MIG mode differ as they like.
        if size != profile.framebuffer_gib and not profile.slices:
            other = f"{owner.rsplit('::', 1)[1]} has {size} GiB of the same GPU model"
            yield Violation(f"{other}, and nothing tells that there is a GPU for each size", path, profile.name)


def _class_profiles(resource: Resource) -> Iterator[tuple[str, catalog.Profile]]:
    key = profiles_key(resource)
    for index, each in enumerate(resource.items(key)):
        profile = catalog.parse_profile(str(known(each)))
        if profile is not None:
            yield f"{key}.{index}", profile


@pack.rule(
    "class-one-gpu-model",
    VM_CLASS,
    severity=Severity.HIGH,
    reason="no host has both models for one machine, and profiles do not go with whole devices",
    remedy="make one class per GPU model and mode",
    source=NVAIE_VGPU,
)
def class_one_gpu_model(resource: Resource, run: Context) -> Found:
    models = {profile.prefix for _, profile in _class_profiles(resource)}
    devices = {str(at(each, "deviceId", "")) for each in resource.items("directPathDevices")}
    if len(models) > 1 or len(devices) > 1:
        yield Violation(f"the class mixes GPUs: {', '.join(sorted(models | devices))}")
    elif models and devices:
        yield Violation("the class has vGPU profiles and whole devices", "directPathDevices")


@pack.rule(
    "mig-one-kind",
    VM_CLASS,
    severity=Severity.MEDIUM,
    reason="a machine may have MIG profiles of one kind only",
    remedy="use the same MIG profile for all vGPUs of the class",
    source=f"{GPU_GUIDE} §11.5.3",
)
def mig_one_kind(resource: Resource, run: Context) -> Found:
    names = sorted({profile.name for _, profile in _class_profiles(resource) if profile.slices})
    if len(names) > 1:
        yield Violation(f"the class mixes MIG profiles: {', '.join(names)}", "vgpuProfiles")


@pack.rule(
    "driver-branch",
    RELEASE,
    severity=Severity.CRITICAL,
    reason="a vGPU guest driver loads with a host driver of its own branch or of the next one, never of an older",
    remedy="take a guest driver of the hosts' branch or of the branch before, or update the hosts first",
    source=f"{GPU_GUIDE} §11.6",
)
def driver_branch(resource: Resource, run: Context) -> Found:
    host = run.settings.host_driver
    if host is None or not is_gpu_operator(resource) or not has_vgpu_driver(resource):
        return
    path = "values.driver.version"
    text = str(resource.get(path, ""))
    guest = int(text.split(".", 1)[0]) if re.match(r"\d+\.", text) else 0
    branches = run.settings.driver_branches
    if host.branch not in branches or guest not in branches:
        if guest != host.branch:
            yield Violation(f"branch {guest or text!r} is not known beside the hosts' {host.branch}", path, text)
    elif branches.index(host.branch) - branches.index(guest) not in {0, 1}:
        yield Violation(f"guests of branch {guest} do not go with hosts of branch {host.branch}", path, text)


@pack.rule(
    "dlvm-host-driver",
    VM,
    severity=Severity.HIGH,
    levels=guarded("staging", "prod"),
    reason="Deep Learning VM 9.0 is supported with host drivers of AI Enterprise 6 and older only",
    remedy="keep GPU hosts for Deep Learning VMs on AI Enterprise 6.x, or use a newer image",
    source=f"{GUIDE} (part 2, 4.2)",
)
def dlvm_host_driver(resource: Resource, run: Context) -> Found:
    host = run.settings.host_driver
    if host is None or host.nvaie_major <= 6:
        return
    found = gpu_class(raw(resource.properties, "spec.className"), run, run.seen.classes)
    if found is None or found.profiles:
        yield Violation(f"the hosts have AI Enterprise {host.nvaie_major}")


# Versions.


def _outside(version: str, fact: str) -> str:
    """The catalogue's range when a version is outside it, else nothing."""
    constraint = catalog.versions()[fact].constraint
    return "" if not constraint or catalog.satisfies(version, constraint) else constraint


@pack.rule(
    "gpu-operator-version",
    RELEASE,
    severity=Severity.HIGH,
    reason="the baseline was put together and tried with these versions; others bring other drivers and settings",
    remedy="use a chart version of the catalogue's range",
    source=_VERSIONS,
)
def gpu_operator_version(resource: Resource, run: Context) -> Found:
    if not is_gpu_operator(resource):
        return
    version = resource.get("version")
    if not version:
        yield Violation("no version is given: the newest one would be taken", "version")
    elif wanted := _outside(str(version), "gpu-operator"):
        yield Violation(f"expected {wanted}", "version", version)


@pack.rule(
    "kubernetes-release",
    CLUSTER,
    severity=Severity.HIGH,
    reason="the Supervisor offers other releases with other versions of VKS only",
    remedy="use a release of the catalogue's range, such as v1.32.0+vmware.6-fips-vkr.2",
    source=_VKS,
)
def kubernetes_release(resource: Resource, run: Context) -> Found:
    path = "spec.topology.version"
    version = str(resource.get(path, ""))
    if catalog.Release.parse(version) is None:
        yield Violation("this is no release of VKS", path, version)
    elif wanted := _outside(version, "kubernetes-release"):
        yield Violation(f"expected {wanted}", path, version)


@pack.rule(
    "cluster-class",
    CLUSTER,
    severity=Severity.HIGH,
    reason="each ClusterClass takes certain Kubernetes minors, and lives in the central namespace only from v3.4.0 on",
    remedy="use the catalogue's class, and classNamespace only with classes of the central namespace",
    source=_CLASSES,
)
def cluster_class(resource: Resource, run: Context) -> Found:
    classes = catalog.cluster_classes()
    name, path = resource.get("spec.topology.class"), "spec.topology.class"
    if name is None:
        name, path = resource.get("spec.topology.classRef.name"), "spec.topology.classRef.name"
    # What the server has raised a class to, by itself, is not what the program asks for.
    raised = path in resource.ignored or path.removesuffix(".name") in resource.ignored
    if name not in classes.classes:
        if not raised:
            yield Violation("the class is not in the catalogue", path, name)
        return
    found, release = classes.classes[name], str(resource.get("spec.topology.version", ""))
    if re.match(r"v\d", release) and not found.takes(release):
        yield Violation(f"the class takes Kubernetes {' to '.join(found.kubernetes)}, not {release}", path, name)
    namespace = resource.get("spec.topology.classNamespace") or resource.get("spec.topology.classRef.namespace")
    if bool(namespace) != found.central and not raised:
        wanted = classes.central_namespace if found.central else "none: the class is copied into each namespace"
        yield Violation(f"expected {wanted}", "spec.topology.classNamespace", namespace)


@pack.rule(
    "api-version",
    (
        "kubernetes:run.tanzu.vmware.com/*:*",
        "kubernetes:cluster.x-k8s.io/*:Cluster",
        "kubernetes:vmoperator.vmware.com/*:VirtualMachine",
        "kubernetes:pais.vcf.broadcom.com/*:*",
    ),
    severity=Severity.HIGH,
    reason="the Supervisor of this baseline serves these APIs in one version that is neither deprecated nor to come",
    remedy="use the API version of the catalogue",
    source=_VERSIONS,
)
def api_version(resource: Resource, run: Context) -> Found:
    group_version, kind = resource.type.removeprefix("kubernetes:").rsplit(":", 1)
    group, version = group_version.split("/", 1)
    if group == "run.tanzu.vmware.com":
        yield Violation(f"{kind} is deprecated: use Cluster of cluster.x-k8s.io")
    elif group == "pais.vcf.broadcom.com":
        yield Violation("this API group does not exist: use pais.vmware.com/v1alpha1")
    else:
        fact = "cluster-api" if group == "cluster.x-k8s.io" else "vm-operator"
        wanted = catalog.versions()[fact].version
        if version != wanted:
            yield Violation(f"expected {group}/{wanted}", "apiVersion", raw(resource.properties, "apiVersion"))


@pack.rule(
    "postgres-version",
    DATABASE,
    severity=Severity.HIGH,
    reason="Private AI Services of this baseline are built for this PostgreSQL",
    remedy="use a DSM release of the catalogue's range, such as the one of dsm-postgresql",
    source=_VERSIONS,
)
def postgres_version(resource: Resource, run: Context) -> Found:
    version = str(resource.get("spec.version", ""))
    wanted = _outside(version, "postgresql")
    if wanted:
        yield Violation(f"expected {wanted}", "spec.version", version)


@pack.rule(
    "pgvector-version",
    EXTENSION,
    severity=Severity.MEDIUM,
    reason="older versions lack the index types that knowledge bases use",
    remedy="leave the version out, or take one of the catalogue's range",
    source=_VERSIONS,
)
def pgvector_version(resource: Resource, run: Context) -> Found:
    version = resource.get("version")
    if resource.get("extension") == "vector" and version and (wanted := _outside(str(version), "pgvector")):
        yield Violation(f"expected {wanted}", "version", version)


# People.


@pack.rule(
    "dlvm-persona",
    VM,
    severity=Severity.HIGH,
    reason="Deep Learning VMs are for data scientists and MLOps engineers; app developers get addresses of endpoints",
    remedy="take the machine out, and give the person an endpoint's address and routing name",
    source=f"{GUIDE} (part 2: who gets what)",
)
def dlvm_persona(resource: Resource, run: Context) -> Found:
    key = catalog.naming().labels["persona"]
    persona = known(resource.labels().get(key))
    allowed = {each for personas in run.settings.personas.values() for each in personas}
    if persona is not None and persona not in allowed:
        yield Violation(f"expected {' or '.join(sorted(allowed))}", f"metadata.labels.{key}", persona)


@pack.rule(
    "dlvm-in-production",
    VM,
    severity=Severity.HIGH,
    reason="where models only run, nobody experiments: those who push models get a machine, nobody else",
    remedy="keep it in dev or qa",
    source=_GUARD,
)
def dlvm_in_production(resource: Resource, run: Context) -> Found:
    key = catalog.naming().labels["persona"]
    persona = known(resource.labels().get(key))
    allowed = run.settings.personas.get(run.kind, [])
    everywhere_allowed = {each for personas in run.settings.personas.values() for each in personas}
    if persona in everywhere_allowed and persona not in allowed:
        yield Violation(f"in {run.kind} expected {' or '.join(allowed) or 'none'}", f"metadata.labels.{key}", persona)


# Guards of production.


@pack.rule(
    "endpoint-replicas",
    ENDPOINT,
    severity=Severity.HIGH,
    reason="one replica is an outage at every update and every lost host",
    remedy="raise replicas, or lower endpointReplicas for this kind of environment",
    source=_GUARD,
)
def endpoint_replicas(resource: Resource, run: Context) -> Found:
    least = run.settings.endpoint_replicas.get(run.kind, 1)
    replicas = resource.get("spec.replicas", 1)
    if replicas < least:
        yield Violation(f"in {run.kind} expected at least {least}", "spec.replicas", replicas)


@pack.rule(
    "database-high-availability",
    DATABASE,
    severity=Severity.HIGH,
    reason="a single database machine takes Private AI Services down with it",
    remedy="set replicas to 1 (primary, monitor and replica)",
    source=_DSM,
)
def database_high_availability(resource: Resource, run: Context) -> Found:
    if run.kind in run.settings.high_availability and resource.get("spec.replicas", 0) < 1:
        yield Violation(f"in {run.kind} expected a replica", "spec.replicas", resource.get("spec.replicas", 0))


@pack.rule(
    "database-backup",
    DATABASE,
    severity=Severity.CRITICAL,
    reason="vectors and metadata cannot be made again from the models",
    remedy="set backupLocation and a schedule with a full backup",
    source=_DSM,
)
def database_backup(resource: Resource, run: Context) -> Found:
    if run.kind not in run.settings.backups:
        return
    if not resource.get("spec.backupLocation.name"):
        yield Violation("the database is not backed up", "spec.backupLocation")
    elif not any(at(each, "type") == "full" for each in resource.items("spec.backupConfig.schedules")):
        yield Violation("no full backup is scheduled", "spec.backupConfig.schedules")


@pack.rule(
    "backup-retention",
    DATABASE,
    severity=Severity.MEDIUM,
    reason="a mistake is often found days later, when a younger backup holds it too",
    remedy="raise backupRetentionDays",
    source=_GUARD,
)
def backup_retention(resource: Resource, run: Context) -> Found:
    if run.kind not in run.settings.backups:
        return
    days = resource.get("spec.backupConfig.backupRetentionDays")
    least = run.settings.backup_retention_days
    if isinstance(days, int) and days < least:
        yield Violation(f"expected at least {least} days", "spec.backupConfig.backupRetentionDays", days)


@pack.rule(
    "protection",
    DATABASE + CLUSTER,
    severity=Severity.HIGH,
    reason="one wrong rename replaces what holds data or serves people",
    remedy="protect it (paif:protection), and lift it for a planned removal with ./paif unprotect",
    source="https://www.pulumi.com/docs/iac/concepts/resources/options/protect/",
)
def protection(resource: Resource, run: Context) -> Found:
    # A deliberate removal says so in the run's own configuration, never here.
    resource.get("metadata.name")
    if run.kind in run.settings.protected and not resource.protect:
        yield Violation(f"in {run.kind} expected the option protect")


@pack.rule(
    "control-plane-replicas",
    CLUSTER,
    severity=Severity.HIGH,
    reason="a control plane of one machine is down during every upgrade",
    remedy="use 3 machines or more",
    source=_GUARD,
)
def control_plane_replicas(resource: Resource, run: Context) -> Found:
    least = run.settings.control_plane_replicas.get(run.kind, 1)
    path = "spec.topology.controlPlane.replicas"
    replicas = resource.get(path, 1)
    if replicas < least:
        yield Violation(f"in {run.kind} expected at least {least}", path, replicas)


@pack.rule(
    "control-plane-odd",
    CLUSTER,
    severity=Severity.MEDIUM,
    reason="etcd needs a majority: an even number tolerates no more failures than one less; VKS takes 1 or 3",
    remedy="use 1 or 3 machines",
    source="https://etcd.io/docs/v3.5/faq/",
)
def control_plane_odd(resource: Resource, run: Context) -> Found:
    path = "spec.topology.controlPlane.replicas"
    replicas = resource.get(path, 1)
    if replicas not in (1, 3):
        yield Violation("expected 1 or 3", path, replicas)


# Secrets, transport, sources.


@pack.rule(
    "no-plain-secrets",
    (*SECRET, *CONFIG_MAP, *PROVIDER, *VSPHERE_VM, *LIBRARY, *RELEASE, *WORKLOAD, *NIM, "vcf:index:*"),
    severity=Severity.CRITICAL,
    reason="what is not marked secret lies in plain text in state, plans, logs and pull requests",
    remedy="pass it as pulumi.Output.secret, or keep it in configuration with --secret",
    source=_PULUMI_SECRETS,
)
def no_plain_secrets(resource: Resource, run: Context) -> Found:
    opaque = resource.type in SECRET or resource.type.startswith("pulumi:providers:")
    for path, value in _given_secrets(resource):
        if isinstance(value, Unknown):
            # What is not known yet carries its mark already, unless it is a plain output.
            if not resource.is_secret(path):
                yield Undecided(path)
        elif isinstance(value, str) and value and not resource.is_secret(path) and not _is_path(value, opaque):
            # Its path alone: of an environment variable nothing in the path says that the value is a secret.
            yield Violation("a secret is in plain text: [secret]", path)


def _given_secrets(resource: Resource) -> Iterator[tuple[str, Any]]:
    """Path and value of what is a secret by its name."""
    if is_of(resource, RELEASE + WORKLOAD + NIM):
        yield from _credentials(resource.properties, "")
        return
    for path, value in leaves(resource.properties):
        whole = isinstance(value, Unknown) and is_secret_path(resource.type, f"{path}.*")
        if (whole or is_secret_path(resource.type, path)) and not path.startswith("metadata."):
            yield path, value


_REFERENCE = re.compile(r"\$[({].*[)}]|(?i:true|false)", re.DOTALL)


def _credentials(data: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Passwords and keys by the name of a setting, or of the environment variable that it is the value of."""
    if isinstance(data, list):
        for index, each in enumerate(data):
            yield from _credentials(each, f"{path}.{index}")
    if not isinstance(data, dict):
        return
    for key, value in data.items():
        inner = f"{path}.{key}" if path else str(key)
        name = data.get("name") if key == "value" and isinstance(data.get("name"), str) else key
        if isinstance(value, dict | list):
            if not re.search(r"(?i)refs?$", str(key)):
                yield from _credentials(value, inner)
        elif isinstance(value, Unknown):
            # All of a chart's values, or of a container's variables, may hold one.
            if key in {"values", "env"} or is_credential_name(str(name)):
                yield inner, value
        elif is_credential_name(str(name)) and _REFERENCE.fullmatch(str(value)) is None:
            yield inner, value


def _is_path(value: str, opaque: bool) -> bool:
    """A kubeconfig may be given as the path of a file, which is no secret."""
    return opaque and "\n" not in value and len(value) < 200 and value.endswith(("kubeconfig", "config", ".yaml"))


@pack.rule(
    "no-secrets-in-config-maps",
    CONFIG_MAP,
    severity=Severity.HIGH,
    reason="everybody who may list a namespace reads its ConfigMaps",
    remedy="use a Secret; the GPU Operator's licence token is the one exception, since 24.9 reads no Secret",
    source="https://kubernetes.io/docs/concepts/configuration/configmap/",
)
def no_secrets_in_config_maps(resource: Resource, run: Context) -> Found:
    for key, value in resource.mapping("data").items():
        if isinstance(value, Unknown):
            yield Undecided(value.path)
        elif key != "client_configuration_token.tok" and isinstance(value, str) and has_secret_shape(value):
            yield Violation("the value looks like a key, a token or a password", f"data.{key}", value)


@pack.rule(
    "no-inline-secrets",
    VM,
    severity=Severity.CRITICAL,
    reason="OVF properties that stand in the machine itself are readable by everybody who may look at it",
    remedy="put them into a Secret, and name it as rawProperties or with from",
    source=_VM_OPERATOR,
)
def no_inline_secrets(resource: Resource, run: Context) -> Found:
    secret = {key for key, each in catalog.dlvm_properties().properties.items() if each.secret}
    for index, each in enumerate(resource.items("spec.bootstrap.vAppConfig.properties")):
        if at(each, "key") in secret and raw(each, "value.value") is not None:
            path = f"spec.bootstrap.vAppConfig.properties.{index}.value.value"
            yield Violation(f"{at(each, 'key')} is given in plain text", path)


@pack.rule(
    "tls-verification",
    (*PROVIDER, *RELEASE),
    severity=Severity.CRITICAL,
    reason="without verification anybody in between reads the password and answers in the server's place",
    remedy="verify, and hand over the authority's certificate as caBundle or in the kubeconfig",
    source="https://www.rfc-editor.org/rfc/rfc9110#section-4.3.4",
)
def tls_verification(resource: Resource, run: Context) -> Found:
    for path, value in leaves(resource.properties):
        key = path.rsplit(".", 1)[-1].lower().replace("_", "").replace("-", "")
        if key in {"allowunverifiedssl", "insecure", "insecureskiptlsverify", "skiptlsverify", "insecureskipverify"}:
            if str(known(value)).lower() == "true":
                yield Violation("verification of certificates is off", path, value)
        elif key == "kubeconfig" and re.search(r"insecure-skip-tls-verify\"?:\s*true", str(known(value))):
            yield Violation("the kubeconfig switches verification of certificates off", path)


@pack.rule(
    "tls-issuer",
    PAIS,
    severity=Severity.HIGH,
    reason="tokens of an issuer without TLS can be forged",
    remedy="use the issuer's https:// address",
    source="https://openid.net/specs/openid-connect-discovery-1_0.html",
)
def tls_issuer(resource: Resource, run: Context) -> Found:
    issuer = resource.get("spec.auth.oidc.issuerUrl")
    if isinstance(issuer, str) and not issuer.startswith("https://"):
        yield Violation("the issuer has no TLS", "spec.auth.oidc.issuerUrl", issuer)


@pack.rule(
    "library-source",
    LIBRARY,
    severity=Severity.HIGH,
    reason="machines start from these images: who changes them on the way owns the machines",
    remedy="subscribe over https to the vendor or to your own mirror, and name the mirror in libraryHosts",
    source="https://github.com/vmware/PowerCLI-Example-Scripts (PAIF-N, content libraries)",
)
def library_source(resource: Resource, run: Context) -> Found:
    path = "subscription.subscriptionUrl"
    url = resource.get(path)
    if not isinstance(url, str) or not url:
        return
    parts = urlsplit(url)
    if parts.scheme != "https":
        yield Violation("the subscription has no TLS", path)
    elif not any(fnmatchcase(parts.hostname or "", each) for each in run.settings.library_hosts):
        yield Violation(f"host {parts.hostname} is not among the trusted ones", path)


def _trusted(host: str, run: Context) -> bool:
    return any(fnmatchcase(host, each) for each in run.settings.trusted_registries)


def _registry(image: str) -> str:
    """Host of an image reference; Docker Hub when there is none."""
    first = image.split("/", 1)[0]
    return first if "/" in image and (re.search(r"[.:]", first) or first == "localhost") else "docker.io"


@pack.rule(
    "trusted-registry",
    WORKLOAD + ENDPOINT + GALLERY_MODEL + GALLERY_LOGIN + RELEASE + NIM,
    severity=Severity.HIGH,
    reason="images and models run with access to GPUs and data, so that they come from where somebody looks at them",
    remedy="copy it to the gallery, or add the host to trustedRegistries",
    source="https://github.com/NVIDIA/gpu-operator values.yaml (nvcr.io); the organisation's own list",
)
def trusted_registry(resource: Resource, run: Context) -> Found:
    if resource.type in GALLERY_MODEL + GALLERY_LOGIN:
        host = resource.get("registry")
        if isinstance(host, str) and not _trusted(host, run):
            yield Violation(f"registry {host} is not trusted", "registry", host)
        return
    for each in images(resource):
        if isinstance(each, Undecided):
            yield each
        elif not _trusted(_registry(each[1]), run):
            yield Violation(f"registry {_registry(each[1])} is not trusted", *each)


@pack.rule(
    "chart-source",
    RELEASE,
    severity=Severity.HIGH,
    reason="a chart runs with the rights of the cluster's administrator",
    remedy="take it from the vendor or from your own repository, and name its host in trustedRegistries",
    source="https://helm.sh/docs/topics/provenance/",
)
def chart_source(resource: Resource, run: Context) -> Found:
    for path, address in charts(resource):
        parts = urlsplit(address)
        # Without who logs in: that is a secret, and nothing that a host is trusted by.
        host = parts.netloc.rpartition("@")[2].lower()
        if not _trusted(host, run):
            yield Violation(f"host {host} is not trusted", path, address)
        elif parts.scheme not in {"https", "oci"} and parts.hostname not in {"127.0.0.1", "localhost"}:
            yield Violation("the repository has no TLS", path, address)


@pack.rule(
    "model-pinned",
    ENDPOINT,
    severity=Severity.MEDIUM,
    levels=guarded("prod"),
    reason="a tag can be moved to another model while its replicas run",
    remedy="name the model by digest (@sha256:…); the component does so by itself",
    source=_PAIS,
)
def model_pinned(resource: Resource, run: Context) -> Found:
    if run.kind not in run.settings.pinned_models:
        return
    reference = resource.get("spec.model.ociRef")
    if isinstance(reference, str) and "@sha256:" not in reference:
        yield Violation("the model is named by a tag", "spec.model.ociRef", reference)


# Deprecated.


def _mentions(resource: Resource, pattern: str, problem: str) -> Found:
    for each in boot_texts(resource):
        if isinstance(each, Undecided):
            yield each
        elif re.search(pattern, each[1]):
            yield Violation(problem, each[0])


@pack.rule(
    "deprecated-tensorflow",
    SECRET,
    severity=Severity.LOW,
    levels=everywhere(Level.ADVISORY),
    reason="the TensorFlow bundle is deprecated since Deep Learning VM 9.0.1 and goes in the next release",
    remedy="use the PyTorch bundle, or bring a container of your own",
    source=f"{GUIDE} (part 2, 4.5)",
)
def deprecated_tensorflow(resource: Resource, run: Context) -> Found:
    yield from _mentions(resource, r"(?i)\btensorflow\b", "the machine starts the TensorFlow bundle")


@pack.rule(
    "deprecated-pais-cli",
    SECRET,
    severity=Severity.LOW,
    levels=everywhere(Level.ADVISORY),
    reason="the pais CLI of the image is deprecated since Deep Learning VM 9.0.1",
    remedy="push models with an OCI client such as oras",
    source=f"{GUIDE} (part 2, 4.7)",
)
def deprecated_pais_cli(resource: Resource, run: Context) -> Found:
    yield from _mentions(resource, r"\bpais (?:models?|login)\b", "the machine calls the pais CLI")


@pack.rule(
    "proxy-exceptions",
    SECRET,
    severity=Severity.MEDIUM,
    levels=everywhere(Level.ADVISORY),
    reason="behind an HTTPS proxy without exceptions the guest driver's download fails (DLVM 9.0)",
    remedy="set no_proxy with the addresses that are reached directly",
    source=f"{GUIDE} (part 2, 4.8)",
)
def proxy_exceptions(resource: Resource, run: Context) -> Found:
    for each in boot_texts(resource):
        if isinstance(each, Undecided):
            yield each
        elif re.search(r"(?i)https_proxy\s*[=:]", each[1]) and not re.search(r"(?i)no_proxy\s*[=:]\s*\S", each[1]):
            yield Violation("an HTTPS proxy is set without exceptions", each[0])


# GPU Operator and clusters.


@pack.rule(
    "single-gpu-operator",
    RELEASE,
    severity=Severity.CRITICAL,
    reason="its ClusterPolicy is the only one of a cluster: two operators undo each other's drivers",
    remedy="keep one per cluster; on clusters of Private AI Services it is PAIS that installs it",
    source=_OPERATOR,
)
def single_gpu_operator(resource: Resource, run: Context) -> Found:
    if not is_gpu_operator(resource):
        return
    cluster = resource.provider.urn if resource.provider else ""
    owner = run.seen.operators.get(cluster, resource.urn)
    if owner != resource.urn:
        yield Violation(f"the cluster has the GPU Operator {owner.rsplit('::', 1)[1]} already", "chart")


@pack.rule(
    "gpu-operator-runtime",
    RELEASE,
    severity=Severity.MEDIUM,
    reason="nodes of VKS run containerd; the chart's default, docker, leaves them without the NVIDIA runtime",
    remedy="set operator.defaultRuntime to containerd",
    source=_OPERATOR,
)
def gpu_operator_runtime(resource: Resource, run: Context) -> Found:
    path = "values.operator.defaultRuntime"
    if is_gpu_operator(resource) and resource.get(path, "docker") != "containerd":
        yield Violation("the runtime is not containerd", path, resource.get(path))


@pack.rule(
    "gpu-operator-vgpu-driver",
    RELEASE,
    severity=Severity.HIGH,
    reason="vGPU guests need NVIDIA's licensed driver image from a private registry",
    remedy="set driver.repository, image, version and imagePullSecrets",
    source=_OPERATOR,
)
def gpu_operator_vgpu_driver(resource: Resource, run: Context) -> Found:
    if not is_gpu_operator(resource) or not has_vgpu_driver(resource):
        return
    for key in ("repository", "image", "version", "imagePullSecrets"):
        path = f"values.driver.{key}"
        if not resource.get(path):
            yield Violation(f"driver.{key} is missing", path)


@pack.rule(
    "gpu-operator-namespace",
    KUBERNETES_NAMESPACE,
    severity=Severity.MEDIUM,
    reason="the operator's pods load drivers; clusters from 1.26 on refuse them in an unlabelled namespace",
    remedy="label it pod-security.kubernetes.io/enforce=privileged",
    source=_OPERATOR,
)
def gpu_operator_namespace(resource: Resource, run: Context) -> Found:
    key = "pod-security.kubernetes.io/enforce"
    if resource.get("metadata.name") == "gpu-operator" and known(resource.labels().get(key)) != "privileged":
        yield Violation("pods that load drivers are not allowed", f"metadata.labels.{key}")


def _classes(resource: Resource, run: Context) -> Iterator[tuple[NodePool, GpuClass | Undecided | None]]:
    for pool in node_pools(resource):
        yield pool, class_or_undecided(pool.vm_class, run, run.seen.classes)


def _gpu_pools(resource: Resource, run: Context) -> Iterator[NodePool]:
    """Pools with GPUs. Raises UndecidedError behind the last one when nothing tells of another whether it has some."""
    undecided: list[Undecided] = []
    for pool, found in _classes(resource, run):
        if isinstance(found, Undecided):
            undecided.append(found)
        elif found is not None and found.has_gpu:
            yield pool
    for each in undecided:
        raise UndecidedError(each.path, each.declare, unnamed=each.unnamed)


@pack.rule(
    "gpu-pool-image",
    CLUSTER,
    severity=Severity.HIGH,
    reason="the GPU Operator has drivers for Ubuntu only, and nodes are Photon by default",
    remedy="annotate the pool run.tanzu.vmware.com/resolve-os-image: os-name=ubuntu",
    source=_OPERATOR,
)
def gpu_pool_image(resource: Resource, run: Context) -> Found:
    annotation = catalog.cluster_classes().os_image_annotation
    for pool in _gpu_pools(resource, run):
        if "os-name=ubuntu" not in str(pool.annotation(annotation) or ""):
            yield Violation(
                f"GPU pool {pool.name} does not ask for Ubuntu", f"{pool.path}.metadata.annotations.{annotation}"
            )


@pack.rule(
    "gpu-pool-taint",
    CLUSTER,
    severity=Severity.MEDIUM,
    levels=guarded("staging", "prod"),
    reason="without a taint ordinary pods take the GPU nodes' memory, and GPU pods wait",
    remedy="taint the pool nvidia.com/gpu=present:NoSchedule",
    source=_OPERATOR,
)
def gpu_pool_taint(resource: Resource, run: Context) -> Found:
    for pool in _gpu_pools(resource, run):
        taints = at(known(pool.variables.get("node")) or {}, "taints", [])
        if not any(at(each, "key") == "nvidia.com/gpu" for each in taints):
            yield Violation(f"GPU pool {pool.name} has no taint nvidia.com/gpu", f"{pool.path}.variables.overrides")


@pack.rule(
    "gpu-pool-storage",
    CLUSTER,
    severity=Severity.MEDIUM,
    reason="GPU images have tens of GiB; on the default disk nodes evict what they have just pulled",
    remedy="give the pool a volume at /var/lib/containerd of 200 GiB",
    source=_VKS,
)
def gpu_pool_storage(resource: Resource, run: Context) -> Found:
    least = run.settings.container_storage_gib
    for pool in _gpu_pools(resource, run):
        volumes = known(pool.variables.get("volumes")) or []
        sizes = [at(each, "capacity") for each in volumes if at(each, "mountPath") == "/var/lib/containerd"]
        path = f"{pool.path}.variables.overrides"
        given = [quantity(size) for size in sizes]
        for size, number in zip(sizes, given, strict=True):
            if number is None:
                yield Violation(f"GPU pool {pool.name} has a volume for images, and this is no size", path, size)
        gib = max((number for number in given if number is not None), default=0) / 2**30
        if None not in given and gib < least:
            yield Violation(f"GPU pool {pool.name} has {int(gib)} GiB for images, expected at least {least}", path)


@pack.rule(
    "cpu-pool",
    CLUSTER,
    severity=Severity.HIGH,
    reason="the GPU Operator itself, ingress and add-ons run on nodes without GPU taint",
    remedy="add a pool of a class without GPU",
    source=_OPERATOR,
)
def cpu_pool(resource: Resource, run: Context) -> Found:
    found = [each for _, each in _classes(resource, run)]
    if any(each is None or not (isinstance(each, Undecided) or each.has_gpu) for each in found):
        return
    undecided = [each for each in found if isinstance(each, Undecided)]
    yield from undecided
    if found and not undecided:
        yield Violation("every pool has GPUs", "spec.topology.workers.machineDeployments")


@pack.rule(
    "autoscaler",
    CLUSTER,
    severity=Severity.HIGH,
    reason="with a fixed number beside the autoscaler's range each run undoes what the autoscaler did",
    remedy="leave replicas out, and let the lower bound not exceed the upper",
    source=_VKS,
)
def autoscaler(resource: Resource, run: Context) -> Found:
    for pool in node_pools(resource):
        low, high = pool.smallest, pool.greatest
        if low is None and high is None:
            continue
        if at(pool.data, "replicas") is not None:
            yield Violation(f"pool {pool.name} has replicas and a range", f"{pool.path}.replicas")
        if low is None or high is None or low > high:
            yield Violation(f"pool {pool.name} has the range {low} to {high}", f"{pool.path}.metadata.annotations")


def _networks(run: Context) -> list[str]:
    """Networks around the clusters, of the settings and of the stack's configuration."""
    supervisor = run.environment.get("supervisor")
    configured = supervisor.get("networks") if isinstance(supervisor, dict) else None
    return [*run.settings.networks, *(configured or [])]


@pack.rule(
    "network-overlap",
    CLUSTER,
    severity=Severity.HIGH,
    reason="overlapping networks make addresses unreachable from inside the cluster, first noticed as time-outs",
    remedy="use pod and service networks that nothing else uses; declare those in use in networks",
    source=_CAPI,
)
def network_overlap(resource: Resource, run: Context) -> Found:
    used = _networks(run)
    around = [(f"{each} (in use)", ipaddress.ip_network(each, strict=False)) for each in used]
    seen: list[tuple[str, Any]] = []
    for what in ("pods", "services"):
        for index, block in enumerate(resource.items(f"spec.clusterNetwork.{what}.cidrBlocks")):
            path = f"spec.clusterNetwork.{what}.cidrBlocks.{index}"
            if isinstance(block, Unknown):
                yield Undecided(block.path)
                continue
            try:
                network = ipaddress.ip_network(str(block), strict=False)
            except ValueError:
                yield Violation("this is no network", path, block)
                continue
            for name, other in around + seen:
                if network.version == other.version and network.overlaps(other):
                    yield Violation(f"it overlaps {name}", path, block)
            seen.append((f"{block} ({what})", network))


@pack.rule(
    "service-network",
    CLUSTER,
    severity=Severity.MEDIUM,
    reason="VKS refuses a cluster without a service network",
    remedy="set spec.clusterNetwork.services.cidrBlocks",
    source=_VKS,
)
def service_network(resource: Resource, run: Context) -> Found:
    if not resource.items("spec.clusterNetwork.services.cidrBlocks"):
        yield Violation("the service network is missing", "spec.clusterNetwork.services.cidrBlocks")


# Private AI Services.


@pack.rule(
    "endpoint-engine",
    ENDPOINT,
    severity=Severity.HIGH,
    reason="vLLM serves completions and Infinity embeddings; the other pairs never become ready",
    remedy="pair vLLM with Completions, Infinity with Embeddings",
    source=_PAIS,
)
def endpoint_engine(resource: Resource, run: Context) -> Found:
    engine, kind = resource.get("spec.engine"), resource.get("spec.type")
    wanted = {"Completions": "vLLM", "Embeddings": "Infinity"}.get(str(kind))
    if wanted is not None and engine != wanted:
        yield Violation(f"{kind} are served by {wanted}", "spec.engine", engine)


@pack.rule(
    "endpoint-class",
    ENDPOINT,
    severity=Severity.HIGH,
    reason="vLLM does not start without a GPU",
    remedy="use a class with a GPU for completions",
    source=_PAIS,
)
def endpoint_class(resource: Resource, run: Context) -> Found:
    path = "spec.virtualMachineClassName"
    if resource.get("spec.engine") != "vLLM":
        return
    found = gpu_class(raw(resource.properties, path), run, run.seen.classes)
    if found is not None and not found.has_gpu:
        yield Violation("the class has no GPU", path, resource.get(path))


@pack.rule(
    "pais-singleton",
    PAIS,
    severity=Severity.HIGH,
    reason="Private AI Services read one configuration per namespace, and only the one called default",
    remedy="call it default, and make one per namespace",
    source=_PAIS,
)
def pais_singleton(resource: Resource, run: Context) -> Found:
    if resource.get("metadata.name") != "default":
        yield Violation("the configuration is not called default", "metadata.name", resource.get("metadata.name"))
    namespace = str(resource.get("metadata.namespace", ""))
    owner = run.seen.services.get(namespace, resource.urn)
    if owner != resource.urn:
        yield Violation(f"the namespace has {owner.rsplit('::', 1)[1]} already", "metadata.namespace", namespace)


@pack.rule(
    "pais-control-plane",
    PAIS,
    severity=Severity.MEDIUM,
    reason="a control plane on a GPU class keeps a GPU that no model ever uses",
    remedy="use a class without GPU, such as best-effort-large",
    source=_PAIS,
)
def pais_control_plane(resource: Resource, run: Context) -> Found:
    path = "spec.vksControlPlane.virtualMachineClassName"
    found = gpu_class(raw(resource.properties, path), run, run.seen.classes)
    if found is not None and found.has_gpu:
        yield Violation("the control plane has a GPU", path, resource.get(path))


# Deep Learning VMs.


@pack.rule(
    "bootstrap-exclusive",
    VM,
    severity=Severity.HIGH,
    reason="the VM Service refuses cloud-init beside OVF properties, and the image reads the latter",
    remedy="use vAppConfig alone; its property user-data carries cloud-init",
    source=_VM_OPERATOR,
)
def bootstrap_exclusive(resource: Resource, run: Context) -> Found:
    if resource.get("spec.bootstrap.cloudInit") and resource.get("spec.bootstrap.vAppConfig"):
        yield Violation("cloudInit and vAppConfig are both given", "spec.bootstrap")


@pack.rule(
    "ovf-property-known",
    VM,
    severity=Severity.MEDIUM,
    levels=guarded("staging", "prod"),
    reason="a property that the image does not have is refused or ignored, after minutes",
    remedy="use the keys of catalog/dlvm_properties.yaml, or add the image's own to it",
    source="catalog/dlvm_properties.yaml",
)
def ovf_property_known(resource: Resource, run: Context) -> Found:
    for index, each in enumerate(resource.items("spec.bootstrap.vAppConfig.properties")):
        key = at(each, "key")
        if key not in catalog.dlvm_properties().properties:
            yield Violation("the image has no such property", f"spec.bootstrap.vAppConfig.properties.{index}.key", key)


@pack.rule(
    "clone-customisation",
    VSPHERE_VM,
    severity=Severity.HIGH,
    reason="guest customisation and OVF properties both set host name and network, and the provider refuses both",
    remedy="use vapp.properties alone",
    source="https://github.com/vmware/terraform-provider-vsphere docs/resources/virtual_machine.md (vapp)",
)
def clone_customisation(resource: Resource, run: Context) -> Found:
    if resource.get("vapp") and resource.get("clone.customize"):
        yield Violation("vapp and clone.customize are both given", "clone.customize")


@pack.rule(
    "supervisor-single-zone",
    ("vsphere:index/supervisorV2:SupervisorV2",),
    severity=Severity.HIGH,
    reason="Private AI Services run on a Supervisor with one zone only",
    remedy="use one zone, or another Supervisor for Private AI Services",
    source="https://drpranayjha.com (PAIF on VCF 9, p=6988); catalog grade: community",
)
def supervisor_single_zone(resource: Resource, run: Context) -> Found:
    zones = resource.items("zones")
    if len(zones) > 1:
        yield Violation(f"{len(zones)} zones", "zones")


@pack.rule(
    "configured-networks",
    ROOT,
    severity=Severity.HIGH,
    reason="overlapping networks are found in the configuration, before the first cluster exists",
    remedy="use pod and service networks that nothing else uses",
    source=_CAPI,
)
def configured_networks(resource: Resource, run: Context) -> Found:
    used = _networks(run)
    for cluster in entries(run.environment, "clusters"):
        for key in ("podNetwork", "serviceNetwork"):
            text = cluster.get(key)
            if not isinstance(text, str):
                continue
            try:
                network = ipaddress.ip_network(text, strict=False)
                hits = [each for each in used if network.overlaps(ipaddress.ip_network(each, strict=False))]
            except (TypeError, ValueError):
                continue
            for hit in hits:
                yield Violation(f"cluster {cluster.get('name')}: {key} {text} overlaps {hit}")


def observe(resource: Resource, run: Context) -> None:
    """Note what others collide with; what is not known yet collides when it is."""
    seen = run.seen
    if resource.type in VSPHERE_VM:
        unknown = isinstance(raw(resource.properties, "pciDeviceIds"), Unknown)
        run.note(seen.pinned, resource.urn, (resource.label, None if unknown else _fixed(resource)))
        devices = resource.items("pciDeviceIds")
        for device in devices:
            seen.devices.setdefault((str(resource.get("hostSystemId", "")), str(known(device))), resource.urn)
    elif resource.type in RELEASE:
        if is_gpu_operator(resource):
            seen.operators.setdefault(resource.provider.urn if resource.provider else "", resource.urn)
    elif is_of(resource, VM_CLASS):
        observe_class(resource, run, seen.classes)
        for profile in (each for _, each in _class_profiles(resource) if not each.slices):
            seen.sizes.setdefault(profile.prefix, (profile.framebuffer_gib, resource.urn))
    elif is_of(resource, PAIS):
        seen.services.setdefault(str(resource.get("metadata.namespace", "")), resource.urn)


OBSERVED = WORKSTATION + RELEASE + VM_CLASS + PAIS
