"""What a preview of one environment does to each resource, and what the policy packs say of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from fnmatch import fnmatchcase
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Action = Literal["create", "import", "update", "replace", "delete"]
Level = Literal["mandatory", "undecided", "advisory", "exempted"]
"""Mandatory refuses; undecided is known and enforced only during `up`; advisory warns; exempted was excused."""

DATA_TYPES = (
    "*:PostgresCluster",
    "*:cluster.x-k8s.io/*:Cluster",
    "*:Namespace",
    "*:PersistentVolumeClaim",
    "*:PersistentVolume",
    "*:StatefulSet",
    "*:ContentLibrary",
    "*:ContentLibraryItem",
    "*:VirtualDisk",
    "*:VirtualMachine",
    "vcf:index:PostgresExtension",
    "vcf:index:PostgresSchema",
)
"""Resource types that hold data, or whose end takes along what does."""

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What the engine writes for a value that is not known yet; any value fits it (pulumi 3.259 plugin/rpc.go)."""

ACTIONS_BY_RISK: list[Action] = ["create", "import", "update", "delete", "replace"]
"""Actions, what a reviewer should worry about most last."""


class Severity(IntEnum):
    """How much a reviewer should worry, the worst first."""

    CRITICAL = 0
    HIGH = 1
    MEDIUM = 2
    LOW = 3
    NONE = 4


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class LicenseFigure(_Model):
    """Licenses of one product: how many are needed, of how many (None: not declared), and who needs what."""

    product: str
    unit: str = ""
    used: int = Field(ge=0)
    allowed: int | None = Field(default=None, ge=0)
    by: dict[str, str] = {}


class Capacity(_Model):
    """GPUs or vGPUs of one kind: how many are asked for, of how many there are (None: not known)."""

    what: str
    used: int = Field(ge=0)
    total: int | None = Field(default=None, ge=0)


_Figure = TypeVar("_Figure")


class BeforeAfter(_Model, Generic[_Figure]):
    """A figure without and with the change; None: not known, or not there."""

    before: _Figure | None = None
    after: _Figure | None = None


@dataclass(frozen=True)
class Change:
    """What happens to one resource; `details` are lines about its properties, without secrets.

    `protected` tells that the engine refuses it, `retained` that the object itself stays. `lifted` and `added` name the
    guards, protection and retention, that end or begin with it.
    """

    action: Action
    type: str
    name: str
    urn: str
    details: tuple[str, ...] = ()
    protected: bool = False
    retained: bool = False
    lifted: tuple[str, ...] = ()
    added: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        return self.type.rsplit(":", 1)[-1]

    @property
    def holds_data(self) -> bool:
        return any(fnmatchcase(self.type, pattern) for pattern in DATA_TYPES)

    @property
    def severity(self) -> Severity:
        if self.action in {"replace", "delete"}:
            return Severity.CRITICAL if self.holds_data and not self.retained else Severity.HIGH
        if self.lifted:
            return Severity.HIGH
        if self.action == "update":
            return Severity.MEDIUM if self.holds_data else Severity.LOW
        return Severity.NONE

    @property
    def order(self) -> tuple[Any, ...]:
        """Severity first; among equals what is replaced or deleted first, then by kind and name."""
        return (self.severity, -ACTIONS_BY_RISK.index(self.action), self.kind, self.name, self.urn)


@dataclass(frozen=True)
class PolicyResult:
    """One finding of a policy; `other_resources` are those of which it says the same."""

    level: Level
    pack: str
    rule: str
    severity: str
    resource: str
    text: str
    other_resources: tuple[str, ...] = ()


@dataclass
class Recording:
    """What is known about the preview of one environment."""

    environment: str
    changes: list[Change] = field(default_factory=list)
    unchanged: int = 0
    failed: bool = False
    missing: bool = False
    problems: list[str] = field(default_factory=list)
    policies: list[PolicyResult] = field(default_factory=list)
    packs: list[str] = field(default_factory=list)
    rules_passed: int = 0
    licenses: BeforeAfter[list[LicenseFigure]] | None = None
    gpu: BeforeAfter[list[Capacity]] | None = None

    @property
    def refused(self) -> bool:
        return any(each.level == "mandatory" for each in self.policies)

    @property
    def at_risk(self) -> list[Change]:
        return [each for each in self.changes if each.severity is Severity.CRITICAL]

    def count(self, *actions: Action) -> int:
        return sum(each.action in actions for each in self.changes)
