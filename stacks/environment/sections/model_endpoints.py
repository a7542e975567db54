"""`paif:modelEndpoints`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stacks.environment.sections.section import FullName, Section, StoragePolicy, VmClassName
from stacks.environment.types import Repository, ShortName, matching


class Model(Section):
    """A model in the gallery, by tag or digest."""

    repository: Repository
    reference: Annotated[
        str,
        matching(r"[\w][\w.-]{0,127}|sha256:[0-9a-f]{64}", "a tag such as v1, or a digest sha256:…"),
    ]


class ModelEndpoint(Section):
    """A model served under a routing name."""

    name: Annotated[ShortName, FullName("endpoint")]
    type: Literal["Completions", "Embeddings"]
    engine: Literal["vLLM", "Infinity"]
    model: Model
    routing_name: Annotated[str, matching(r"[\w./-]{1,128}", "letters, digits and . _ - / only")] | None = None
    vm_class: VmClassName = Field(alias="class")
    storage_policy: StoragePolicy = None
    replicas: int = Field(default=1, ge=1, le=16, description="1 in dev and qa, 2 in staging, 3 in prod")

    @property
    def routed(self) -> str:
        """Name under which clients ask for the model: the routing name, or the repository without its project."""
        return self.routing_name or self.model.repository.split("/", 1)[1]
