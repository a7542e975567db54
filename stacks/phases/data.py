"""Phase data: the vector database."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from pulumi_paif.enums import Weekday
from pulumi_paif.vector_database import CreatedDatabaseArgs, VectorDatabase, VectorDatabaseArgs
from stacks.environment.sections.database import Database
from stacks.phases.context import Context, demanded
from stacks.phases.foundation import Foundation


@dataclass(frozen=True)
class Data:
    """The database, and the release that DSM gave it: None for one outside of DSM."""

    database: VectorDatabase
    version: pulumi.Output[str] | None


def declare(context: Context, foundation: Foundation, asked: Database) -> Data:
    """Declare the phase: the database as DSM makes it, or the extension in one that is there."""
    env, phase = context.env, context.phase("data")
    args: VectorDatabaseArgs = {
        "namespace": foundation.namespace,
        "ca_bundle": context.connections.database_ca or None,
        "labels": env.labels(),
        "platform": env.platform,
    }
    password = pulumi.Output.secret(env.database_password.get_secret_value()) if env.database_password else None
    if asked.existing is not None:
        args["existing"] = {}
    elif asked.external is not None:
        args["external"] = {
            "host": asked.external.host,
            "port": asked.external.port,
            "database": asked.external.database,
            "username": asked.external.username,
            "password": demanded(password, "paif:databasePassword"),
        }
    else:
        contents = foundation.contents(context, "database", phase, [asked.vm_class], [asked.storage_policy])
        args["create"] = _created(context, foundation, asked, password)
        args["namespace"] = contents.namespace
    options = context.kept(phase) if asked.created else pulumi.ResourceOptions(parent=phase)
    made = VectorDatabase(asked.existing or env.full_name(asked), args, options)
    return Data(made, made.version if asked.external is None else None)


def _created(
    context: Context, foundation: Foundation, asked: Database, password: pulumi.Output[str] | None
) -> CreatedDatabaseArgs:
    return {
        "infrastructure_policy": demanded(asked.infrastructure_policy, "paif:database.infrastructurePolicy"),
        "storage_policy": context.env.storage_policy(asked.storage_policy),
        "vm_class": foundation.classes[asked.vm_class],
        "storage_gib": asked.storage_gib,
        "database": asked.database_name,
        "username": asked.admin_username,
        "password": password,
        "high_availability": asked.high_availability,
        "version": asked.version,
        "maintenance": {
            "day": Weekday(asked.maintenance.start_day),
            "time": asked.maintenance.start_time,
            "duration": asked.maintenance.duration,
        },
        "backup": {"location": asked.backup.location, "retention_days": asked.backup.retention_days}
        if asked.backup is not None
        else None,
        **context.wait("PostgresCluster"),  # type: ignore[typeddict-item]
    }
