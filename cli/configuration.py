"""Stack files, read and checked before anything is started."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from cli.engine import Stack
from lab.state import ROOT
from stacks.environment import Environment, json_schema
from stacks.problems import Contradiction, Problem, nearest
from stacks.stackfile import StackFile, check_together, read

_FOLDER = ROOT / "stacks"


@dataclass
class Problems(Exception):  # noqa: N818 - the plural is the point: all of them at once
    """Everything that is wrong with the configuration."""

    problems: list[Problem] = field(default_factory=list)

    def as_dict(self) -> list[dict[str, object]]:
        return [dataclasses.asdict(each) for each in self.problems]

    def __str__(self) -> str:
        count = f"{len(self.problems)} problem{'s' if len(self.problems) != 1 else ''}"
        return "\n".join(
            [f"the configuration has {count}; nothing was changed", *(str(each) for each in self.problems)]
        )


def stack_names() -> list[str]:
    """The environments that have a stack file."""
    return sorted(path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in _FOLDER.glob("Pulumi.*.yaml"))


def _relative(problem: Problem) -> Problem:
    path = Path(problem.file)
    return dataclasses.replace(problem, file=str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else problem.file)


def _read(name: str) -> StackFile:
    return read(_FOLDER / f"Pulumi.{name}.yaml")


def _known(name: str) -> None:
    """Raises ``Problems`` when environment ``name`` has no stack file."""
    if name not in stack_names():
        raise Problems(
            [
                Problem(
                    "environment",
                    f"one of {', '.join(stack_names())}; `./paif init {name}` makes a new one",
                    value=repr(name),
                    nearest=nearest(name, stack_names()),
                )
            ]
        )


def load_stack(name: str, beside: Sequence[Problem] = ()) -> Stack:
    """The stack of environment ``name``, its file checked.

    Raises ``Problems``, together with those that were found ``beside`` the stack file.
    """
    _known(name)
    found = _read(name)
    if found.problems or found.environment is None or beside:
        raise Problems([*(_relative(each) for each in found.problems), *beside])
    return Stack(name, lab=found.environment.target == "lab")


def incomplete(name: str) -> tuple[Stack, list[Problem]]:
    """The stack of environment ``name``, whose file may lack something still, and what it lacks.

    Raises ``Problems`` when it does not say where the environment goes.
    """
    _known(name)
    found = _read(name)
    problems = [_relative(each) for each in found.problems]
    if found.target not in get_args(Environment.model_fields["target"].annotation):
        raise Problems(problems)
    return Stack(name, lab=found.target == "lab"), problems


def goes_to(name: str) -> str:
    """The target that the stack file of ``name`` names, whatever else is wrong with it; "" when it names none."""
    return _read(name).target


def located(name: str, problems: list[Contradiction]) -> list[Problem]:
    """What a run found wrong with environment ``name``, each at its line, in the order of the file."""
    file = _read(name)
    placed = [_relative(file.place(path, problem)) for path, problem in problems]
    return sorted(placed, key=lambda each: (each.line, each.column))


def check_all() -> Problems:
    """Every problem of every stack file, and between them."""
    files = [_read(name) for name in stack_names()]
    problems = [problem for file in files for problem in file.problems]
    return Problems([_relative(each) for each in [*problems, *check_together(files)]])


def schema_text() -> str:
    """The JSON Schema of a stack file, as text."""
    return json.dumps(json_schema(), indent=2)
