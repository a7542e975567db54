"""A ModelEndpoint: its model is looked for in the gallery, its workers take VMs, and it is served."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from lab.operators.conditions import Conditions
from lab.operators.connections import supervisor
from lab.operators.container_registry import Model, ModelError, Reference, find_model, logins, pull_secret_problem
from lab.operators.pace import fault, pace
from lab.operators.resources import MODEL_ENDPOINT, PAIS_CONFIGURATION, SECRET, Object
from lab.simulated.pais.inference import DEFAULT_DIMENSION, Endpoint
from lab.simulated.pais.instance import (
    NAME,
    NotReadyError,
    directory,
    release_machines,
    take_machines,
    wait_since_creation,
    write_if_changed,
)
from lab.simulated.vks.offered import storage_classes, vm_classes
from lab.simulated.vks.vm_classes import VmClass
from paif_catalog.predicates import engine_of, needs_gpu


def engine_problem(spec: Object, vm_class: VmClass | None, available: Iterable[str], nvidia: Object | None) -> str:
    """Why this engine cannot serve this type on this class; empty when it can."""
    engine, kind, name = spec["engine"], spec["type"], spec["virtualMachineClassName"]
    if engine != (fitting := engine_of(kind)):
        return f"engine {engine} does not serve type {kind}: use {fitting}"
    if vm_class is None:
        return f"VM class {name} is not available in the namespace; there are {', '.join(sorted(available)) or 'none'}"
    if needs_gpu(engine) and not vm_class.gpus:
        return f"vLLM needs a GPU and VM class {name} has none"
    if vm_class.gpus and nvidia is None:
        return f"VM class {name} has a GPU and PAISConfiguration/{NAME} has no nvidiaConfig to install its driver"
    if any(gpu.profile for gpu in vm_class.gpus):
        lacking = [key for key in ("licenseConfigRef", "imagePullSecretRef") if key not in (nvidia or {})]
        if lacking:
            return f"VM class {name} has a vGPU and nvidiaConfig of PAISConfiguration/{NAME} lacks {', '.join(lacking)}"
    return ""


def withdraw(item: Object) -> None:
    """Stop serving an endpoint. One that only waits for more workers goes on with those it has."""
    _file(item).unlink(missing_ok=True)


def _file(item: Object) -> Path:
    return directory(item["metadata"]["namespace"]) / "endpoints" / f"{item['metadata']['name']}.json"


def serve_endpoint(item: Object) -> Object:
    metadata, spec = item["metadata"], item["spec"]
    namespace, uid = metadata["namespace"], metadata["uid"]
    configuration = _ready_configuration(namespace, runs=_runs(item))
    check_routing(item)
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
    release_machines(uid, keep=workers)
    take_machines(uid, namespace, spec["virtualMachineClassName"], workers)
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
    write_if_changed(_file(item), served.model_dump_json())
    return {"phase": "Running", "replicas": replicas, "readyReplicas": replicas, "modelDigest": model.digest}


def _runs(item: Object) -> bool:
    """Whether what is asked for was brought up before: then it needs neither the gallery nor a license anew."""
    status = item.get("status") or {}
    return status.get("phase") == "Running" and status.get("observedGeneration") == item["metadata"]["generation"]


def _check_start(item: Object, vm_class: VmClass | None) -> None:
    """What keeps a new worker from starting: faults, and the time it takes."""
    if fault("image-pull", item) is not None:
        message = "the inference engine's image cannot be pulled (simulated fault image-pull)"
        raise NotReadyError("ImagePullBackOff", message, phase="Deploying")
    vgpu = vm_class is not None and any(gpu.profile for gpu in vm_class.gpus)
    if vgpu and fault("license-server-down", item) is not None:
        message = "no vGPU license: the license server does not answer (simulated fault license-server-down)"
        raise NotReadyError("Unlicensed", message, phase="Deploying")
    wait_since_creation(item, pace(1800), "workers are being made and the model is being loaded (simulated)")


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


def check_routing(item: Object) -> None:
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
