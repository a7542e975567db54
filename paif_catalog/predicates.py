"""What model, components, policy packs and lab judge alike, each of which refuses by itself.

What follows from one version of the platform is asked of its baseline: `ClusterClass.takes`, `ClusterClasses.is_newer`,
`UbuntuVersions.is_choice`. Form and order of Kubernetes releases are `Release`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

Kind = Literal["dev", "qa", "staging", "prod"]
"""Kind of an environment, by how much there is to lose in it."""
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
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


@dataclass(frozen=True)
class Guards:
    """What an environment of one kind has where nobody says otherwise, and has at least where the packs guard it."""

    endpoint_replicas: int = 1
    control_plane_replicas: int = 1
    high_availability: bool = False
    """Databases have a replica."""
    protected: bool = False
    """What holds data or serves people cannot be deleted, and stays when it leaves the program."""
    backed_up: bool = False
    """Databases are backed up."""
    pinned_models: bool = False
    """Endpoints name a model by its digest."""
    workstation_personas: tuple[Persona, ...] = PERSONAS
    """Who gets a Deep Learning VM: where models only run, those who push them."""


_RUNS_MODELS: Final = ("mlops-engineer",)
GUARDS: Final[Mapping[Kind, Guards]] = {
    "dev": Guards(),
    "qa": Guards(),
    "staging": Guards(2, 3, high_availability=True, pinned_models=True, workstation_personas=_RUNS_MODELS),
    "prod": Guards(
        3,
        3,
        high_availability=True,
        protected=True,
        backed_up=True,
        pinned_models=True,
        workstation_personas=_RUNS_MODELS,
    ),
}


def guards_of(kind: object) -> Guards:
    """The guards of a kind of environment; of what is none those of dev, so that nothing is taken for given."""
    return next((guards for name, guards in GUARDS.items() if name == kind), Guards())
