"""A pack for tests: one rule crashes on a ConfigMap, one on the way of noting a Secret."""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[3])

from policies.shared.configuration import Settings  # noqa: E402
from policies.shared.model import Resource, Rules, Run, Severity, Undecided, Violation  # noqa: E402
from policies.shared.pack import Pack  # noqa: E402
from policies.shared.server import serve  # noqa: E402

pack: Rules[Settings, None] = Rules()


@pack.rule(
    "crasher", ("kubernetes:core/v1:ConfigMap",), severity=Severity.LOW, reason="r", remedy="mend", source="test"
)
def crasher(resource: Resource, run: Run[Settings, None]) -> Iterator[Violation | Undecided]:
    """Crash with a value of the resource in the error."""
    yield Violation(str(1 // len(resource.get("data.none", ""))))
    raise ValueError(resource.get("data.key"))


def observe(resource: Resource, run: Run[Settings, None]) -> None:
    """Crash."""
    raise KeyError(resource.name)


serve(Pack("crashing", "crashes", Settings, pack.all, lambda: None, ("kubernetes:core/v1:Secret",), observe))
