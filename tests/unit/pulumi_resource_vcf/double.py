"""A stand-in for a vCenter and a gallery, for unit tests only.

Real paths and error bodies, behavior as simple as can be.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import ipaddress
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PASSWORD = "Vc3nter-Passw0rd!"
USERNAME = "administrator@vsphere.local"
CLASSES = "/api/vcenter/namespace-management/virtual-machine-classes"
INSTANCES = "/api/vcenter/namespaces/instances"
LIBRARY_ID = "11111111-2222-3333-4444-555555555555"


@dataclass(frozen=True)
class Certificates:
    """A CA and a certificate for 127.0.0.1 and localhost, as PEM files in `directory`."""

    directory: Path
    ca: str

    @property
    def cert(self) -> Path:
        return self.directory / "server.crt"

    @property
    def key(self) -> Path:
        return self.directory / "server.key"


def make_certificates(
    directory: Path, *, critical: bool | None = True, signed: bool = False, name: str = "127.0.0.1"
) -> Certificates:
    """Issues both into the directory.

    The CA says that it is one as `critical` or not, or (None) nowhere; it is a root, or `signed` by another. `name` is
    a name or an address that the server's certificate is for, beside localhost.
    """
    now = datetime.datetime.now(datetime.UTC)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_key = ec.generate_private_key(ec.SECP256R1()) if signed else ca_key
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "unit test CA")])
    root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "unit test root")]) if signed else ca_name

    def builder(subject: x509.Name, public: Any, issuer: x509.Name = ca_name) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
        )

    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    identifier = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    authority_of = builder(ca_name, ca_key.public_key(), root_name)
    if critical is not None:
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        authority_of = authority_of.add_extension(constraints, critical=critical)
    ca = (
        authority_of.add_extension(usage, critical=True)
        .add_extension(identifier, critical=False)
        .sign(root_key, hashes.SHA256())
    )
    try:
        named: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        named = x509.DNSName(name)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), named])
    authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    cert = (
        builder(subject, key.public_key())
        .add_extension(names, critical=False)
        .add_extension(authority, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    result = Certificates(directory, ca.public_bytes(pem).decode())
    result.cert.write_bytes(cert.public_bytes(pem))
    result.key.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    result.key.chmod(0o600)
    return result


@dataclass
class Answer:
    """A response; `drop` closes the connection instead."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    raw: bytes | None = None


def vapi_error(status: int, kind: str, text: str) -> Answer:
    """An error in vCenter's own shape."""
    message = {"args": [], "default_message": text, "id": "com.vmware.vcenter.wcp.error"}
    return Answer(status, {"error_type": kind, "messages": [message]})


@dataclass
class Request:
    """What the server received."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]


class _QuietServer(ThreadingHTTPServer):
    """Says nothing when a client does not like the certificate."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        del request, client_address


class Server:
    """HTTPS server that hands requests to `handle`, after scripted faults. `requests` holds all, as `METHOD path`."""

    def __init__(self, certificates: Certificates) -> None:
        self.requests: list[str] = []
        self.bodies: list[tuple[str, Any]] = []
        self.faults: list[tuple[str, Answer]] = []
        self.lock = threading.RLock()
        self._server = _QuietServer(("127.0.0.1", 0), _handler(self))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.cert, certificates.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.address = f"127.0.0.1:{self._server.server_port}"

    def fail(self, pattern: str, answer: Answer, times: int = 1) -> None:
        """The next requests whose `METHOD path` matches get this answer."""
        self.faults += [(pattern, answer)] * times

    def count(self, pattern: str) -> int:
        """How many requests matched."""
        return sum(1 for line in self.requests if re.fullmatch(pattern, line))

    def answer(self, request: Request) -> Answer:
        with self.lock:
            line = f"{request.method} {request.path}"
            self.requests.append(line)
            if request.body is not None:
                self.bodies.append((line, request.body))
            for fault in self.faults:
                if re.fullmatch(fault[0], line):
                    self.faults.remove(fault)
                    return fault[1]
            return self.handle(request)

    def handle(self, request: Request) -> Answer:
        raise NotImplementedError

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serves until the block ends."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            url = urlsplit(self.path)
            query = {k: v[0] for k, v in parse_qs(url.query).items()}
            headers = {k.lower(): v for k, v in self.headers.items()}
            answer = server.answer(Request(self.command, unquote(url.path), query, body, headers))
            if answer.drop:
                self.close_connection = True
                return
            content = answer.raw if answer.raw is not None else b""
            if answer.body is not None:
                content = json.dumps(answer.body).encode()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_DELETE = do_HEAD = _serve  # noqa: N815 - names of http.server

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - name of http.server
            del format, args

    return Handler


