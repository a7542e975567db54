"""Private AI Services (a simulation): one inference server per namespace, and model endpoints that it serves.

The real service makes a VKS cluster of its own, installs the GPU Operator there and runs inference engines. Here that
cluster's VMs are taken from the vCenter simulation, so that memory and GPUs count; everything that a configuration
refers to is really used: the database is connected to, the issuer asked, the model looked for in the gallery.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import shutil
import ssl
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import httpx
import kopf
import psycopg
import yaml

from lab.control import Part, Ready
from lab.models import DEFAULT_DIMENSION, Configuration, Endpoint
from lab.operators.common import (
    CONFIG_MAP,
    MODEL_ENDPOINT,
    PAIS_CONFIGURATION,
    SECRET,
    SERVICE,
    ApiError,
    Conditions,
    Later,
    Object,
    Resource,
    control,
    fault,
    pace,
    parse_timestamp,
    reconciling,
    supervisor,
    timestamp,
    vcenter,
)
from lab.operators.gpu_operator import token_problem
from lab.operators.looks import Looks
from lab.operators.registry import (
    Model,
    ModelError,
    Reference,
    find_model,
    logins,
    pull_secret_problem,
    registry_of,
)
from lab.operators.topology import VmClass
from lab.operators.vks import storage_classes, vm_classes
from lab.pki import Authority
from lab.state import write_atomically

NAME = "default"
"""The only name that a PAISConfiguration may have."""

INGRESS = "pais-ingress-default"
"""Service and Secret by which a namespace's services are reached."""

READY_REASON = "paisAvailable"
ENGINES = {"vLLM": "Completions", "Infinity": "Embeddings"}
INTERVAL = 2.0
"""Seconds between two looks at an object that is not ready."""

_POSTGRES_PORT = 5432
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_GUEST_DRIVERS = "nvcr.io/nvidia/vgpu"


class NotReadyError(Exception):
    """Why an object is not ready: one word for the condition, and a message that says what to do."""

    def __init__(self, reason: str, message: str, phase: str = "Failed") -> None:
        super().__init__(message)
        self.reason = reason
        self.phase = phase


def part_name(namespace: str) -> str:
    """The inference server's part in the lab."""
    return f"pais-{namespace}"


def directory(namespace: str) -> Path:
    """What the inference server of a namespace reads."""
    return control().directory / "pais" / namespace


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


def engine_problem(spec: Object, vm_class: VmClass | None, available: Iterable[str], nvidia: Object | None) -> str:
    """Why this engine cannot serve this type on this class; empty when it can."""
    engine, kind, name = spec["engine"], spec["type"], spec["virtualMachineClassName"]
    if ENGINES[engine] != kind:
        fitting = next(each for each, served in ENGINES.items() if served == kind)
        return f"engine {engine} does not serve type {kind}: use {fitting}"
    if vm_class is None:
        return f"VM class {name} is not available in the namespace; there are {', '.join(sorted(available)) or 'none'}"
    if engine == "vLLM" and not vm_class.gpus:
        return f"vLLM needs a GPU and VM class {name} has none"
    if vm_class.gpus and nvidia is None:
        return f"VM class {name} has a GPU and PAISConfiguration/{NAME} has no nvidiaConfig to install its driver"
    if any(gpu.profile for gpu in vm_class.gpus):
        lacking = [key for key in ("licenseConfigRef", "imagePullSecretRef") if key not in (nvidia or {})]
        if lacking:
            return f"VM class {name} has a vGPU and nvidiaConfig of PAISConfiguration/{NAME} lacks {', '.join(lacking)}"
    return ""


# --- PAISConfiguration -----------------------------------------------------------------------------------------------


_looks = Looks(15)


def _report(resource: Resource, item: Object, why: NotReadyError | None, reason: str, more: Object) -> None:
    """Write the condition Ready and the rest of the status; an event when something new is wrong."""
    before = item.get("status") or {}
    conditions = Conditions(before.get("conditions"))
    if why is not None and conditions.message("Ready") != str(why):
        supervisor().event(resource, item, why.reason, str(why), warning=True)
    conditions.set("Ready", why is None, reason if why is None else why.reason, "" if why is None else str(why))
    status = {"observedGeneration": item["metadata"]["generation"], "conditions": conditions.as_list()}
    supervisor().status(resource, item, status | more)


