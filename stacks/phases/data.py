"""Phase data: the vector database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pulumi

from pulumi_paif.vector_database import VectorDatabase, VectorDatabaseArgs
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
        "cluster_name": asked.existing or env.full_name(asked),
        "namespace": foundation.namespace,
        "labels": env.labels(),
        "platform": env.platform,
    }
    if context.connections.database_ca:
        args["ca_bundle"] = context.connections.database_ca
    password = pulumi.Output.secret(env.database_password.get_secret_value()) if env.database_password else None
    if asked.existing is not None:
        args["existing"] = True
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
        args |= _created(context, foundation, asked)
        args["namespace"] = contents.namespace
        if password is not None:
            args["admin_password"] = password
    options = context.kept(phase) if asked.created else pulumi.ResourceOptions(parent=phase)
    made = VectorDatabase(str(args["cluster_name"]), args, options)
    return Data(made, made.version if asked.external is None else None)


def _created(context: Context, foundation: Foundation, asked: Database) -> VectorDatabaseArgs:
    env = context.env
    args: dict[str, Any] = {
        "infrastructure_policy": asked.infrastructure_policy,
        "storage_policy": env.storage_policy(asked.storage_policy),
        "vm_class": foundation.classes[asked.vm_class],
        "storage_gib": asked.storage_gib,
        "database_name": asked.database_name,
        "admin_username": asked.admin_username,
        "high_availability": asked.high_availability,
        "maintenance_day": asked.maintenance.start_day,
        "maintenance_time": asked.maintenance.start_time,
        "maintenance_duration": asked.maintenance.duration,
        **context.wait("PostgresCluster"),
    }
    if asked.version is not None:
        args["version"] = asked.version
    if asked.backup is not None:
        args["backup_location"] = asked.backup.location
        args["backup_retention_days"] = asked.backup.retention_days
    return cast(VectorDatabaseArgs, args)
