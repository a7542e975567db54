"""Vector database: PostgreSQL with pgvector through Data Services Manager."""

from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi.output import UNKNOWN

import paif_catalog as catalog
from pulumi_paif import vcf
from pulumi_paif._component import (
    Check,
    Component,
    ExistingObject,
    KubernetesObject,
    hashed_name,
    published_secret,
)


class ExternalDatabaseArgs(TypedDict):
    """A PostgreSQL that is there and that DSM knows nothing of."""

    host: pulumi.Input[str]
    """Host or address; its certificate must name it."""
    port: NotRequired[pulumi.Input[int]]
    """TCP port, 5432 by default."""
    database: pulumi.Input[str]
    """Database that is there."""
    username: pulumi.Input[str]
    """Role that may create extensions in it and owns what clients make."""
    password: pulumi.Input[str]
    """Its password."""


class VectorDatabaseArgs(TypedDict):
    """Arguments of VectorDatabase: of a database to create, or `existing`, or `external`."""

    cluster_name: pulumi.Input[str]
    """Name of the PostgresCluster: a DNS label of at most 50 characters. With `external` that of its password's Secret
    begins so."""
    namespace: pulumi.Input[str]
    """Supervisor namespace."""
    existing: NotRequired[bool]
    """The PostgresCluster is there, made by somebody else, and is used as it is."""
    external: NotRequired[ExternalDatabaseArgs]
    """A PostgreSQL outside of DSM, used instead of a PostgresCluster."""
    infrastructure_policy: NotRequired[pulumi.Input[str]]
    """Infrastructure policy of DSM."""
    storage_policy: NotRequired[pulumi.Input[str]]
    """vSphere storage policy."""
    vm_class: NotRequired[pulumi.Input[str]]
    """VM class; a single server wants at least 4 vCPUs."""
    storage_gib: NotRequired[pulumi.Input[int]]
    """Disk in GiB."""
    database_name: NotRequired[pulumi.Input[str]]
    """Database to create."""
    admin_username: NotRequired[pulumi.Input[str]]
    """Its administrator."""
    admin_password: NotRequired[pulumi.Input[str]]
    """The administrator's password; DSM makes one when none is given."""
    ca_bundle: NotRequired[pulumi.Input[str]]
    """PEM of the authority that signed DSM's certificates; the machine's authorities without it."""
    high_availability: NotRequired[bool]
    """Primary, replica and monitor instead of a single server."""
    version: NotRequired[pulumi.Input[str]]
    """DSM release, e.g. 16.8+vmware.v9.0.1.0; the catalogue's by default."""
    maintenance_day: NotRequired[pulumi.Input[str]]
    """SATURDAY by default."""
    maintenance_time: NotRequired[pulumi.Input[str]]
    """22:00 by default."""
    maintenance_duration: NotRequired[pulumi.Input[str]]
    """6h0m0s by default."""
    backup_location: NotRequired[pulumi.Input[str]]
    """Backup location of DSM: weekly full and daily incremental backups go there."""
    backup_retention_days: NotRequired[pulumi.Input[int]]
    """Days that backups are kept, 30 by default."""
    labels: NotRequired[dict[str, str]]
    """Labels of all objects."""
    wait_for: NotRequired[list[str]]
    """Wait conditions instead of the catalogue's."""
    platform: NotRequired[str]
    """Version of the platform, such as vcf-9.0.1; the only one that is known by default."""


_NEEDED = (
    "infrastructure_policy",
    "storage_policy",
    "vm_class",
    "storage_gib",
    "database_name",
    "admin_username",
)
"""What a database that is created needs."""
_ALWAYS = ("cluster_name", "namespace", "ca_bundle", "labels", "platform")
"""What an existing or external database may have as well."""


