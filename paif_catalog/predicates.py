"""What model, components, policy packs and lab judge alike, each of which refuses by itself.

What follows from one version of the platform is asked of its baseline: `ClusterClass.takes`, `ClusterClasses.is_newer`,
`UbuntuVersions.is_choice`. Form and order of Kubernetes releases are `Release`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from pydantic import Field

from paif_catalog.models import CatalogModel
from paif_catalog.reading import read

Persona = Literal["data-scientist", "mlops-engineer"]
"""Who gets a Deep Learning VM. Application developers get addresses of endpoints: calling an API needs no GPU."""
PERSONAS: Final[tuple[Persona, ...]] = get_args(Persona)
EndpointType = Literal["Completions", "Embeddings"]
Engine = Literal["vLLM", "Infinity"]
_ENGINES: Final[Mapping[str, Engine]] = {"Completions": "vLLM", "Embeddings": "Infinity"}
ENDPOINT_TYPES: Final[tuple[EndpointType, ...]] = get_args(EndpointType)
CONTROL_PLANE_REPLICAS: Final = (1, 3)
"""Control plane machines that a VKS cluster may have."""


def engine_of(endpoint_type: str) -> Engine | None:
    """The only engine that serves a type of endpoint; None for what is no type."""
    return _ENGINES.get(endpoint_type)


def needs_gpu(engine: str) -> bool:
    """Whether an engine runs on machines with a GPU only."""
    return engine == "vLLM"


RuleLevels = Literal["dev", "qa", "staging", "prod"]
"""Kinds of environment for which rules of the policy packs have levels; every other kind has those of one of them."""
RULE_LEVELS: Final[tuple[RuleLevels, ...]] = get_args(RuleLevels)


class Guards(CatalogModel):
    """What an environment of one kind has where nobody says otherwise, and has at least where the packs guard it."""

    levels: RuleLevels = Field(default="dev", description="kind whose levels the packs' rules have in it")
    endpoint_replicas: int = Field(default=1, ge=1, description="replicas of an endpoint")
    control_plane_replicas: int = Field(default=1, ge=1, description="control plane machines of a cluster")
    high_availability: bool = Field(default=False, description="databases have a replica")
    protected: bool = Field(
        default=False,
        description="what holds data or serves people cannot be deleted, and stays when it leaves the program",
    )
    backed_up: bool = Field(default=False, description="databases are backed up")
    pinned_models: bool = Field(default=False, description="endpoints name a model by its digest")
    workstation_personas: tuple[str, ...] = Field(
        default=PERSONAS, description="who gets a Deep Learning VM: where models only run, those who push them"
    )


class _Kinds(CatalogModel):
    kinds: dict[str, Guards]


GUARDS: Final[Mapping[str, Guards]] = read(Path(__file__).parent / "kinds.yaml", _Kinds).kinds
KINDS: Final[tuple[str, ...]] = tuple(GUARDS)
if TYPE_CHECKING:
    Kind: TypeAlias = str
else:
    # Models refuse what is none, and a schema lists them.
    Kind = Literal[KINDS]
"""Kind of an environment, by how much there is to lose in it."""


def guards_of(kind: object) -> Guards:
    """The guards of a kind of environment; of what is none those of dev, so that nothing is taken for given."""
    return next((guards for name, guards in GUARDS.items() if name == kind), Guards())
