"""The policy pack `licensing`."""

from policies.licensing.configuration import LicensingSettings, Seats
from policies.licensing.rules import OBSERVED, observe, pack
from policies.shared.adapter import Pack

PACK: Pack[LicensingSettings, Seats] = Pack(
    name="licensing",
    description="Licences of NVIDIA and VMware that a Private AI environment takes",
    settings=LicensingSettings,
    rules=pack.all,
    seen=Seats,
    observed=OBSERVED,
    observe=observe,
)