def _look(resource: Resource, item: Object, reason: str, serve: Callable[[Object], Object]) -> None:
    """One look at an object: ``serve`` brings it further and gives more of its status, or raises why it cannot."""

    def look() -> bool:
        try:
            more = serve(item)
        except NotReadyError as why:
            more = {"phase": why.phase} if resource is MODEL_ENDPOINT else {}
            if resource is MODEL_ENDPOINT and why.phase != "Deploying":
                _withdraw(item)
                more["readyReplicas"] = 0
            _report(resource, item, why, reason, more)
            raise Later(f"{why.reason}: {why}", delay=INTERVAL) from None
        _report(resource, item, None, reason, more)
        return True

    _looks.take(item["metadata"], look)


def _started(item: Object, seconds: float, what: str) -> None:
    """Wait until ``seconds`` have passed since the object was made. Raises ``NotReadyError`` until then."""
    created = parse_timestamp(item["metadata"]["creationTimestamp"])
    if (parse_timestamp(timestamp()) - created).total_seconds() < seconds:
        raise NotReadyError("Deploying", what, phase="Deploying")


@kopf.timer(*PAIS_CONFIGURATION.selector, interval=INTERVAL)
@reconciling
def reconcile_configuration(body: kopf.Body, **_: Any) -> None:
    """Take a PAISConfiguration one look further."""
    _look(PAIS_CONFIGURATION, dict(body), READY_REASON, _serve_configuration)


def _serve_configuration(item: Object) -> Object:
    metadata, spec = item["metadata"], item["spec"]
    namespace = metadata["namespace"]
    if metadata["name"] != NAME:
        raise NotReadyError("InvalidName", f"a namespace has one PAISConfiguration, and its name is {NAME}")
    authorities = _check_references(namespace, spec)
    _check_database(namespace, spec["database"], authorities)
    oidc = spec["auth"]["oidc"]
    _check_issuer(oidc, authorities)
    if not (item.get("status") or {}).get("serviceName"):
        _started(item, pace(900), "Private AI Services make their cluster (simulated)")
    _machines(metadata["uid"], namespace, spec["vksControlPlane"]["virtualMachineClassName"], ["control-plane"])
    configuration = Configuration(
        issuer=oidc["issuerUrl"].rstrip("/"),
        client_id=oidc["clientId"],
        scope=oidc.get("scope") or [],
        audiences=oidc.get("extraAudiences") or [],
        groups=oidc.get("authorizedGroups") or [],
        ca=authorities,
    )
    _write(directory(namespace) / "config.json", configuration.model_dump_json())
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
    _write(trusted, authorities)
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


def _write(path: Path, text: str) -> None:
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_atomically(path, text)


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
                "lab.models",
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
    metadata = {"name": INGRESS, "namespace": namespace, "ownerReferences": [_owner_reference(item)]}
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


def _owner_reference(item: Object) -> Object:
    metadata = item["metadata"]
    return {
        "apiVersion": PAIS_CONFIGURATION.api_version,
        "kind": PAIS_CONFIGURATION.kind,
        "name": metadata["name"],
        "uid": metadata["uid"],
    }


@kopf.on.delete(*PAIS_CONFIGURATION.selector)
@reconciling
def delete_configuration(body: kopf.Body, **_: Any) -> None:
    """Stop the server and release what the configuration had."""
    with _looks.last(body["metadata"]):
        _remove_configuration(body["metadata"]["name"], body["metadata"]["namespace"], body["metadata"]["uid"])


def _remove_configuration(name: str, namespace: str, uid: str) -> None:
    _release(uid, keep=())
    if name != NAME:
        return
    control().remove(part_name(namespace))
    control().release_port(part_name(namespace))
    for resource in (SERVICE, SECRET):
        supervisor().delete(resource, INGRESS, namespace)
    for file in ("config.json", "ca.pem"):
        (directory(namespace) / file).unlink(missing_ok=True)
    _remove_if_empty(namespace)
    shutil.rmtree(control().directory / "pki" / part_name(namespace), ignore_errors=True)


