"""`paif:database`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeVar

from pydantic import ConfigDict, Field

from paif_catalog import defaults
from stacks.environment.certificates import DatabasePem
from stacks.environment.sections.section import FullName, Section, StoragePolicy, UsesVmClass, VmClassName
from stacks.environment.types import Label, NonEmptyText, PostgresName, ShortName, matching
from stacks.problems import Path

_Mark = TypeVar("_Mark")


class Backup(Section):
    """Where backups go, and how many days they are kept."""

    location: NonEmptyText = Field(description="backup location of DSM")
    retention_days: int = Field(
        default=defaults.DATABASE.backup_retention_days, gt=0, le=365, description="days that backups are kept"
    )


class Maintenance(Section):
    """When the database may be changed by its operator."""

    start_day: Literal["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"] = Field(
        default=defaults.DATABASE.maintenance_day, description="day on which the maintenance window begins"
    )
    start_time: Annotated[str, matching(r"([01]\d|2[0-3]):[0-5]\d", "a time such as 22:00")] = (
        defaults.DATABASE.maintenance_time
    )
    duration: Annotated[str, matching(r"\d+h(\d+m(\d+s)?)?", "a duration such as 6h0m0s")] = (
        defaults.DATABASE.maintenance_duration
    )


class ExternalDatabase(Section):
    """A PostgreSQL outside of DSM. Its password is paif:databasePassword, its authority paif:database.caBundle."""

    host: Annotated[str, matching(r"[A-Za-z0-9.:-]+", "a host name or address, as the server's certificate has it")]
    port: int = Field(default=defaults.POSTGRES_PORT, gt=0, le=65535, description="TCP port")
    database: NonEmptyText = Field(description="database that is there")
    username: NonEmptyText = Field(description="role that may create extensions in it")


class Database(Section):
    """The vector database: PostgreSQL with pgvector.

    DSM creates it, unless `existing` names a PostgresCluster of the namespace, or `external` a PostgreSQL outside of
    DSM: of these only the extension is made, and nothing else is said here but `caBundle`.
    """

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": [way]} for way in ("infrastructurePolicy", "existing", "external")]}
    )

    existing: Label | None = Field(default=None, description="PostgresCluster in the namespace that is used as it is")
    external: ExternalDatabase | None = Field(default=None, description="PostgreSQL outside of DSM that is used")
    name: Annotated[ShortName, FullName("database")] = "vectors"
    version: str | None = Field(default=None, description="DSM release; the catalog's by default")
    high_availability: bool = Field(default=False, description="primary, replica and monitor; on in staging and prod")
    vm_class: VmClassName = Field(default=defaults.DATABASE.vm_class, alias="class")
    storage_gib: int = Field(default=defaults.DATABASE.storage_gib, ge=20, le=16384, description="disk in GiB")
    storage_policy: StoragePolicy = None
    infrastructure_policy: NonEmptyText | None = Field(
        default=None, description="required for a database that DSM creates"
    )
    database_name: PostgresName = defaults.DATABASE.database
    admin_username: PostgresName = defaults.DATABASE.username
    maintenance: Maintenance = Maintenance()
    backup: Backup | None = None
    ca_bundle: DatabasePem = Field(default="", description="PEM of the authority that signed the server's certificate")

    @property
    def created(self) -> bool:
        """Whether DSM creates it for this environment."""
        return self.existing is None and self.external is None

    def marked(self, mark: type[_Mark], path: Path = ()) -> Iterator[tuple[Path, _Mark, Any]]:
        """Without the class where DSM creates nothing, and without the name where an existing one has its own."""
        if (mark is UsesVmClass and not self.created) or (mark is FullName and self.existing is not None):
            return
        yield from super().marked(mark, path)
