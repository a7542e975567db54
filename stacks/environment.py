"""One environment, typed: what a stack's configuration may say, its defaults, and what contradicts itself.

`validate` is the only way in: a stack file (`stacks.stackfile`) and Pulumi's configuration (`stacks.configuration`) go
through it, so both report the same problems. Sizes are in GiB and vCPU as names say. Defaults that differ by kind of
environment are in `DEFAULTS`.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import re
import ssl
from collections.abc import Collection, Hashable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

import catalog
from catalog.redaction import is_secret_key
from stacks.problems import (
    NAMESPACE,
    Contradiction,
    Path,
    Problem,
    contradiction,
    listed,
    nearest,
    property_path,
    shown,
)

Kind = Literal["dev", "qa", "staging", "prod"]
Persona = Literal["data-scientist", "mlops-engineer"]
_Value = TypeVar("_Value", bound=Hashable)
TagKey = Literal["organisation", "environment", "owner", "costCentre", "persona"]

SECRETS = (
    "licenceToken",
    "ngcApiKey",
    "registryPassword",
    "workstationPassword",
    "databasePassword",
    "vcenterPassword",
    "kubeconfig",
    "libraryToken",
    "libraryPassword",
    "chartPassword",
)
"""Top-level keys that must be encrypted in a stack's configuration."""


@dataclass(frozen=True)
class Defaults:
    """What an environment of one kind gets when its stack file does not say otherwise."""

    endpoint_replicas: int
    control_plane_replicas: int
    high_availability: bool
    protect: bool


DEFAULTS: dict[str, Defaults] = {
    "dev": Defaults(endpoint_replicas=1, control_plane_replicas=1, high_availability=False, protect=False),
    "qa": Defaults(endpoint_replicas=1, control_plane_replicas=1, high_availability=False, protect=False),
    "staging": Defaults(endpoint_replicas=2, control_plane_replicas=3, high_availability=True, protect=False),
    "prod": Defaults(endpoint_replicas=3, control_plane_replicas=3, high_availability=True, protect=True),
}


def _matching(pattern: str, expected: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if compiled.fullmatch(value) is None:
            raise PydanticCustomError("paif", "{expected}", {"expected": expected})
        return value

    return AfterValidator(check)


def _parsed_network(value: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    # The vendor's own default, 192.168.156.0/20, has host bits set, and the platform takes it.
    return ipaddress.ip_network(value, strict=False)


def _network(value: str) -> str:
    try:
        _parsed_network(value)
    except ValueError as error:
        raise PydanticCustomError(
            "paif", "{expected}", {"expected": f"a network such as 10.96.0.0/12 ({error})"}
        ) from None
    return value


_LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
Label = Annotated[
    str,
    _matching(_LABEL, "a DNS label: lower-case letters, digits and inner hyphens, at most 63 characters"),
]
SHORT = re.compile(r"[a-z](?:[-a-z0-9]{0,18}[a-z0-9])?")
"""Names that become part of every name: an environment's, an organisation's."""
Short = Annotated[
    str,
    _matching(SHORT.pattern, "a short DNS label: a letter first, at most 20 characters"),
]
LabelValue = Annotated[
    str,
    _matching(
        r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?",
        "what fits the Kubernetes label that is made of it: letters A to Z, digits, inside also '-_.', at most 63",
    ),
]
Text = Annotated[str, _matching(r"(?s).*\S.*", "some text")]
_KEPT_RESOURCE = re.compile(r"[A-Z][A-Za-z0-9]*/\S+")
KeptProperty = Annotated[
    str,
    _matching(
        r'[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*|\["[^"\]]+"\])*',
        'a property path without list entries, such as spec.powerState or metadata.labels["a.b/c"]',
    ),
]
Repository = Annotated[
    str,
    _matching(
        r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)+",
        "a model in the gallery as <project>/<organisation>/<model>, lower case without spaces",
    ),
]
Network = Annotated[str, AfterValidator(_network)]
# Nothing in this file but what stands under `secure` is encrypted.
_NO_LOGIN = "without credentials, which would stand here, and wherever it is written to, in plain text"
Https = Annotated[str, _matching(r"https://[^\s@]+", f"an https:// address {_NO_LOGIN}")]
Address = Annotated[str, _matching(r"(https?://[^\s@]+)?", f"an http:// or https:// address {_NO_LOGIN}")]
ChartRepository = Annotated[
    str, _matching(r"((https?|oci)://[^\s@]+)?", f"an https://, http:// or oci:// address {_NO_LOGIN}")
]
LibraryUrl = Annotated[
    str,
    _matching(
        # No {…} but the token's, and no user:password@, which would stand there in plain text.
        r"https://[^\s/@{}]+/(?:[^\s@{}]|\{token\})*",
        "an https:// address of a published library, without credentials; {token} in it stands for paif:libraryToken",
    ),
]


_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)


def _authorities(value: str) -> str:
    if not value:
        return value
    blocks = list(_BLOCK.finditer(value))
    reason = "" if blocks else "there is none"
    for number, block in enumerate(blocks, 1):
        if block[1] != "CERTIFICATE":
            reason = f"block {number} is a {block[1]}, which has no place here"
            break
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=block[0] + "\n")
        except (ssl.SSLError, ValueError):
            reason = f"block {number} is damaged"
            break
    if not reason and value.count("-----BEGIN ") != len(blocks):
        reason = "one of them is cut off"
    if reason:
        expected = f"the text of certificates in PEM, -----BEGIN CERTIFICATE----- … ({reason})"
        raise PydanticCustomError("paif", "{expected}", {"expected": expected})
    return value


_BASIC_CONSTRAINTS = bytes.fromhex("0603551d13")
"""The X.509 extension that says who is an authority, as it begins in a certificate."""


def _trusted(value: str) -> ssl.SSLContext:
    """A context that knows the authorities of a bundle which is whole."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if value:
        context.load_verify_locations(cadata=value)
    return context


def _called(name: Any) -> str:
    """The common name of a certificate's subject or issuer, or all of it, as the ssl module has it."""
    parts = [part for group in name for part in group]
    return next((text for key, text in parts if key == "commonName"), ", ".join(text for _, text in parts))


def _with_root(value: str) -> str:
    """PostgreSQL's client trusts a chain up to a root only, where everybody else trusts any authority it is given."""
    context = _trusted(value)
    known = context.get_ca_certs()
    # A server's own certificate may be given too, as long as it has signed itself.
    if known and len(known) == context.cert_store_stats()["x509"]:
        signed = [each for each in known if each["subject"] != each["issuer"]]
        if len(signed) == len(known):
            expected = (
                f"the root authority too, {_called(signed[-1]['issuer'])!r}: there is only what it has signed, "
                f"{_called(signed[-1]['subject'])!r}, and PostgreSQL's client trusts nothing without a root"
            )
            raise PydanticCustomError("paif", "{expected}", {"expected": expected})
    return value


def _constrained(value: str) -> str:
    """Programs in Go, as most of the platform is, refuse an authority that does not say that it is one."""
    context = _trusted(value)
    for each, content in zip(context.get_ca_certs(), context.get_ca_certs(binary_form=True), strict=True):
        if str(each["version"]) == "3" and _BASIC_CONSTRAINTS not in content:
            expected = (
                f"authorities that say so: {_called(each['subject'])!r} lacks the extension basicConstraints CA:TRUE, "
                "and what runs on the platform trusts nothing that it has signed"
            )
            raise PydanticCustomError("paif", "{expected}", {"expected": expected})
    return value


Pem = Annotated[str, AfterValidator(_authorities)]
PlatformPem = Annotated[Pem, AfterValidator(_constrained)]
DatabasePem = Annotated[Pem, AfterValidator(_with_root)]

_PUBLIC_KEY = re.compile(
    r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)|sk-(?:ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com)"
    r" ([A-Za-z0-9+/]+={0,2})(?: [^\r\n]*)?\n?"
)


def _whole_key(value: str) -> bool:
    """Whether a text is an SSH public key of which nothing is cut off: a list of lengths and parts, its type first."""
    found = _PUBLIC_KEY.fullmatch(value)
    if found is None:
        return False
    try:
        rest = base64.b64decode(found[2], validate=True)
    except ValueError:
        return False
    parts: list[bytes] = []
    while rest:
        length = int.from_bytes(rest[:4], "big")
        if len(rest) < 4 + length:
            return False
        parts.append(rest[4 : 4 + length])
        rest = rest[4 + length :]
    return len(parts) > 1 and parts[0] == found[1].encode() and all(parts)


