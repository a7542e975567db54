"""Names of databases and roles."""

from __future__ import annotations

import re

from policies.naming.configuration import Context, NamingObservations, NamingSettings
from policies.shared.model import Findings, Resource, Rules, Severity, Violation
from policies.shared.types import DATABASE

RULES: Rules[NamingSettings, NamingObservations] = Rules()

_POSTGRES = "https://www.postgresql.org/docs/16/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS"


@RULES.rule(
    "database-name",
    DATABASE,
    severity=Severity.MEDIUM,
    reason="other names need quotes in every statement, and the templates belong to PostgreSQL",
    remedy="use lower-case letters, digits and underscores, a letter first, at most 63 characters",
    source=_POSTGRES,
)
def database_name(resource: Resource, run: Context) -> Findings:
    name = resource.get("spec.databaseName")
    if not isinstance(name, str):
        return
    if re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", name) is None:
        yield Violation("the name of the database is no plain PostgreSQL identifier", "spec.databaseName", name)
    elif name in {"postgres", "template0", "template1"}:
        yield Violation("the name belongs to PostgreSQL itself", "spec.databaseName", name)


@RULES.rule(
    "database-role",
    (*DATABASE, "vcf:index:PostgresRole"),
    severity=Severity.MEDIUM,
    reason="roles that begin with pg_ belong to PostgreSQL, and other names need quotes in every statement",
    remedy="use lower-case letters, digits and underscores, not pg_ in front",
    source="https://www.postgresql.org/docs/16/predefined-roles.html",
)
def database_role(resource: Resource, run: Context) -> Findings:
    path = "name" if resource.type.startswith("vcf:") else "spec.adminUsername"
    name = resource.get(path)
    if isinstance(name, str) and (re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", name) is None or name.startswith("pg_")):
        yield Violation("the role's name is reserved or needs quotes", path, name)
