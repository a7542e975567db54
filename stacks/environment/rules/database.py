"""The database: created, existing or external, and nothing said that is of another way."""

from __future__ import annotations

from collections.abc import Iterator

from paif_catalog.redaction import HIDDEN
from stacks.environment.findings import Findings
from stacks.environment.model import Environment
from stacks.environment.sections.database import Database
from stacks.problems import NAMESPACE, LocatedProblem, Problem, located_problem


def check(env: Environment, findings: Findings) -> Iterator[LocatedProblem]:
    """What contradicts the way in which the database comes to be: made by DSM, existing there, or external."""
    asked = env.database
    if asked is None:
        return
    # As it was given: what was left out of the model is judged by where it stands as well.
    given = findings.raw.get("database")
    keys = set(given) if isinstance(given, dict) else set()
    ways = [way for way in ("existing", "external") if way in keys]
    if len(ways) > 1:
        yield located_problem(("database", "external"), "either existing or external, not both", {})
        return
    if not ways:
        if any(findings.lacks("database", way) for way in ("existing", "external")):
            return
        if asked.infrastructure_policy is None and not findings.lacks("database", "infrastructurePolicy"):
            yield located_problem(
                ("database", "infrastructurePolicy"),
                "the infrastructure policy of DSM under which the database is created; for one that is there, "
                "paif:database.existing or paif:database.external instead",
            )
        return
    known = {info.alias or name for name, info in Database.model_fields.items()}
    for key in sorted(keys & known - {"caBundle", *ways} - ({"name"} if ways == ["external"] else set())):
        yield located_problem(
            ("database", key), f"nothing here: the database is {ways[0]} and used as it is", given[key] if given else ""
        )
    if ways == ["existing"] and env.database_password is not None:
        yield (
            ("databasePassword",),
            Problem("", "none: the password of an existing PostgresCluster is in its Secret", HIDDEN),
        )
    if ways == ["external"] and env.database_password is None and not findings.lacks("databasePassword"):
        yield located_problem(
            ("databasePassword",),
            f"the password of the external database: pulumi config set --secret {NAMESPACE}:databasePassword",
        )
