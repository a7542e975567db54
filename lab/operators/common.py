"""What the simulated operators share: the Kubernetes API, the vCenter simulation's own API, faults, pace, retries."""

from __future__ import annotations

import base64
import datetime
import functools
import hashlib
import inspect
import logging
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import httpx
import kopf
import yaml

from lab.control import Control, LabDownError, PartFailedError
from lab.state import read_json

PREFIX = "lab.paif.dev"
"""Prefix of every annotation, finalizer and field manager that belongs to the lab and not to the product it plays."""

Object = dict[str, Any]
"""A Kubernetes object as JSON."""

log = logging.getLogger("lab.operators")

_TRANSIENT = frozenset({429, 500, 502, 503, 504})
_ATTEMPTS = 5
_POOL = httpx.Limits(max_connections=24, max_keepalive_connections=24)
_WAIT_FOR_API = httpx.Timeout(30, connect=5)
_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Resource:
    """A kind and where the API server keeps it."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def selector(self) -> tuple[str, str, str]:
        """Group, version and plural, as kopf's decorators take them."""
        group, _, version = self.api_version.rpartition("/")
        return group, version, self.plural

    def path(self, name: str | None = None, namespace: str | None = None) -> str:
        """The URL path of one object, or of the collection (over all namespaces when ``namespace`` is None)."""
        prefix = "/api/" if "/" not in self.api_version else "/apis/"
        parts = [prefix + self.api_version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        return "/".join(parts if name is None else [*parts, name])


NAMESPACE = Resource("v1", "Namespace", "namespaces", namespaced=False)
NODE = Resource("v1", "Node", "nodes", namespaced=False)
SECRET = Resource("v1", "Secret", "secrets")
CONFIG_MAP = Resource("v1", "ConfigMap", "configmaps")
SERVICE = Resource("v1", "Service", "services")
SERVICE_ACCOUNT = Resource("v1", "ServiceAccount", "serviceaccounts")
RESOURCE_QUOTA = Resource("v1", "ResourceQuota", "resourcequotas")
EVENT = Resource("v1", "Event", "events")
DEPLOYMENT = Resource("apps/v1", "Deployment", "deployments")
ROLE_BINDING = Resource("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings")
CLUSTER_ROLE = Resource("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", namespaced=False)
STORAGE_CLASS = Resource("storage.k8s.io/v1", "StorageClass", "storageclasses", namespaced=False)

VM_OPERATOR = "vmoperator.vmware.com/v1alpha3"
VIRTUAL_MACHINE = Resource(VM_OPERATOR, "VirtualMachine", "virtualmachines")
VIRTUAL_MACHINE_CLASS = Resource(VM_OPERATOR, "VirtualMachineClass", "virtualmachineclasses")
VIRTUAL_MACHINE_IMAGE = Resource(VM_OPERATOR, "VirtualMachineImage", "virtualmachineimages")
CLUSTER_VIRTUAL_MACHINE_IMAGE = Resource(
    VM_OPERATOR, "ClusterVirtualMachineImage", "clustervirtualmachineimages", namespaced=False
)
VIRTUAL_MACHINE_SERVICE = Resource(VM_OPERATOR, "VirtualMachineService", "virtualmachineservices")

KUBERNETES_RELEASE = Resource("kubernetes.vmware.com/v1alpha1", "KubernetesRelease", "kubernetesreleases", False)
OS_IMAGE = Resource("run.tanzu.vmware.com/v1alpha3", "OSImage", "osimages", namespaced=False)
CLUSTER = Resource("cluster.x-k8s.io/v1beta1", "Cluster", "clusters")
CLUSTER_CLASS = Resource("cluster.x-k8s.io/v1beta1", "ClusterClass", "clusterclasses")
KUBEADM_CONTROL_PLANE = Resource("controlplane.cluster.x-k8s.io/v1beta1", "KubeadmControlPlane", "kubeadmcontrolplanes")
MACHINE_DEPLOYMENT = Resource("cluster.x-k8s.io/v1beta1", "MachineDeployment", "machinedeployments")
POSTGRES_CLUSTER = Resource("databases.dataservices.vmware.com/v1alpha1", "PostgresCluster", "postgresclusters")
POLICY_BINDING = Resource(
    "infrastructure.dataservices.vmware.com/v1alpha1", "DataServicePolicyBinding", "dataservicepolicybindings"
)
PAIS_CONFIGURATION = Resource("pais.vmware.com/v1alpha1", "PAISConfiguration", "paisconfigurations")
MODEL_ENDPOINT = Resource("pais.vmware.com/v1alpha1", "ModelEndpoint", "modelendpoints")


class ApiError(Exception):
    """An API server (or the vCenter simulation) refused; ``status`` is HTTP's, ``reason`` the server's short word."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class Later(kopf.TemporaryError):
    """Not an error: the object waits for something, or for the pace of the lab; looked at again after ``delay`` s."""

    def __init__(self, message: str, delay: float = 1.0) -> None:
        super().__init__(message, delay=delay)


def client_context(cluster: Mapping[str, Any], user: Mapping[str, Any]) -> ssl.SSLContext:
    """TLS for one cluster and one user of a kubeconfig; the server is always verified.

    Inline certificates reach OpenSSL, which reads files only, by anonymous memory: no key is ever written to disk.
    """
    data = cluster.get("certificate-authority-data")
    context = ssl.create_default_context(
        cafile=cluster.get("certificate-authority"), cadata=base64.b64decode(data).decode("ascii") if data else None
    )
    if "client-certificate-data" in user:
        files = [_in_memory(base64.b64decode(user[f"client-{part}-data"])) for part in ("certificate", "key")]
        try:
            context.load_cert_chain(*(f"/proc/self/fd/{handle}" for handle in files))
        finally:
            for handle in files:
                os.close(handle)
    elif "client-certificate" in user:
        context.load_cert_chain(user["client-certificate"], user["client-key"])
    return context


def _in_memory(content: bytes) -> int:
    handle = os.memfd_create("paif")
    os.write(handle, content)
    return handle


class Api:
    """A Kubernetes API server, for any thread: JSON in and out, keep-alive, retries where repeating is harmless."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    @classmethod
    def of(cls, kubeconfig: Mapping[str, Any]) -> Api:
        """The API server of the current context of a kubeconfig mapping (client certificate or token)."""
        by_name = {
            kind: {entry["name"]: entry[kind] for entry in kubeconfig[f"{kind}s"]}
            for kind in ("cluster", "user", "context")
        }
        context = by_name["context"][kubeconfig["current-context"]]
        cluster, user = by_name["cluster"][context["cluster"]], by_name["user"][context["user"]]
        headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
        return cls(
            httpx.Client(
                base_url=cluster["server"],
                headers=headers,
                verify=client_context(cluster, user),
                timeout=_WAIT_FOR_API,
                limits=_POOL,
                trust_env=False,
            )
        )

    def close(self) -> None:
        self._client.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        params: Mapping[str, str] | None = None,
        media: str = "application/json",
        repeatable: bool = True,
    ) -> Any:
        """One call; the decoded JSON answer.

        Raises ``ApiError`` with the server's message, ``httpx.TransportError`` when it stays out of reach.
        """
        for attempt in range(_ATTEMPTS):
            last = attempt == _ATTEMPTS - 1 or not repeatable
            try:
                answer = self._client.request(method, path, json=body, params=params, headers={"Content-Type": media})
            except httpx.TransportError:
                if last:
                    raise
            else:
                if answer.is_success:
                    return answer.json() if answer.content else None
                if last or answer.status_code not in _TRANSIENT:
                    raise _refusal(answer)
            time.sleep(backoff(attempt, first=0.1, longest=2))
        raise AssertionError("unreachable")

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        """The object, or None when there is none (nor its kind)."""
        try:
            return cast(Object, self.request("GET", resource.path(name, namespace)))
        except ApiError as error:
            if error.status == httpx.codes.NOT_FOUND:
                return None
            raise

    def list(self, resource: Resource, namespace: str | None = None, labels: str | None = None) -> list[Object]:
        """All objects of a kind, in one namespace or everywhere; ``labels`` is a label selector. [] without the CRD."""
        params = {"labelSelector": labels} if labels else None
        try:
            return cast(list[Object], self.request("GET", resource.path(None, namespace), params=params)["items"])
        except ApiError as error:
            if error.status == httpx.codes.NOT_FOUND:
                return []
            raise

    def apply(self, resource: Resource, body: Object) -> Object:
        """Create or change an object by server-side apply: what the lab set before and leaves out now is removed."""
        body = {"apiVersion": resource.api_version, "kind": resource.kind, **body}
        path = resource.path(body["metadata"]["name"], body["metadata"].get("namespace"))
        return cast(
            Object,
            self.request(
                "PATCH",
                path,
                body=body,
                params={"fieldManager": PREFIX, "force": "true"},
                media="application/apply-patch+yaml",
            ),
        )

    def merge(self, resource: Resource, name: str, namespace: str | None, body: Object) -> Object:
        """JSON merge patch; a value of None removes its key."""
        return cast(
            Object,
            self.request("PATCH", resource.path(name, namespace), body=body, media="application/merge-patch+json"),
        )

    def status(self, resource: Resource, item: Object, status: Object) -> None:
        """Merge ``status`` into the object's status; no call when nothing would change, none wrong when it is gone."""
        current = item.get("status") or {}
        if all(current.get(key) == value for key, value in status.items()):
            return
        metadata = item["metadata"]
        path = resource.path(metadata["name"], metadata.get("namespace")) + "/status"
        try:
            self.request("PATCH", path, body={"status": status}, media="application/merge-patch+json")
        except ApiError as error:
            if error.status != httpx.codes.NOT_FOUND:
                raise

    def delete(self, resource: Resource, name: str, namespace: str | None = None) -> bool:
        """Ask for deletion; False when the object is gone already."""
        try:
            self.request("DELETE", resource.path(name, namespace), params={"propagationPolicy": "Background"})
        except ApiError as error:
            if error.status == httpx.codes.NOT_FOUND:
                return False
            raise
        return True

    def event(self, resource: Resource, item: Object, reason: str, message: str, *, warning: bool = False) -> None:
        """Post an Event on the object: one per reason and message, however often it happens. Never fails."""
        metadata = item["metadata"]
        namespace = metadata.get("namespace") or "default"
        mark = hashlib.sha256(f"{metadata.get('uid')}{reason}{message}".encode()).hexdigest()[:16]
        now = timestamp()
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{metadata['name']}.{mark}", "namespace": namespace},
            "involvedObject": {
                "apiVersion": resource.api_version,
                "kind": resource.kind,
                "name": metadata["name"],
                "namespace": metadata.get("namespace"),
                "uid": metadata.get("uid"),
            },
            "reason": reason,
            "message": message[:1024],
            "type": "Warning" if warning else "Normal",
            "source": {"component": f"{resource.kind.lower()}-simulation"},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            self.request("POST", EVENT.path(None, namespace), body=body, repeatable=False)
        except (ApiError, httpx.TransportError):
            log.debug("event %s of %s not posted", reason, metadata["name"])


