"""Who gets a Deep Learning VM."""

from __future__ import annotations

from policies.platform.configuration import Context, PlatformObservations, PlatformSettings
from policies.platform.sources import GUARD
from policies.shared.deep_learning_vms import personas
from policies.shared.model import Findings, Resource, Rules, Severity, Violation
from policies.shared.sources import GUIDE
from policies.shared.types import VM_SERVICE, VSPHERE_VM

RULES: Rules[PlatformSettings, PlatformObservations] = Rules()


def _of_any_kind(run: Context) -> set[str]:
    """Personas that get a Deep Learning VM somewhere."""
    return {each for guards in run.settings.guards().values() for each in guards.workstation_personas}


@RULES.rule(
    "dlvm-persona",
    VM_SERVICE + VSPHERE_VM,
    severity=Severity.HIGH,
    reason="Deep Learning VMs are for data scientists and MLOps engineers; app developers get addresses of endpoints",
    remedy="take the machine out, and give the person an endpoint's address and routing name",
    source=f"{GUIDE} (part 2: who gets what)",
)
def dlvm_persona(resource: Resource, run: Context) -> Findings:
    allowed = _of_any_kind(run)
    for path, persona in personas(resource, run):
        if persona not in allowed:
            yield Violation(f"expected {' or '.join(sorted(allowed))}", path, persona)


@RULES.rule(
    "dlvm-in-production",
    VM_SERVICE + VSPHERE_VM,
    severity=Severity.HIGH,
    reason="where models only run, nobody experiments: those who push models get a machine, nobody else",
    remedy="keep it in dev or qa",
    source=GUARD,
)
def dlvm_in_production(resource: Resource, run: Context) -> Findings:
    allowed = run.guards.workstation_personas
    allowed_somewhere = _of_any_kind(run)
    for path, persona in personas(resource, run):
        if persona in allowed_somewhere and persona not in allowed:
            yield Violation(f"in {run.kind} expected {' or '.join(allowed) or 'none'}", path, persona)
