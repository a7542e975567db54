"""`paif:workstations`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from paif_catalog.predicates import Persona
from stacks.environment.public_keys import PublicKey
from stacks.environment.sections.section import FullName, Section, StoragePolicy, VmClassName
from stacks.environment.types import Address, NonEmptyText, ShortName, matching


class Proxy(Section):
    """Proxy of a workstation. Without `noProxy` the guest driver's download fails behind an HTTPS proxy."""

    http: Address = ""
    https: Address = ""
    no_proxy: list[str] = Field(min_length=1, description="names and networks that are reached without it")


class VspherePlacement(Section):
    """Where a workstation on route vsphere runs: a fixed device pins it to its host."""

    datacenter: NonEmptyText = Field(description="name of the datacenter")
    host: NonEmptyText = Field(description="name of the host with the GPU")
    datastore: NonEmptyText = Field(description="name of the datastore")
    network: NonEmptyText = Field(description="name of the port group")
    ovf_network: NonEmptyText = Field(default="VM Network", description="name of the network in the image's descriptor")
    pci_device: Annotated[
        str,
        matching(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]", "a PCI address such as 0000:3b:00.0"),
    ]
    disk_gib: int = Field(default=200, gt=0, description="must equal the template's disk")
    guest_id: NonEmptyText = Field(default="ubuntu64Guest", description="guest operating system, as vSphere names it")


class Workstation(Section):
    """A Deep Learning VM for one person."""

    name: Annotated[ShortName, FullName("workstation")]
    owner: NonEmptyText = Field(description="who works there; no label is made of it")
    persona: Persona = Field(description="what the owner does; in staging and prod mlops-engineer only")
    vm_class: VmClassName = Field(alias="class")
    route: Literal["vm-service", "vsphere"] = Field(
        default="vm-service", description="vm-service, or vsphere for a machine with one fixed GPU on one host"
    )
    storage_policy: StoragePolicy = None
    public_key: PublicKey = Field(default="", description="SSH public key of the owner")
    proxy: Proxy | None = None
    vsphere: VspherePlacement | None = Field(default=None, description="required for route vsphere")
    renewal: ShortName | None = Field(
        default=None,
        description="any short label, e.g. autumn: another one makes the machine anew and loses what is on its disks",
    )
