"""Facts about the platform as typed data: versions, GPUs, Deep Learning VM properties, ClusterClasses, waits, names.

The facts live in the YAML files beside this module, each with its source and a grade. Code asks here and holds no
versions, device ids or condition names of its own. Every function reads its file once and keeps the result; importing
reads nothing.

Raises `pydantic.ValidationError` when a file breaks its model, which the unit tests rule out for a committed tree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

_FOLDER = Path(__file__).parent
# The parser in C where the wheel has it: ten times faster, and this runs at every preview and at every start of a lab.
YAML_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Grade(StrEnum):
    """How well a fact is known."""

    VENDOR = "vendor"
    """Read in a vendor's document, source code or CRD."""
    COMMUNITY = "community"
    """Read in a public text or tool without official weight."""
    INFERRED = "inferred"
    """Follows from code or samples; nobody states it."""
    MEMORY = "memory"
    """No source found: a hypothesis."""
    UNCONFIRMED = "unconfirmed"
    """Sources disagree or name only a pattern: look at the live system."""


class _Model(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, defer_build=True
    )


class Fact(_Model):
    """Something known, how well, and from where."""

    grade: Grade
    source: str
    note: str = ""


class Version(Fact):
    """A version in use. `constraint` is the range a site may choose from, in the syntax of `satisfies`."""

    version: str
    constraint: str = ""
    repository: str = ""
    chart: str = ""
    image: str = ""


class Versions(_Model):
    """The baseline matrix."""

    baseline: str
    facts: dict[str, Version]

    def __getitem__(self, name: str) -> Version:
        return self.facts[name]


class Gpu(Fact):
    """A GPU model. Memory in GiB; ids are lower-case hex without 0x, as the inventory of vSphere writes them."""

    name: str
    device_ids: list[str] = Field(min_length=1)
    framebuffer_gib: int = Field(gt=0)
    profile_prefixes: list[str] = Field(min_length=1)
    profile_sizes_gib: list[int] = Field(min_length=1)
    mmio_gib: int = Field(gt=0)

    def profiles(self) -> list[str]:
        """Names of all time-sliced compute (C series) profiles, smallest first, the usual prefix before the others."""
        return [f"{prefix}-{size}c" for prefix in self.profile_prefixes for size in self.profile_sizes_gib]


class Gpus(_Model):
    """GPU models by the name that a configuration uses."""

    vendor_id: str
    vendor_name: str
    gpus: dict[str, Gpu]

    def by_device(self, device_id: str) -> str | None:
        """Model name of a PCI device id, or None."""
        wanted = device_id.lower().removeprefix("0x")
        return next((model for model, gpu in self.gpus.items() if wanted in gpu.device_ids), None)


class Profile(_Model):
    """A vGPU profile name taken apart. `slices` is set for MIG profiles only."""

    name: str
    prefix: str
    framebuffer_gib: int
    series: Literal["c", "q", "b", "a"]
    slices: int | None = None


class DlvmProperty(Fact):
    """One OVF property of the Deep Learning VM image."""

    encoding: Literal["text", "base64"]
    secret: bool = False
    required_by: Literal["", "always", "vgpu", "password-login"] = ""
    since: str


class DlvmLogin(Fact):
    """How a person reaches a Deep Learning VM."""

    user: str
    ssh_port: int
    jupyter_port: int


class DlvmProperties(_Model):
    """All OVF properties of the image, and its login."""

    properties: dict[str, DlvmProperty]
    login: DlvmLogin


