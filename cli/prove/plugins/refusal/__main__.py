"""A policy pack for ``./paif prove``: it refuses the resource that PAIF_REFUSED names, as what only `up` can know."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[4])

from policies.shared.configuration import Settings  # noqa: E402
from policies.shared.model import Resource, Rules, Run, Severity, Undecided, Violation  # noqa: E402
from policies.shared.pack import Pack  # noqa: E402
from policies.shared.server import serve  # noqa: E402

pack: Rules[Settings, None] = Rules()
refused = os.environ.get("PAIF_REFUSED", "")


@pack.rule("refused", ("*",), severity=Severity.HIGH, reason="a test asks for it", remedy="none", source="test")
def refuse(resource: Resource, run: Run[Settings, None]) -> Iterator[Violation | Undecided]:
    """Refuse the resource outside of previews."""
    if not run.dry_run and resource.name == refused.rsplit("::", 1)[-1] and resource.type in refused:
        yield Violation("refused, as a test asked")


serve(Pack("refusal", "refuses one resource", Settings, pack.all, lambda: None, (), lambda *_: None))
