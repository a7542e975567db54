"""Private AI Services."""

from __future__ import annotations

from policies.platform.configuration import Context, PlatformObservations, PlatformSettings
from policies.platform.sources import PAIS_EXAMPLES
from policies.shared.machines import gpu_class
from policies.shared.model import Findings, Resource, Rules, Severity, Violation, raw_value_at
from policies.shared.types import ENDPOINT, PAIS

RULES: Rules[PlatformSettings, PlatformObservations] = Rules()


@RULES.rule(
    "endpoint-engine",
    ENDPOINT,
    severity=Severity.HIGH,
    reason="vLLM serves completions and Infinity embeddings; the other pairs never become ready",
    remedy="pair vLLM with Completions, Infinity with Embeddings",
    source=PAIS_EXAMPLES,
)
def endpoint_engine(resource: Resource, run: Context) -> Findings:
    engine, kind = resource.get("spec.engine"), resource.get("spec.type")
    expected = {"Completions": "vLLM", "Embeddings": "Infinity"}.get(str(kind))
    if expected is not None and engine != expected:
        yield Violation(f"{kind} are served by {expected}", "spec.engine", engine)


@RULES.rule(
    "endpoint-class",
    ENDPOINT,
    severity=Severity.HIGH,
    reason="vLLM does not start without a GPU",
    remedy="use a class with a GPU for completions",
    source=PAIS_EXAMPLES,
)
def endpoint_class(resource: Resource, run: Context) -> Findings:
    path = "spec.virtualMachineClassName"
    if resource.get("spec.engine") != "vLLM":
        return
    found = gpu_class(raw_value_at(resource.properties, path), run, run.observations.classes)
    if found is not None and not found.has_gpu:
        yield Violation("the class has no GPU", path, resource.get(path))


@RULES.rule(
    "pais-singleton",
    PAIS,
    severity=Severity.HIGH,
    reason="Private AI Services read one configuration per namespace, and only the one called default",
    remedy="call it default, and make one per namespace",
    source=PAIS_EXAMPLES,
)
def pais_singleton(resource: Resource, run: Context) -> Findings:
    if resource.get("metadata.name") != "default":
        yield Violation("the configuration is not called default", "metadata.name", resource.get("metadata.name"))
    namespace = str(resource.get("metadata.namespace", ""))
    owner = run.observations.services.get(namespace, resource.urn)
    if owner != resource.urn:
        yield Violation(f"the namespace has {owner.rsplit('::', 1)[1]} already", "metadata.namespace", namespace)


@RULES.rule(
    "pais-control-plane",
    PAIS,
    severity=Severity.MEDIUM,
    reason="a control plane on a GPU class keeps a GPU that no model ever uses",
    remedy="use a class without GPU, such as best-effort-large",
    source=PAIS_EXAMPLES,
)
def pais_control_plane(resource: Resource, run: Context) -> Findings:
    path = "spec.vksControlPlane.virtualMachineClassName"
    found = gpu_class(raw_value_at(resource.properties, path), run, run.observations.classes)
    if found is not None and found.has_gpu:
        yield Violation("the control plane has a GPU", path, resource.get(path))