def _public_key(value: str) -> str:
    expected = ""
    if "PRIVATE KEY" in value:
        expected = (
            "the public half, the file that ends in .pub: this is a private key, which counts as known from now on"
        )
    elif value and not _whole_key(value):
        expected = "one whole SSH public key, a line such as ssh-ed25519 AAAA… comment"
    if expected:
        raise PydanticCustomError("paif", "{expected}", {"expected": expected})
    return value


PublicKey = Annotated[str, AfterValidator(_public_key)]


class _Model(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=to_camel,
        validate_by_name=False,
        validate_by_alias=True,
        hide_input_in_errors=True,
        defer_build=True,
    )


class Gpu(_Model):
    """How virtual machines get GPUs: vGPU profiles (licensed) or whole devices through DirectPath I/O."""

    mode: Literal["vgpu", "directpath"]
    model: Text = Field(description="GPU model of the catalogue, e.g. A100")


class Vcenter(_Model):
    """The vCenter. For target lab only `computeCluster` matters; the password is paif:vcenterPassword."""

    server: Annotated[str, _matching(r"[^\s@/]*", "a host or host:port")] = ""
    username: str = ""
    ca_bundle: Pem = Field("", description="PEM of the authorities that signed vCenter's certificate")
    compute_cluster: Text = Field(description="compute cluster with the GPU hosts")


class Supervisor(_Model):
    """The Supervisor. Its kubeconfig is paif:kubeconfig or the environment variable PAIF_KUBECONFIG."""

    name: Text
    networks: list[Network] = Field(default=[], description="networks in use there; cluster networks must not overlap")


class Access(_Model):
    """One entry of the namespace's access list."""

    subject_type: Literal["USER", "GROUP"] = "GROUP"
    subject: Text
    domain: Text
    role: Literal["OWNER", "EDIT", "VIEW"]
    identity_provider: Text | None = Field(
        default=None, description="id of the Supervisor's external identity provider that knows the subject"
    )


class Storage(_Model):
    """A storage policy that the namespace may use, and how much of it (GiB)."""

    policy: Text
    limit_gib: int | None = Field(default=None, gt=0)


class Namespace(_Model):
    """The Supervisor namespace. The first storage policy is the default of everything in it."""

    name: Label = Field(description="whole name; <organisation>-<environment>-ns-<name> by convention")
    adopt: bool = Field(
        default=False, description="share an existing namespace: what is in it stays; destroy takes away what was added"
    )
    exclusive: bool = Field(
        default=False, description="of an adopted namespace, remove for good what is not given here"
    )
    access_list: list[Access] = []
    storage: list[Storage] = Field(min_length=1)


class Subscription(_Model):
    """What a content library follows. A token in the address is paif:libraryToken, a password paif:libraryPassword."""

    url: LibraryUrl = Field(description="address of the published library, e.g. https://…/{token}/lib.json")
    on_demand: bool = Field(default=True, description="fetch an item's files when they are first used")
    automatic_sync: bool = Field(default=True, description="follow what is published later")
    username: Text | None = Field(default=None, description="only where the published library asks for a login")


class ContentLibrary(_Model):
    """A content library that this environment makes, through the vsphere plugin; without a subscription it is local.

    A local one starts empty: somebody uploads the images.
    """

    name: Text = Field(description="whole name; paif:content refers to it")
    datacenter: Text
    datastore: Text = Field(description="where its files are kept")
    subscription: Subscription | None = None


class Content(_Model):
    """Content libraries by name, and the Deep Learning VM image in the first.

    They are looked up, unless paif:contentLibraries makes them.
    """

    dlvm_library: Text
    dlvm_image: Text
    kubernetes_library: Text


class TagCategories(_Model):
    """Names of the tag categories, where they are not those of the catalogue's labels, e.g. paif.dev/owner."""

    organisation: Text | None = None
    environment: Text | None = None
    owner: Text | None = None
    cost_centre: Text | None = None
    persona: Text | None = None


class VsphereTags(_Model):
    """Tags on the machines of route vsphere. They are looked up, unless this environment is the one that makes them.

    One environment of a vCenter can make a category, and one a tag: `./paif check` finds it when two want to.
    """

    categories: TagCategories = TagCategories()
    create_categories: bool = Field(default=False, description="make the categories here")
    create: list[TagKey] = Field(default=[], description="kinds of tags that are made here, e.g. environment")

    def category(self, key: str) -> str:
        """Name of the category of a kind of tag."""
        given: dict[str, str | None] = self.categories.model_dump(by_alias=True)
        return given[key] or catalog.naming().labels[key]


class VmClass(_Model):
    """A VM class. A GPU class names a vGPU profile, or a number of whole GPUs (DirectPath I/O)."""

    name: Short
    cpu_count: int = Field(gt=0, le=768)
    memory_gib: int = Field(gt=0, le=24576)
    profile: str | None = Field(default=None, description="vGPU profile, e.g. grid_a100-40c")
    gpus: int = Field(default=0, ge=0, le=16, description="whole GPUs (DirectPath I/O)")
    label: Text | None = Field(default=None, description="custom label that the hosts' devices carry (DirectPath I/O)")
    device_id: Annotated[str, _matching(r"[0-9a-f]{4}", "a PCI device id such as 2330")] | None = Field(
        default=None, description="PCI device id of these GPUs, where the hosts have several of paif:gpu.model"
    )
    existing: bool = Field(default=False, description="the class exists under just this name and is not managed here")

    @property
    def has_gpu(self) -> bool:
        """Whether machines of this class carry a GPU."""
        return self.gpu_count > 0

    @property
    def gpu_count(self) -> int:
        """GPUs that each machine of this class carries: whole ones, or one virtual one."""
        return self.gpus if self.profile is None else 1


class Backup(_Model):
    """Where backups go, and how many days they are kept."""

    location: Text
    retention_days: int = Field(default=30, gt=0, le=365)


class Maintenance(_Model):
    """When the database may be changed by its operator."""

    start_day: Literal["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"] = "SATURDAY"
    start_time: Annotated[str, _matching(r"([01]\d|2[0-3]):[0-5]\d", "a time such as 22:00")] = "22:00"
    duration: Annotated[str, _matching(r"\d+h(\d+m(\d+s)?)?", "a duration such as 6h0m0s")] = "6h0m0s"


PostgresName = Annotated[str, _matching(r"[a-z_][a-z0-9_]{0,62}", "a PostgreSQL name in lower case")]


class ExternalDatabase(_Model):
    """A PostgreSQL outside of DSM. Its password is paif:databasePassword, its authority paif:database.caBundle."""

    host: Annotated[str, _matching(r"[A-Za-z0-9.:-]+", "a host name or address, as the server's certificate has it")]
    port: int = Field(default=5432, gt=0, le=65535)
    database: Text = Field(description="database that is there")
    username: Text = Field(description="role that may create extensions in it")


class Database(_Model):
    """The vector database: PostgreSQL with pgvector.

    DSM creates it, unless `existing` names a PostgresCluster of the namespace, or `external` a PostgreSQL outside of
    DSM: of these only the extension is made, and nothing else is said here but `caBundle`.
    """

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": [way]} for way in ("infrastructurePolicy", "existing", "external")]}
    )

    existing: Label | None = Field(default=None, description="PostgresCluster in the namespace that is used as it is")
    external: ExternalDatabase | None = Field(default=None, description="PostgreSQL outside of DSM that is used")
    name: Short = "vectors"
    version: str | None = Field(default=None, description="DSM release; the catalogue's by default")
    high_availability: bool = Field(default=False, description="primary, replica and monitor; on in staging and prod")
    vm_class: str = Field(default="best-effort-large", alias="class")
    storage_gib: int = Field(default=60, ge=20, le=16384)
    storage_policy: str | None = None
    infrastructure_policy: Text | None = Field(default=None, description="required for a database that DSM creates")
    database_name: PostgresName = "pais"
    admin_username: PostgresName = "pgadmin"
    maintenance: Maintenance = Maintenance()
    backup: Backup | None = None
    ca_bundle: DatabasePem = Field(default="", description="PEM of the authority that signed the server's certificate")

    @property
    def created(self) -> bool:
        """Whether DSM creates it for this environment."""
        return self.existing is None and self.external is None


