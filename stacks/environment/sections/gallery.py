"""`paif:gallery`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from stacks.environment.certificates import PlatformPem
from stacks.environment.sections.section import Section
from stacks.environment.types import NonEmptyText, matching


class Gallery(Section):
    """The model gallery. The password is paif:registryPassword; target lab brings its own."""

    registry: Annotated[str, matching(r"[a-z0-9.-]+(?::\d+)?", "a registry as host or host:port")]
    username: NonEmptyText = Field(description="user or robot account that reads the gallery")
    ca_bundle: PlatformPem = Field(
        default="", description="PEM of the authorities that signed the gallery's certificate"
    )
