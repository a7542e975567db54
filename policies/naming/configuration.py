"""Settings of the pack `naming`, and what it remembers of a run."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import Field

from policies.shared.configuration import Settings
from policies.shared.model import Run

PATTERN = "{organization}-{environment}-{kind}-{name}"


class NamingSettings(Settings):
    """What a site may say about names."""

    organization: str = Field(
        default="", description="the organization's token; that of the stack's configuration by default, else any"
    )
    patterns: dict[str, str] = Field(
        default={},
        description="pattern per kind (paif_catalog/naming.yaml) instead of "
        f"{PATTERN}; braces hold organization, environment, kind and name",
    )
    class_patterns: dict[str, str] = Field(
        default={},
        description="regular expression of a GPU class's own name, keys `vgpu` and `directpath`",
    )
    required_labels: list[str] = Field(
        default=["environment", "owner", "costCenter"],
        description="labels (keys of paif_catalog/naming.yaml) that every object of a person's concern carries",
    )
    reserved_prefixes: list[str] = Field(
        default=["kube-", "vmware-", "vmware-system-", "svc-", "system-", "openshift-"],
        description="prefixes of names that belong to the platform",
    )
    reserved_label_domains: list[str] = Field(
        default=["k8s.io", "kubernetes.io", "vmware.com", "nvidia.com"],
        description="domains of label keys that belong to the platform",
    )
    reserved_projects: list[str] = Field(
        default=["library"], description="gallery projects that models must not be kept in"
    )
    require_vsphere_tags: bool = Field(
        default=False,
        description="machines made through vSphere carry a tag for each required label and for the persona",
    )


@dataclass
class NamingObservations:
    """Names in use so far, each by the URN of its first user."""

    physical: dict[tuple[str, str, str], tuple[str, str]] = field(default_factory=dict)
    """(kind, where, name cut to its limit) -> (URN, whole name)."""
    routes: dict[tuple[str, str], str] = field(default_factory=dict)
    """(where, routing name) -> URN."""


Context = Run[NamingSettings, NamingObservations]
"""What every rule of the pack gets beside the resource."""
