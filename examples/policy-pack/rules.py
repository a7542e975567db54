"""Rules of a shop of its own: plain checks, each with a reason, a remedy and a source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies.shared.configuration import Settings
from policies.shared.model import Resource, Rules, Run, Severity, Violation, mandatory_in
from policies.shared.pack import Pack

RULES: Rules[Settings, dict[str, str]] = Rules()


@RULES.rule(
    "notebook-disk",
    ("kubernetes:core/v1:PersistentVolumeClaim",),
    severity=Severity.MEDIUM,
    levels=mandatory_in("prod"),
    reason="notebooks on the default storage fill the disk that the databases are on",
    remedy="name the storage class notebooks",
    source="https://wiki.example.com/storage",
)
def notebook_disk(resource: Resource, _: Run[Settings, dict[str, str]]) -> Iterator[Violation]:
    """A value that is not known yet raises on its own, and is listed as undecided."""
    if resource.labels().get("app") == "notebook" and resource.get("spec.storageClassName") != "notebooks":
        yield Violation("a notebook's disk is on another storage class", "spec.storageClassName")


PACK: Pack[Any, Any] = Pack(
    name="shop",
    description="Rules of the shop",
    settings=Settings,
    rules=RULES.all,
    observations=dict,
)
