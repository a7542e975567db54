"""GPU Operator."""

from __future__ import annotations

from policies.platform.configuration import Context, PlatformObservations, PlatformSettings
from policies.platform.sources import OPERATOR
from policies.shared.model import Findings, Resource, Rules, Severity, Violation, require_known
from policies.shared.selectors import has_vgpu_driver, is_gpu_operator
from policies.shared.types import KUBERNETES_NAMESPACE, RELEASE

RULES: Rules[PlatformSettings, PlatformObservations] = Rules()


@RULES.rule(
    "single-gpu-operator",
    RELEASE,
    severity=Severity.CRITICAL,
    reason="its ClusterPolicy is the only one of a cluster: two operators undo each other's drivers",
    remedy="keep one per cluster; on clusters of Private AI Services it is PAIS that installs it",
    source=OPERATOR,
)
def single_gpu_operator(resource: Resource, run: Context) -> Findings:
    if not is_gpu_operator(resource):
        return
    cluster = resource.provider.urn if resource.provider else ""
    owner = run.observations.operators.get(cluster, resource.urn)
    if owner != resource.urn:
        yield Violation(f"the cluster has the GPU Operator {owner.rsplit('::', 1)[1]} already", "chart")


@RULES.rule(
    "gpu-operator-runtime",
    RELEASE,
    severity=Severity.MEDIUM,
    reason="nodes of VKS run containerd; the chart's default, docker, leaves them without the NVIDIA runtime",
    remedy="set operator.defaultRuntime to containerd",
    source=OPERATOR,
)
def gpu_operator_runtime(resource: Resource, run: Context) -> Findings:
    path = "values.operator.defaultRuntime"
    if is_gpu_operator(resource) and resource.get(path, "docker") != "containerd":
        yield Violation("the runtime is not containerd", path, resource.get(path))


@RULES.rule(
    "gpu-operator-vgpu-driver",
    RELEASE,
    severity=Severity.HIGH,
    reason="vGPU guests need NVIDIA's licensed driver image from a private registry",
    remedy="set driver.repository, image, version and imagePullSecrets",
    source=OPERATOR,
)
def gpu_operator_vgpu_driver(resource: Resource, run: Context) -> Findings:
    if not is_gpu_operator(resource) or not has_vgpu_driver(resource):
        return
    for key in ("repository", "image", "version", "imagePullSecrets"):
        path = f"values.driver.{key}"
        if not resource.get(path):
            yield Violation(f"driver.{key} is missing", path)


@RULES.rule(
    "gpu-operator-namespace",
    KUBERNETES_NAMESPACE,
    severity=Severity.MEDIUM,
    reason="the operator's pods load drivers; clusters from 1.26 on refuse them in an unlabeled namespace",
    remedy="label it pod-security.kubernetes.io/enforce=privileged",
    source=OPERATOR,
)
def gpu_operator_namespace(resource: Resource, run: Context) -> Findings:
    key = "pod-security.kubernetes.io/enforce"
    if resource.get("metadata.name") == "gpu-operator" and require_known(resource.labels().get(key)) != "privileged":
        yield Violation("pods that load drivers are not allowed", f"metadata.labels.{key}")
