"""A PAISConfiguration: what it refers to is really used, and its server is brought up."""

from __future__ import annotations

import base64
import re
import shutil
import ssl
import sys
from collections.abc import Callable, Iterable

import httpx
import psycopg
import yaml

from lab.operators.connections import control, supervisor
from lab.operators.container_registry import pull_secret_problem, registry_of
from lab.operators.pace import pace
from lab.operators.resources import CONFIG_MAP, PAIS_CONFIGURATION, SECRET, SERVICE, Object, Resource
from lab.pki import Authority
from lab.simulated.gpu_operator.controller import token_problem
from lab.simulated.pais.inference import Configuration
from lab.simulated.pais.instance import (
    NAME,
    NotReadyError,
    directory,
    part_name,
    release_machines,
    remove_if_empty,
    take_machines,
    wait_since_creation,
    write_if_changed,
)
from lab.simulated.vks.offered import storage_classes, vm_classes
from lab.supervision.part import Part, Ready

INGRESS = "pais-ingress-default"
"""Service and Secret by which a namespace's services are reached."""

_POSTGRES_PORT = 5432
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_GUEST_DRIVERS = "nvcr.io/nvidia/vgpu"


def split_host(host: str) -> tuple[str, int]:
    """Host and port of ``host`` or ``host:port``."""
    name, separator, port = host.rpartition(":")
    return (name, int(port)) if separator and port.isdigit() else (host, _POSTGRES_PORT)


def bundle(found: Iterable[tuple[str, Object | None]]) -> str:
    """All authorities of the trust ConfigMaps, given by name, as one PEM text; empty when there are no ConfigMaps.

    Raises ``NotReadyError`` naming the ConfigMap that has none.
    """
    pems: list[str] = []
    for name, item in found:
        certificates = _PEM.findall(((item or {}).get("data") or {}).get("ca.crt", ""))
        if not certificates:
            lack = "does not exist" if item is None else "has no PEM certificate under the key ca.crt"
            raise NotReadyError("TrustBundleInvalid", f"clientTls.caBundleRefs: ConfigMap {name} {lack}")
        pems += certificates
    return "".join(f"{pem}\n" for pem in dict.fromkeys(pems))


def serve_configuration(item: Object) -> Object:
    metadata, spec = item["metadata"], item["spec"]
    namespace = metadata["namespace"]
    if metadata["name"] != NAME:
        raise NotReadyError("InvalidName", f"a namespace has one PAISConfiguration, and its name is {NAME}")
    authorities = _check_references(namespace, spec)
    _check_database(namespace, spec["database"], authorities)
    oidc = spec["auth"]["oidc"]
    _check_issuer(oidc, authorities)
    if not (item.get("status") or {}).get("serviceName"):
        wait_since_creation(item, pace(900), "Private AI Services make their cluster (simulated)")
    take_machines(metadata["uid"], namespace, spec["vksControlPlane"]["virtualMachineClassName"], ["control-plane"])
    configuration = Configuration(
        issuer=oidc["issuerUrl"].rstrip("/"),
        client_id=oidc["clientId"],
        scope=oidc.get("scope") or [],
        audiences=oidc.get("extraAudiences") or [],
        groups=oidc.get("authorizedGroups") or [],
        ca=authorities,
    )
    write_if_changed(directory(namespace) / "config.json", configuration.model_dump_json())
    _publish_ingress(item, _server(namespace))
    return {"serviceName": INGRESS}


def _read(resource: Resource, namespace: str) -> Callable[[str], Object | None]:
    return lambda name: supervisor().get(resource, name, namespace)


def _check_references(namespace: str, spec: Object) -> str:
    """Everything that the configuration names must be in its namespace. The trusted authorities as PEM."""
    config_map, secret = _read(CONFIG_MAP, namespace), _read(SECRET, namespace)
    offered = storage_classes(namespace)
    for where in ("worker", "vksControlPlane"):
        name = spec[where]["storageClassName"]
        if name not in offered:
            known = ", ".join(sorted(offered)) or "none"
            message = f"{where}.storageClassName: {name} is not available in the namespace; there are {known}"
            raise NotReadyError("StorageClassNotFound", message)
    name, classes = spec["vksControlPlane"]["virtualMachineClassName"], vm_classes(namespace)
    if name not in classes:
        known = ", ".join(sorted(classes)) or "none"
        message = (
            f"vksControlPlane.virtualMachineClassName: {name} is not available in the namespace; there are {known}"
        )
        raise NotReadyError("VirtualMachineClassNotFound", message)
    nvidia = spec.get("nvidiaConfig") or {}
    repository = _driver_repository(nvidia, config_map)
    if "licenseConfigRef" in nvidia:
        name = nvidia["licenseConfigRef"]["name"]
        if problem := token_problem(config_map(name), name):
            raise NotReadyError("LicenseConfigInvalid", f"nvidiaConfig.licenseConfigRef: {problem}")
    if "imagePullSecretRef" in nvidia:
        name = nvidia["imagePullSecretRef"]["name"]
        if problem := pull_secret_problem(secret(name), name, registry_of(repository)):
            raise NotReadyError("ImagePullSecretInvalid", f"nvidiaConfig.imagePullSecretRef: {problem}")
    names = [each["name"] for each in (spec.get("clientTls") or {}).get("caBundleRefs") or []]
    return bundle((name, config_map(name)) for name in names)


