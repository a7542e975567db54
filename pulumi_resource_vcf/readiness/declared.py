"""What a readiness waits for, as properties."""

from __future__ import annotations

from typing import Final

from .. import fields as f
from . import expressions


def _expression(text: str) -> str:
    expressions.parse(text)
    return text


def _path(text: str) -> str:
    expressions.path(text)
    return text


_POOL: Final = f.Field(
    kind="object",
    doc="a node pool of the cluster",
    type_name="AwaitedPool",
    fields={
        "name": f.Field(kind="string", doc="name, for messages", required=True),
        "label": f.Field(kind="string", doc="label by which its nodes are known, key=value", required=True),
        "minimum": f.Field(kind="integer", doc="least nodes", required=True, minimum=0),
        "maximum": f.Field(kind="integer", doc="most nodes", required=True, minimum=0),
        "gpus": f.Field(kind="integer", doc="allocatable nvidia.com/gpu of each node", minimum=0),
    },
)
_NODES: Final = f.Field(
    kind="object",
    doc="nodes that the object promises: of a Cluster, or those on which a ClusterPolicy serves GPUs",
    type_name="AwaitedNodes",
    fields={
        "secretName": f.Field(
            kind="string", doc="Secret in the object's namespace with the kubeconfig of the nodes' cluster"
        ),
        "secretKey": f.Field(kind="string", doc="key in that Secret"),
        "release": f.Field(kind="string", doc="Kubernetes release of every kubelet, in any spelling"),
        "controlPlane": f.Field(kind="integer", doc="nodes of the control plane", minimum=0),
        "pools": f.Field(kind="array", doc="node pools", items=_POOL),
    },
)
_PATIENCE: Final = f.Field(
    kind="object",
    doc="seconds that a reason of a condition or container may last; 0: waiting does not mend it; * is any other",
    entries=f.Field(kind="integer", doc="seconds", minimum=0),
)
_VALUES: Final = f.Field(
    kind="object",
    doc="JSONPaths in the object, by the key in `values` under which what is there is given out",
    entries=f.Field(kind="string", doc="JSONPath", parse=_path),
)
OBJECT: Final = f.Field(
    kind="object",
    doc="an object to wait for",
    type_name="AwaitedObject",
    fields={
        "apiVersion": f.Field(kind="string", doc="API version", required=True),
        "kind": f.Field(kind="string", doc="kind", required=True),
        "namespace": f.Field(kind="string", doc="namespace; none for an object of the whole cluster"),
        "name": f.Field(kind="string", doc="name; or else `members`"),
        "asked": f.Field(
            kind="string", doc="digest of what was asked for: another one means that the object is waited for again"
        ),
        "members": f.Field(
            kind="object",
            doc="several objects of which all the rest is so: `asked` by name. Their `values` are given out under "
            "<name>/<key>",
            entries=f.Field(kind="string", doc="digest of what was asked for"),
        ),
        "waitFor": f.Field(
            kind="array",
            doc="wait conditions in the syntax of the annotation pulumi.com/waitFor; all of them have to hold",
            items=f.Field(kind="string", doc="condition=TYPE or jsonpath={.PATH}", parse=_expression),
        ),
        "failedBy": f.Field(
            kind="array",
            doc="wait conditions of which none may hold: each says that something has failed",
            items=f.Field(kind="string", doc="condition=TYPE=False", parse=_expression),
        ),
        "settleSeconds": f.Field(
            kind="integer", doc="how long a changed object must stay ready before it counts", minimum=0, default=0
        ),
        "patience": _PATIENCE,
        "nodes": _NODES,
        "values": _VALUES,
    },
)