def _refusal(answer: httpx.Response) -> ApiError:
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        body = {}
    message = str(body.get("message") or answer.text[:300] or answer.reason_phrase)
    return ApiError(answer.status_code, str(body.get("reason") or answer.reason_phrase), message)


@functools.cache
def supervisor() -> Api:
    """The Supervisor's API server, named by ``$KUBECONFIG``."""
    return Api.of(yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text(encoding="utf-8")))


@functools.cache
def control() -> Control:
    """The lab's daemon."""
    return Control.connect()


class VCenter:
    """The vCenter simulation's own API for the operators, ``/lab/v1``; for any thread."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    @classmethod
    def connect(cls) -> VCenter:
        """By ``$PAIF_LAB_VCENTER``, the token in ``$PAIF_LAB_TOKEN_FILE`` and the authority in ``$PAIF_LAB_CA``."""
        return cls(
            httpx.Client(
                base_url=os.environ["PAIF_LAB_VCENTER"],
                headers={"X-Lab-Token": Path(os.environ["PAIF_LAB_TOKEN_FILE"]).read_text(encoding="utf-8").strip()},
                verify=ssl.create_default_context(cafile=os.environ["PAIF_LAB_CA"]),
                timeout=_WAIT_FOR_API,
                limits=_POOL,
                trust_env=False,
            )
        )

    def _call(self, method: str, path: str, body: Any = None, wait: float = 0) -> Any:
        timeout = httpx.Timeout(30 + wait, connect=5)
        answer = self._client.request(method, f"/lab/v1{path}", json=body, timeout=timeout)
        if not answer.is_success:
            raise _refusal(answer)
        return answer.json() if answer.content else None

    def wcp(self, since: int, wait: float) -> Object:
        """What vCenter wants of the Supervisor: answers at once when newer than ``since``, else after ``wait`` s."""
        return cast(Object, self._call("GET", f"/wcp?since={since}&wait={wait:g}", wait=wait))

    def report(self, namespace: str, state: Object) -> None:
        """Tell vCenter ``{"config_status": …}`` or ``{"gone": true}`` of a namespace."""
        self._call("POST", f"/wcp/namespaces/{namespace}", state)

    def create_vm(
        self,
        *,
        name: str,
        namespace: str,
        vm_class: str,
        owner: str,
        role: Literal["dlvm", "vks-node", "pais-worker"],
        image: str | None = None,
    ) -> Object:
        """Place a VM: ``moid``, ``instance_uuid``, ``bios_uuid``, ``host``, ``ip``, ``devices``.

        ``owner`` is an opaque unique id: asking again with it gives the same VM. Raises ``ApiError`` with status 409
        and the per-host reasons when no host can take it.
        """
        body = {"name": name, "namespace": namespace, "class": vm_class, "owner": owner, "role": role}
        return cast(Object, self._call("POST", "/vms", body | ({"image": image} if image else {})))

    def delete_vm(self, owner: str) -> None:
        """Release the VM of ``owner``; nothing happens when there is none."""
        try:
            self._call("DELETE", f"/vms/{owner}")
        except ApiError as error:
            if error.status != httpx.codes.NOT_FOUND:
                raise

    def vms(self) -> list[Object]:
        """Every VM that an operator asked for."""
        answer = self._call("GET", "/vms")
        return cast(list[Object], answer["vms"] if isinstance(answer, dict) else answer)

    def capacity(self) -> Object:
        """Per host: memory that is free, and per GPU who uses it."""
        return cast(Object, self._call("GET", "/capacity"))


@functools.cache
def vcenter() -> VCenter:
    """The vCenter simulation."""
    return VCenter.connect()


def fault(name: str, item: Object | None = None) -> Object | None:
    """The fault of that name when it is switched on, else None.

    A fault may be narrowed with ``namespace`` and ``name``: then it holds for that object only.
    """
    path = os.environ.get("PAIF_LAB_FAULTS")
    if not path:
        return None
    found = read_json(Path(path), {}).get(name)
    if found is None:
        return None
    found = found if isinstance(found, dict) else {}
    metadata = (item or {}).get("metadata", {})
    narrowed = (found.get(key) for key in ("namespace", "name") if found.get(key) not in (None, metadata.get(key)))
    return None if any(narrowed) else found


def pace(realistic: float, fast: float = 0.0) -> float:
    """Seconds that a step takes: ``realistic`` when the lab runs at the pace of a real site, else ``fast``."""
    return realistic if os.environ.get("PAIF_LAB_LATENCY") == "realistic" else fast


def not_before(since: str, seconds: float, what: str) -> None:
    """Raise ``Later`` until ``seconds`` have passed since the timestamp ``since``: a wait that survives a restart."""
    left = seconds - (datetime.datetime.now(datetime.UTC) - parse_timestamp(since)).total_seconds()
    if left > 0:
        raise Later(what, delay=left)


def timestamp() -> str:
    """Now, as Kubernetes writes it (UTC, whole seconds)."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_timestamp(text: str) -> datetime.datetime:
    """A Kubernetes timestamp."""
    return datetime.datetime.fromisoformat(text)