class VCenterDouble(Server):
    """Sessions, Supervisors, namespaces, VM classes, storage policies and content libraries."""

    def __init__(self, certificates: Certificates) -> None:
        super().__init__(certificates)
        self.sessions: set[str] = set()
        self.logins = 0
        self.namespaces: dict[str, dict[str, Any]] = {}
        self.classes: dict[str, dict[str, Any]] = {}
        self.policies = {"policy-gold": "pai-gold", "policy-silver": "pai-silver"}
        self.supervisors = {"domain-c8": "pai-supervisor", "domain-c9": "other-supervisor"}
        self.libraries = {LIBRARY_ID: "dlvm-images", "22222222-2222-3333-4444-555555555555": "kubernetes-releases"}
        self.providers = ["idp-1"]
        self.federated: list[str] = []
        self.ovf: list[dict[str, Any]] = []
        self.polls_until_running = 0
        self.polls_until_gone = 0
        self.before_post: Callable[[Request], None] | None = None

    def handle(self, request: Request) -> Answer:
        if request.path == "/api/session":
            return self._session(request)
        if request.headers.get("vmware-api-session-id") not in self.sessions:
            return vapi_error(401, "UNAUTHENTICATED", "This method requires authentication.")
        if request.path.startswith(INSTANCES):
            return self._namespace(request, request.path.removeprefix(INSTANCES).removeprefix("/v2").strip("/"))
        if request.path.startswith(CLASSES):
            return self._class(request, request.path.removeprefix(CLASSES).strip("/"))
        return self._look_up(request)

    def _session(self, request: Request) -> Answer:
        if request.method == "DELETE":
            self.sessions.discard(request.headers.get("vmware-api-session-id", ""))
            return Answer(204)
        self.logins += 1
        expected = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {expected}":
            return vapi_error(401, "UNAUTHENTICATED", "Authentication required.")
        token = f"session-{self.logins}"
        self.sessions.add(token)
        return Answer(201, token)

    def _namespace(self, request: Request, name: str) -> Answer:
        if request.method == "POST":
            spec = request.body
            if spec["namespace"] in self.namespaces:
                return vapi_error(400, "ALREADY_EXISTS", f"Namespace {spec['namespace']} exists.")
            self.namespaces[spec["namespace"]] = {
                "config_status": "CONFIGURING",
                "messages": [],
                "access_list": [],
                "storage_specs": [],
                "vm_service_spec": {"vm_classes": [], "content_libraries": []},
                "polls": self.polls_until_running,
                **{k: v for k, v in spec.items() if k != "namespace"},
            }
            return Answer(204)
        info = self.namespaces.get(name)
        if info is None:
            return vapi_error(404, "NOT_FOUND", f"Namespace {name} not found.")
        if request.method in ("PATCH", "DELETE") and info["config_status"] == "CONFIGURING":
            return vapi_error(400, "NOT_ALLOWED_IN_CURRENT_STATE", f"Namespace {name} is being configured.")
        if request.method == "PATCH":
            info.update(request.body)
            info.update(config_status="CONFIGURING", polls=self.polls_until_running)
        elif request.method == "DELETE":
            info.update(config_status="REMOVING", polls=self.polls_until_gone)
        else:
            info["polls"] -= 1
            if info["polls"] < 0 and info["config_status"] == "REMOVING":
                del self.namespaces[name]
                return vapi_error(404, "NOT_FOUND", f"Namespace {name} not found.")
            if info["polls"] < 0 and info["config_status"] == "CONFIGURING":
                info["config_status"] = "RUNNING"
            return Answer(200, {k: v for k, v in info.items() if k != "polls"})
        return Answer(204)

    def _class(self, request: Request, name: str) -> Answer:
        if request.method == "POST":
            if request.body["id"] in self.classes:
                return vapi_error(400, "ALREADY_EXISTS", f"VM class {request.body['id']} exists.")
            self.classes[request.body["id"]] = {"config_status": "READY", "messages": [], **request.body}
            return Answer(204)
        if not name:
            return Answer(200, list(self.classes.values()))
        info = self.classes.get(name)
        if info is None:
            return vapi_error(404, "NOT_FOUND", f"VM class {name} not found.")
        users = [n for n, each in self.namespaces.items() if name in each["vm_service_spec"]["vm_classes"]]
        if request.method == "PATCH":
            info.update(request.body)
        elif request.method == "DELETE" and users:
            return vapi_error(400, "RESOURCE_IN_USE", f"Class {name} is in use.")
        elif request.method == "DELETE":
            del self.classes[name]
        else:
            return Answer(200, {**info, "namespaces": users})
        return Answer(204)

    def _look_up(self, request: Request) -> Answer:
        match request.path:
            case "/api/vcenter/namespace-management/supervisors/summaries":
                info = {"config_status": "RUNNING", "kubernetes_status": "READY"}
                items = [{"supervisor": i, "info": {"name": n, **info}} for i, n in self.supervisors.items()]
                return Answer(200, {"items": items})
            case "/api/vcenter/cluster":
                return Answer(200, [{"cluster": "domain-c1", "name": "pai-gpu"}])
            case "/api/vcenter/cluster/domain-c1":
                return Answer(200, {"name": "pai-gpu", "resource_pool": "resgroup-1"})
            case "/api/vcenter/namespace-management/supervisors/domain-c8/identity/providers":
                return Answer(200, [{"provider": each, "display_name": each} for each in self.providers])
            case "/api/vcenter/identity/providers":
                return Answer(200, [{"provider": "p", "domain_names": self.federated}])
            case "/api/vcenter/ovf/library-item/item-1":
                assert request.body["target"]["resource_pool_id"] == "resgroup-1"
                return Answer(200, {"name": "image", "additional_params": self.ovf})
            case "/api/content/library/item" if request.method == "POST":
                return Answer(200, ["item-1"] if request.body["name"] == "dlvm-9.0.1-simulated" else [])
            case "/api/vcenter/storage/policies":
                return Answer(200, [{"policy": i, "name": n, "description": ""} for i, n in self.policies.items()])
            case "/api/content/library" if request.method == "POST":
                return Answer(200, [i for i, n in self.libraries.items() if n == request.body["name"]])
            case "/api/content/library":
                return Answer(200, list(self.libraries))
            case "/api/content/library/item":
                return Answer(200, [f"item-of-{request.query['library_id']}"])
        kind, _, name = request.path.rpartition("/")
        if kind == "/api/content/library/item":
            return Answer(200, {"id": name, "name": "dlvm-9.0.1-simulated", "type": "ovf"})
        if kind == "/api/content/library" and name in self.libraries:
            return Answer(200, {"id": name, "name": self.libraries[name], "type": "LOCAL"})
        return vapi_error(404, "NOT_FOUND", f"{request.path} not found.")


