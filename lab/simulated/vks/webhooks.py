"""VKS's own admission of Clusters, before and after Cluster API's."""

from __future__ import annotations

from typing import Any

import kopf

from lab.operators.resources import CLUSTER, Object
from lab.simulated.vks.admission import normalize, rejections
from lab.simulated.vks.offered import releases


# Both fail closed, as the platform's own. Their names sort before those of Cluster API's, which judge what these have
# made of a Cluster.
@kopf.on.mutate(*CLUSTER.selector, id="default", ignore_failures=False)  # type: ignore[arg-type]
def default(body: kopf.Body, old: Object | None, operation: str | None, patch: kopf.Patch, **_: Any) -> None:
    """Store the Cluster as VKS does: release short and named by a label, class raised."""
    if operation not in ("CREATE", "UPDATE") or _is_as_before(body, old):
        return
    made = normalize(dict(body), dict(old) if old else None, releases())
    if made["spec"] != body["spec"]:
        patch["spec"] = {"topology": made["spec"]["topology"]}
    labels = made["metadata"].get("labels")
    if labels != body["metadata"].get("labels"):
        patch["metadata"] = {"labels": labels}


@kopf.on.validate(*CLUSTER.selector, id="validate", ignore_failures=False)  # type: ignore[arg-type]
def validate(body: kopf.Body, old: Object | None, operation: str | None, **_: Any) -> None:
    """Refuse what VKS itself refuses; Cluster API's own admission (lab/clusterapi) refuses the rest."""
    if operation not in ("CREATE", "UPDATE") or body["metadata"].get("deletionTimestamp") or _is_as_before(body, old):
        return
    found = rejections(dict(body), dict(old) if old else None, releases())
    if found:
        name = body["metadata"].get("name")
        raise kopf.AdmissionError(f"Cluster.cluster.x-k8s.io {name!r} is invalid: {'; '.join(found)}", code=422)


def _is_as_before(body: kopf.Body, old: Object | None) -> bool:
    """Whether nothing changes that VKS looks at: what was right once must not keep a Cluster from being deleted."""
    before, now = (old or {}).get("spec"), body.get("spec") or {}
    return before is not None and all(before.get(key) == now.get(key) for key in ("topology", "clusterNetwork"))
