"""`paif:namespace`: who may use the Supervisor namespace, and how much storage it has."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from stacks.environment.sections.section import Section
from stacks.environment.types import MIB_PER_GIB, Label, NonEmptyText


class Access(Section):
    """One entry of the namespace's access list."""

    subject_type: Literal["USER", "GROUP"] = Field(default="GROUP", description="what the subject is")
    subject: NonEmptyText = Field(description="user or group, without the domain")
    domain: NonEmptyText = Field(description="SSO domain, e.g. vsphere.local")
    role: Literal["OWNER", "EDIT", "VIEW"] = Field(description="what the subject may do in the namespace")
    identity_provider: NonEmptyText | None = Field(
        default=None, description="id of the Supervisor's external identity provider that knows the subject"
    )


class Storage(Section):
    """A storage policy that the namespace may use, and how much of it (GiB)."""

    policy: NonEmptyText = Field(description="name of the storage policy")
    limit_gib: int | None = Field(default=None, gt=0, description="most storage, in GiB; without it there is no limit")

    @property
    def limit_mib(self) -> int | None:
        """The same limit as vCenter counts it."""
        return None if self.limit_gib is None else self.limit_gib * MIB_PER_GIB


class Namespace(Section):
    """The Supervisor namespace. The first storage policy is the default of everything in it."""

    name: Label = Field(description="whole name; <organization>-<environment>-ns-<name> by convention")
    adopt: bool = Field(
        default=False, description="share an existing namespace: what is in it stays; destroy takes away what was added"
    )
    exclusive: bool = Field(
        default=False, description="of an adopted namespace, remove for good what is not given here"
    )
    access_list: list[Access] = Field(default=[])
    storage: list[Storage] = Field(min_length=1)
