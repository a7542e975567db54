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
from stacks.environment import SHORT, Environment, json_schema
from stacks.problems import Contradiction, Problem, listed, printable
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


def _known(name: str) -> None:
    """Raises ``Problems`` when environment ``name`` has no stack file."""
    if name not in stack_names():
        raise _unknown(name)


def load_stack(name: str, beside: Sequence[Problem] = ()) -> Stack:
    """The stack of environment ``name``, its file checked.

    Raises ``Problems``, together with those that were found ``beside`` the stack file.
    """
    _known(name)
    found = _read(name)
    if found.problems or found.environment is None or beside:
        raise Problems([*(_relative(each) for each in found.problems), *beside])
    return Stack(name, lab=found.environment.target == "lab", platform=found.environment.platform)


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


def _unknown(name: str) -> Problems:
    makes = f"; `./paif init {name}` makes a new one" if SHORT.fullmatch(name) else ""
    expected = f"one of {listed(stack_names())}{makes}"
    return Problems([Problem("environment", expected, repr(name), nearest(name, stack_names()))])


def environment(name: str) -> Environment | None:
    """What the stack file of ``name`` asks for; None when there is none, or a wrong one."""
    return _read(name).environment


def located(name: str, problems: list[Contradiction]) -> list[Problem]:
    """What a run found wrong with environment ``name``, each at its line, in the order of the file."""
    file = _read(name)
    placed = [_relative(file.place(path, problem)) for path, problem in problems]
    return sorted(placed, key=lambda each: (each.line, each.column))


def check(wanted: str | None = None) -> Problems:
    """Every problem of every stack file, or of one, and between them; what is encrypted is tried where possible.

    Raises ``Problems`` when there is no environment of the ``wanted`` name.
    """
    if wanted is not None and wanted not in stack_names():
        raise _unknown(wanted)
    files = [_read(name, decrypt=wanted in {None, name}) for name in stack_names()]
    chosen = [file for file in files if wanted in {None, file.stack}]
    between = (
        check_together(files) if wanted is None else check_together(sorted(files, key=lambda file: file in chosen))
    )
    places = {str(file.file) for file in chosen}
    problems = [problem for file in chosen for problem in file.problems]
    return Problems([_relative(each) for each in [*problems, *(each for each in between if each.file in places)]])


def schema_text() -> str:
    """The JSON Schema of a stack file, as text."""
    return json.dumps(json_schema(), indent=2)
