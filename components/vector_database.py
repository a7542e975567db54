"""Vector database: PostgreSQL with pgvector through Data Services Manager."""

from typing import NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes

import catalog
from components import vcf
from components._component import Check, Component, KubernetesObject, published_secret

_API_VERSION = "databases.dataservices.vmware.com/v1alpha1"


class VectorDatabaseArgs(TypedDict):
    """Arguments of VectorDatabase."""

    cluster_name: pulumi.Input[str]
    """Name of the PostgresCluster: a DNS label of at most 50 characters."""
    namespace: pulumi.Input[str]
    """Supervisor namespace."""
    infrastructure_policy: pulumi.Input[str]
    """Infrastructure policy of DSM."""
    storage_policy: pulumi.Input[str]
    """vSphere storage policy."""
    vm_class: pulumi.Input[str]
    """VM class; a single server wants at least 4 vCPUs."""
    storage_gib: pulumi.Input[int]
    """Disk in GiB."""
    database_name: pulumi.Input[str]
    """Database to create."""
    admin_username: pulumi.Input[str]
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


class VectorDatabase(Component):
    """A PostgreSQL cluster of DSM with the extension `vector`, ready when SQL over TLS answers.

    Outputs describe the connection; `password_secret` names the Secret in the namespace that holds the password.
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
    extension_version: pulumi.Output[str]
    """Version of pgvector in the database."""

    def __init__(self, name: str, args: VectorDatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Create database and extension. Raises ComponentInputError."""
        super().__init__(name, args, opts)
        labels = args.get("labels", {})
        depends: list[pulumi.Resource] = []
        spec: dict[str, pulumi.Input[object]] = {
            "version": args.get("version", catalog.versions()["dsm-postgresql"].version),
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
                metadata={
                    "name": pulumi.Output.concat(args["cluster_name"], "-admin"),
                    "namespace": args["namespace"],
                    "labels": labels,
                },
                string_data={"password": pulumi.Output.secret(args["admin_password"])},
                opts=self.child(),
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
        self.cluster = KubernetesObject(
            name,
            _API_VERSION,
            "PostgresCluster",
            metadata={"name": args["cluster_name"], "namespace": args["namespace"], "labels": labels},
            spec=spec,
            wait_for=args.get("wait_for"),
            opts=self.child(*depends),
        )
        connection = self.cluster.status.apply(lambda status: status["connection"])
        self.host = connection.apply(lambda found: str(found["host"]))
        self.port = connection.apply(lambda found: int(found["port"]))
        self.database_name = connection.apply(lambda found: str(found["dbname"]))
        self.username = connection.apply(lambda found: str(found["username"]))
        self.password_secret = connection.apply(lambda found: str(found["passwordRef"]["name"]))
        self.password = (
            pulumi.Output.secret(args["admin_password"])
            if "admin_password" in args
            else published_secret(self, "databasePassword", args["namespace"], self.password_secret, [self.cluster])
        )
        self.extension = vcf.PostgresExtension(
            f"{name}-vector",
            host=self.host,
            port=self.port,
            database=self.database_name,
            username=self.username,
            password=self.password,
            ca_bundle=args.get("ca_bundle"),
            extension="vector",
            # It goes with the whole database; dropping it first would fail while tables use it.
            opts=self.child(self.cluster, deleted_with=self.cluster),
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
                "extension_version": self.extension_version,
            }
        )

    def validate(self, check: Check) -> None:
        """A name from which DSM can derive others, some storage."""
        check.label("cluster_name", longest=catalog.naming().kinds["database"].max_length)
        check.label("namespace")
        check.at_least("storage_gib", 1)
        check.at_least("backup_retention_days", 1)