def _remove_if_empty(namespace: str) -> None:
    for folder in (directory(namespace) / "endpoints", directory(namespace)):
        # Not empty, or removed by the end of another object meanwhile: either is fine.
        with contextlib.suppress(OSError):
            folder.rmdir()


# --- ModelEndpoint ---------------------------------------------------------------------------------------------------


@kopf.timer(*MODEL_ENDPOINT.selector, interval=INTERVAL)
@reconciling
def reconcile_endpoint(body: kopf.Body, **_: Any) -> None:
    """Take a ModelEndpoint one look further."""
    _look(MODEL_ENDPOINT, dict(body), "Available", _serve_endpoint)


def _withdraw(item: Object) -> None:
    """Stop serving an endpoint. One that only waits for more workers goes on with those it has."""
    _file(item).unlink(missing_ok=True)


def _file(item: Object) -> Path:
    return directory(item["metadata"]["namespace"]) / "endpoints" / f"{item['metadata']['name']}.json"


def _serve_endpoint(item: Object) -> Object:
    metadata, spec = item["metadata"], item["spec"]
    namespace, uid = metadata["namespace"], metadata["uid"]
    configuration = _ready_configuration(namespace, runs=_runs(item))
    _check_routing(item)
    classes = vm_classes(namespace)
    vm_class = classes.get(spec["virtualMachineClassName"])
    nvidia = configuration["spec"].get("nvidiaConfig")
    if problem := engine_problem(spec, vm_class, classes, nvidia):
        raise NotReadyError("InvalidSpec", problem)
    if spec["storageClassName"] not in storage_classes(namespace):
        message = f"storageClassName: {spec['storageClassName']} is not available in the namespace"
        raise NotReadyError("StorageClassNotFound", message)
    try:
        model = _find(namespace, spec["model"])
    except ModelError as error:
        # What runs has its model, and asks the gallery for nothing until another worker starts.
        if error.reason in {"RegistryUnreachable", "ImagePullFailed", "PullSecretInvalid"} and _runs(item):
            return {}
        raise NotReadyError(error.reason, str(error)) from None
    kind = model.annotations.get("paif.lab/type", spec["type"])
    if kind != spec["type"]:
        raise NotReadyError("ModelTypeMismatch", f"the model is made for {kind}, and type is {spec['type']}")
    replicas = spec.get("replicas", 1)
    mark = hashlib.sha256(spec["virtualMachineClassName"].encode()).hexdigest()[:5]
    workers = [f"{mark}-{at}" for at in range(replicas)]
    _release(uid, keep=workers)
    _machines(uid, namespace, spec["virtualMachineClassName"], workers)
    if not _runs(item):
        _check_start(item, vm_class)
    if replicas == 0:
        raise NotReadyError("ScaledToZero", "replicas is 0", phase="Pending")
    served = Endpoint(
        routing_name=spec["routingName"],
        type=spec["type"],
        engine=spec["engine"],
        model=spec["model"]["ociRef"],
        dimension=int(model.annotations.get("paif.lab/dimension") or DEFAULT_DIMENSION) or DEFAULT_DIMENSION,
    )
    _write(_file(item), served.model_dump_json())
    return {"phase": "Running", "replicas": replicas, "readyReplicas": replicas, "modelDigest": model.digest}


def _runs(item: Object) -> bool:
    """Whether what is asked for was brought up before: then it needs neither the gallery nor a licence anew."""
    status = item.get("status") or {}
    return status.get("phase") == "Running" and status.get("observedGeneration") == item["metadata"]["generation"]


