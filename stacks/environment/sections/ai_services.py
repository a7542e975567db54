"""`paif:aiServices`, with the identity provider."""

from __future__ import annotations

from pydantic import Field

from stacks.environment.certificates import PlatformPem
from stacks.environment.sections.section import Section, StoragePolicy, VmClassName
from stacks.environment.types import Https, NonEmptyText


class Oidc(Section):
    """The identity provider that signs people in to Private AI Services (public client, PKCE)."""

    issuer_url: Https
    client_id: NonEmptyText
    ca_bundle: PlatformPem = ""


class AiServices(Section):
    """Private AI Services in the namespace."""

    control_plane_class: VmClassName = "best-effort-large"
    storage_policy: StoragePolicy = None
    authorized_groups: list[NonEmptyText] = Field(default=[])
    oidc: Oidc | None = Field(default=None, description="required for target vcf")