class Oidc(_Model):
    """The identity provider that signs people in to Private AI Services (public client, PKCE)."""

    issuer_url: Https
    client_id: Text
    ca_bundle: PlatformPem = ""


class Gallery(_Model):
    """The model gallery. The password is paif:registryPassword; target lab brings its own."""

    registry: Annotated[str, _matching(r"[a-z0-9.-]+(?::\d+)?", "a registry as host or host:port")]
    username: Text
    ca_bundle: PlatformPem = ""


class AiServices(_Model):
    """Private AI Services in the namespace."""

    control_plane_class: str = "best-effort-large"
    storage_policy: str | None = None
    authorized_groups: list[Text] = []
    oidc: Oidc | None = Field(default=None, description="required for target vcf")


class Model(_Model):
    """A model in the gallery, by tag or digest."""

    repository: Repository
    reference: Annotated[
        str,
        _matching(r"[\w][\w.-]{0,127}|sha256:[0-9a-f]{64}", "a tag such as v1, or a digest sha256:…"),
    ]


class ModelEndpoint(_Model):
    """A model served under a routing name."""

    name: Short
    type: Literal["Completions", "Embeddings"]
    engine: Literal["vLLM", "Infinity"]
    model: Model
    routing_name: Annotated[str, _matching(r"[\w./-]{1,128}", "letters, digits and . _ - / only")] | None = None
    vm_class: str = Field(alias="class")
    storage_policy: str | None = None
    replicas: int = Field(default=1, ge=1, le=16, description="1 in dev and qa, 2 in staging, 3 in prod")

    @property
    def routed(self) -> str:
        """Name under which clients ask for the model: the routing name, or the repository without its project."""
        return self.routing_name or self.model.repository.split("/", 1)[1]


class Proxy(_Model):
    """Proxy of a workstation. Without `noProxy` the guest driver's download fails behind an HTTPS proxy."""

    http: Address = ""
    https: Address = ""
    no_proxy: list[str] = Field(min_length=1)


class VspherePlacement(_Model):
    """Where a workstation on route vsphere runs: a fixed device pins it to its host."""

    datacenter: Text
    host: Text
    datastore: Text
    network: Text
    ovf_network: Text = "VM Network"
    pci_device: Annotated[
        str,
        _matching(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]", "a PCI address such as 0000:3b:00.0"),
    ]
    disk_gib: int = Field(default=200, gt=0, description="must equal the template's disk")
    guest_id: Text = "ubuntu64Guest"


class Workstation(_Model):
    """A Deep Learning VM for one person."""

    name: Short
    owner: Text = Field(description="who works there; no label is made of it")
    persona: Persona
    vm_class: str = Field(alias="class")
    route: Literal["vm-service", "vsphere"] = "vm-service"
    storage_policy: str | None = None
    public_key: PublicKey = Field(default="", description="SSH public key of the owner")
    proxy: Proxy | None = None
    vsphere: VspherePlacement | None = Field(default=None, description="required for route vsphere")
    renewal: Short | None = Field(
        default=None,
        description="any short label, e.g. autumn: another one makes the machine anew and loses what is on its disks",
    )


class NodePool(_Model):
    """A node pool: a fixed number of nodes, or a range for the autoscaler."""

    name: Short
    vm_class: str = Field(alias="class")
    replicas: int | None = Field(default=None, ge=0, le=150)
    min_replicas: int | None = Field(default=None, ge=0, le=150)
    max_replicas: int | None = Field(default=None, ge=1, le=150)
    container_storage_gib: int = Field(default=200, ge=20)

    @property
    def largest(self) -> int:
        """Most nodes that the pool may have."""
        return self.max_replicas if self.max_replicas is not None else self.replicas or 0


class ControlPlane(_Model):
    """Control plane of a cluster: 1 machine in dev and qa, else 3."""

    vm_class: str = Field(default="guaranteed-medium", alias="class")
    replicas: Literal[1, 3] = 1


class GpuOperator(_Model):
    """The NVIDIA GPU Operator on the cluster; versions are the catalogue's unless given."""

    enabled: bool = True
    version: str | None = None
    driver_version: str | None = Field(default=None, description="guest driver (vGPU mode)")


class Cluster(_Model):
    """A Kubernetes cluster of VKS with GPU nodes."""

    name: Short
    release: str | None = Field(
        default=None, description="Kubernetes release in any spelling; the catalogue's by default"
    )
    os_version: str | None = Field(default=None, description="version of Ubuntu, where the release has several")
    cluster_class: str | None = None
    control_plane: ControlPlane = ControlPlane()
    pools: list[NodePool] = Field(min_length=1)
    storage_policy: str | None = None
    pod_network: Network = "192.168.156.0/20"
    service_network: Network = "10.96.0.0/12"
    gpu_operator: GpuOperator = GpuOperator()


class Protection(_Model):
    """Protect what holds data or serves people from deletion; keep data when its resource leaves the program."""

    protect: bool = False
    retain: bool = False


class Environment(_Model):
    """Everything a stack's configuration says, complete with defaults."""

    target: Literal["lab", "vcf"]
    kind: Kind
    organisation: Short
    owner: LabelValue
    cost_centre: LabelValue
    gpu: Gpu
    vcenter: Vcenter
    supervisor: Supervisor
    namespace: Namespace
    content: Content
    content_libraries: list[ContentLibrary] = Field(default=[], description="content libraries that are made here")
    vm_classes: list[VmClass] = []
    vsphere_tags: VsphereTags | None = None
    database: Database | None = None
    gallery: Gallery | None = Field(default=None, description="required for target vcf with aiServices")
    ai_services: AiServices | None = None
    model_endpoints: list[ModelEndpoint] = []
    workstations: list[Workstation] = []
    clusters: list[Cluster] = []
    protection: Protection = Protection()
    chart_repository: ChartRepository = Field(
        default="",
        description="Helm repository of the GPU Operator instead of NVIDIA's; of an OCI registry (oci://…) what comes "
        "before the chart's name",
    )
    chart_username: Text | None = Field(
        default=None, description="login of the chart repository; its password is paif:chartPassword"
    )
    chart_ca_bundle: Pem = Field(default="", description="PEM of the authorities that signed its certificate (https)")
    conditions: dict[str, list[Text]] = Field(default={}, description="wait conditions instead of the catalogue's")
    kept: dict[str, list[KeptProperty]] = Field(
        default={},
        description="properties that somebody else has changed and that are left alone, by resource, e.g. "
        "VirtualMachine/acme-dev-dlvm-alice: [spec.powerState]; `./paif drift ENV --keep` writes it",
    )

    licence_token: SecretStr | None = Field(default=None, description="NVIDIA client configuration token")
    ngc_api_key: SecretStr | None = None
    registry_password: SecretStr | None = None
    workstation_password: SecretStr | None = None
    database_password: SecretStr | None = Field(
        default=None, description="DSM makes one when none is given; that of paif:database.external is required"
    )
    vcenter_password: SecretStr | None = None
    kubeconfig: SecretStr | None = None
    library_token: SecretStr | None = Field(default=None, description="token in the address of a published library")
    library_password: SecretStr | None = Field(default=None, description="password of a published library")
    chart_password: SecretStr | None = Field(default=None, description="password of the chart repository")

    _name: str = PrivateAttr(default="")

    @property
    def name(self) -> str:
        """The environment's name: that of its stack."""
        return self._name

    def named(self, kind: str, name: str) -> str:
        """A full name, <organisation>-<environment>-<kind>-<name>; `kind` is a key of the naming catalogue."""
        return f"{self.organisation}-{self._name}-{catalog.naming().kinds[kind].code}-{name}"

    def labels(self, persona: str = "") -> dict[str, str]:
        """Labels that everything carries: organisation, environment, owner, cost centre and, if given, persona."""
        keys = catalog.naming().labels
        return {keys[key]: value for key, value in self.facts(persona).items()}

    def facts(self, persona: str = "") -> dict[str, str]:
        """What labels and tags say, by the keys of the naming catalogue."""
        values = {
            "organisation": self.organisation,
            "environment": self._name,
            "owner": self.owner,
            "costCentre": self.cost_centre,
            "persona": persona,
        }
        return {key: value for key, value in values.items() if value}

    def tags(self) -> dict[str, list[str]]:
        """All tags of vCenter that things of this environment may carry, by the keys of the naming catalogue."""
        return {**{key: [value] for key, value in self.facts().items()}, "persona": list(get_args(Persona))}

    def vm_class(self, name: str) -> VmClass:
        """The class of this name: one of the configuration's or of the Supervisor's own. Raises KeyError."""
        for own in self.vm_classes:
            if own.name == name:
                return own
        size = catalog.cluster_classes().default_vm_classes[name]
        return VmClass.model_construct(
            name=name, cpu_count=size.cpu_count, memory_gib=size.memory_gib, profile=None, gpus=0, existing=True
        )

    def vm_class_name(self, name: str) -> str:
        """Name of a class in vCenter. Raises KeyError for a class that is not defined."""
        vm_class = self.vm_class(name)
        return name if vm_class.existing else self.named("vm-class", name)

    def used_vm_classes(self) -> list[str]:
        """Classes that the configuration defines or refers to, each once, by their short names."""
        used = dict.fromkeys(own.name for own in self.vm_classes)
        used.update(dict.fromkeys(name for _, name in class_references(self)))
        return list(used)

    def storage_policy(self, own: str | None = None) -> str:
        """A thing's storage policy, else the namespace's first."""
        return own or self.namespace.storage[0].policy