def _driver_repository(nvidia: Object, config_map: Callable[[str], Object | None]) -> str:
    if "gpuOperatorOverridesRef" not in nvidia:
        return _GUEST_DRIVERS
    name = nvidia["gpuOperatorOverridesRef"]["name"]
    text = ((config_map(name) or {}).get("data") or {}).get("values.yaml")
    try:
        values = yaml.safe_load(text) if text is not None else None
    except yaml.YAMLError:
        values = None
    if not isinstance(values, dict):
        message = f"nvidiaConfig.gpuOperatorOverridesRef: ConfigMap {name} has no YAML mapping under values.yaml"
        raise NotReadyError("GpuOperatorOverridesInvalid", message)
    return str((values.get("driver") or {}).get("repository") or _GUEST_DRIVERS)


def _check_database(namespace: str, database: Object, authorities: str) -> None:
    reference = database["passwordRef"]
    secret = supervisor().get(SECRET, reference["name"], namespace)
    encoded = ((secret or {}).get("data") or {}).get(reference["fieldPath"])
    if encoded is None:
        lack = "does not exist" if secret is None else f"has no key {reference['fieldPath']}"
        raise NotReadyError("DatabaseSecretInvalid", f"database.passwordRef: Secret {reference['name']} {lack}")
    trusted = directory(namespace) / "ca.pem"
    write_if_changed(trusted, authorities)
    host, port = split_host(database["host"])
    try:
        with psycopg.connect(
            host=host,
            port=port,
            dbname=database["dbname"],
            user=database["username"],
            password=base64.b64decode(encoded).decode(),
            sslmode="verify-full",
            sslrootcert=str(trusted) if authorities else "system",
            connect_timeout=5,
        ) as connection:
            extension = connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'vector'").fetchone()
    except psycopg.Error as error:
        # What libpq says names host, port and role, and never the password.
        raise NotReadyError("DatabaseUnreachable", f"database {host}:{port}: {str(error).strip()}") from None
    if extension is None:
        message = f"database {database['dbname']} has no extension vector: run CREATE EXTENSION vector there"
        raise NotReadyError("DatabaseExtensionMissing", message)


def _check_issuer(oidc: Object, authorities: str) -> None:
    issuer = oidc["issuerUrl"].rstrip("/")
    if "openid" not in (oidc.get("scope") or ["openid"]):
        raise NotReadyError("OidcInvalid", "auth.oidc.scope must hold openid")
    try:
        answer = httpx.get(
            f"{issuer}/.well-known/openid-configuration",
            verify=ssl.create_default_context(cadata=authorities or None),
            timeout=10,
            trust_env=False,
        )
        found = answer.raise_for_status().json()["issuer"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        message = (
            f"auth.oidc.issuerUrl {issuer}: {error}; expected an issuer whose authority is in clientTls.caBundleRefs"
        )
        raise NotReadyError("OidcIssuerUnreachable", message) from None
    if str(found).rstrip("/") != issuer:
        raise NotReadyError("OidcInvalid", f"auth.oidc.issuerUrl is {issuer} and the issuer calls itself {found}")


def _authority(namespace: str) -> Authority:
    return Authority.load_or_create(
        control().directory / "pki" / part_name(namespace), f"pais {namespace} (simulation)"
    )


def _server(namespace: str) -> int:
    """The port of the namespace's inference server, which runs when this returns."""
    authority = _authority(namespace)
    pair, port = authority.issue("server"), control().port(part_name(namespace))
    control().ensure(
        Part(
            name=part_name(namespace),
            argv=[
                sys.executable,
                "-m",
                "lab.simulated.pais.inference",
                f"--port={port}",
                f"--cert={pair.cert}",
                f"--key={pair.key}",
                f"--config={directory(namespace)}",
            ],
            ready=Ready(url=f"https://127.0.0.1:{port}/healthz", ca=authority.cert),
        )
    )
    return port


def _publish_ingress(item: Object, port: int) -> None:
    namespace = item["metadata"]["namespace"]
    metadata = {"name": INGRESS, "namespace": namespace, "ownerReferences": [PAIS_CONFIGURATION.owner_reference(item)]}
    service = supervisor().apply(
        SERVICE,
        {
            "metadata": metadata,
            "spec": {
                "type": "LoadBalancer",
                "allocateLoadBalancerNodePorts": False,
                "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
            },
        },
    )
    supervisor().status(SERVICE, service, {"loadBalancer": {"ingress": [{"ip": "127.0.0.1", "ipMode": "VIP"}]}})
    authority = base64.b64encode(_authority(namespace).pem.encode()).decode("ascii")
    supervisor().apply(SECRET, {"metadata": metadata, "type": "Opaque", "data": {"ca.crt": authority}})


def remove_configuration(name: str, namespace: str, uid: str) -> None:
    release_machines(uid, keep=())
    if name != NAME:
        return
    control().remove(part_name(namespace))
    control().release_port(part_name(namespace))
    for resource in (SERVICE, SECRET):
        supervisor().delete(resource, INGRESS, namespace)
    for file in ("config.json", "ca.pem"):
        (directory(namespace) / file).unlink(missing_ok=True)
    remove_if_empty(namespace)
    shutil.rmtree(control().directory / "pki" / part_name(namespace), ignore_errors=True)