class VectorDatabase(Component):
    """A PostgreSQL database with the extension `vector`, ready when SQL over TLS answers.

    DSM creates it as a cluster; or a cluster that is there is used, or a PostgreSQL outside of DSM. Of what is there
    only the extension is made, and stays on destroy, since tables may have come to need it. Outputs describe the
    connection; `password_secret` names the Secret in the namespace that holds the password.
    """

    host: pulumi.Output[str]
    """Host or address."""
    port: pulumi.Output[int]
    """TCP port."""
    database_name: pulumi.Output[str]
    """Database."""
    username: pulumi.Output[str]
    """Administrator."""
    password: pulumi.Output[str]
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
        there = args.get("existing", False) or "external" in args
        if "external" in args:
            options = self.child(self._use(name, args, args["external"]), retain_on_delete=True)
        elif there:
            options = self.child(self._find(name, args), retain_on_delete=True)
        else:
            cluster, ready = self._create(name, args)
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
        self.register_outputs(
            {
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
        """All of one way to a database; a name from which DSM can derive others, some storage."""
        check.label("cluster_name", longest=catalog.naming().kinds["database"].max_length)
        check.label("namespace")
        check.at_least("storage_gib", 1)
        check.at_least("backup_retention_days", 1)
        ways = [way for way in ("existing", "external") if check.args.get(way)]
        if len(ways) > 1:
            check.add("external", "expected either existing or external")
        for name in check.args:
            if ways and name not in (*_ALWAYS, *ways):
                check.add(name, f"expected nothing: the database is {ways[0]} and used as it is")
        for name in _NEEDED:
            if not ways and name not in check.args:
                check.add(name, "expected a value, since the database is neither existing nor external")

    def _create(self, name: str, args: VectorDatabaseArgs) -> tuple[KubernetesObject, vcf.Readiness]:
        labels = args.get("labels", {})
        depends: list[pulumi.Resource] = []
        version = args.get("version", self.platform.versions["dsm-postgresql"].version)
        spec: dict[str, pulumi.Input[object]] = {
            "version": version,
            "adminUsername": args["admin_username"],
            "databaseName": args["database_name"],
            "replicas": 1 if args.get("high_availability") else 0,
            "infrastructurePolicy": {"name": args["infrastructure_policy"]},
            "vmClass": {"name": args["vm_class"]},
            "storagePolicyName": args["storage_policy"],
            "storageSpace": pulumi.Output.concat(pulumi.Output.from_input(args["storage_gib"]).apply(str), "Gi"),
            "maintenanceWindow": {
                "startDay": args.get("maintenance_day", "SATURDAY"),
                "startTime": args.get("maintenance_time", "22:00"),
                "duration": args.get("maintenance_duration", "6h0m0s"),
            },
            "blockDatabaseConnections": False,
        }
        if "admin_password" in args:
            given = kubernetes.core.v1.Secret(
                f"{name}-admin",
                # DSM changes the password when the reference moves to another Secret; that it looks into one again is
                # documented nowhere.
                metadata={
                    "name": hashed_name(
                        pulumi.Output.concat(args["cluster_name"], "-admin"), args["admin_password"], guessable=True
                    ),
                    "namespace": args["namespace"],
                    "labels": labels,
                },
                string_data={"password": pulumi.Output.secret(args["admin_password"])},
                opts=self.replaceable(),
            )
            spec["adminPasswordRef"] = {"name": given.metadata["name"]}
            depends.append(given)
        if "backup_location" in args:
            spec["backupLocation"] = {"name": args["backup_location"]}
            spec["backupConfig"] = {
                "backupRetentionDays": args.get("backup_retention_days", 30),
                "schedules": [
                    {"name": "full-weekly", "type": "full", "schedule": "0 0 * * 0"},
                    {"name": "incremental-daily", "type": "incremental", "schedule": "0 0 * * 1-6"},
                ],
            }
        cluster = KubernetesObject(
            name,
            self.platform,
            "PostgresCluster",
            metadata={"name": args["cluster_name"], "namespace": args["namespace"], "labels": labels},
            spec=spec,
            opts=self.child(*depends),
        )
        ready = self.ready(
            f"{name}-ready",
            cluster.awaited(args.get("wait_for")),
            depends_on=[cluster],
        )
        self.version = pulumi.Output.from_input(version)
        connection = pulumi.Output.all(cluster.id, ready.values).apply(
            # One that is being made again has none at preview.
            lambda known: _connection(known[0], known[1], may_come=pulumi.runtime.is_dry_run())
        )
        self._connect(args, connection, ready)
        # They are what was asked for; a preview without connection would take the extension's database for another one.
        # By the urn, which a preview knows of what is still to come as well.
        self.database_name = pulumi.Output.all(args["database_name"], ready.urn).apply(lambda known: str(known[0]))
        self.username = pulumi.Output.all(args["admin_username"], ready.urn).apply(lambda known: str(known[0]))
        return cluster, ready

    def _find(self, name: str, args: VectorDatabaseArgs) -> ExistingObject:
        identity = pulumi.Output.concat(args["namespace"], "/", args["cluster_name"])
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
        self, args: VectorDatabaseArgs, connection: pulumi.Output[dict[str, Any]], cluster: pulumi.Resource
    ) -> None:
        self.host = connection.apply(lambda found: str(found["host"]))
        self.port = connection.apply(lambda found: int(found["port"]))
        self.database_name = connection.apply(lambda found: str(found["dbname"]))
        self.username = connection.apply(lambda found: str(found["username"]))
        self.password_secret = connection.apply(lambda found: str(found["passwordRef"]["name"]))
        # As DSM publishes it, also where it was given: only what DSM has taken over logs in.
        self.password = published_secret(
            self, "databasePassword", args["namespace"], self.password_secret, [cluster], args.get("admin_password")
        )

    def _use(self, name: str, args: VectorDatabaseArgs, there: ExternalDatabaseArgs) -> "kubernetes.core.v1.Secret":
        self.host = pulumi.Output.from_input(there["host"])
        self.port = pulumi.Output.from_input(there.get("port", 5432))
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
                    pulumi.Output.concat(args["cluster_name"], "-password"), there["password"], guessable=True
                ),
                "namespace": args["namespace"],
                "labels": args.get("labels", {}),
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
