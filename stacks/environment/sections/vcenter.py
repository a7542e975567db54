"""`paif:vcenter`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from stacks.environment.certificates import Pem
from stacks.environment.sections.section import Section
from stacks.environment.types import NonEmptyText, matching


class Vcenter(Section):
    """The vCenter. For target lab only `computeCluster` matters; the password is paif:vcenterPassword."""

    server: Annotated[str, matching(r"[^\s@/]*", "a host or host:port")] = ""
    username: str = ""
    ca_bundle: Pem = Field("", description="PEM of the authorities that signed vCenter's certificate")
    compute_cluster: NonEmptyText = Field(description="compute cluster with the GPU hosts")