def storage_class(policy: str) -> str:
    """Name of the Kubernetes storage class of a storage policy: lower case, anything else turned into hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", policy.lower()).strip("-")


def from_text(key: str, text: str) -> Any:
    """The value of a top-level key that is given as text: Pulumi writes mappings and lists so, as JSON."""
    if key in SECRETS or not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def validate(
    raw: dict[str, Any], name: str, encrypted: Collection[str], hidden: Collection[Path] = ()
) -> tuple[Environment | None, list[tuple[Path, Problem]]]:
    """Check a configuration: the environment (None when anything is wrong) and every problem with its path.

    `raw` maps keys without their namespace to plain values; `name` is the stack's; `encrypted` names the top-level keys
    that are encrypted, or hold something that is, where they come from; `hidden` are the places of values that nobody
    knows here: they count as right. Nothing is looked up outside: what exists is checked when the program runs.
    """
    findings = _Findings(raw, frozenset(hidden), frozenset({*encrypted, *SECRETS}))
    if SHORT.fullmatch(name) is None:
        findings.add((), "a stack named as a short DNS label, since its name becomes part of every name", shown(name))
    for secret in SECRETS:
        if secret in raw and secret not in encrypted:
            findings.add(
                (secret,), f"an encrypted value: pulumi config set --secret {NAMESPACE}:{secret}", "in plain text"
            )
        elif isinstance(raw.get(secret), str) and not raw[secret].strip():
            findings.add((secret,), "a value: it is empty")
    data = deepcopy(raw)
    for path in sorted(hidden, key=_order, reverse=True):
        _stand_in_for(data, path, findings)
    environment = _typed(data, findings)
    if environment is not None:
        environment._name = name
        for path, problem in _contradictions(environment, findings):
            findings.put(findings.original(path), problem)
    if findings.problems:
        return None, findings.problems
    return environment, []


@dataclass
class _Findings:
    """Problems so far, and what had to be left out of the configuration to look for further ones."""

    raw: dict[str, Any]
    hidden: frozenset[Path] = frozenset()
    encrypted: frozenset[str] = frozenset(SECRETS)
    problems: list[tuple[Path, Problem]] = field(default_factory=list)
    gone: set[Path] = field(default_factory=set)
    positions: dict[Path, list[int]] = field(default_factory=dict)

    def add(self, path: Path, expected: str, value: str = "", near: str = "") -> None:
        hidden = "[secret]" if value and any(is_secret_key(str(part)) for part in (*path, near)) else value
        self.put(path, Problem("", expected, hidden, near))

    def put(self, path: Path, problem: Problem) -> None:
        value = "[secret]" if problem.value and path[:1] and path[0] in self.encrypted else problem.value
        entry = (path, replace(problem, path=property_path(path), value=value))
        if entry not in self.problems:
            self.problems.append(entry)

    def lacks(self, *path: str | int) -> bool:
        """Whether what stood at `path`, or something that held it, was wrong and is a stand-in or missing now."""
        return any(path[:length] in self.gone for length in range(1, len(path) + 1))

    def unsure(self, *path: str | int) -> bool:
        """Whether what the model has at `path`, or a part of it, is not what the configuration says."""
        where = self.original(path)
        return self.lacks(*where) or any(gone[: len(where)] == where for gone in self.gone)

    def original(self, path: Path) -> Path:
        """Where something stands in the configuration as it was given, before entries were left out."""
        result: list[str | int] = []
        for part in path:
            position = part
            if isinstance(position, int):
                for removed in self.positions.get(tuple(result), []):
                    position += removed <= position
            result.append(position)
        return tuple(result)

    def leave_out(self, data: dict[str, Any], path: Path) -> None:
        """Remove what is at `path` from `data`; a list's entry is remembered, so that later positions stay right."""
        parent: Any = data
        for part in path[:-1]:
            parent = parent[part]
        where = self.original(path)
        self.gone.add(where)
        if isinstance(parent, list):
            self.positions.setdefault(where[:-1], []).append(int(where[-1]))
            self.positions[where[:-1]].sort()
        del parent[path[-1]]


# Stand-ins for required keys that are missing or wrong, so that the rest of the configuration is still checked.
_STAND_INS: dict[str, Any] = {
    "target": "lab",
    "kind": "dev",
    "organisation": "org",
    "owner": "owner",
    "costCentre": "cost",
    "gpu": {"mode": "vgpu", "model": "A100"},
    "vcenter": {"computeCluster": "cluster"},
    "supervisor": {"name": "supervisor"},
    "namespace": {"name": "namespace", "storage": [{"policy": "policy"}]},
    "content": {"dlvmLibrary": "library", "dlvmImage": "image", "kubernetesLibrary": "library"},
}


def _typed(data: dict[str, Any], findings: _Findings) -> Environment | None:
    """Turn plain data into the model, leaving out what is wrong until the rest fits."""
    while True:
        try:
            return Environment.model_validate(_with_defaults(data))
        except ValidationError as invalid:
            errors = invalid.errors(include_url=False, include_context=True)
            # The same mistake once: what a misspelled key was meant to say is neither missing nor left to its default.
            meant = {path for error in errors for path in _meant(error, data)}
            wrong: set[Path] = set(meant)
            for error in errors:
                path: Path = tuple(error["loc"])
                if path in meant:
                    continue
                where, missing = findings.original(path), error["type"] == "missing"
                # A list whose entries were all wrong is not too short as well.
                emptied = error["type"] == "too_short" and where in findings.positions
                if not (missing and findings.lacks(*where)) and not emptied:
                    expected, near = _expectation(error, path)
                    findings.add(where, expected, "" if missing else shown(_at(data, path)), near)
                # A key with a stand-in can be missing by itself; without one, what it belongs to cannot be judged.
                wrong.add(path if not missing or len(path) == 1 or _stand_in(where) is not None else path[:-1])
            # From the end, so that earlier positions still hold; a part goes with the whole it belongs to.
            outer = [path for path in wrong if not any(path[:length] in wrong for length in range(1, len(path)))]
            for path in sorted(outer, key=_order, reverse=True):
                _stand_in_for(data, path, findings)


def _meant(error: Any, data: dict[str, Any]) -> Iterator[Path]:
    """The key that one which does not exist was meant to be, unless that is there too."""
    if error["type"] == "extra_forbidden":
        *outer, key = error["loc"]
        near = nearest(key, _keys(tuple(outer)))
        if near and _at(data, (*outer, near)) is _NOTHING:
            yield (*outer, near)


def _stand_in_for(data: dict[str, Any], path: Path, findings: _Findings) -> None:
    """Leave out what is at `path`, and put the stand-in there if it is required."""
    if _at(data, path) is not _NOTHING:
        findings.leave_out(data, path)
    else:
        findings.gone.add(findings.original(path))
    stand_in = _stand_in(path)
    if stand_in is not None:
        _at(data, path[:-1])[path[-1]] = deepcopy(stand_in)


