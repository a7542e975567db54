"""GPU Operator."""

from __future__ import annotations

from policies.platform.configuration import Context, PlatformObservations, PlatformSettings
from policies.platform.sources import OPERATOR
from policies.shared.machines import GpuClass, class_or_undecided
from policies.shared.model import (
    Findings,
    Level,
    Resource,
    Rules,
    Severity,
    Undecided,
    Violation,
    everywhere,
    require_known,
)
from policies.shared.operators import GpuOperator, gpu_operators
from policies.shared.types import GPU_OPERATOR, KUBERNETES_NAMESPACE

RULES: Rules[PlatformSettings, PlatformObservations] = Rules()


def installed_operators(resource: Resource) -> list[GpuOperator]:
    """The operators that a resource installs; not those that it only changes, nor single drivers."""
    kind = resource.urn.split("::")[2]
    if kind.endswith("Patch"):
        return []
    return [each for each in gpu_operators(resource) if each.form != "driver"]


def cluster_of(resource: Resource, operator: GpuOperator) -> tuple[str, str]:
    """The cluster that an operator is installed in: its provider's, or the one that the object names itself."""
    return resource.provider.urn if resource.provider else "", operator.cluster


@RULES.rule(
    "single-gpu-operator",
    GPU_OPERATOR,
    severity=Severity.CRITICAL,
    reason="its ClusterPolicy is the only one of a cluster: two operators undo each other's drivers",
    remedy="keep one per cluster; on clusters of Private AI Services it is PAIS that installs it",
    source=OPERATOR,
)
def single_gpu_operator(resource: Resource, run: Context) -> Findings:
    for each in installed_operators(resource):
        owner = run.observations.operators.get(cluster_of(resource, each), resource.urn)
        if owner != resource.urn and not _is_part(resource.urn, owner):
            name = owner.rsplit("::", 1)[1]
            path = "chart" if each.form == "chart" else each.path
            yield Violation(f"the cluster has the GPU Operator {name} already", path)


def _is_part(urn: str, owner: str) -> bool:
    """Whether a resource is one of those that a chart, which Pulumi renders, consists of."""
    kind = owner.split("::")[2]
    return kind.endswith(":Chart") and urn.split("::")[2].startswith(f"{kind}$")


@RULES.rule(
    "gpu-operator-runtime",
    GPU_OPERATOR,
    severity=Severity.LOW,
    levels=everywhere(Level.ADVISORY),
    reason="nodes of VKS run containerd, which the operator finds out by itself: another runtime here only misleads",
    remedy="set operator.defaultRuntime to containerd, or leave it out",
    source="https://github.com/NVIDIA/gpu-operator/blob/v24.9.0/controllers/state_manager.go (getRuntime)",
)
def gpu_operator_runtime(resource: Resource, run: Context) -> Findings:
    for each in gpu_operators(resource):
        key = "operator.defaultRuntime"
        found = None if each.form == "driver" or each.unread else each.get(key)
        if found is not None and found != "containerd":
            yield Violation("the runtime is not containerd", f"{each.path}.{key}", found)


@RULES.rule(
    "gpu-operator-vgpu-driver",
    GPU_OPERATOR,
    severity=Severity.HIGH,
    reason="vGPU guests need NVIDIA's licensed driver image from a private registry",
    remedy="set driver.repository, version and imagePullSecrets, and image where it has a name of its own",
    source=OPERATOR,
)
def gpu_operator_vgpu_driver(resource: Resource, run: Context) -> Findings:
    for operator in gpu_operators(resource):
        if operator.driver_kind() != "vgpu":
            continue
        for key in ("repository", "version", "imagePullSecrets"):
            # An image may name its repository itself.
            by_image = key == "repository" and not operator.driver(key) and "/" in str(operator.driver("image", ""))
            if not by_image and not operator.driver(key):
                yield Violation(f"driver.{key} is missing", operator.driver_setting(key))


@RULES.rule(
    "gpu-operator-driver-nodes",
    GPU_OPERATOR,
    severity=Severity.CRITICAL,
    reason="the data-center driver does not load on a vGPU: it knows no GPU of that kind",
    remedy="install the vGPU guest driver of the hosts' branch, or give the nodes whole GPUs",
    source="https://docs.nvidia.com/datacenter/cloud-native/gpu-operator/24.9/install-gpu-operator-vgpu.html",
)
def gpu_operator_driver_nodes(resource: Resource, run: Context) -> Findings:
    yield from _driver_against_nodes(resource, run, "data-center")


@RULES.rule(
    "gpu-operator-driver-passthrough",
    GPU_OPERATOR,
    severity=Severity.MEDIUM,
    levels=everywhere(Level.ADVISORY),
    reason="whole GPUs run with the data-center driver, which needs no license server and no private image",
    remedy="leave the chart's own driver in place, or give the nodes vGPU profiles",
    source="https://docs.nvidia.com/datacenter/cloud-native/gpu-operator/24.9/install-gpu-operator-nvaie.html",
)
def gpu_operator_driver_passthrough(resource: Resource, run: Context) -> Findings:
    yield from _driver_against_nodes(resource, run, "vgpu")


def _driver_against_nodes(resource: Resource, run: Context, driver: str) -> Findings:
    """What is wrong about a driver of this kind on the nodes of the cluster that its provider goes to."""
    operators = [each for each in gpu_operators(resource) if not each.cluster]
    if resource.provider is None or not operators:
        return
    for name in run.lookup(run.observations.providers, resource.provider.urn) or ():
        pools: dict[str, GpuClass] = {}
        for pool, vm_class in (run.lookup(run.observations.pools, name) or {}).items():
            found = class_or_undecided(vm_class, run, run.observations.classes)
            if isinstance(found, Undecided):
                yield found
            elif found is not None and found.has_gpu:
                pools[pool] = found
        for_vgpu = driver == "vgpu"
        wrong = [pool for pool, each in pools.items() if bool(each.profiles) is not for_vgpu]
        for each in operators if wrong else ():
            # A driver that chooses its nodes may go to those of its own kind only.
            chooses = each.form == "driver" and len(wrong) < len(pools) and each.get("nodeSelector")
            if not chooses and each.driver_kind() == driver:
                what, has = ("vGPU guest", "whole GPUs") if for_vgpu else ("data-center", "vGPUs")
                problem = f"the {what} driver is installed, and pool {', '.join(wrong)} of cluster {name} has {has}"
                yield Violation(problem, each.driver_setting("image"))


@RULES.rule(
    "gpu-operator-namespace",
    KUBERNETES_NAMESPACE,
    severity=Severity.MEDIUM,
    reason="the operator's pods load drivers; clusters from 1.26 on refuse them in an unlabeled namespace",
    remedy="label it pod-security.kubernetes.io/enforce=privileged",
    source=OPERATOR,
)
def gpu_operator_namespace(resource: Resource, run: Context) -> Findings:
    key, name = "pod-security.kubernetes.io/enforce", resource.get("metadata.name")
    provider = resource.provider.urn if resource.provider else ""
    is_operators = name == "gpu-operator" or run.lookup(run.observations.operator_namespaces, (provider, str(name)))
    if is_operators and require_known(resource.labels().get(key)) != "privileged":
        yield Violation("pods that load drivers are not allowed", f"metadata.labels.{key}")
