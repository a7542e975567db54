"""What no rule looks at."""

from __future__ import annotations

from collections import Counter

from policies.platform.concern import stack_is_private_ai
from policies.platform.configuration import Context, PlatformObservations, PlatformSettings
from policies.shared.model import Findings, Level, Resource, Rules, Severity, Violation, everywhere
from policies.shared.sources import OWN
from policies.shared.types import ROOT

RULES: Rules[PlatformSettings, PlatformObservations] = Rules()

_SHOWN = 5


@RULES.rule(
    "unjudged-objects",
    ROOT,
    severity=Severity.LOW,
    levels=everywhere(Level.ADVISORY),
    reason="a kind of the platform's API groups that no rule knows passes unseen, as does what a chart does by files "
    "that cannot be read",
    remedy="look at them yourself; listUnjudged: true names every one",
    source=f"{OWN}: nothing is silently fine",
    at_end=True,
)
def unjudged_objects(resource: Resource, run: Context) -> Findings:
    found = dict(run.all_entries(run.observations.unjudged))
    if stack_is_private_ai(run):
        found |= {urn: f"values of a chart: {each}" for urn, each in run.all_entries(run.observations.unread).items()}
    if not found:
        return
    kinds = Counter(found.values())
    if run.settings.list_unjudged:
        names = [f"{kind} {urn.rsplit('::', 1)[1]}" for urn, kind in found.items()]
    else:
        names = [f"{kind} ({count})" if count > 1 else kind for kind, count in kinds.most_common(_SHOWN)]
        names += [f"{len(kinds) - _SHOWN} more kinds"] if len(kinds) > _SHOWN else []
    what = "1 object is" if len(found) == 1 else f"{len(found)} objects are"
    yield Violation(f"{what} not judged: {', '.join(names)}")
