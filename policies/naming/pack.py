"""The policy pack `naming`."""

from policies.naming.configuration import Names, NamingSettings
from policies.naming.rules import OBSERVED, observe, pack
from policies.shared.adapter import Pack

PACK: Pack[NamingSettings, Names] = Pack(
    name="naming",
    description="Names, labels and tags of a Private AI environment",
    settings=NamingSettings,
    rules=pack.all,
    seen=Names,
    observed=OBSERVED,
    observe=observe,
)
