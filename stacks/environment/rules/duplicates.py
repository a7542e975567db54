"""What is listed twice where the platform takes each once."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import TypeVar

from stacks.environment.model import Environment
from stacks.problems import LocatedProblem, Path, located_problem

_Value = TypeVar("_Value", bound=Hashable)


def check(env: Environment) -> Iterator[LocatedProblem]:
    """What is listed twice where the platform takes each once, whatever else is said of it there."""
    for index, first, storage in repeated([each.policy for each in env.namespace.storage]):
        yield located_problem(
            ("namespace", "storage", index, "policy"), f"each policy once (entry {first} has it)", storage
        )
    subjects = [(each.subject_type, each.subject.lower(), each.domain.lower()) for each in env.namespace.access_list]
    for index, first, (kind, subject, domain) in repeated(subjects):
        yield located_problem(
            ("namespace", "accessList", index, "subject"),
            f"each {kind.lower()} once, with one role (entry {first} has it)",
            f"{subject}@{domain}",
        )
    lists: list[tuple[Path, Sequence[str]]] = [
        (("vsphereTags", "create"), env.vsphere_tags.create if env.vsphere_tags else ()),
        (("aiServices", "authorizedGroups"), env.ai_services.authorized_groups if env.ai_services else ()),
    ]
    for path, names in lists:
        for index, first, name in repeated(names):
            yield located_problem((*path, index), f"each once (entry {first} has it)", name)


def repeated(values: Sequence[_Value]) -> Iterator[tuple[int, int, _Value]]:
    """Position, position of the first one like it, and value of what a list holds more than once."""
    seen: dict[_Value, int] = {}
    for index, value in enumerate(values):
        if value in seen:
            yield index, seen[value], value
        seen.setdefault(value, index)
