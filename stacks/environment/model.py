"""An environment as one value: everything that a stack's configuration says, complete with defaults."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal, get_args

from pydantic import Field, PrivateAttr, SecretStr

import paif_catalog as catalog
from paif_catalog.predicates import PERSONAS, Kind
from stacks.environment.certificates import Pem
from stacks.environment.sections.ai_services import AiServices
from stacks.environment.sections.clusters import Cluster
from stacks.environment.sections.content import Content, ContentLibrary
from stacks.environment.sections.database import Database
from stacks.environment.sections.gallery import Gallery
from stacks.environment.sections.gpu import Gpu
from stacks.environment.sections.model_endpoints import ModelEndpoint
from stacks.environment.sections.namespace import Namespace
from stacks.environment.sections.protection import Protection
from stacks.environment.sections.section import FullName, Section, UsesVmClass
from stacks.environment.sections.supervisor import Supervisor
from stacks.environment.sections.vcenter import Vcenter
from stacks.environment.sections.vm_classes import VmClass
from stacks.environment.sections.vsphere_tags import VsphereTags
from stacks.environment.sections.workstations import Workstation
from stacks.environment.types import (
    ChartRepository,
    IgnoredProperty,
    LabelValue,
    NonEmptyText,
    PlatformName,
    ShortName,
)
from stacks.problems import Path


class Environment(Section):
    """Everything a stack's configuration says, complete with defaults."""

    target: Literal["lab", "vcf"] = Field(description="lab: the local lab; vcf: a real site")
    kind: Kind = Field(description="decides defaults, and what the policy packs guard")
    platform: PlatformName = Field(
        default="", description="version of the platform, e.g. vcf-9.0.1; by default the only one that is known"
    )
    organization: ShortName
    owner: LabelValue
    cost_center: LabelValue
    gpu: Gpu
    vcenter: Vcenter
    supervisor: Supervisor
    namespace: Namespace
    content: Content
    content_libraries: list[ContentLibrary] = Field(default=[], description="content libraries that are made here")
    vm_classes: list[VmClass] = Field(default=[])
    vsphere_tags: VsphereTags | None = None
    database: Database | None = None
    gallery: Gallery | None = Field(default=None, description="required for target vcf with aiServices")
    ai_services: AiServices | None = None
    model_endpoints: list[ModelEndpoint] = Field(default=[])
    workstations: list[Workstation] = Field(default=[])
    clusters: list[Cluster] = Field(default=[])
    protection: Protection = Protection()
    chart_repository: ChartRepository = Field(
        default="",
        description="Helm repository of the GPU Operator instead of NVIDIA's; of an OCI registry (oci://…) what comes "
        "before the chart's name",
    )
    chart_username: NonEmptyText | None = Field(
        default=None, description="login of the chart repository; its password is paif:chartPassword"
    )
    chart_ca_bundle: Pem = Field(default="", description="PEM of the authorities that signed its certificate (https)")
    conditions: dict[str, list[NonEmptyText]] = Field(
        default={}, description="wait conditions instead of the catalog's"
    )
    ignore_changes: dict[str, list[IgnoredProperty]] = Field(
        default={},
        description="properties whose changes by somebody else are ignored, by resource, e.g. "
        "VirtualMachine/acme-dev-dlvm-alice: [spec.powerState]; `./paif drift ENV --keep` writes it",
    )

    license_token: SecretStr | None = Field(default=None, description="NVIDIA client configuration token")
    ngc_api_key: SecretStr | None = Field(default=None, description="NGC key that pulls the vGPU guest driver")
    registry_password: SecretStr | None = Field(default=None, description="password of paif:gallery.username")
    workstation_password: SecretStr | None = Field(default=None, description="first password of the workstations")
    database_password: SecretStr | None = Field(
        default=None, description="DSM makes one when none is given; that of paif:database.external is required"
    )
    vcenter_password: SecretStr | None = Field(default=None, description="password of paif:vcenter.username")
    kubeconfig: SecretStr | None = Field(default=None, description="kubeconfig of the Supervisor")
    library_token: SecretStr | None = Field(default=None, description="token in the address of a published library")
    library_password: SecretStr | None = Field(default=None, description="password of a published library")
    chart_password: SecretStr | None = Field(default=None, description="password of the chart repository")

    _name: str = PrivateAttr(default="")

    @property
    def name(self) -> str:
        """The environment's name: that of its stack."""
        return self._name

    @property
    def baseline(self) -> catalog.Baseline:
        """What is known of the environment's platform."""
        return catalog.baseline(self.platform)

    def named(self, kind: str, name: str) -> str:
        """A full name, <organization>-<environment>-<kind>-<name>; `kind` is a key of the naming catalog."""
        return f"{self.organization}-{self._name}-{catalog.naming().kinds[kind].code}-{name}"

    def full_name(self, section: Section) -> str:
        """The full name of what has a name in the stack file. Raises ValueError for what has none, or several."""
        [(_, mark, name)] = section.marked(FullName)
        return self.named(mark.kind, name)

    def secrets(self) -> dict[str, SecretStr | None]:
        """Values of the top-level keys that must be encrypted."""
        return {key: getattr(self, name) for key, name in _SECRETS.items()}

    def labels(self, persona: str = "") -> dict[str, str]:
        """Labels that everything carries: organization, environment, owner, cost center and, if given, persona."""
        keys = catalog.naming().labels
        return {keys[key]: value for key, value in self.facts(persona).items()}

    def facts(self, persona: str = "") -> dict[str, str]:
        """What labels and tags say, by the keys of the naming catalog."""
        values = {
            "organization": self.organization,
            "environment": self._name,
            "owner": self.owner,
            "costCenter": self.cost_center,
            "persona": persona,
        }
        return {key: value for key, value in values.items() if value}

    def tags(self) -> dict[str, list[str]]:
        """All tags of vCenter that things of this environment may carry, by the keys of the naming catalog."""
        return {**{key: [value] for key, value in self.facts().items()}, "persona": list(PERSONAS)}

    def vm_class(self, name: str) -> VmClass:
        """The class of this name: one of the configuration's or of the Supervisor's own. Raises KeyError."""
        for own in self.vm_classes:
            if own.name == name:
                return own
        size = self.baseline.cluster_classes.default_vm_classes[name]
        return VmClass.model_construct(
            name=name, cpu_count=size.cpu_count, memory_gib=size.memory_gib, profile=None, gpus=0, existing=True
        )

    def vm_class_name(self, name: str) -> str:
        """Name of a class in vCenter. Raises KeyError for a class that is not defined."""
        vm_class = self.vm_class(name)
        return name if vm_class.existing else self.full_name(vm_class)

    def used_vm_classes(self) -> list[str]:
        """Classes that the configuration defines or refers to, each once, by their short names."""
        used = dict.fromkeys(own.name for own in self.vm_classes)
        used.update(dict.fromkeys(name for _, name in self.class_references()))
        return list(used)

    def class_references(self) -> Iterator[tuple[Path, str]]:
        """Every place that names a class, with the name."""
        yield from ((path, name) for path, _, name in self.marked(UsesVmClass))

    def storage_policy(self, own: str | None = None) -> str:
        """A thing's storage policy, else the namespace's first."""
        return own or self.namespace.storage[0].policy


_SECRETS = {
    info.alias or name: name
    for name, info in Environment.model_fields.items()
    if SecretStr in get_args(info.annotation)
}
SECRETS = tuple(_SECRETS)
"""Top-level keys that must be encrypted in a stack's configuration."""


def from_text(key: str, text: str) -> Any:
    """The value of a top-level key that is given as text: Pulumi writes mappings and lists so, as JSON."""
    if key in SECRETS or not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
