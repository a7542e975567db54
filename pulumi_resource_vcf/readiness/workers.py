"""What a Cluster says of its workers, where Cluster API publishes it (1.9 and newer): in its newer conditions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .expressions import value_at
from .status import Finding

_WANTED: Final = {"WorkersAvailable": "True", "RollingOut": "False"}


def lacking(cluster: Mapping[str, Any]) -> list[Finding]:
    """Why workers are not all there, or not all new; nothing where the Cluster does not say.

    These conditions come late: for a second after a change they are those of before (measured with 1.9.5), so that a
    Cluster which lacks nothing here may still be about to change.
    """
    found = []
    for each in value_at(cluster, ("status", "v1beta2", "conditions")) or []:
        kind, said = str(each.get("type")), each.get("status")
        if said == {"True": "False", "False": "True"}.get(_WANTED.get(kind, "")):
            message = str(each.get("message") or "").strip()
            text = f"{kind}={said}" + (f": {message}" if message else "")
            found.append(Finding(text, str(each.get("reason") or "")))
    return found
