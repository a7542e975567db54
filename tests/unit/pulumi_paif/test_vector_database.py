from __future__ import annotations

import hashlib
from typing import Any

import pulumi
import pytest

from pulumi_paif._component import ComponentInputError
from pulumi_paif.vector_database import DatabaseConnection, VectorDatabase, VectorDatabaseArgs
from tests.unit.pulumi_paif.harness import NAMESPACE, STATUS, Declared, declare

_CLUSTER = "kubernetes:databases.dataservices.vmware.com/v1alpha1:PostgresCluster"
_EXTENSION = "vcf:index:PostgresExtension"
_ARGS: VectorDatabaseArgs = {
    "name": "acme-dev-pg-vectors",
    "namespace": NAMESPACE,
    "ca_bundle": "PEM",
}
_CREATED: dict[str, Any] = {"infrastructure_policy": "pai-infra", "storage_policy": "pai-gold"}


def _declared(options: pulumi.ResourceOptions | None = None, **change: Any) -> Declared:
    args: Any = {**_ARGS, "create": {**_CREATED, **change}}

    def build() -> dict[str, Any]:
        made = VectorDatabase("db", args, options)
        return {"host": made.host, "port": made.port, "password": made.password, "secret": made.password_secret}

    return declare(build)


def test_a_single_server_without_backup_is_asked_for() -> None:
    declared = _declared()
    assert declared.types() == {_CLUSTER: 1, _EXTENSION: 1, "vcf:index:Readiness": 1}
    assert declared.one(_CLUSTER).inputs["spec"] == {
        "version": "16.8+vmware.v9.0.1.0",
        "adminUsername": "pgadmin",
        "databaseName": "pais",
        "replicas": 0,
        "infrastructurePolicy": {"name": "pai-infra"},
        "vmClass": {"name": "best-effort-large"},
        "storagePolicyName": "pai-gold",
        "storageSpace": "60Gi",
        "maintenanceWindow": {"startDay": "SATURDAY", "startTime": "22:00", "duration": "6h0m0s"},
        "blockDatabaseConnections": False,
    }


def test_high_availability_and_backups_are_what_dsm_calls_them() -> None:
    spec = (
        _declared(high_availability=True, backup={"location": "s3", "retention_days": 7}).one(_CLUSTER).inputs["spec"]
    )
    assert spec["replicas"] == 1
    assert spec["backupLocation"] == {"name": "s3"}
    assert spec["backupConfig"]["backupRetentionDays"] == 7
    assert [schedule["type"] for schedule in spec["backupConfig"]["schedules"]] == ["full", "incremental"]


def test_the_password_that_dsm_makes_is_read_from_where_its_status_says() -> None:
    declared = _declared()
    [(token, args)] = declared.calls
    assert token == "vcf:index:getSecret"
    assert args == {
        "namespace": NAMESPACE,
        "name": "pg-acme-dev-pg-vectors",
        "key": "password",
        "timeoutSeconds": 900,
    }
    assert declared.outputs["password"] == "value-of-pg-acme-dev-pg-vectors"
    assert declared.secret_outputs == {"password"}


def test_a_given_password_is_handed_over_in_a_secret_and_holds_once_dsm_has_published_it() -> None:
    declared = _declared(password="given")
    secret = declared.one("kubernetes:core/v1:Secret")
    assert secret.inputs["stringData"] == {"password": "given"}
    assert any(path.startswith("stringData") for path in secret.secrets)
    name = secret.inputs["metadata"]["name"]
    assert name.startswith("acme-dev-pg-vectors-admin-")
    assert declared.one(_CLUSTER).inputs["spec"]["adminPasswordRef"] == {"name": name}
    [(token, asked)] = declared.calls
    assert (token, asked["name"], asked["awaited"]) == ("vcf:index:getSecret", "pg-acme-dev-pg-vectors", "given")
    assert declared.outputs["password"] == "value-of-pg-acme-dev-pg-vectors"
    assert declared.secret_outputs == {"password"}


def test_another_password_is_another_secret_that_a_protected_database_can_change_to() -> None:
    names = set()
    for password in ("one", "two"):
        declared = _declared(pulumi.ResourceOptions(protect=True), password=password)
        secret = declared.one("kubernetes:core/v1:Secret")
        assert not secret.request.protect
        assert declared.one(_CLUSTER).request.protect
        names.add(secret.inputs["metadata"]["name"])
    assert len(names) == 2


def test_a_name_is_no_quick_way_to_try_passwords() -> None:
    name = _declared(password="summer").one("kubernetes:core/v1:Secret").inputs["metadata"]["name"]
    quick = {hashlib.new(kind, text).hexdigest() for kind in ("sha256", "sha1", "md5") for text in (b"summer",)}
    assert not any(each.startswith(name.rsplit("-", 1)[1]) for each in quick)


def test_the_extension_is_made_over_verified_tls_and_goes_with_its_database() -> None:
    extension = _declared().one(_EXTENSION)
    assert {
        key: extension.inputs[key] for key in ("host", "port", "database", "username", "caBundle", "extension")
    } == {
        "host": "192.0.2.20",
        "port": 5432,
        "database": "pais",
        "username": "pgadmin",
        "caBundle": "PEM",
        "extension": "vector",
    }
    assert "password" in extension.secrets
    assert extension.request.deletedWith.endswith("::db")


_THERE: VectorDatabaseArgs = {
    "name": "shared",
    "namespace": NAMESPACE,
    "ca_bundle": "PEM",
    "labels": {"a": "b"},
}