def _check_start(item: Object, vm_class: VmClass | None) -> None:
    """What keeps a new worker from starting: faults, and the time it takes."""
    if fault("image-pull", item) is not None:
        message = "the inference engine's image cannot be pulled (simulated fault image-pull)"
        raise NotReadyError("ImagePullBackOff", message, phase="Deploying")
    vgpu = vm_class is not None and any(gpu.profile for gpu in vm_class.gpus)
    if vgpu and fault("licence-server-down", item) is not None:
        message = "no vGPU licence: the licence server does not answer (simulated fault licence-server-down)"
        raise NotReadyError("Unlicensed", message, phase="Deploying")
    _started(item, pace(1800), "workers are being made and the model is being loaded (simulated)")


def _ready_configuration(namespace: str, *, runs: bool) -> Object:
    """The namespace's configuration, ready; or merely there, for an endpoint that ``runs``: it goes on meanwhile."""
    found = supervisor().get(PAIS_CONFIGURATION, NAME, namespace)
    if found is None:
        message = f"PAISConfiguration/{NAME} does not exist in the namespace"
        raise NotReadyError("ConfigurationNotFound", message, phase="Pending")
    ready = Conditions((found.get("status") or {}).get("conditions"))
    if not (ready.is_true("Ready") or runs) or found["metadata"].get("deletionTimestamp"):
        message = f"PAISConfiguration/{NAME} is not ready: {ready.message('Ready') or 'not looked at yet'}"
        raise NotReadyError("ConfigurationNotReady", message, phase="Pending")
    return found


def _check_routing(item: Object) -> None:
    """A routing name belongs to the endpoint that had it first."""
    metadata, name = item["metadata"], item["spec"]["routingName"]
    for other in supervisor().list(MODEL_ENDPOINT, metadata["namespace"]):
        theirs = other["metadata"]
        earlier = (theirs["creationTimestamp"], theirs["name"]) < (metadata["creationTimestamp"], metadata["name"])
        if earlier and other["spec"]["routingName"] == name:
            raise NotReadyError("RoutingNameConflict", f"routingName {name} belongs to ModelEndpoint {theirs['name']}")


def _find(namespace: str, model: Object) -> Model:
    """The model in its gallery, with the first pull secret that logs in there."""
    reference = Reference.parse(model["ociRef"])
    problems, login = [], None
    for each in model.get("pullSecrets") or []:
        secret = supervisor().get(SECRET, each["name"], namespace)
        problem = pull_secret_problem(secret, each["name"], reference.registry)
        if not problem and secret is not None:
            login = logins(secret)[reference.registry]
            break
        problems.append(problem)
    else:
        if problems:
            raise ModelError("PullSecretInvalid", f"model.pullSecrets: {'; '.join(problems)}")
    trusted = directory(namespace) / "ca.pem"
    return find_model(reference, login, trusted.read_text(encoding="ascii"))


def _owner(uid: str, machine: str) -> str:
    return f"pais.{uid}.{machine}"


def _machines(uid: str, namespace: str, vm_class: str, names: Iterable[str]) -> None:
    """Take VMs for workers. Raises ``NotReadyError`` with vCenter's reasons when no host has room."""
    for name in names:
        try:
            vcenter().create_vm(
                name=f"pais-{uid[:8]}-{name}",
                namespace=namespace,
                vm_class=vm_class,
                owner=_owner(uid, name),
                role="pais-worker",
            )
        except ApiError as error:
            if error.status != httpx.codes.CONFLICT:
                raise
            message = f"no VM of class {vm_class} for {name}: {error}"
            raise NotReadyError(error.reason or "InsufficientCapacity", message, phase="Deploying") from None


def _release(uid: str, keep: Iterable[str]) -> None:
    kept = {_owner(uid, name) for name in keep}
    for vm in vcenter().vms():
        owner = str(vm["owner"])
        if owner.startswith(_owner(uid, "")) and owner not in kept:
            vcenter().delete_vm(owner)


@kopf.on.delete(*MODEL_ENDPOINT.selector)
@reconciling
def delete_endpoint(body: kopf.Body, **_: Any) -> None:
    """Stop serving, and release the workers."""
    item = dict(body)
    with _looks.last(item["metadata"]):
        _withdraw(item)
        _release(item["metadata"]["uid"], keep=())
        _remove_if_empty(item["metadata"]["namespace"])
