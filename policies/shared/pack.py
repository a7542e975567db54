"""A policy pack: its rules, its settings, and what it remembers of a run. Free of any engine."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from policies.shared.configuration import Settings
from policies.shared.model import Resource, Rule, Run

_FOLDER = Path(__file__).resolve().parents[1]


def _version() -> str:
    """The library's version: a built pack has it in a file, a checkout in its project."""
    built = _FOLDER / "VERSION"
    if built.is_file():
        return built.read_text(encoding="utf-8").strip()
    project = tomllib.loads((_FOLDER.parent / "pyproject.toml").read_text(encoding="utf-8"))
    return str(project["project"]["version"])


VERSION = _version()
"""Version of every pack, which is that of paif."""

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