def _stand_in(path: Path) -> Any:
    """The stand-in for a required key, or None."""
    found = _at(_STAND_INS, path)
    # A list that lacks an entry is not missing itself.
    return None if found is _NOTHING or isinstance(path[-1], int) else found


def _order(path: Path) -> tuple[tuple[str, int], ...]:
    return tuple(("", part) if isinstance(part, int) else (part, 0) for part in path)


_NOTHING = object()


def _at(data: Any, path: Path) -> Any:
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return _NOTHING
    return data


def _with_defaults(data: dict[str, Any]) -> dict[str, Any]:
    """A copy with the defaults of the environment's kind put where nothing is said."""
    kind = data.get("kind")
    defaults = DEFAULTS.get(kind) if isinstance(kind, str) else None
    if defaults is None:
        return data
    data = deepcopy(data)
    for endpoint in _mappings(data.get("modelEndpoints")):
        endpoint.setdefault("replicas", defaults.endpoint_replicas)
    for cluster in _mappings(data.get("clusters")):
        plane = cluster.setdefault("controlPlane", {})
        if isinstance(plane, dict):
            plane.setdefault("replicas", defaults.control_plane_replicas)
    for database in _mappings([data.get("database")]):
        if not database.keys() & {"existing", "external"}:
            database.setdefault("highAvailability", defaults.high_availability)
    protection = data.setdefault("protection", {})
    if isinstance(protection, dict):
        protection.setdefault("protect", defaults.protect)
        protection.setdefault("retain", defaults.protect)
    return data


def _mappings(entries: Any) -> list[dict[str, Any]]:
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


_TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def _expectation(error: Any, path: Path) -> tuple[str, str]:
    """What was expected at `path`, and the nearest valid name."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        keys = _keys(path[:-1])
        return f"one of the keys {listed(keys)}", nearest(path[-1], keys)
    if kind == "missing":
        hint = _description(path)
        return f"a value: this key is required{f' ({hint})' if hint else ''}", ""
    if kind == "literal_error":
        if path[-1:] == ("persona",) and error["input"] == "app-developer":
            return (
                "data-scientist or mlops-engineer: application developers get endpoint URLs and no Deep Learning VM, "
                "since they need no GPU to call an API",
                "",
            )
        choices = re.findall(r"'([^']*)'", context["expected"])
        return f"one of {context['expected'].replace(chr(39), '')}", nearest(error["input"], choices)
    if kind == "paif":
        return context["expected"], ""
    bounds = {
        "greater_than": "more than {gt}",
        "greater_than_equal": "at least {ge}",
        "less_than_equal": "at most {le}",
    }
    if kind in bounds:
        return bounds[kind].format(**context), ""
    if kind == "too_short":
        return f"at least {context['min_length']} entry", ""
    return _TYPES.get(kind, error["msg"]), ""


def _model_of(annotation: Any) -> Any:
    """The model or container inside an annotation such as `list[Model]` or `Model | None`."""
    if get_origin(annotation) is Annotated:
        return _model_of(get_args(annotation)[0])
    arguments = [argument for argument in get_args(annotation) if argument is not type(None)]
    return _model_of(arguments[-1]) if arguments and get_origin(annotation) is not Literal else annotation


def _fields(path: Path) -> dict[str, Any]:
    model: Any = Environment
    for part in path:
        if isinstance(part, str) and isinstance(model, type) and issubclass(model, BaseModel):
            fields = {info.alias or name: info for name, info in model.model_fields.items()}
            model = _model_of(fields[part].annotation) if part in fields else None
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return {}
    return {info.alias or name: info for name, info in model.model_fields.items()}


def _keys(path: Path) -> list[str]:
    return list(_fields(path))


def _description(path: Path) -> str:
    info = _fields(path[:-1]).get(str(path[-1]))
    return (info.description or "") if info is not None else ""


def _contradictions(env: Environment, findings: _Findings) -> Iterator[Contradiction]:
    """Problems that show only when several values are seen together; what already has a problem is not judged again."""
    yield from _check_names(env)
    yield from _check_twice(env)
    yield from _check_classes(env, findings)
    yield from _check_secrets(env, findings)
    yield from _check_storage(env, findings)
    yield from _check_database(env, findings)
    yield from _check_libraries(env, findings)
    yield from _check_endpoints(env, findings)
    yield from _check_workstations(env, findings)
    yield from _check_clusters(env, findings)
    yield from _check_charts(env, findings)
    yield from _check_target(env, findings)
    if env.namespace.exclusive and not env.namespace.adopt:
        yield contradiction(("namespace", "exclusive"), "adopt: true beside it; what is made here is exclusive", True)
    known = _waited_for()
    for key in env.kept:
        if _KEPT_RESOURCE.fullmatch(key) is None:
            expected = "kind and name of a resource, such as VirtualMachine/acme-dev-dlvm-alice"
            yield contradiction(("kept", key), expected, key)
    for key in env.conditions:
        if key not in known:
            yield contradiction(("conditions", key), f"one of {listed(known)}", key, nearest(key, known))


def _waited_for() -> list[str]:
    """Kinds whose conditions a run waits for: those of the catalogue, of the API versions that it uses."""
    in_use = {
        "cluster.x-k8s.io": catalog.versions()["cluster-api"].version,
        "vmoperator.vmware.com": catalog.versions()["vm-operator"].version,
    }
    parts = [key.split("/") for key in catalog.conditions().conditions]
    return ["/".join(each) for each in parts if each[1] == in_use.get(each[0], each[1])]


_NAMED: tuple[tuple[str, str], ...] = (
    ("vmClasses", "vm-class"),
    ("modelEndpoints", "endpoint"),
    ("workstations", "workstation"),
    ("clusters", "cluster"),
)


def _check_names(env: Environment) -> Iterator[Contradiction]:
    lists: dict[str, list[Any]] = {
        "vmClasses": env.vm_classes,
        "modelEndpoints": env.model_endpoints,
        "workstations": env.workstations,
        "clusters": env.clusters,
    }
    names: list[tuple[Path, str, str]] = []
    for key, kind in _NAMED:
        seen: dict[str, int] = {}
        for index, item in enumerate(lists[key]):
            path: Path = (key, index, "name")
            if item.name in seen:
                yield contradiction(path, f"a name that no other entry has (entry {seen[item.name]} has it)", item.name)
            seen.setdefault(item.name, index)
            names.append((path, kind, item.name))
    for index, cluster in enumerate(env.clusters):
        pools: set[str] = set()
        for position, pool in enumerate(cluster.pools):
            if pool.name in pools:
                yield contradiction(
                    ("clusters", index, "pools", position, "name"), "a name no other pool has", pool.name
                )
            pools.add(pool.name)
    if env.database is not None and env.database.existing is None:
        names.append((("database", "name"), "database", env.database.name))
    for path, kind, name in names:
        limit, full = catalog.naming().kinds[kind], env.named(kind, name)
        if len(full) > limit.max_length:
            yield contradiction(
                path,
                f"a shorter name: {full} has {len(full)} characters, at most {limit.max_length} fit ({limit.reason})",
                name,
            )


def _check_twice(env: Environment) -> Iterator[Contradiction]:
    """What is listed twice where the platform takes each once, whatever else is said of it there."""
    for index, first, storage in _repeated([each.policy for each in env.namespace.storage]):
        yield contradiction(
            ("namespace", "storage", index, "policy"), f"each policy once (entry {first} has it)", storage
        )
    subjects = [(each.subject_type, each.subject.lower(), each.domain.lower()) for each in env.namespace.access_list]
    for index, first, (kind, subject, domain) in _repeated(subjects):
        yield contradiction(
            ("namespace", "accessList", index, "subject"),
            f"each {kind.lower()} once, with one role (entry {first} has it)",
            f"{subject}@{domain}",
        )
    lists: list[tuple[Path, Sequence[str]]] = [
        (("vsphereTags", "create"), env.vsphere_tags.create if env.vsphere_tags else ()),
        (("aiServices", "authorizedGroups"), env.ai_services.authorized_groups if env.ai_services else ()),
    ]
    for path, names in lists:
        for index, first, name in _repeated(names):
            yield contradiction((*path, index), f"each once (entry {first} has it)", name)


def _repeated(values: Sequence[_Value]) -> Iterator[tuple[int, int, _Value]]:
    """Position, position of the first one like it, and value of what a list holds more than once."""
    seen: dict[_Value, int] = {}
    for index, value in enumerate(values):
        if value in seen:
            yield index, seen[value], value
        seen.setdefault(value, index)


def class_references(env: Environment) -> Iterator[tuple[Path, str]]:
    """Every place that names a class, with the name."""
    if env.database is not None and env.database.created:
        yield ("database", "class"), env.database.vm_class
    if env.ai_services is not None:
        yield ("aiServices", "controlPlaneClass"), env.ai_services.control_plane_class
    for index, endpoint in enumerate(env.model_endpoints):
        yield ("modelEndpoints", index, "class"), endpoint.vm_class
    for index, workstation in enumerate(env.workstations):
        yield ("workstations", index, "class"), workstation.vm_class
    for index, cluster in enumerate(env.clusters):
        yield ("clusters", index, "controlPlane", "class"), cluster.control_plane.vm_class
        for position, pool in enumerate(cluster.pools):
            yield ("clusters", index, "pools", position, "class"), pool.vm_class


def _check_classes(env: Environment, findings: _Findings) -> Iterator[Contradiction]:
    models = catalog.gpus().gpus
    gpu = models.get(env.gpu.model)
    if gpu is None:
        yield contradiction(("gpu", "model"), f"one of {listed(models)}", env.gpu.model, nearest(env.gpu.model, models))
    for index, vm_class in enumerate(env.vm_classes):
        path: Path = ("vmClasses", index)
        if vm_class.name in catalog.cluster_classes().default_vm_classes:
            yield contradiction((*path, "name"), "a name that no class of the Supervisor has", vm_class.name)
        if vm_class.profile is not None:
            yield from _check_profile(env, gpu, (*path, "profile"), vm_class, findings)
        whole = vm_class.gpus and vm_class.profile is None and not findings.unsure(*path, "profile")
        if whole and env.gpu.mode == "vgpu" and not findings.lacks("gpu", "mode"):
            yield contradiction(
                (*path, "gpus"), "a profile instead: whole GPUs need paif:gpu.mode directpath", vm_class.gpus
            )
        if vm_class.label is not None and not vm_class.gpus and not findings.unsure(*path, "gpus"):
            yield contradiction((*path, "label"), "a class with gpus: only whole devices carry a label", vm_class.label)
        if vm_class.device_id is not None and not findings.unsure(*path, "gpus"):
            if not vm_class.gpus:
                expected = "a class with gpus: a profile names its GPUs itself"
                yield contradiction((*path, "deviceId"), expected, vm_class.device_id)
            elif gpu is not None and vm_class.device_id not in gpu.device_ids and not findings.lacks("gpu", "model"):
                expected = f"one of {listed(gpu.device_ids)}, which are {gpu.name}"
                yield contradiction((*path, "deviceId"), expected, vm_class.device_id)
    given = findings.raw.get("vmClasses", [])
    # A class that is named but was itself found wrong is no second mistake: its name counts as well.
    own = [
        entry["name"]
        for index, entry in enumerate(given if isinstance(given, list) else ())
        if isinstance(entry, dict)
        and isinstance(entry.get("name"), str)
        and not any(part in findings.hidden for part in (("vmClasses", index), ("vmClasses", index, "name")))
    ]
    if findings.lacks("vmClasses") or (isinstance(given, list) and len(own) < len(given)):
        # One of which nobody knows the name may be the one that is meant.
        return
    known = own + list(catalog.cluster_classes().default_vm_classes)
    for where, name in class_references(env):
        if name not in known:
            yield contradiction(
                where,
                f"a class of paif:vmClasses ({listed(own)}) or one of the Supervisor's own",
                name,
                nearest(name, known),
            )


def _check_profile(
    env: Environment, gpu: catalog.Gpu | None, path: Path, vm_class: VmClass, findings: _Findings
) -> Iterator[Contradiction]:
    name = vm_class.profile or ""
    parsed = catalog.parse_profile(name)
    if vm_class.gpus:
        yield contradiction(path, "either a profile or gpus, not both", name)
    if env.gpu.mode == "directpath" and not findings.lacks("gpu", "mode"):
        yield contradiction(path, "gpus instead: in DirectPath I/O mode a class has whole GPUs and no profile", name)
    if gpu is None or findings.lacks("gpu", "model"):
        return
    valid = gpu.profiles()
    whole = parsed is not None and parsed.slices is not None and parsed.prefix in gpu.profile_prefixes
    if name not in valid and not whole:
        usual = [profile for profile in valid if profile.startswith(f"{gpu.profile_prefixes[0]}-")]
        near = nearest(name, valid)
        if parsed is not None:
            # The size says more than the letters: 41c is nearer to 40c than to 4c.
            near = f"{gpu.profile_prefixes[0]}-{_nearest_size(parsed.framebuffer_gib, gpu.profile_sizes_gib)}c"
        yield contradiction(path, f"a profile that a {gpu.name} has: {', '.join(usual)}", name, near)


def _nearest_size(wanted: int, sizes: list[int]) -> int:
    return min(sizes, key=lambda size: abs(size - wanted))


def _check_secrets(env: Environment, findings: _Findings) -> Iterator[Contradiction]:
    if env.ngc_api_key is not None and re.search(r"\s", env.ngc_api_key.get_secret_value()):
        yield ("ngcApiKey",), Problem("", "a key without spaces and line ends, as NGC shows it", "[secret]")
    passwords = {
        "registryPassword": env.registry_password,
        "workstationPassword": env.workstation_password,
        "databasePassword": env.database_password,
        "vcenterPassword": env.vcenter_password,
        "libraryToken": env.library_token,
        "libraryPassword": env.library_password,
        "chartPassword": env.chart_password,
    }
    for key, value in passwords.items():
        # A file's line end is easily taken along, and most of these are tried late or never.
        if value is not None and re.search(r"[\r\n]", value.get_secret_value()):
            yield (key,), Problem("", "one line: a line end of the file it came from is in it", "[secret]")
    if findings.lacks("gpu", "mode"):
        return
    vgpu = env.gpu.mode == "vgpu"
    if vgpu and env.licence_token is None and not findings.lacks("licenceToken"):
        yield contradiction(
            ("licenceToken",),
            "the NVIDIA client configuration token, since paif:gpu.mode is vgpu: "
            f"pulumi config set --secret {NAMESPACE}:licenceToken (DirectPath I/O needs none)",
        )
    if vgpu and env.licence_token is not None and "\r" in env.licence_token.get_secret_value():
        yield (
            ("licenceToken",),
            Problem("", "a token without carriage returns: convert the file to Unix line ends", "[secret]"),
        )
    pulls = any(
        cluster.gpu_operator.enabled and not findings.unsure("clusters", index, "gpuOperator", "enabled")
        for index, cluster in enumerate(env.clusters)
    )
    pulls = pulls or env.ai_services is not None or bool(env.workstations)
    if vgpu and pulls and env.ngc_api_key is None and not findings.lacks("ngcApiKey"):
        yield contradiction(
            ("ngcApiKey",),
            "the NGC key with which workstations, endpoints and clusters get the vGPU guest driver: "
            f"pulumi config set --secret {NAMESPACE}:ngcApiKey",
        )
    if env.workstations and env.workstation_password is None and not findings.lacks("workstationPassword"):
        yield contradiction(
            ("workstationPassword",),
            f"the first password of the workstations: pulumi config set --secret {NAMESPACE}:workstationPassword",
        )


def _check_storage(env: Environment, findings: _Findings) -> Iterator[Contradiction]:
    if findings.unsure("namespace", "storage"):
        return
    policies = [storage.policy for storage in env.namespace.storage]
    asked: list[tuple[Path, str | None]] = []
    if env.database is not None:
        asked.append((("database", "storagePolicy"), env.database.storage_policy))
    if env.ai_services is not None:
        asked.append((("aiServices", "storagePolicy"), env.ai_services.storage_policy))
    lists: tuple[tuple[str, Sequence[ModelEndpoint | Workstation | Cluster]], ...] = (
        ("modelEndpoints", env.model_endpoints),
        ("workstations", env.workstations),
        ("clusters", env.clusters),
    )
    for key, items in lists:
        asked += [((key, index, "storagePolicy"), item.storage_policy) for index, item in enumerate(items)]
    for path, policy in asked:
        if policy is not None and policy not in policies:
            yield contradiction(
                path, f"a policy of paif:namespace.storage ({listed(policies)})", policy, nearest(policy, policies)
            )


def _check_database(env: Environment, findings: _Findings) -> Iterator[Contradiction]:
    asked = env.database
    if asked is None:
        return
    # As it was given: what was left out of the model is judged by where it stands as well.
    given = findings.raw.get("database")
    keys = set(given) if isinstance(given, dict) else set()
    ways = [way for way in ("existing", "external") if way in keys]
    if len(ways) > 1:
        yield contradiction(("database", "external"), "either existing or external, not both", {})
        return
    if not ways:
        if any(findings.lacks("database", way) for way in ("existing", "external")):
            return
        if asked.infrastructure_policy is None and not findings.lacks("database", "infrastructurePolicy"):
            yield contradiction(
                ("database", "infrastructurePolicy"),
                "the infrastructure policy of DSM under which the database is created; for one that is there, "
                "paif:database.existing or paif:database.external instead",
            )
        return
    known = {info.alias or name for name, info in Database.model_fields.items()}
    for key in sorted(keys & known - {"caBundle", *ways} - ({"name"} if ways == ["external"] else set())):
        yield contradiction(
            ("database", key), f"nothing here: the database is {ways[0]} and used as it is", given[key] if given else ""
        )
    if ways == ["existing"] and env.database_password is not None:
        yield (
            ("databasePassword",),
            Problem("", "none: the password of an existing PostgresCluster is in its Secret", "[secret]"),
        )
    if ways == ["external"] and env.database_password is None and not findings.lacks("databasePassword"):
        yield contradiction(
            ("databasePassword",),
            f"the password of the external database: pulumi config set --secret {NAMESPACE}:databasePassword",
        )


def _check_libraries(env: Environment, findings: _Findings) -> Iterator[Contradiction]:
    used = dict.fromkeys((env.content.dlvm_library, env.content.kubernetes_library))
    seen: dict[str, int] = {}
    for index, library in enumerate(env.content_libraries):
        path: Path = ("contentLibraries", index)
        if library.name in seen:
            yield contradiction(
                (*path, "name"), f"a name that no other entry has (entry {seen[library.name]} has it)", library.name
            )
        seen.setdefault(library.name, index)
        if library.name not in used and not findings.unsure("content"):
            near = nearest(library.name, used)
            yield contradiction((*path, "name"), f"a library of paif:content ({listed(used)})", library.name, near)
        asked = library.subscription
        if asked is None:
            continue
        if "{token}" in asked.url and env.library_token is None and not findings.lacks("libraryToken"):
            yield contradiction(
                ("libraryToken",),
                f"the token in the address of {library.name}: pulumi config set --secret {NAMESPACE}:libraryToken",
            )
        if asked.username is not None and env.library_password is None and not findings.lacks("libraryPassword"):
            yield contradiction(
                ("libraryPassword",),
                f"the password of {asked.username} at {library.name}: "
                f"pulumi config set --secret {NAMESPACE}:libraryPassword",
            )


def _check_charts(env: Environment, findings: _Findings) -> Iterator[Contradiction]:
    """What Helm could not do with a chart repository, or would do in plain text."""
    address, name = env.chart_repository, catalog.versions()["gpu-operator"].chart
    if findings.lacks("chartRepository"):
        return
    if address.rstrip("/").endswith(f"/{name}") and address.startswith("oci://"):
        yield contradiction(("chartRepository",), f"what comes before /{name}, the chart's name", address)
    if env.chart_username is not None:
        if not address.startswith(("https://", "oci://")):
            yield contradiction(
                ("chartRepository",),
                "an https:// or oci:// address: there is a login, paif:chartUsername",
                *([address] if address else []),
            )
        if env.chart_password is None and not findings.lacks("chartPassword"):
            yield contradiction(
                ("chartPassword",),
                f"the password of {env.chart_username} at {address}: "
                f"pulumi config set --secret {NAMESPACE}:chartPassword",
            )
    elif env.chart_password is not None and not findings.lacks("chartUsername"):
        yield contradiction(("chartUsername",), "the user name that paif:chartPassword belongs to")
    if env.chart_ca_bundle and not address.startswith("https://") and not findings.lacks("chartCaBundle"):
        expected = (
            "none: of an OCI registry Helm trusts only what the machine does; add it there, or put it into a file "
        )
        expected += "with the machine's own, and export SSL_CERT_FILE with its path"
        if not address.startswith("oci://"):
            expected = "none: only an https:// repository, paif:chartRepository, has a certificate"
        yield contradiction(("chartCaBundle",), expected)


_ENGINES = {"Completions": "vLLM", "Embeddings": "Infinity"}


def _check_endpoints(env: Environment, findings: _Findings) -> Iterator[Contradiction]:
    if env.model_endpoints and env.ai_services is None and not findings.lacks("aiServices"):
        yield contradiction(("aiServices",), "Private AI Services, since paif:modelEndpoints are served by them")
    if env.ai_services is not None and env.database is None and not findings.lacks("database"):
        yield contradiction(("database",), "a database, since Private AI Services keep their vectors in it")
    routes: dict[str, int] = {}
    for index, endpoint in enumerate(env.model_endpoints):
        path: Path = ("modelEndpoints", index)
        if endpoint.engine != _ENGINES[endpoint.type]:
            yield contradiction(
                (*path, "engine"), f"{_ENGINES[endpoint.type]}, which serves {endpoint.type}", endpoint.engine
            )
        if endpoint.routed in routes:
            yield contradiction(
                (*path, "routingName"),
                f"a routing name of its own (entry {routes[endpoint.routed]} has it)",
                endpoint.routed,
            )
        routes.setdefault(endpoint.routed, index)
        if endpoint.engine == "vLLM" and not _may_have_gpu(env, endpoint.vm_class, findings):
            yield contradiction((*path, "class"), "a class with a GPU: vLLM does not run without", endpoint.vm_class)


def _may_have_gpu(env: Environment, name: str, findings: _Findings) -> bool:
    """Whether a class has a GPU; one that is not known, or whose GPUs are not, counts: it has a problem already."""
    for index, own in enumerate(env.vm_classes):
        if own.name == name and any(findings.unsure("vmClasses", index, key) for key in ("profile", "gpus")):
            return True
    try:
        return env.vm_class(name).has_gpu
    except KeyError:
        return True


def _check_workstations(env: Environment, findings: _Findings) -> Iterator[Contradiction]:
    for index, workstation in enumerate(env.workstations):
        path: Path = ("workstations", index)
        if env.kind in {"staging", "prod"} and workstation.persona != "mlops-engineer" and not findings.lacks("kind"):
            yield contradiction(
                (*path, "persona"),
                f"mlops-engineer: in {env.kind} only those who push models get a workstation",
                workstation.persona,
            )
        if not _may_have_gpu(env, workstation.vm_class, findings):
            yield contradiction(
                (*path, "class"), "a class with a GPU: a Deep Learning VM exists for it", workstation.vm_class
            )
        if findings.unsure(*path, "route"):
            continue
        if workstation.route == "vm-service":
            if workstation.vsphere is not None:
                yield contradiction(
                    (*path, "vsphere"), "route vsphere: the VM Service places machines itself", "a mapping"
                )
            continue
        if workstation.renewal is not None:
            yield contradiction(
                (*path, "renewal"),
                "nothing on route vsphere: remove the workstation from the file, and add it again in another run",
                workstation.renewal,
            )
        if workstation.vsphere is None and not findings.unsure(*path, "vsphere"):
            yield contradiction(
                (*path, "vsphere"), "the host, datastore, network and PCI device, since route is vsphere"
            )
        if env.gpu.mode == "vgpu" and not findings.lacks("gpu", "mode"):
            yield contradiction(
                (*path, "route"), "vm-service: a vGPU cannot be given to a machine on route vsphere", workstation.route
            )


def _check_clusters(env: Environment, findings: _Findings) -> Iterator[Contradiction]:
    known = catalog.cluster_classes()
    classes = known.classes
    for index, cluster in enumerate(env.clusters):
        path: Path = ("clusters", index)
        release = cluster.release or catalog.versions()["kubernetes-release"].version
        if catalog.Release.parse(release) is None:
            yield contradiction((*path, "release"), "a release such as v1.32.0+vmware.6-fips-vkr.2", release)
        if cluster.os_version is not None and cluster.os_version not in known.ubuntu.versions:
            yield contradiction(
                (*path, "osVersion"), f"a version of Ubuntu: {listed(known.ubuntu.versions)}", cluster.os_version
            )
        wanted = cluster.cluster_class or catalog.versions()["cluster-class"].version
        if wanted not in classes:
            yield contradiction((*path, "clusterClass"), f"one of {listed(classes)}", wanted, nearest(wanted, classes))
        elif not classes[wanted].takes(release) and not findings.unsure(*path, "clusterClass"):
            first, last = classes[wanted].kubernetes
            yield contradiction((*path, "release"), f"Kubernetes {first} to {last}, which {wanted} takes", release)
        elif cluster.os_version is None and known.ubuntu.is_choice(release) and not findings.unsure(*path, "osVersion"):
            expected = f"a version of Ubuntu, in quotes ({listed(known.ubuntu.versions)}): {release} has images of each"
            yield contradiction((*path, "osVersion"), expected)
        yield from _check_networks(env, index, cluster, findings)
        for position, pool in enumerate(cluster.pools):
            if not any(findings.unsure(*path, "pools", position, key) for key in _POOL_SIZES):
                yield from _check_pool((*path, "pools", position), pool)
        sure = not findings.unsure(*path, "pools") and not findings.unsure(*path, "gpuOperator", "enabled")
        on_gpus = all(_may_have_gpu(env, pool.vm_class, findings) for pool in cluster.pools)
        if sure and cluster.gpu_operator.enabled and on_gpus and _known(env, cluster):
            yield contradiction(
                (*path, "pools"), "also a pool without GPU: the GPU Operator itself runs on untainted nodes"
            )


_POOL_SIZES = ("replicas", "minReplicas", "maxReplicas")


def _known(env: Environment, cluster: Cluster) -> bool:
    """Whether all classes of a cluster's pools are there; one that is not has a problem already."""
    there = {own.name for own in env.vm_classes} | set(catalog.cluster_classes().default_vm_classes)
    return all(pool.vm_class in there for pool in cluster.pools)


