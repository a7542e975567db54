"""The policy pack `naming`."""

from policies.naming.configuration import NamingObservations, NamingSettings
from policies.naming.observation import OBSERVED, observe
from policies.naming.rules import collisions, databases, kubernetes_names, labels, models, names, reserved, vm_classes
from policies.shared.pack import Pack

PACK: Pack[NamingSettings, NamingObservations] = Pack(
    name="naming",
    description="Names, labels and tags of a Private AI environment",
    settings=NamingSettings,
    rules=[
        *names.RULES.all,
        *vm_classes.RULES.all,
        *models.RULES.all,
        *databases.RULES.all,
        *kubernetes_names.RULES.all,
        *labels.RULES.all,
        *reserved.RULES.all,
        *collisions.RULES.all,
    ],
    observations=NamingObservations,
    observed=OBSERVED,
    observe=observe,
)
