"""`paif:gallery`."""

from __future__ import annotations

from typing import Annotated

from stacks.environment.certificates import PlatformPem
from stacks.environment.sections.section import Section
from stacks.environment.types import NonEmptyText, matching


class Gallery(Section):
    """The model gallery. The password is paif:registryPassword; target lab brings its own."""

    registry: Annotated[str, matching(r"[a-z0-9.-]+(?::\d+)?", "a registry as host or host:port")]
    username: NonEmptyText
    ca_bundle: PlatformPem = ""
