"""Who gets a Deep Learning VM."""

from __future__ import annotations

from policies.platform.configuration import Context, PlatformObservations, PlatformSettings
from policies.platform.sources import GUARD
from policies.shared.deep_learning_vms import personas
from policies.shared.model import Findings, Resource, Rules, Severity, Violation
from policies.shared.sources import GUIDE
from policies.shared.types import VM_SERVICE, VSPHERE_VM

RULES: Rules[PlatformSettings, PlatformObservations] = Rules()


@RULES.rule(
    "dlvm-persona",
    VM_SERVICE + VSPHERE_VM,
    severity=Severity.HIGH,
    reason="Deep Learning VMs are for data scientists and MLOps engineers; app developers get addresses of endpoints",
    remedy="take the machine out, and give the person an endpoint's address and routing name",
    source=f"{GUIDE} (part 2: who gets what)",
)
def dlvm_persona(resource: Resource, run: Context) -> Findings:
    allowed = {each for listed in run.settings.personas.values() for each in listed}
    for path, persona in personas(resource):
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
    allowed = run.settings.personas.get(run.kind, [])
    allowed_somewhere = {each for listed in run.settings.personas.values() for each in listed}
    for path, persona in personas(resource):
        if persona in allowed_somewhere and persona not in allowed:
            yield Violation(f"in {run.kind} expected {' or '.join(allowed) or 'none'}", path, persona)
