"""Who gets a Deep Learning VM."""

from __future__ import annotations

from policies.platform.configuration import Context, PlatformObservations, PlatformSettings
from policies.platform.sources import GUARD
from policies.shared.model import Findings, Resource, Rules, Severity, Violation, require_known
from policies.shared.sources import GUIDE
from policies.shared.types import VM

RULES: Rules[PlatformSettings, PlatformObservations] = Rules()


def _of_any_kind(run: Context) -> set[str]:
    """Personas that get a Deep Learning VM somewhere."""
    return {each for guards in run.settings.guards().values() for each in guards.workstation_personas}


@RULES.rule(
    "dlvm-persona",
    VM,
    severity=Severity.HIGH,
    reason="Deep Learning VMs are for data scientists and MLOps engineers; app developers get addresses of endpoints",
    remedy="take the machine out, and give the person an endpoint's address and routing name",
    source=f"{GUIDE} (part 2: who gets what)",
)
def dlvm_persona(resource: Resource, run: Context) -> Findings:
    key = run.settings.label("persona")
    persona = require_known(resource.labels().get(key))
    allowed = _of_any_kind(run)
    if persona is not None and persona not in allowed:
        yield Violation(f"expected {' or '.join(sorted(allowed))}", f"metadata.labels.{key}", persona)


@RULES.rule(
    "dlvm-in-production",
    VM,
    severity=Severity.HIGH,
    reason="where models only run, nobody experiments: those who push models get a machine, nobody else",
    remedy="keep it in dev or qa",
    source=GUARD,
)
def dlvm_in_production(resource: Resource, run: Context) -> Findings:
    key = run.settings.label("persona")
    persona = require_known(resource.labels().get(key))
    allowed = run.guards.workstation_personas
    if persona in _of_any_kind(run) and persona not in allowed:
        yield Violation(f"in {run.kind} expected {' or '.join(allowed) or 'none'}", f"metadata.labels.{key}", persona)
