"""One environment as the engine knows it, and where the files of its stack are."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from cli.engine import environ
from cli.engine.backend import PROJECT, Files, folder_of
from lab.state import ROOT
from tools.spec import pulumi_home


@dataclass(frozen=True)
class Stack:
    """One environment as the engine knows it; ``lab`` tells whether it goes to the local lab.

    ``platform`` is the version of the platform that it asks for, where that is known.
    """

    name: str
    lab: bool
    platform: str | None = None

    @property
    def file(self) -> Path:
        return ROOT / "stacks" / f"Pulumi.{self.name}.yaml"

    @property
    def mark(self) -> str:
        """What URNs of its resources begin with, after ``urn:pulumi:``."""
        return f"{self.name}::{PROJECT}"


def files(stack: Stack, project: str = PROJECT) -> Files | None:
    """Where the stack's files are, when its backend is a folder."""
    address = environ.full_environment(lab=stack.lab).get("PULUMI_BACKEND_URL") or _logged_in()
    folder = folder_of(address, here=ROOT)
    return Files(folder, stack.name, project) if folder is not None else None


def _logged_in() -> str:
    """The address of the backend that `pulumi login` has chosen; empty when it chose none."""
    try:
        return str(json.loads((pulumi_home() / "credentials.json").read_text(encoding="utf-8")).get("current") or "")
    except (OSError, ValueError, AttributeError):
        return ""
