"""Settings of the pack `licensing`, and what it remembers of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from pydantic import Field

from paif_catalog.predicates import Kind
from policies.licensing.counting.need import Demand
from policies.licensing.counting.owned import Licenses
from policies.shared.configuration import Model
from policies.shared.machines import Classes, MachineDemand, MachineSettings
from policies.shared.model import Run, Undecided
from policies.shared.runs import target_of

LICENSES_FILE = "licenses.yaml"
"""What the organization owns, beside the settings of its environments."""


class LicenseServer(Model):
    """The NVIDIA license server, and what its guests run."""

    version: str = Field(description="version of DLS, e.g. 3.4.0; CLS needs no entry")
    nvaie_major: int = Field(gt=0, description="major release of NVIDIA AI Enterprise on the hosts")


class BootstrapSecret(Model):
    """A Secret with a machine's OVF properties that exists already: what it gives the machine."""

    license_token: bool = Field(description="it holds a license token as vgpu-license")


class LicensingSettings(MachineSettings):
    """What a site declares about its licenses."""

    organization_files: ClassVar[Mapping[str, str]] = {"licenses": LICENSES_FILE}
    moved: ClassVar[Mapping[str, str]] = {
        "entitlements": f"this stands in policies/config/{LICENSES_FILE} now, once for all environments and in the "
        "unit that is bought: nvaie: {owned: [{gpus: 8, ends: 2027-12-31}], shares: {dev: 4}}; vws, vpc and vapps have "
        "concurrentUsers instead of gpus; `evaluation: true` is `term: evaluation`",
        "paifAddOn": f"this is paifAddOn in policies/config/{LICENSES_FILE} now: {{owned: [{{cores: 896, ends: "
        "2027-12-31}], hosts: [...]}",
        "gpuHosts": f"this is paifAddOn.hosts in policies/config/{LICENSES_FILE} now: [{{count: 7, cpus: 2, "
        "coresPerCpu: 64}]",
        "minimumCoresPerSocket": f"this is paifAddOn.minimumCoresPerCpu in policies/config/{LICENSES_FILE} now",
    }
    renamed_rules: ClassVar[Mapping[str, str]] = {
        "vgpu-seats": "license-overuse",
        "vgpu-seats-in-use": "license-overuse",
        "license-token-wasted": "license-token-without-vgpu",
    }

    licenses: Licenses = Field(
        default=Licenses(),
        description=f"what the organization owns, in a file of its own: policies/config/{LICENSES_FILE}",
    )
    mixed_size_gpus: bool = Field(
        default=False, description="the hosts' GPUs are in mixed-size mode: vGPUs of several sizes share one"
    )
    existing_bootstrap_secrets: dict[str, BootstrapSecret] = Field(
        default={},
        description="Secrets with OVF properties of machines that are not made here: {name: {licenseToken: true}}",
    )
    license_token_form: Literal["jwt", "any"] = Field(
        default="jwt",
        description="form of a license token: jwt as license servers write it, any for examples such as the lab's",
    )
    license_server: LicenseServer | None = Field(default=None, description="the license server, when it is DLS")
    warn_days: int = Field(default=60, ge=0, description="days before an expiry date from which it is reported")
    evaluation_in: list[Kind] = Field(
        default=["dev", "qa"], description="kinds of environment that may run on evaluation licenses"
    )
    nim_images: list[str] = Field(
        default=["nvcr.io/nim/*", "helm.ngc.nvidia.com/nim/*"],
        description="containers and charts of NIM microservices; a mirror's belong here too",
    )
    nvaie_images: list[str] = Field(
        default=[
            "nvcr.io/nvaie/*",
            "nvcr.io/nvidia/vgpu/*",
            "nvcr.io/nvidia/nemo-microservices/*",
            "helm.ngc.nvidia.com/nvaie/*",
        ],
        description="containers and charts that come with NVIDIA AI Enterprise only; a mirror's belong here too",
    )


@dataclass
class LicensingObservations:
    """What has been seen so far."""

    classes: Classes = field(default_factory=dict)
    machines: dict[str, list[MachineDemand]] = field(default_factory=dict)
    """URN -> machines that it brings, in the order of registration."""
    containers: dict[str, list[Demand]] = field(default_factory=dict)
    """URN -> GPUs that its containers of NVIDIA AI Enterprise ask for, in the order of registration."""
    resolved: dict[str, tuple[Demand, ...]] = field(default_factory=dict)
    """URN -> what its machines and containers ask for, as far as the classes and Secrets so far tell."""
    tokens: dict[tuple[str | None, str], bool | Undecided] = field(default_factory=dict)
    """Namespace (None while not known) and name of a Secret -> whether it holds a license token."""
    software: dict[tuple[str, str], bool] = field(default_factory=dict)
    """Namespace and name of a Secret -> whether a machine that boots with it starts NVIDIA AI Enterprise software."""


Context = Run[LicensingSettings, LicensingObservations]
"""What every rule of the pack gets beside the resource."""


def licenses_of(run: Context) -> Licenses:
    """What counts in this environment: what is made up for the lab is not there elsewhere."""
    return run.settings.licenses.of_target(target_of(run))
