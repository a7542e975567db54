"""What an organization owns: the file policies/config/licenses.yaml, one for all environments."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Literal

from pydantic import Field, model_validator

import paif_catalog as catalog
from policies.licensing.counting.need import Product
from policies.shared.configuration import Model

Term = Literal["perpetual", "subscription", "evaluation"]


class Purchase(Model):
    """One order: from when to when it may be used. A renewal is another one beside it."""

    term: Term = Field(default="subscription", description="perpetual, subscription or evaluation")
    starts: dt.date | None = Field(default=None, description="first day; always by default")
    ends: dt.date | None = Field(
        default=None, description="last day; a perpetual license has none, every other one must say it"
    )
    order: str = Field(default="", description="how people find the order, for them only")

    @model_validator(mode="after")
    def _has_its_days(self) -> Purchase:
        if self.term != "perpetual" and self.ends is None:
            raise ValueError("ends, its last day, or term: perpetual for a license without one")
        if self.term == "perpetual" and self.ends is not None:
            raise ValueError("no ends, since a perpetual license has none; support that ends is no license")
        if self.starts and self.ends and self.starts > self.ends:
            raise ValueError("starts to be no later than ends")
        return self

    @property
    def quantity(self) -> int:
        """How many, in the unit that it is bought in."""
        raise NotImplementedError

    def holds(self, day: dt.date) -> bool:
        """Whether it may be used on a day."""
        return (self.starts is None or self.starts <= day) and (self.ends is None or day <= self.ends)

    def ended(self, day: dt.date) -> bool:
        """Whether it could be used before a day, and cannot on it."""
        return self.ends is not None and self.ends < day


class GpuPurchase(Purchase):
    """NVIDIA AI Enterprise, bought per physical GPU."""

    gpus: int = Field(ge=0, description="physical GPUs that it licenses")

    @property
    def quantity(self) -> int:
        """GPUs."""
        return self.gpus


class UserPurchase(Purchase):
    """A product that is bought per concurrent user, which is a running machine."""

    concurrent_users: int = Field(ge=0, description="machines that may run at once (CCU)")

    @property
    def quantity(self) -> int:
        """Machines."""
        return self.concurrent_users


class CorePurchase(Purchase):
    """A product that is bought per core."""

    cores: int = Field(gt=0, description="licensed cores")

    @property
    def quantity(self) -> int:
        """Cores."""
        return self.cores


class Included(Model):
    """NVIDIA AI Enterprise that came with GPUs: it covers these, and no other."""

    model: str = Field(description="GPU model of the catalog that comes with it: H100 (PCIe), H100-NVL, H200-NVL")
    gpus: int = Field(gt=0, description="GPUs that came with it and are activated")
    ends: dt.date = Field(description="last day of what came with them, five years by default")
    environments: list[str] = Field(default=[], description="environments whose GPUs they are; all by default")

    @model_validator(mode="after")
    def _comes_with_it(self) -> Included:
        known = [model for model, gpu in catalog.gpus().gpus.items() if gpu.nvaie_included]
        if self.model not in known:
            raise ValueError(f"model to be one that NVIDIA AI Enterprise comes with: {', '.join(known)}")
        return self


Shares = dict[str, int]
_SHARES = (
    "how many of them an environment may use, by stack or project/stack; those without one use what is left in common"
)


def largest(purchases: Iterable[Purchase]) -> int:
    """Most that may ever be used on one day."""
    listed = list(purchases)
    days = [each.starts or dt.date.min for each in listed]
    return max((in_force(listed, day) for day in days), default=0)


def _check_shares(owned: Iterable[Purchase], shares: Shares, unit: str) -> None:
    most, shared = largest(owned), sum(shares.values())
    if any(count < 0 for count in shares.values()):
        raise ValueError("shares of 0 or more")
    if shared > most:
        listed = " + ".join(f"{count} ({name})" for name, count in shares.items())
        raise ValueError(f"shares of no more than {most} {unit}, which are owned at most; they are {shared}: {listed}")


class Nvaie(Model):
    """NVIDIA AI Enterprise, with vGPU for Compute (C profiles)."""

    owned: list[GpuPurchase] = Field(default=[], description="what was bought, per GPU")
    included: list[Included] = Field(default=[], description="what came with hardware")
    shares: Shares = Field(default={}, description=f"{_SHARES}; what came with hardware is not shared out")

    @model_validator(mode="after")
    def _shares_are_there(self) -> Nvaie:
        _check_shares(self.owned, self.shares, "GPUs")
        return self


class PerUser(Model):
    """A product per concurrent user."""

    owned: list[UserPurchase] = Field(default=[], description="what was bought, per running machine")
    shares: Shares = Field(default={}, description=_SHARES)

    @model_validator(mode="after")
    def _shares_are_there(self) -> PerUser:
        _check_shares(self.owned, self.shares, "concurrent users")
        return self


class Hosts(Model):
    """GPU hosts of one build."""

    count: int = Field(gt=0, description="hosts")
    cpus: int = Field(gt=0, description="CPUs (sockets) of each")
    cores_per_cpu: int = Field(gt=0, description="cores of each CPU")


class AddOn(Model):
    """VMware Private AI Foundation with NVIDIA, the add-on to VCF."""

    owned: list[CorePurchase] = Field(default=[], description="what was bought, per core")
    hosts: list[Hosts] = Field(default=[], description="GPU hosts, all of whose cores count")
    minimum_cores_per_cpu: int = Field(default=16, description="cores that are counted for a CPU at least")

    @property
    def required(self) -> int:
        """Cores to license."""
        least = self.minimum_cores_per_cpu
        return sum(each.count * each.cpus * max(each.cores_per_cpu, least) for each in self.hosts)


class Licenses(Model):
    """Licenses of the whole organization."""

    made_up_for: Literal["lab"] | None = Field(
        default=None, description="lab: nothing of this is owned, and it counts only where paif:target is lab"
    )
    nvaie: Nvaie = Field(default=Nvaie(), description="NVIDIA AI Enterprise: C profiles, NIM, NeMo and its containers")
    vws: PerUser = Field(default=PerUser(), description="NVIDIA RTX vWS: Q profiles, and B profiles as well")
    vpc: PerUser = Field(default=PerUser(), description="NVIDIA vPC: B profiles")
    vapps: PerUser = Field(default=PerUser(), description="NVIDIA vApps: A profiles")
    paif_add_on: AddOn = Field(default=AddOn(), description="VMware Private AI Foundation with NVIDIA")

    def purchases(self, product: Product) -> list[Purchase]:
        """What was bought of an NVIDIA product, ended or not."""
        return [*getattr(self, product).owned]

    def declares(self, product: Product) -> bool:
        """Whether anything of a product was ever had, or comes with hardware."""
        return bool(self.purchases(product) or (product == "nvaie" and self.nvaie.included))

    def of_target(self, target: object) -> Licenses:
        """What counts in an environment of this target: what is made up for another one is not there."""
        return self if self.made_up_for in {None, target} else Licenses()


def in_force(purchases: Iterable[Purchase], day: dt.date) -> int:
    """How many of them may be used on a day."""
    return sum(each.quantity for each in purchases if each.holds(day))
