"""The policy pack `licensing`."""

from policies.licensing.configuration import LicensingObservations, LicensingSettings
from policies.licensing.observation import OBSERVED, observe
from policies.licensing.rules import (
    containers,
    entitlements,
    license_server,
    license_tokens,
    paif_add_on,
    quantities,
    vgpu_profiles,
)
from policies.shared.pack import Pack

PACK: Pack[LicensingSettings, LicensingObservations] = Pack(
    name="licensing",
    description="Licenses of NVIDIA and VMware that a Private AI environment takes",
    settings=LicensingSettings,
    rules=[
        *vgpu_profiles.RULES.all,
        *license_tokens.RULES.all,
        *containers.RULES.all,
        *quantities.RULES.all,
        *entitlements.RULES.all,
        *paif_add_on.RULES.all,
        *license_server.RULES.all,
    ],
    observations=LicensingObservations,
    observed=OBSERVED,
    observe=observe,
)