@dataclass(frozen=True)
class Release:
    """A Kubernetes release of VKS in any of its spellings; what a spelling leaves out is open.

    Those are a prefix (v1.32), the short form that the server stores (v1.32.0+vmware.6-fips), the full one
    (v1.32.0+vmware.6-fips-vkr.2) and the name of its object (v1.32.0---vmware.6-fips-vkr.2).
    """

    kubernetes: tuple[int, ...]
    vmware: tuple[int, bool] | None = None
    """The number after +vmware. and whether it is the FIPS variant."""
    build: int | None = None
    """The number after -vkr., by which builds around the same Kubernetes differ."""

    @classmethod
    def parse(cls, text: str) -> Release | None:
        """The release that a text names, or None when it names none."""
        match = _RELEASE.fullmatch(text)
        if match is None:
            return None
        vmware = (int(match["vmware"]), match["fips"] is not None) if match["vmware"] else None
        return cls(_numbers(match["kubernetes"]), vmware, int(match["build"]) if match["build"] else None)

    @classmethod
    def agree(cls, one: str, other: str) -> bool:
        """Whether two spellings may mean the same release; what names none agrees with nothing."""
        first, second = cls.parse(one), cls.parse(other)
        return first is not None and second is not None and first.is_(second)

    @property
    def short(self) -> str:
        """As the server stores it: without the number of its build, and with what is open left open."""
        number, fips = self.vmware or (None, False)
        variant = "" if number is None else f"+vmware.{number}{'-fips' if fips else ''}"
        return f"v{'.'.join(map(str, self.kubernetes))}{variant}"

    def is_(self, other: Release) -> bool:
        """Whether both may be the same release: they agree in all that both of them say."""
        said = min(len(self.kubernetes), len(other.kubernetes))
        same = self.kubernetes[:said] == other.kubernetes[:said]
        pairs = ((self.vmware, other.vmware), (self.build, other.build))
        return same and all(None in pair or pair[0] == pair[1] for pair in pairs)


_RELEASE = re.compile(
    r"v(?P<kubernetes>\d+\.\d+(?:\.\d+)?)"
    r"(?:(?:\+|---)vmware\.(?P<vmware>\d+)(?P<fips>-fips)?(?:-vkr\.(?P<build>\d+))?)?"
)


class ClusterClass(Fact):
    """Kubernetes minors, first and last, that a ClusterClass takes. `central`: lives in the central namespace only."""

    kubernetes: tuple[str, str]
    central: bool = False

    def takes(self, release: str) -> bool:
        """Whether the class can run a Kubernetes release such as v1.32.0+vmware.6-fips-vkr.2."""
        minor = _numbers(release)[:2]
        return _numbers(self.kubernetes[0]) <= minor <= _numbers(self.kubernetes[1])


class VmSize(_Model):
    """vCPU and GiB of a VM class."""

    cpu_count: int
    memory_gib: int


class UbuntuVersions(Fact):
    """Versions of Ubuntu between which a cluster chooses, from the Kubernetes minor on that has more than one."""

    choice_from: str
    versions: list[str]

    def is_choice(self, release: str) -> bool:
        """Whether a release has several of them, so that a cluster has to say which."""
        return _numbers(release)[:2] >= _numbers(self.choice_from)


class ClusterClasses(_Model):
    """ClusterClasses, the annotations around them, and the VM classes every Supervisor has."""

    worker_class: str
    os_image_annotation: str
    skip_rebase_annotation: str
    release_label: str
    central_namespace: str
    ubuntu: UbuntuVersions
    classes: dict[str, ClusterClass]
    default_vm_classes: dict[str, VmSize]

    def is_newer(self, name: str, other: str) -> bool:
        """Whether a ClusterClass is a later one than another; one that is not in the catalogue never is."""
        return name in self.classes and _number_of(name) > _number_of(other)


class Condition(Fact):
    """When an object is ready: expressions in the syntax of the annotation pulumi.com/waitFor, and the longest wait.

    `failed_by` are those of which none may hold. `settle_seconds` is how long a changed object must stay ready before
    it counts, of a kind whose status may be that of before. `patience` is how many seconds which reason of a condition
    or container may last, "*" any other; 0 means that it does not go away by waiting.
    """

    wait_for: list[str] = Field(min_length=1)
    failed_by: list[str] = []
    timeout_seconds: int = Field(gt=0)
    settle_seconds: int = Field(default=0, ge=0)
    patience: dict[str, int] = {}


class PublishedSecret(Fact):
    """A Secret that an operator writes after the object it belongs to is ready."""

    key: str
    timeout_seconds: int = Field(gt=0)
    suffix: str = ""


class Conditions(_Model):
    """Wait conditions by `<apiVersion>/<kind>`, and Secrets that appear late."""

    conditions: dict[str, Condition]
    secrets: dict[str, PublishedSecret]


