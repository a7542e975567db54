"""Vector database: PostgreSQL with pgvector through Data Services Manager."""

from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi.output import UNKNOWN

import paif_catalog as catalog
from paif_catalog.defaults import DATABASE, POSTGRES_PORT
from pulumi_paif import vcf
from pulumi_paif._arguments import Labels, SecretInput, SecretOutput, derived, given_or, present
from pulumi_paif._component import (
    Check,
    Component,
    ExistingObject,
    KubernetesObject,
    hashed_name,
    published_secret,
)
from pulumi_paif.enums import Weekday


class DatabaseConnection(TypedDict):
    """How clients reach a database. Its password is in a Secret of the namespace."""

    host: pulumi.Input[str]
    """Host or address."""
    port: NotRequired[pulumi.Input[int] | None]
    """TCP port, 5432 by default."""
    database: pulumi.Input[str]
    """Name of the database."""
    username: pulumi.Input[str]
    """Who connects."""
    password_secret: pulumi.Input[str]
    """Secret in the namespace that holds the password under the key `password`."""


class MaintenanceArgs(TypedDict):
    """When DSM may change a database."""

    day: NotRequired[pulumi.Input[Weekday] | None]
    """Day, Saturday by default."""
    time: NotRequired[pulumi.Input[str] | None]
    """Time, 22:00 by default."""
    duration: NotRequired[pulumi.Input[str] | None]
    """Duration, 6h0m0s by default."""


class BackupArgs(TypedDict):
    """Weekly full and daily incremental backups."""

    location: pulumi.Input[str]
    """Backup location of DSM."""
    retention_days: NotRequired[pulumi.Input[int] | None]
    """Days that backups are kept, 30 by default."""


class CreatedDatabaseArgs(TypedDict):
    """A PostgresCluster that DSM creates."""

    infrastructure_policy: pulumi.Input[str]
    """Infrastructure policy of DSM."""
    storage_policy: pulumi.Input[str]
    """The vSphere storage policy."""
    vm_class: NotRequired[pulumi.Input[str] | None]
    """VM class, best-effort-large by default; a single server wants at least 4 vCPUs."""
    storage_gib: NotRequired[pulumi.Input[int] | None]
    """Disk in GiB, 60 by default."""
    database: NotRequired[pulumi.Input[str] | None]
    """Database to create, pais by default."""
    username: NotRequired[pulumi.Input[str] | None]
    """Its administrator, pgadmin by default."""
    password: NotRequired[SecretInput | None]
    """The administrator's password; DSM makes one when none is given."""
    high_availability: NotRequired[pulumi.Input[bool] | None]
    """Primary, replica and monitor instead of a single server."""
    version: NotRequired[pulumi.Input[str] | None]
    """DSM release, e.g. 16.8+vmware.v9.0.1.0; the catalog's by default."""
    maintenance: NotRequired[MaintenanceArgs | None]
    """When DSM may change it."""
    backup: NotRequired[BackupArgs | None]
    """Where backups go; without it there are none."""
    wait_for: NotRequired[list[str] | None]
    """Wait conditions instead of the catalog's."""


class ExistingDatabaseArgs(TypedDict):
    """A PostgresCluster that is there, made by somebody else, and is used as it is."""

    name: NotRequired[pulumi.Input[str] | None]
    """Name of the PostgresCluster; the database's own by default."""


class ExternalDatabaseArgs(TypedDict):
    """A PostgreSQL that is there and that DSM knows nothing of."""

    host: pulumi.Input[str]
    """Host or address; its certificate must name it."""
    port: NotRequired[pulumi.Input[int] | None]
    """TCP port, 5432 by default."""
    database: pulumi.Input[str]
    """Database that is there."""
    username: pulumi.Input[str]
    """Role that may create extensions in it and owns what clients make."""
    password: SecretInput
    """Its password."""


class VectorDatabaseArgs(TypedDict):
    """Arguments of VectorDatabase: exactly one of `create`, `existing` and `external`."""

    name: NotRequired[pulumi.Input[str] | None]
    """Name of the PostgresCluster: a DNS label of at most 50 characters; the component's by default. With `external`
    that of its password's Secret begins so."""
    namespace: pulumi.Input[str]
    """Supervisor namespace."""
    create: NotRequired[CreatedDatabaseArgs | None]
    """A PostgresCluster that DSM creates."""
    existing: NotRequired[ExistingDatabaseArgs | None]
    """A PostgresCluster that is there."""
    external: NotRequired[ExternalDatabaseArgs | None]
    """A PostgreSQL outside of DSM."""
    ca_bundle: NotRequired[pulumi.Input[str] | None]
    """PEM of the authority that signed the database's certificate; the machine's authorities without it."""
    labels: NotRequired[Labels | None]
    """Labels of all objects."""
    platform: NotRequired[str | None]
    """Version of the platform, such as vcf-9.0.1; by default the only one that is known."""


