"""`paif:workstations`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stacks.environment.public_keys import PublicKey
from stacks.environment.sections.section import FullName, Section, StoragePolicy, VmClassName
from stacks.environment.types import Address, NonEmptyText, Persona, ShortName, matching


class Proxy(Section):
    """Proxy of a workstation. Without `noProxy` the guest driver's download fails behind an HTTPS proxy."""

    http: Address = ""
    https: Address = ""
    no_proxy: list[str] = Field(min_length=1)


class VspherePlacement(Section):
    """Where a workstation on route vsphere runs: a fixed device pins it to its host."""

    datacenter: NonEmptyText
    host: NonEmptyText
    datastore: NonEmptyText
    network: NonEmptyText
    ovf_network: NonEmptyText = "VM Network"
    pci_device: Annotated[
        str,
        matching(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]", "a PCI address such as 0000:3b:00.0"),
    ]
    disk_gib: int = Field(default=200, gt=0, description="must equal the template's disk")
    guest_id: NonEmptyText = "ubuntu64Guest"


class Workstation(Section):
    """A Deep Learning VM for one person."""

    name: Annotated[ShortName, FullName("workstation")]
    owner: NonEmptyText = Field(description="who works there; no label is made of it")
    persona: Persona
    vm_class: VmClassName = Field(alias="class")
    route: Literal["vm-service", "vsphere"] = "vm-service"
    storage_policy: StoragePolicy = None
    public_key: PublicKey = Field(default="", description="SSH public key of the owner")
    proxy: Proxy | None = None
    vsphere: VspherePlacement | None = Field(default=None, description="required for route vsphere")
    renewal: ShortName | None = Field(
        default=None,
        description="any short label, e.g. autumn: another one makes the machine anew and loses what is on its disks",
    )