def _check_networks(env: Environment, index: int, cluster: Cluster, findings: _Findings) -> Iterator[Contradiction]:
    pods, services = _parsed_network(cluster.pod_network), _parsed_network(cluster.service_network)
    path: Path = ("clusters", index)
    unsure = {key for key in ("podNetwork", "serviceNetwork") if findings.unsure(*path, key)}
    if pods.overlaps(services) and not unsure:
        yield contradiction(
            (*path, "podNetwork"),
            f"a network that does not overlap serviceNetwork {cluster.service_network}",
            cluster.pod_network,
        )
    for key, network in (("podNetwork", pods), ("serviceNetwork", services)):
        for used in env.supervisor.networks:
            if network.overlaps(_parsed_network(used)) and key not in unsure:
                yield contradiction(
                    (*path, key), f"a network that does not overlap the Supervisor's {used}", str(network)
                )


def _check_pool(path: Path, pool: NodePool) -> Iterator[Contradiction]:
    ranged = pool.min_replicas is not None or pool.max_replicas is not None
    if ranged == (pool.replicas is not None):
        yield contradiction((*path, "replicas"), "either replicas, or minReplicas and maxReplicas for the autoscaler")
    elif ranged and (pool.min_replicas is None or pool.max_replicas is None or pool.min_replicas > pool.max_replicas):
        yield contradiction((*path, "minReplicas"), "minReplicas and maxReplicas, the first not above the second")


