"""`paif:supervisor`."""

from __future__ import annotations

from pydantic import Field

from stacks.environment.sections.section import Section
from stacks.environment.types import Network, NonEmptyText


class Supervisor(Section):
    """The Supervisor. Its kubeconfig is paif:kubeconfig or the environment variable PAIF_KUBECONFIG."""

    name: NonEmptyText
    networks: list[Network] = Field(default=[], description="networks in use there; cluster networks must not overlap")
