"""Settings of the pack `licensing`, and what it remembers of a run."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

import paif_catalog as catalog
from paif_catalog.predicates import Kind
from policies.shared.configuration import Model
from policies.shared.machines import Classes, MachineDemand, MachineSettings
from policies.shared.model import Run, Undecided

Edition = Literal["nvaie", "vws", "vpc", "vapps"]
EDITION_OF_SERIES: dict[str, Edition] = {"c": "nvaie", "q": "vws", "b": "vpc", "a": "vapps"}
"""What licenses a series of vGPU profiles."""


class Entitlement(Model):
    """Licenses of one NVIDIA product that this environment may use."""

    edition: Edition = Field(description="nvaie (AI Enterprise, C profiles), vws (Q), vpc (B) or vapps (A)")
    seats: int = Field(ge=0, description="machines that may run at once")
    expires: dt.date = Field(description="last day of the license or subscription")
    evaluation: bool = Field(default=False, description="an evaluation license")


def edition_of(profile: str) -> Edition:
    """What licenses a vGPU profile. A name that is none (profile-known refuses it) counts as AI Enterprise's."""
    parsed = catalog.parse_profile(profile)
    return EDITION_OF_SERIES[parsed.series] if parsed else "nvaie"


def entitled(entitlements: Iterable[Entitlement], today: dt.date) -> Counter[Edition]:
    """Seats of each edition that have not expired."""
    seats: Counter[Edition] = Counter()
    for each in entitlements:
        if each.expires >= today:
            seats[each.edition] += each.seats
    return seats


class AddOn(Model):
    """VMware Private AI Foundation with NVIDIA, the add-on to VCF."""

    cores: int = Field(gt=0, description="licensed cores")
    expires: dt.date = Field(description="last day of the subscription")


class Hosts(Model):
    """GPU hosts of one build, for the number of cores to license."""

    count: int = Field(gt=0)
    sockets: int = Field(gt=0)
    cores_per_socket: int = Field(gt=0)


class LicenseServer(Model):
    """The NVIDIA license server, and what its guests run."""

    version: str = Field(description="version of DLS, e.g. 3.4.0; CLS needs no entry")
    nvaie_major: int = Field(gt=0, description="major release of NVIDIA AI Enterprise on the hosts")


class BootstrapSecret(Model):
    """A Secret with a machine's OVF properties that exists already: what it gives the machine."""

    license_token: bool = Field(description="it holds a license token as vgpu-license")


class LicensingSettings(MachineSettings):
    """What a site declares about its licenses."""

    entitlements: list[Entitlement] = Field(default=[], description="NVIDIA licenses that this environment may use")
    paif_add_on: AddOn | None = Field(default=None, description="the VMware PAIF add-on")
    gpu_hosts: list[Hosts] = Field(default=[], description="GPU hosts, for the add-on's cores")
    minimum_cores_per_socket: int = Field(default=16, description="cores that are counted per socket at least")
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
    tokens: dict[tuple[str | None, str], bool | Undecided] = field(default_factory=dict)
    """Namespace (None while not known) and name of a Secret -> whether it holds a license token."""


Context = Run[LicensingSettings, LicensingObservations]
"""What every rule of the pack gets beside the resource."""