def _check_target(env: Environment, findings: _Findings) -> Iterator[Contradiction]:
    if env.target != "vcf" or findings.lacks("target") or env.ai_services is None:
        return
    if env.ai_services.oidc is None and not findings.unsure("aiServices", "oidc"):
        yield contradiction(("aiServices", "oidc"), "the identity provider (issuerUrl, clientId), since target is vcf")
    if env.gallery is None and not findings.lacks("gallery"):
        yield contradiction(("gallery",), "the model gallery (registry, username), since target is vcf")
    if env.registry_password is None and not findings.lacks("registryPassword"):
        yield contradiction(
            ("registryPassword",), f"the gallery's password: pulumi config set --secret {NAMESPACE}:registryPassword"
        )


def clashes(environments: list[Environment]) -> list[tuple[Environment, Path, Problem]]:
    """Problems between environments: namespaces and names that two of them use. Each is reported at the later one."""
    found: list[tuple[Environment, Path, Problem]] = []
    taken: dict[tuple[str, str], Environment] = {}
    for env in environments:
        for path, kind, name in _global_names(env):
            other = taken.setdefault((kind, name), env)
            # Of a namespace that nobody shares it is said already that there are two.
            shared = other.namespace.adopt or env.namespace.adopt
            if other is not env and (kind != _WITH_SERVICES or shared):
                verb = "makes" if kind in _SHARED else "uses"
                problem = Problem(
                    property_path(path), f"a {kind} that no other environment {verb}; {other.name} does", shown(name)
                )
                found.append((env, path, problem))
    return found


_WITH_SERVICES = "namespace with Private AI Services"
_SHARED = ("content library", "tag category", "tag")
"""What several environments may use, while only one of them can make it."""


def _global_names(env: Environment) -> Iterator[tuple[Path, str, str]]:
    """Names that are unique in the whole vCenter, each with where it comes from."""
    if not env.namespace.adopt or env.namespace.exclusive:
        yield ("namespace", "name"), "namespace", env.namespace.name
    if env.ai_services is not None:
        # There is one PAISConfiguration in a namespace, whoever shares that.
        yield ("aiServices",), _WITH_SERVICES, env.namespace.name
    if env.database is not None and env.database.external is not None:
        there = env.database.external
        yield ("database", "external"), "database", f"{there.host}:{there.port}/{there.database}"
    for index, library in enumerate(env.content_libraries):
        yield ("contentLibraries", index, "name"), "content library", library.name
    if env.vsphere_tags is not None:
        tags = env.tags()
        for key in tags if env.vsphere_tags.create_categories else ():
            yield ("vsphereTags", "createCategories"), "tag category", env.vsphere_tags.category(key)
        for index, key in enumerate(env.vsphere_tags.create):
            for tag in tags[key]:
                yield ("vsphereTags", "create", index), "tag", f"{env.vsphere_tags.category(key)}/{tag}"
    for index, vm_class in enumerate(env.vm_classes):
        if not vm_class.existing:
            yield ("vmClasses", index, "name"), "VM class", env.named("vm-class", vm_class.name)
    for index, workstation in enumerate(env.workstations):
        yield ("workstations", index, "name"), "workstation", env.named("workstation", workstation.name)
        if workstation.vsphere is not None:
            device = f"{workstation.vsphere.host} {workstation.vsphere.pci_device}"
            yield ("workstations", index, "vsphere", "pciDevice"), "PCI device", device


def json_schema() -> dict[str, Any]:
    """JSON Schema of a stack file, for editors: the keys of this project under `config`, each with its namespace."""
    schema = Environment.model_json_schema(by_alias=True)
    encrypted = {"type": "object", "properties": {"secure": {"type": "string"}}, "required": ["secure"]}
    properties = {
        f"{NAMESPACE}:{key}": ({**encrypted, "description": value.get("description", "")} if key in SECRETS else value)
        for key, value in schema["properties"].items()
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Stack file of an environment",
        "type": "object",
        "properties": {
            "encryptionsalt": {"type": "string"},
            "secretsprovider": {"type": "string"},
            "encryptedkey": {"type": "string"},
            "environment": {},
            "config": {
                "type": "object",
                "properties": properties,
                "required": [f"{NAMESPACE}:{key}" for key in schema["required"]],
                "patternProperties": {f"^(?!{NAMESPACE}:)": {}},
                "additionalProperties": False,
            },
        },
        "required": ["config"],
        "$defs": schema["$defs"],
    }