def _used(options: pulumi.ResourceOptions | None = None, **args: Any) -> Declared:
    def build() -> dict[str, Any]:
        made = VectorDatabase("db", {**_THERE, **args}, options)  # type: ignore[typeddict-item]
        outputs = ("host", "port", "database_name", "username", "password", "password_secret", "version")
        return {name: getattr(made, name) for name in outputs}

    return declare(build)


def test_an_existing_cluster_is_only_read_and_gets_the_extension() -> None:
    declared = _used(pulumi.ResourceOptions(protect=True, retain_on_delete=True), existing={})
    assert declared.types() == {_EXTENSION: 1}
    [token, asked] = declared.calls[0]
    assert (token, asked["name"]) == ("vcf:index:getSecret", "pg-acme-dev-pg-vectors")
    extension = declared.one(_EXTENSION)
    assert extension.inputs == {
        "host": "192.0.2.20",
        "port": 5432,
        "database": "pais",
        "username": "pgadmin",
        "password": "value-of-pg-acme-dev-pg-vectors",
        "caBundle": "PEM",
        "extension": "vector",
        "minimumVersion": "0.8",
        "adopt": True,
    }
    assert extension.request.retainOnDelete
    assert not extension.request.deletedWith
    assert declared.outputs["version"] == "16.8+vmware.v9.0.1.0"
    assert declared.secret_outputs == {"password"}


_EXTERNAL: dict[str, Any] = {"host": "pg.test", "database": "vectors", "username": "pais", "password": "given"}


def test_an_external_database_gets_the_extension_and_its_password_a_secret_in_the_namespace() -> None:
    declared = _used(external=_EXTERNAL)
    assert declared.types() == {_EXTENSION: 1, "kubernetes:core/v1:Secret": 1, "vcf:index:PostgresLogin": 1}
    assert declared.calls == []
    secret = declared.one("kubernetes:core/v1:Secret")
    assert "db-login" in secret.depends_on
    name = secret.inputs["metadata"]["name"]
    assert name.startswith("shared-password-")
    assert secret.inputs == {
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"a": "b"}},
        "stringData": {"password": "given"},
        "apiVersion": "v1",
        "kind": "Secret",
    }
    assert any(path.startswith("stringData") for path in secret.secrets)
    extension = declared.one(_EXTENSION)
    assert "password" in extension.secrets
    assert extension.inputs["host"] == "pg.test"
    assert extension.request.retainOnDelete
    assert declared.outputs == {
        "host": "pg.test",
        "port": 5432,
        "database_name": "vectors",
        "username": "pais",
        "password": "given",
        "password_secret": name,
        "version": "",
    }
    assert declared.secret_outputs == {"password"}


@pytest.mark.parametrize("early", [{}, {"connection": {"host": "10.0.0.9", "port": 0, "dbname": "pais"}}])
def test_a_cluster_without_a_connection_is_said_to_be_so(
    monkeypatch: pytest.MonkeyPatch, early: dict[str, Any]
) -> None:
    conditions = [{"type": "Ready", "status": "False", "message": "Provisioning"}]
    monkeypatch.setitem(STATUS, "PostgresCluster", {"conditions": conditions, **early})
    with pytest.raises(
        pulumi.RunError,
        match=r"PostgresCluster acme-dev-ns-ai/shared is there, but has no connection yet \(Ready=False Provisioning\)",
    ):
        _used(existing={})


@pytest.mark.parametrize(
    ("args", "paths"),
    [
        ({}, ["create"]),
        ({"existing": {}, "create": _CREATED}, ["existing"]),
        ({"existing": {}, "external": _EXTERNAL}, ["external"]),
        ({"create": {**_CREATED, "storage_gib": 0}}, ["create.storage_gib"]),
        ({"create": {**_CREATED, "backup": {"location": "s3", "retention_days": 0}}}, ["create.backup.retention_days"]),
        ({"create": {**_CREATED, "maintenance": {"day": "SOMEDAY"}}}, ["create.maintenance.day"]),
    ],
)
def test_one_way_to_a_database_excludes_the_others(args: Any, paths: list[str]) -> None:
    with pytest.raises(ComponentInputError) as raised:
        VectorDatabase("db", {**_THERE, **args})
    assert [error["property_path"] for error in raised.value.errors or []] == paths


def test_retention_reaches_the_database_itself() -> None:
    declared = _declared(pulumi.ResourceOptions(retain_on_delete=True, protect=True))
    cluster = declared.one(_CLUSTER)
    assert cluster.request.retainOnDelete
    assert cluster.request.protect


def test_what_is_none_is_absent() -> None:
    assert _declared(password=None, backup=None, version=None).one(_CLUSTER).inputs == _declared().one(_CLUSTER).inputs


def test_the_connection_is_usable_once_the_extension_is_there_and_holds_no_secret() -> None:
    def build() -> dict[str, Any]:
        args: Any = {**_ARGS, "create": _CREATED}
        made = VectorDatabase("db", args)

        async def behind(value: pulumi.Output[Any]) -> bool:
            return made.extension in await value.resources()

        return {
            name: {"value": each, "after": behind(pulumi.Output.from_input(each))}
            for name, each in made.connection.items()
        }

    declared = declare(build)
    assert {key: value for key, value in declared.outputs.items() if key.endswith("after")} == dict.fromkeys(
        (f"{name}.after" for name in DatabaseConnection.__annotations__), True
    )
    assert declared.outputs["host.value"] == "192.0.2.20"
    assert declared.secret_outputs == set()
