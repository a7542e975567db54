"""The policy pack `platform`."""

from functools import partial

from policies.platform.configuration import PlatformObservations, PlatformSettings
from policies.platform.observation import OBSERVED, observe
from policies.platform.rules import (
    clusters,
    deep_learning_vms,
    deprecated,
    directpath,
    gpu_operator,
    personas,
    private_ai_services,
    production,
    secrets,
    supervisor,
    transport,
    trusted_sources,
    unjudged,
    unreadable,
    versions,
    vgpu,
)
from policies.shared.pack import Pack
from policies.shared.types import CLUSTER_POLICY, NEMO, NIM, NVIDIA_DRIVER, WITHOUT_RULES

RULES = [
    *unreadable.RULES.all,
    *directpath.RULES.all,
    *vgpu.RULES.all,
    *versions.RULES.all,
    *personas.RULES.all,
    *production.RULES.all,
    *secrets.RULES.all,
    *transport.RULES.all,
    *trusted_sources.RULES.all,
    *deprecated.RULES.all,
    *gpu_operator.RULES.all,
    *clusters.RULES.all,
    *private_ai_services.RULES.all,
    *deep_learning_vms.RULES.all,
    *supervisor.RULES.all,
    *unjudged.RULES.all,
]
_KINDS = {kind for rule in RULES for kind in rule.types if not kind.endswith("*")}
JUDGED = (*sorted(_KINDS), *NIM, *NEMO, *CLUSTER_POLICY, *NVIDIA_DRIVER, *WITHOUT_RULES)
"""Kinds that rules look at for what they are; of every other object only its version, or what runs in it."""
PACK: Pack[PlatformSettings, PlatformObservations] = Pack(
    name="platform",
    description="What the platform of a Private AI environment can do, and what production demands",
    settings=PlatformSettings,
    rules=RULES,
    observations=partial(PlatformObservations, judged=JUDGED),
    observed=OBSERVED,
    observe=observe,
)
