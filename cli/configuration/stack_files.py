"""Stack files, read and checked before anything is started."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from cli.engine import environ
from cli.engine.stack import Stack
from lab.state import ROOT
from paif_catalog.nearest_names import nearest
from stacks.environment import SHORT_NAME, Environment, json_schema
from stacks.problems import LocatedProblem, Problem, join_names, printable
from stacks.stackfile import StackFile, check_together, read

_FOLDER = ROOT / "stacks"


@dataclass
class Problems(Exception):  # noqa: N818 - the plural is the point: all of them at once
    """Everything that is wrong with the configuration."""

    problems: list[Problem] = field(default_factory=list)

    def as_dict(self) -> list[dict[str, object]]:
        return [{**dataclasses.asdict(each), "file": printable(each.file)} for each in self.problems]

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


def _read(name: str, *, decrypt: bool = False) -> StackFile:
    return read(_FOLDER / f"Pulumi.{name}.yaml", environ.passphrase if decrypt else None)


def _require_stack_file(name: str) -> None:
    """Raises ``Problems`` when environment ``name`` has no stack file."""
    if name not in stack_names():
        raise _unknown_environment(name)


def load_stack(name: str, other_problems: Sequence[Problem] = ()) -> Stack:
    """The stack of environment ``name``, its file checked.

    Raises ``Problems``, together with ``other_problems``, which are not of the stack file.
    """
    _require_stack_file(name)
    file = _read(name)
    if file.problems or file.environment is None or other_problems:
        raise Problems([*(_relative(each) for each in file.problems), *other_problems])
    return Stack(name, lab=file.environment.target == "lab", platform=file.environment.platform)


def load_incomplete(name: str) -> tuple[Stack, list[Problem]]:
    """The stack of environment ``name``, whose file may lack something still, and what it lacks.

    Raises ``Problems`` when it does not say where the environment goes.
    """
    _require_stack_file(name)
    file = _read(name)
    problems = [_relative(each) for each in file.problems]
    if file.target not in get_args(Environment.model_fields["target"].annotation):
        raise Problems(problems)
    return Stack(name, lab=file.target == "lab"), problems


def target_of(name: str) -> str:
    """The target that the stack file of ``name`` names, whatever else is wrong with it; "" when it names none."""
    return _read(name).target


def _unknown_environment(name: str) -> Problems:
    hint = f"; `./paif init {name}` makes a new one" if SHORT_NAME.fullmatch(name) else ""
    expected = f"one of {join_names(stack_names())}{hint}"
    return Problems([Problem("environment", expected, repr(name), nearest(name, stack_names()))])


def environment(name: str) -> Environment | None:
    """What the stack file of ``name`` asks for; None when there is none, or a wrong one."""
    return _read(name).environment


def locate(name: str, problems: list[LocatedProblem]) -> list[Problem]:
    """What a run found wrong with environment ``name``, each at its line, in the order of the file."""
    file = _read(name)
    located = [_relative(file.place(path, problem)) for path, problem in problems]
    return sorted(located, key=lambda each: (each.line, each.column))


def check(name_filter: str | None = None) -> Problems:
    """Every problem of every stack file, or of one, and between them; what is encrypted is tried where possible.

    Raises ``Problems`` when there is no environment named ``name_filter``.
    """
    if name_filter is not None and name_filter not in stack_names():
        raise _unknown_environment(name_filter)
    files = [_read(name, decrypt=name_filter in {None, name}) for name in stack_names()]
    chosen = [file for file in files if name_filter in {None, file.stack}]
    cross_file = (
        check_together(files) if name_filter is None else check_together(sorted(files, key=lambda file: file in chosen))
    )
    places = {str(file.file) for file in chosen}
    problems = [problem for file in chosen for problem in file.problems]
    return Problems([_relative(each) for each in [*problems, *(each for each in cross_file if each.file in places)]])


def schema_text() -> str:
    """The JSON Schema of a stack file, as text."""
    return json.dumps(json_schema(), indent=2)
