"""What was found wrong while a configuration is checked, and what had to be left out because of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from paif_catalog.redaction import HIDDEN, is_secret_key
from stacks.environment.model import SECRETS
from stacks.problems import Path, Problem, property_path


@dataclass
class Findings:
    """Problems so far, and what had to be left out of the configuration to look for further ones."""

    raw: dict[str, Any]
    hidden: frozenset[Path] = frozenset()
    encrypted: frozenset[str] = frozenset(SECRETS)
    problems: list[tuple[Path, Problem]] = field(default_factory=list)
    gone: set[Path] = field(default_factory=set)
    positions: dict[Path, list[int]] = field(default_factory=dict)

    def add(self, path: Path, expected: str, value: str = "", near: str = "") -> None:
        """Note a problem; what stands there is hidden where a name says that it is secret."""
        hidden = HIDDEN if value and any(is_secret_key(str(part)) for part in (*path, near)) else value
        self.put(path, Problem("", expected, hidden, near))

    def put(self, path: Path, problem: Problem) -> None:
        """Note a problem at `path`, once; what stands under an encrypted key is hidden."""
        value = HIDDEN if problem.value and path[:1] and path[0] in self.encrypted else problem.value
        entry = (path, replace(problem, path=property_path(path), value=value))
        if entry not in self.problems:
            self.problems.append(entry)

    def lacks(self, *path: str | int) -> bool:
        """Whether what stood at `path`, or something that held it, was wrong and is a stand-in or missing now."""
        return any(path[:length] in self.gone for length in range(1, len(path) + 1))

    def unsure(self, *path: str | int) -> bool:
        """Whether what the model has at `path`, or a part of it, is not what the configuration says."""
        where = self.original(path)
        return self.lacks(*where) or any(gone[: len(where)] == where for gone in self.gone)

    def original(self, path: Path) -> Path:
        """Where something stands in the configuration as it was given, before entries were left out."""
        result: list[str | int] = []
        for part in path:
            position = part
            if isinstance(position, int):
                for removed in self.positions.get(tuple(result), []):
                    position += removed <= position
            result.append(position)
        return tuple(result)

    def leave_out(self, data: dict[str, Any], path: Path) -> None:
        """Remove what is at `path` from `data`; a list's entry is remembered, so that later positions stay right."""
        parent: Any = data
        for part in path[:-1]:
            parent = parent[part]
        where = self.original(path)
        self.gone.add(where)
        if isinstance(parent, list):
            self.positions.setdefault(where[:-1], []).append(int(where[-1]))
            self.positions[where[:-1]].sort()
        del parent[path[-1]]