class GalleryDouble(Server):
    """An OCI registry with manifests and tags; `auth` is none, basic or token.

    With a login a project (the first part of a name) that is not there is denied like one that may not be read, as
    Harbor does.
    """

    def __init__(self, certificates: Certificates) -> None:
        super().__init__(certificates)
        self.models: dict[str, dict[str, bytes]] = {}
        self.auth = "none"
        self.username, self.password = "robot$pais", "R0bot-Secret!"

    def push(self, repository: str, tag: str, content: bytes) -> str:
        """Stores a manifest; returns its digest."""
        self.models.setdefault(repository, {})[tag] = content
        return "sha256:" + hashlib.sha256(content).hexdigest()

    def handle(self, request: Request) -> Answer:
        basic = "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        given = request.headers.get("authorization", "")
        if request.path == "/service/token":
            if given != basic:
                return Answer(401, {"errors": [{"code": "UNAUTHORIZED", "message": "bad credentials"}]})
            return Answer(200, {"token": f"token-for-{request.query.get('scope', 'login')}"})
        if self.auth == "basic" and given != basic:
            return self._denied('Basic realm="gallery"')
        for_what = "" if request.path == "/v2/" else "repository:"
        if self.auth == "token" and not given.startswith(f"Bearer token-for-{for_what}"):
            found = re.fullmatch(r"/v2/(.+)/(?:manifests|tags)/.+", request.path)
            scope = f',scope="repository:{found[1]}:pull"' if found else ""
            return self._denied(f'Bearer realm="https://{self.address}/service/token",service="gallery"{scope}')
        if request.path == "/v2/":
            return Answer(200, {})
        project = request.path.removeprefix("/v2/").partition("/")[0]
        if self.auth != "none" and project != "_catalog" and project not in {m.partition("/")[0] for m in self.models}:
            return self._denied('Basic realm="gallery"', f"project {project} not found")
        if request.path == "/v2/_catalog":
            return Answer(200, {"repositories": list(self.models)})
        found = re.fullmatch(r"/v2/(.+)/(manifests|tags)/(.+)", request.path)
        tags = self.models.get(found[1]) if found else None
        if found and tags is not None and found[2] == "tags":
            return Answer(200, {"name": found[1], "tags": list(tags)})
        by_digest = {"sha256:" + hashlib.sha256(c).hexdigest(): c for c in (tags or {}).values()}
        content = {**by_digest, **(tags or {})}.get(found[3]) if found else None
        if content is None:
            return Answer(404, {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]})
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        return Answer(200, raw=content, headers={"docker-content-digest": digest})

    def _denied(self, challenge: str, words: str = "authentication required") -> Answer:
        body = {"errors": [{"code": "UNAUTHORIZED", "message": words}]}
        return Answer(401, body, {"www-authenticate": challenge})


def kubeconfig_of(api: Server, certificates: Certificates, user: dict[str, Any], **cluster: Any) -> str:
    """Text of a kubeconfig of a server here, for a user who says so who they are."""
    authority = base64.b64encode(certificates.ca.encode()).decode()
    server = {"server": f"https://{api.address}", "certificate-authority-data": authority, **cluster}
    return yaml.safe_dump(
        {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
            "clusters": [{"name": "k", "cluster": server}],
            "users": [{"name": "u", "user": user}],
        }
    )
