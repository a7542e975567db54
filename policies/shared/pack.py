"""A policy pack: its rules, its settings, and what it remembers of a run. Free of any engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from policies.shared.configuration import Settings
from policies.shared.model import Resource, Rule, Run

VERSION = "1.0.0"

S = TypeVar("S", bound=Settings)
M = TypeVar("M")


@dataclass(frozen=True)
class Pack(Generic[S, M]):
    """A policy pack. `observe` records in `observations` what later rules need to know of the `observed` types."""

    name: str
    description: str
    settings: type[S]
    rules: list[Rule[S, M]]
    observations: Callable[[], M]
    observed: tuple[str, ...] = ()
    observe: Callable[[Resource, Run[S, M]], None] | None = None

    @property
    def configuration(self) -> str:
        """Name under which a --policy-pack-config file holds the pack's settings."""
        return f"{self.name}-configuration"

    @property
    def exemptions(self) -> str:
        """Name under which exemptions are listed."""
        return f"{self.name}-exemptions"
