"""Content libraries that are made: used, and with what their subscription needs."""

from __future__ import annotations

from collections.abc import Iterator

from paif_catalog.nearest_names import nearest
from stacks.environment.findings import Findings
from stacks.environment.model import Environment
from stacks.problems import NAMESPACE, LocatedProblem, Path, join_names, located_problem


def check(env: Environment, findings: Findings) -> Iterator[LocatedProblem]:
    """Libraries that nothing uses, that are named twice, or whose publisher asks for a secret that is missing."""
    used = dict.fromkeys((env.content.dlvm_library, env.content.kubernetes_library))
    seen: dict[str, int] = {}
    for index, library in enumerate(env.content_libraries):
        path: Path = ("contentLibraries", index)
        if library.name in seen:
            yield located_problem(
                (*path, "name"), f"a name that no other entry has (entry {seen[library.name]} has it)", library.name
            )
        seen.setdefault(library.name, index)
        if library.name not in used and not findings.unsure("content"):
            near = nearest(library.name, used)
            yield located_problem(
                (*path, "name"), f"a library of paif:content ({join_names(used)})", library.name, near
            )
        asked = library.subscription
        if asked is None:
            continue
        if "{token}" in asked.url and env.library_token is None and not findings.lacks("libraryToken"):
            yield located_problem(
                ("libraryToken",),
                f"the token in the address of {library.name}: pulumi config set --secret {NAMESPACE}:libraryToken",
            )
        if asked.username is not None and env.library_password is None and not findings.lacks("libraryPassword"):
            yield located_problem(
                ("libraryPassword",),
                f"the password of {asked.username} at {library.name}: "
                f"pulumi config set --secret {NAMESPACE}:libraryPassword",
            )