def backoff(attempt: int, first: float = 1.0, longest: float = 30.0) -> float:
    """Seconds to wait after the failed attempt number ``attempt`` (from 0): doubles up to ``longest``."""
    return min(longest, first * 2.0 ** min(attempt, 16))


class Conditions:
    """The conditions of one object, in the order they were first set; an unchanged status keeps its transition time."""

    def __init__(self, existing: Iterable[Object] | None = None) -> None:
        self._by_type = {condition["type"]: dict(condition) for condition in existing or ()}

    def set(self, kind: str, status: bool | None, reason: str = "", message: str = "") -> None:
        """``status`` None is Unknown. An empty reason becomes the status word, since the API wants one."""
        word = "Unknown" if status is None else str(status)
        before = self._by_type.get(kind, {})
        since = before["lastTransitionTime"] if before.get("status") == word else timestamp()
        self._by_type[kind] = {
            "type": kind,
            "status": word,
            "reason": reason or word,
            "message": message,
            "lastTransitionTime": since,
        }

    def is_true(self, kind: str) -> bool:
        return self._by_type.get(kind, {}).get("status") == "True"

    def since(self, kind: str) -> str | None:
        """When the condition last changed its status."""
        found = self._by_type.get(kind)
        return found["lastTransitionTime"] if found else None

    def message(self, kind: str) -> str:
        """What the condition says; empty when it is not set."""
        return str(self._by_type.get(kind, {}).get("message", ""))

    def as_list(self) -> list[Object]:
        return list(self._by_type.values())


