"""Argument types of the vcf provider's resources.

Written by `python -m pulumi_resource_vcf.python_sdk`, from the schema of the provider: change it there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from pulumi import Input


class NamespaceRole(StrEnum):
    """What they may do."""

    OWNER = "OWNER"
    EDIT = "EDIT"
    VIEW = "VIEW"


class SslMode(StrEnum):
    """How the server is checked: verify-full checks CA and host name, verify-ca the CA only."""

    VERIFY_FULL = "verify-full"
    VERIFY_CA = "verify-ca"


class SubjectType(StrEnum):
    """User or group."""

    USER = "USER"
    GROUP = "GROUP"


@dataclass(frozen=True, kw_only=True)
class AccessEntry:
    """Who may do what in the namespace.

    - `subject_type`: User or group. Default: GROUP.
    - `subject`: Name of the user or group, without domain.
    - `domain`: SSO domain of the subject.
    - `role`: What they may do.
    - `identity_provider`: Id of the external identity provider that knows the subject; vCenter's own without it.
    """

    subject: Input[str]
    domain: Input[str]
    role: Input[NamespaceRole | Literal["OWNER", "EDIT", "VIEW"]]
    subject_type: Input[SubjectType | Literal["USER", "GROUP"]] | None = None
    identity_provider: Input[str] | None = None


@dataclass(frozen=True, kw_only=True)
class AwaitedImage:
    """An image.

    - `name`: Name, or id vmi-….
    - `item_id`: Id of its item of a content library, which tells those of one name apart.
    """

    name: Input[str]
    item_id: Input[str] | None = None


@dataclass(frozen=True, kw_only=True)
class AwaitedPool:
    """A node pool of the cluster.

    - `name`: Name, for messages.
    - `label`: Label by which its nodes are known, key=value.
    - `minimum`: Least nodes.
    - `maximum`: Most nodes.
    - `gpus`: Allocatable nvidia.com/gpu of each node.
    """

    name: Input[str]
    label: Input[str]
    minimum: Input[int]
    maximum: Input[int]
    gpus: Input[int] | None = None


@dataclass(frozen=True, kw_only=True)
class AwaitedNodes:
    """Nodes that the object promises: of a Cluster, or those on which a ClusterPolicy serves GPUs.

    - `secret_name`: Secret in the object's namespace with the kubeconfig of the nodes' cluster.
    - `secret_key`: Key in that Secret.
    - `release`: Kubernetes release of every kubelet, in any spelling.
    - `control_plane`: Nodes of the control plane.
    - `pools`: Node pools.
    """

    secret_name: Input[str] | None = None
    secret_key: Input[str] | None = None
    release: Input[str] | None = None
    control_plane: Input[int] | None = None
    pools: Input[Sequence[Input[AwaitedPool]]] | None = None


@dataclass(frozen=True, kw_only=True)
class AwaitedObject:
    """An object to wait for.

    - `api_version`: API version.
    - `kind`: Kind.
    - `namespace`: Namespace; none for an object of the whole cluster.
    - `name`: Name; or else `members`.
    - `asked`: Digest of what was asked for: another one means that the object is waited for again.
    - `members`: Several objects of which all the rest is so: `asked` by name. Their `values` are given out under
      <name>/<key>.
    - `wait_for`: Wait conditions in the syntax of the annotation pulumi.com/waitFor; all of them have to hold.
    - `failed_by`: Wait conditions of which none may hold: each says that something has failed.
    - `settle_seconds`: How long a changed object must stay ready before it counts. Default: 0.
    - `patience`: Seconds that a reason of a condition or container may last; 0: waiting does not mend it; * is any
      other.
    - `nodes`: Nodes that the object promises: of a Cluster, or those on which a ClusterPolicy serves GPUs.
    - `values`: JSONPaths in the object, by the key in `values` under which what is there is given out.
    """

    api_version: Input[str]
    kind: Input[str]
    namespace: Input[str] | None = None
    name: Input[str] | None = None
    asked: Input[str] | None = None
    members: Input[Mapping[str, Input[str]]] | None = None
    wait_for: Input[Sequence[Input[str]]] | None = None
    failed_by: Input[Sequence[Input[str]]] | None = None
    settle_seconds: Input[int] | None = None
    patience: Input[Mapping[str, Input[int]]] | None = None
    nodes: Input[AwaitedNodes] | None = None
    values: Input[Mapping[str, Input[str]]] | None = None


@dataclass(frozen=True, kw_only=True)
class DirectPathDevice:
    """A Dynamic DirectPath I/O device.

    - `vendor_id`: PCI vendor id, hex.
    - `device_id`: PCI device id, hex.
    - `custom_label`: Hardware label that the host's device must carry.
    """

    vendor_id: Input[str]
    device_id: Input[str]
    custom_label: Input[str] | None = None


@dataclass(frozen=True, kw_only=True)
class StorageSpec:
    """A storage policy that the namespace may use.

    - `policy`: Name or id of the storage policy.
    - `limit_mib`: Limit in MiB; without it there is none.
    """

    policy: Input[str]
    limit_mib: Input[int] | None = None