class NameKind(_Model):
    """How one kind of thing is named: its code inside the name, and the longest whole name in characters."""

    code: str
    max_length: int
    resource: str
    reason: str


class Naming(_Model):
    """Codes of the naming convention, and the keys of the labels that everything carries."""

    kinds: dict[str, NameKind]
    labels: dict[str, str]


_M = TypeVar("_M", bound=BaseModel)


def _load(file: str, model: type[_M]) -> _M:
    return model.model_validate(yaml.load((_FOLDER / file).read_text(encoding="utf-8"), Loader=YAML_LOADER))  # noqa: S506 (a safe loader)


@cache
def versions() -> Versions:
    """The baseline matrix."""
    return _load("versions.yaml", Versions)


@cache
def gpus() -> Gpus:
    """All GPU models."""
    return _load("gpus.yaml", Gpus)


@cache
def dlvm_properties() -> DlvmProperties:
    """OVF properties of the Deep Learning VM image."""
    return _load("dlvm_properties.yaml", DlvmProperties)


@cache
def cluster_classes() -> ClusterClasses:
    """ClusterClasses of VKS."""
    return _load("cluster_classes.yaml", ClusterClasses)


@cache
def conditions() -> Conditions:
    """Wait conditions and late Secrets."""
    return _load("conditions.yaml", Conditions)


@cache
def naming() -> Naming:
    """The naming convention."""
    return _load("naming.yaml", Naming)


# Both prefixes are in use, depending on the host driver's release; MIG profiles name their slices before the size.
_PROFILE = re.compile(
    r"(?P<prefix>(?:grid|nvidia)_[a-z0-9]+)(?:-(?P<slices>\d))?-(?P<size>\d+)(?P<series>[cqba])(?:me)?"
)


def parse_profile(name: str) -> Profile | None:
    """Take a vGPU profile name such as grid_a100-40c apart; None when it is none."""
    match = _PROFILE.fullmatch(name)
    if match is None:
        return None
    slices = match["slices"]
    return Profile(
        name=name,
        prefix=match["prefix"],
        framebuffer_gib=int(match["size"]),
        series=match["series"],  # type: ignore[arg-type]  # the pattern admits these four letters only
        slices=int(slices) if slices else None,
    )


def mmio_window_gib(models: list[Gpu]) -> int:
    """64-bit MMIO window in GiB for these GPUs in one VM: the power of two that holds the windows of all of them."""
    return 1 << (sum(gpu.mmio_gib for gpu in models) - 1).bit_length()


def unknown_properties(descriptor_keys: set[str]) -> set[str]:
    """Catalogued OVF properties that an image's descriptor does not have, so that a deployment with them would fail."""
    return set(dlvm_properties().properties) - descriptor_keys


def satisfies(version: str, constraint: str) -> bool:
    """Whether a version meets a constraint of comma-separated comparisons, e.g. `>=1.32,<1.33`. No constraint: always.

    Only the leading numbers count (v1.32.0+vmware.6-fips is 1.32.0). Raises ValueError for a constraint it cannot read.
    """
    have = _numbers(version)
    for part in filter(None, (piece.strip() for piece in constraint.split(","))):
        match = re.fullmatch(r"(>=|<=|==|>|<)\s*v?(\d+(?:\.\d+)*)", part)
        if match is None:
            raise ValueError(f"version constraint {part!r}: expected a comparison such as >=1.32")
        want = _numbers(match[2])
        width = max(len(have), len(want))
        left, right = have + (0,) * (width - len(have)), want + (0,) * (width - len(want))
        holds = {">=": left >= right, "<=": left <= right, "==": left == right, ">": left > right, "<": left < right}
        if not holds[match[1]]:
            return False
    return True


def least(constraint: str) -> str:
    """The least version that a constraint of `satisfies` admits, e.g. 1.32 of `>=1.32,<1.33`. Raises ValueError."""
    match = re.search(r">=\s*v?(\d+(?:\.\d+)*)", constraint)
    if match is None:
        raise ValueError(f"version constraint {constraint!r}: expected one with a lower bound, such as >=0.8")
    return match[1]


def _number_of(cluster_class: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", cluster_class))


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"v?(\d+(?:\.\d+)*)", version)
    return tuple(int(part) for part in match[1].split(".")) if match else ()