_said: dict[str, str] = {}
_said_lock = threading.Lock()


def say_once(subject: str, message: str, level: int = logging.WARNING) -> None:
    """Log a message about a subject unless it was the last thing logged about it."""
    with _said_lock:
        if _said.get(subject) == message:
            return
        _said[subject] = message
    log.log(level, "%s: %s", subject, message)


def _retry(kwargs: Mapping[str, Any], error: Exception) -> kopf.TemporaryError:
    body = kwargs.get("body") or {}
    metadata = body.get("metadata", {})
    subject = "/".join(
        str(part) for part in (body.get("kind"), metadata.get("namespace"), metadata.get("name")) if part
    )
    if isinstance(error, kopf.TemporaryError):
        say_once(subject, str(error), logging.INFO)
        return error
    known = (ApiError, httpx.TransportError, LabDownError, PartFailedError, OSError)
    if isinstance(error, known):
        say_once(subject, str(error) or type(error).__name__)
    else:
        log.exception("%s: unexpected error in the simulation; it will be tried again", subject)
    # kopf keeps the message in an annotation of the object.
    return kopf.TemporaryError(str(error)[:200], delay=backoff(int(kwargs.get("retry") or 0)))


def reconciling(function: _F) -> _F:
    """Make a kopf handler (sync or async) a reconciler: every error is tried again with back-off, logged once.

    The handler must be idempotent: it also runs after a restart, and after a kill in its middle. Raise ``Later`` to
    wait without it being an error.
    """
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def run_async(*args: Any, **kwargs: Any) -> None:
            try:
                await function(*args, **kwargs)
            except kopf.PermanentError:
                raise
            except Exception as error:
                raise _retry(kwargs, error) from None

        return cast(_F, run_async)

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            function(*args, **kwargs)
        except kopf.PermanentError:
            raise
        except Exception as error:
            raise _retry(kwargs, error) from None

    return cast(_F, run)


def on_change(resource: Resource) -> Callable[[_F], _F]:
    """Register a reconciler of a kind: runs for every object at start, at creation and at each change."""

    def register(function: _F) -> _F:
        handler = reconciling(function)
        for when in (kopf.on.resume, kopf.on.create, kopf.on.update):
            when(*resource.selector)(handler)
        return handler

    return register


def on_delete(resource: Resource) -> Callable[[_F], _F]:
    """Register what must happen before an object of a kind may go; the lab's finalizer holds it until then."""

    def register(function: _F) -> _F:
        handler = reconciling(function)
        kopf.on.delete(*resource.selector)(handler)
        return handler

    return register
