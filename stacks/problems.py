"""What is wrong with a configuration, said the same way for a YAML file and for Pulumi's configuration."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path as FilePath

from paif_catalog.redaction import HIDDEN, TOKENS, scrub, without_login

NAMESPACE = "paif"
"""Namespace of all configuration keys of this project."""

Path = tuple[str | int, ...]
"""Keys and list positions from the top of a configuration, e.g. ("workstations", 0, "class")."""

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAX_SHOWN = 60
_PRIVATE_KEY = re.compile(r"PRIVATE KEY")


@dataclass(frozen=True)
class Problem:
    """One mistake. `value` is what stands there ("" when something is missing), never a secret in plain text.

    `file`, `line` and `column` (from 1) are set where the configuration came from a file.
    """

    path: str
    expected: str
    value: str = ""
    nearest: str = ""
    file: str = ""
    line: int = 0
    column: int = 0

    @property
    def message(self) -> str:
        """Path, value, expectation and nearest valid name; equal for a file and for Pulumi's configuration."""
        found = f" is {self.value}:" if self.value else ":"
        hint = f" (did you mean {self.nearest!r}?)" if self.nearest else ""
        return printable(f"{self.path}{found} expected {self.expected}{hint}")

    def __str__(self) -> str:
        return printable(f"{self.file}:{self.line}:{self.column}: ") + self.message if self.file else self.message


def printable(text: str) -> str:
    """Text of a file without what a terminal would act on, or cannot take."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def property_path(path: Path) -> str:
    """Pulumi's spelling of a path: ("workstations", 0, "class") is paif:workstations[0].class."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif not text:
            text = f"{NAMESPACE}:{part}"
        else:
            text += f".{part}" if _PLAIN_KEY.fullmatch(part) else f'["{part}"]'
    return text or NAMESPACE


def display_value(value: object) -> str:
    """A value as an error shows it: one line, cut short, without the login of an address; no part of a private key."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str) and _PRIVATE_KEY.search(value):
        return HIDDEN
    text = scrub(without_login(repr(value)), TOKENS)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


LocatedProblem = tuple[Path, Problem]
"""A problem and where in the configuration it lies, so that a file's reader can add its line."""


def located_problem(path: Path, expected: str, value: object = None, near: str = "") -> LocatedProblem:
    """A problem at `path`, whose `value` (None: nothing stands there) is shown as errors show it."""
    return path, Problem(property_path(path), expected, "" if value is None else display_value(value), near)


def write_problems(file: FilePath, problems: Iterable[LocatedProblem]) -> None:
    """Keep problems that a run found, for ``read_problems``."""
    file.write_text(json.dumps([[path, asdict(problem)] for path, problem in problems]), encoding="utf-8")


def read_problems(file: FilePath) -> list[LocatedProblem]:
    """The problems in a file of ``write_problems``; none when there is no file."""
    if not file.exists():
        return []
    return [(tuple(path), Problem(**problem)) for path, problem in json.loads(file.read_text(encoding="utf-8"))]


def join_names(names: Iterable[str]) -> str:
    """Names as a sentence lists them."""
    return ", ".join(sorted(names)) or "none is defined"