class VectorDatabase(Component):
    """A PostgreSQL database with the extension `vector`, ready when SQL over TLS answers.

    DSM creates it as a cluster; or a cluster that is there is used, or a PostgreSQL outside of DSM. Of what is there
    only the extension is made, and stays on destroy, since tables may have come to need it. Private AI Services take
    its `connection` whole.
    """

    per_platform = True

    connection: DatabaseConnection
    """How clients reach it; usable once the extension is there."""
    host: pulumi.Output[str]
    """Host or address."""
    port: pulumi.Output[int]
    """TCP port."""
    database_name: pulumi.Output[str]
    """Database."""
    username: pulumi.Output[str]
    """Administrator."""
    password: SecretOutput
    """The administrator's password, secret."""
    password_secret: pulumi.Output[str]
    """Name of the Secret with the password."""
    version: pulumi.Output[str]
    """Release of DSM's database, "" outside of DSM."""
    extension_version: pulumi.Output[str]
    """Version of pgvector in the database."""

    def __init__(self, name: str, args: VectorDatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create the database or find it, and make the extension. Raises ComponentInputError."""
        super().__init__(name, args, opts)
        args = present(args)
        self._physical = given_or(args.get("name"), name)
        create, external = args.get("create"), args.get("external")
        there = create is None
        if external is not None:
            options = self.child(self._use(name, args, external), retain_on_delete=True)
        elif create is None:
            options = self.child(self._find(name, args), retain_on_delete=True)
        else:
            cluster, ready = self._create(name, args, create)
            # What is created goes as a whole: dropping the extension first would fail while tables use it.
            options = self.child(ready, deleted_with=cluster)
        self.extension = vcf.PostgresExtension(
            f"{name}-vector",
            host=self.host,
            port=self.port,
            database=self.database_name,
            username=self.username,
            password=self.password,
            ca_bundle=args.get("ca_bundle"),
            extension="vector",
            minimum_version=catalog.least(self.platform.versions["pgvector"].constraint),
            adopt=True if there else None,
            opts=options,
        )
        self.extension_version = self.extension.installed_version
        self.connection = {
            "host": self._usable(self.host),
            "port": self._usable(self.port),
            "database": self._usable(self.database_name),
            "username": self._usable(self.username),
            "password_secret": self._usable(self.password_secret),
        }
        self.register_outputs(
            {
                "connection": self.connection,
                "host": self.host,
                "port": self.port,
                "database_name": self.database_name,
                "username": self.username,
                "password": self.password,
                "password_secret": self.password_secret,
                "version": self.version,
                "extension_version": self.extension_version,
            }
        )

    def validate(self, check: Check) -> None:
        """One way to a database; a name from which DSM can derive others, some storage."""
        check.label("name", longest=catalog.naming().kinds["database"].max_length)
        check.label("namespace")
        if check.exactly_one("create", "existing", "external") == "create":
            create = check.args["create"]
            check.at_least("create.storage_gib", 1, create.get("storage_gib"))
            check.at_least("create.backup.retention_days", 1, create.get("backup", {}).get("retention_days"))
            check.one_of("create.maintenance.day", Weekday, create.get("maintenance", {}).get("day"))

    def _usable(self, value: pulumi.Output[Any]) -> pulumi.Output[Any]:
        # By the urn, which a preview knows of what is still to come as well.
        return pulumi.Output.all(value, self.extension.urn).apply(lambda known: known[0])

    def _create(
        self, name: str, args: VectorDatabaseArgs, create: CreatedDatabaseArgs
    ) -> tuple[KubernetesObject, vcf.Readiness]:
        labels, maintenance = args.get("labels"), create.get("maintenance") or {}
        database, username = (
            given_or(create.get("database"), DATABASE.database),
            given_or(create.get("username"), DATABASE.username),
        )
        depends: list[pulumi.Resource] = []
        version = given_or(create.get("version"), self.platform.versions["dsm-postgresql"].version)
        spec: dict[str, pulumi.Input[object]] = {
            "version": version,
            "adminUsername": username,
            "databaseName": database,
            "replicas": derived(given_or(create.get("high_availability"), False), int),
            "infrastructurePolicy": {"name": create["infrastructure_policy"]},
            "vmClass": {"name": given_or(create.get("vm_class"), DATABASE.vm_class)},
            "storagePolicyName": create["storage_policy"],
            "storageSpace": derived(
                given_or(create.get("storage_gib"), DATABASE.storage_gib), lambda size: f"{size}Gi"
            ),
            "maintenanceWindow": {
                "startDay": given_or(maintenance.get("day"), DATABASE.maintenance_day),
                "startTime": given_or(maintenance.get("time"), DATABASE.maintenance_time),
                "duration": given_or(maintenance.get("duration"), DATABASE.maintenance_duration),
            },
            "blockDatabaseConnections": False,
        }
        if (password := create.get("password")) is not None:
            given = kubernetes.core.v1.Secret(
                f"{name}-admin",
                # DSM changes the password when the reference moves to another Secret; that it looks into one again is
                # documented nowhere.
                metadata={
                    "name": hashed_name(pulumi.Output.concat(self._physical, "-admin"), password, guessable=True),
                    "namespace": args["namespace"],
                    "labels": labels,
                },
                string_data={"password": pulumi.Output.secret(password)},
                opts=self.replaceable(),
            )
            spec["adminPasswordRef"] = {"name": given.metadata["name"]}
            depends.append(given)
        if backup := create.get("backup"):
            spec["backupLocation"] = {"name": backup["location"]}
            spec["backupConfig"] = {
                "backupRetentionDays": given_or(backup.get("retention_days"), DATABASE.backup_retention_days),
                "schedules": [
                    {"name": "full-weekly", "type": "full", "schedule": "0 0 * * 0"},
                    {"name": "incremental-daily", "type": "incremental", "schedule": "0 0 * * 1-6"},
                ],
            }
        cluster = KubernetesObject(
            name,
            self.platform,
            "PostgresCluster",
            metadata={"name": self._physical, "namespace": args["namespace"], "labels": labels},
            spec=spec,
            opts=self.child(*depends),
        )
        ready = self.ready(
            f"{name}-ready",
            cluster.awaited(create.get("wait_for")),
            depends_on=[cluster],
        )
        self.version = pulumi.Output.from_input(version)
        connection = pulumi.Output.all(cluster.id, ready.values).apply(
            # One that is being made again has none at preview.
            lambda known: _connection(known[0], known[1], may_come=pulumi.runtime.is_dry_run())
        )
        self._connect(args, connection, ready, password)
        # They are what was asked for; a preview without connection would take the extension's database for another one.
        # By the urn, which a preview knows of what is still to come as well.
        self.database_name = pulumi.Output.all(database, ready.urn).apply(lambda known: str(known[0]))
        self.username = pulumi.Output.all(username, ready.urn).apply(lambda known: str(known[0]))
        return cluster, ready

    def _find(self, name: str, args: VectorDatabaseArgs) -> ExistingObject:
        existing = given_or(args.get("existing"), {})
        identity = pulumi.Output.concat(args["namespace"], "/", given_or(existing.get("name"), self._physical))
        # What is only read is not protected: its deletion only forgets it.
        options = self.child(protect=False)
        found = ExistingObject(
            name, f"kubernetes:{self.platform.api_version('PostgresCluster')}:PostgresCluster", identity, options
        )
        self.version = found.spec.apply(lambda spec: str(spec["version"]))
        connection = pulumi.Output.all(identity, found.status).apply(lambda known: _connection(known[0], known[1]))
        self._connect(args, connection, found)
        return found

    def _connect(
        self,
        args: VectorDatabaseArgs,
        connection: pulumi.Output[dict[str, Any]],
        cluster: pulumi.Resource,
        password: pulumi.Input[str] | None = None,
    ) -> None:
        self.host = connection.apply(lambda found: str(found["host"]))
        self.port = connection.apply(lambda found: int(found["port"]))
        self.database_name = connection.apply(lambda found: str(found["dbname"]))
        self.username = connection.apply(lambda found: str(found["username"]))
        self.password_secret = connection.apply(lambda found: str(found["passwordRef"]["name"]))
        # As DSM publishes it, also where it was given: only what DSM has taken over logs in.
        self.password = published_secret(
            self, "databasePassword", args["namespace"], self.password_secret, [cluster], password
        )

    def _use(self, name: str, args: VectorDatabaseArgs, there: ExternalDatabaseArgs) -> "kubernetes.core.v1.Secret":
        self.host = pulumi.Output.from_input(there["host"])
        self.port = pulumi.Output.from_input(given_or(there.get("port"), POSTGRES_PORT))
        self.database_name = pulumi.Output.from_input(there["database"])
        self.username = pulumi.Output.from_input(there["username"])
        self.password = pulumi.Output.secret(there["password"])
        self.version = pulumi.Output.from_input("")
        login = vcf.PostgresLogin(
            f"{name}-login",
            host=self.host,
            port=self.port,
            database=self.database_name,
            username=self.username,
            password=self.password,
            ca_bundle=args.get("ca_bundle"),
            opts=self.child(),
        )
        given = kubernetes.core.v1.Secret(
            f"{name}-password",
            # Another name with another password: role and password change in one step where both are referred to.
            metadata={
                "name": hashed_name(
                    pulumi.Output.concat(self._physical, "-password"), there["password"], guessable=True
                ),
                "namespace": args["namespace"],
                "labels": args.get("labels"),
            },
            string_data={"password": self.password},
            opts=self.replaceable(login),
        )
        self.password_secret = given.metadata.apply(lambda metadata: str(metadata.name))
        return given


def _connection(identity: str, status: dict[str, Any] | None, *, may_come: bool = False) -> Any:
    """The connection of a cluster; unknown while it has none and one `may_come`, else raises pulumi.RunError then."""
    connection: dict[str, Any] = (status or {}).get("connection") or {}
    if not connection.get("host") or not connection.get("port"):
        if may_come:
            return UNKNOWN
        said = "; ".join(
            f"{each.get('type')}={each.get('status')} {each.get('message', '')}".strip()
            for each in (status or {}).get("conditions") or []
        )
        raise pulumi.RunError(
            f"PostgresCluster {identity} is there, but has no connection yet ({said or 'no conditions'}). "
            "Run `pulumi up` again when it is Ready."
        )
    return connection
