"""The policy pack `platform`."""

from policies.platform.configuration import Platform, PlatformSettings
from policies.platform.rules import OBSERVED, observe, pack
from policies.shared.adapter import Pack

PACK: Pack[PlatformSettings, Platform] = Pack(
    name="platform",
    description="What the platform of a Private AI environment can do, and what production demands",
    settings=PlatformSettings,
    rules=pack.all,
    seen=Platform,
    observed=OBSERVED,
    observe=observe,
)
