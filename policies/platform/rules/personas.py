"""Who gets a Deep Learning VM."""

from __future__ import annotations

import paif_catalog as catalog
from policies.platform.configuration import Context, PlatformObservations, PlatformSettings
from policies.platform.sources import GUARD
from policies.shared.model import Findings, Resource, Rules, Severity, Violation, require_known
from policies.shared.sources import GUIDE
from policies.shared.types import VM

RULES: Rules[PlatformSettings, PlatformObservations] = Rules()


@RULES.rule(
    "dlvm-persona",
    VM,
    severity=Severity.HIGH,
    reason="Deep Learning VMs are for data scientists and MLOps engineers; app developers get addresses of endpoints",
    remedy="take the machine out, and give the person an endpoint's address and routing name",
    source=f"{GUIDE} (part 2: who gets what)",
)
def dlvm_persona(resource: Resource, run: Context) -> Findings:
    key = catalog.naming().labels["persona"]
    persona = require_known(resource.labels().get(key))
    allowed = {each for personas in run.settings.personas.values() for each in personas}
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
    key = catalog.naming().labels["persona"]
    persona = require_known(resource.labels().get(key))
    allowed = run.settings.personas.get(run.kind, [])
    everywhere_allowed = {each for personas in run.settings.personas.values() for each in personas}
    if persona in everywhere_allowed and persona not in allowed:
        yield Violation(f"in {run.kind} expected {' or '.join(allowed) or 'none'}", f"metadata.labels.{key}", persona)
