"""Typed Pulumi resources and functions of the provider plugin `vcf` (providers/vcf).

The provider checks every input, so these classes only carry names and types. Units: memory and storage in MiB, CPU in
vCPUs, reservations in percent. A property that is left out is not managed. Import ids are in each class's docstring.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Literal, TypeAlias, TypeVar

import pulumi
from pulumi import Input
from pulumi.runtime.sync_await import _sync_await

__all__ = [
    "AccessEntry",
    "AwaitedImage",
    "AwaitedNodes",
    "AwaitedObject",
    "AwaitedPool",
    "ChartAnswer",
    "DatabaseOffer",
    "DirectPathDevice",
    "GalleryLogin",
    "GalleryModel",
    "GpuDevice",
    "GpuHost",
    "GpuInventory",
    "ImageProperties",
    "InfrastructurePolicy",
    "KubernetesRelease",
    "Library",
    "LibraryItem",
    "LookUp",
    "MissingName",
    "ModelAnswer",
    "Namespace",
    "NamespaceContents",
    "OsImage",
    "Platform",
    "PostgresExtension",
    "PostgresLogin",
    "PostgresRole",
    "PostgresSchema",
    "PrincipalAnswer",
    "Provider",
    "Readiness",
    "StandingDatabase",
    "StoragePolicy",
    "StorageSpec",
    "StoredCluster",
    "Supervisor",
    "VirtualMachineClass",
    "ask",
    "chart_versions",
    "content_library",
    "get_cluster",
    "get_content_library",
    "get_gpu_inventory",
    "get_library_item",
    "get_secret",
    "get_storage_policy",
    "get_supervisor",
    "gpu_inventory",
    "image_properties",
    "missing_names",
    "models",
    "platform",
    "principals",
]

_NO_INPUTS = {"self", "resource_name", "opts", "__class__"}
_SECRETS = {"password", "rolePassword", "kubeconfig"}
SslMode: TypeAlias = Literal["verify-full", "verify-ca"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AccessEntry:
    """A permission on a namespace. `subject` is the name without domain, `domain` the SSO domain.

    `identity_provider` is the id of an external identity provider of the Supervisor; without it vCenter's own is meant.
    """

    subject: Input[str]
    domain: Input[str]
    role: Input[Literal["OWNER", "EDIT", "VIEW"]]
    subject_type: Input[Literal["USER", "GROUP"]] = "GROUP"
    identity_provider: Input[str] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class StorageSpec:
    """A storage policy (name or id) that a namespace may use, with a limit in MiB or none."""

    policy: Input[str]
    limit_mib: Input[int] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class DirectPathDevice:
    """A Dynamic DirectPath I/O device: PCI ids as four hex digits, `custom_label` the host's hardware label."""

    vendor_id: Input[str]
    device_id: Input[str]
    custom_label: Input[str] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class AwaitedPool:
    """Nodes of a cluster with a label, `key=value`: how many there have to be, and the GPUs that each has to offer."""

    name: Input[str]
    label: Input[str]
    minimum: Input[int]
    maximum: Input[int]
    gpus: Input[int] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class AwaitedNodes:
    """Nodes that an object promises. Without a Secret with a kubeconfig they are in the object's own cluster."""

    secret_name: Input[str] | None = None
    secret_key: Input[str] | None = None
    release: Input[str] | None = None
    control_plane: Input[int] | None = None
    pools: Sequence[AwaitedPool] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class AwaitedObject:
    """An object to wait for; again whenever `asked`, a digest of what was asked for, is another one.

    Of one kind, several are `members`: the digests by their names; `values` are given out under <name>/<key> then.
    `patience` is how many seconds a reason may last before waiting is given up, `*` any other reason. `values` are
    JSONPaths in the object, by the key under which what is there is given out.
    """

    api_version: str
    kind: str
    name: Input[str] | None = None
    namespace: Input[str] | None = None
    asked: Input[str] | None = None
    members: Input[Mapping[str, str]] | None = None
    wait_for: Sequence[str] = ()
    failed_by: Sequence[str] = ()
    settle_seconds: int = 0
    patience: Mapping[str, int] | None = None
    nodes: AwaitedNodes | None = None
    values: Mapping[str, str] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class AwaitedImage:
    """An image by its name; `item_id`, of its item of a content library, tells it from others of that name."""

    name: Input[str]
    item_id: Input[str] | None = None


class Provider(pulumi.ProviderResource):
    """Connection to a vCenter. All optional: PostgreSQL and gallery resources need none of it."""

    def __init__(
        self,
        resource_name: str,
        *,
        server: Input[str] | None = None,
        username: Input[str] | None = None,
        password: Input[str] | None = None,
        ca_bundle: Input[str] | None = None,
        kubeconfig: Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`server` is host or host:port; `ca_bundle` PEM text, without it the machine's CAs are trusted.

        `kubeconfig` is the Supervisor's as YAML text, for `get_secret`.
        """
        props = {
            "server": server,
            "username": username,
            "password": _secret(password),
            "caBundle": ca_bundle,
            "kubeconfig": _secret(kubeconfig),
        }
        super().__init__("vcf", resource_name, props, opts)


class _Resource(pulumi.CustomResource):
    """What all resources share: arguments by the provider's names, and passwords that are secret whatever is given."""

    def __init__(
        self,
        resource_name: str,
        arguments: Mapping[str, Any],
        opts: pulumi.ResourceOptions | None,
        outputs: Sequence[str] = (),
    ) -> None:
        """Register vcf:index:<Class>; `arguments` are the local variables of the class's own constructor."""
        inputs = {_camel(name): _wire(value) for name, value in arguments.items() if name not in _NO_INPUTS}
        secrets = sorted(inputs.keys() & _SECRETS)
        inputs |= {name: _secret(inputs[name]) for name in secrets}
        if secrets:
            secret = pulumi.ResourceOptions(additional_secret_outputs=secrets)
            opts = pulumi.ResourceOptions.merge(opts, secret)
        super().__init__(f"vcf:index:{type(self).__name__}", resource_name, {**inputs, **dict.fromkeys(outputs)}, opts)


class Namespace(_Resource):
    """A Supervisor namespace, created and waited for until RUNNING. Import id: its name.

    Its lists are complete: entries of others are removed. `adopt` shares a namespace that exists already instead:
    entries of others and the description stay, and destroy only takes away what was added; with `exclusive` the lists
    are complete there too, and what was removed does not come back. Supervisor, storage policies and content libraries
    are given by name or id.
    """

    def __init__(
        self,
        resource_name: str,
        *,
        name: Input[str],
        supervisor: Input[str],
        description: Input[str] | None = None,
        access_list: Input[Sequence[AccessEntry]] | None = None,
        storage_specs: Input[Sequence[StorageSpec]] | None = None,
        vm_classes: Input[Sequence[Input[str]]] | None = None,
        content_libraries: Input[Sequence[Input[str]]] | None = None,
        adopt: Input[bool] | None = None,
        exclusive: Input[bool] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Errors carry the property path, what was expected and the nearest valid name."""
        super().__init__(resource_name, locals(), opts, outputs=("configStatus", "supervisorId"))

    @property
    def name(self) -> pulumi.Output[str]:
        """Name of the namespace."""
        return _output(self, "name")

    @property
    def config_status(self) -> pulumi.Output[str]:
        """CONFIGURING, RUNNING, REMOVING or ERROR."""
        return _output(self, "configStatus")

    @property
    def supervisor_id(self) -> pulumi.Output[str]:
        """Id of the Supervisor."""
        return _output(self, "supervisorId")


class VirtualMachineClass(_Resource):
    """A VM class with vGPU profiles or Dynamic DirectPath I/O devices (not both). Import id: its name.

    With devices the memory reservation is 100 percent, which is then the default. `adopt` takes over a class that
    exists already, whose description and whatever is not given stay, and gives it back as it was on destroy.
    """

    def __init__(
        self,
        resource_name: str,
        *,
        name: Input[str],
        cpu_count: Input[int],
        memory_mib: Input[int],
        cpu_reservation_percent: Input[int] | None = None,
        memory_reservation_percent: Input[int] | None = None,
        vgpu_profiles: Input[Sequence[Input[str]]] | None = None,
        direct_path_devices: Input[Sequence[DirectPathDevice]] | None = None,
        description: Input[str] | None = None,
        adopt: Input[bool] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """One list entry per device: two entries of one profile give a VM two virtual GPUs."""
        super().__init__(resource_name, locals(), opts)

    @property
    def name(self) -> pulumi.Output[str]:
        """Name of the class."""
        return _output(self, "name")


class PostgresExtension(_Resource):
    """An extension in a database, for example `vector`.

    Import id: HOST:PORT/DATABASE/EXTENSION, with PGUSER, PGPASSWORD and PGSSLROOTCERT in the environment. Deleting
    drops the extension and fails while tables use it; pass `deleted_with` the database where that goes as a whole.
    """

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        database: Input[str],
        username: Input[str],
        password: Input[str],
        extension: Input[str],
        port: Input[int] | None = None,
        ca_bundle: Input[str] | None = None,
        ssl_mode: Input[SslMode] | None = None,
        version: Input[str] | None = None,
        minimum_version: Input[str] | None = None,
        adopt: Input[bool] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`port` defaults to 5432, `ssl_mode` to verify-full, `version` to the server's default.

        What is below `minimum_version` is not used, whoever installed it.
        """
        super().__init__(resource_name, locals(), opts, outputs=("installedVersion",))

    @property
    def installed_version(self) -> pulumi.Output[str]:
        """Version that is installed."""
        return _output(self, "installedVersion")


class PostgresRole(_Resource):
    """A role. Import id: HOST:PORT/DATABASE/ROLE, with PGUSER, PGPASSWORD and PGSSLROOTCERT in the environment."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        database: Input[str],
        username: Input[str],
        password: Input[str],
        name: Input[str],
        role_password: Input[str] | None = None,
        login: Input[bool] | None = None,
        port: Input[int] | None = None,
        ca_bundle: Input[str] | None = None,
        ssl_mode: Input[SslMode] | None = None,
        adopt: Input[bool] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`role_password` is the new role's own; it is sent to the server as a SCRAM verifier only."""
        super().__init__(resource_name, locals(), opts)

    @property
    def name(self) -> pulumi.Output[str]:
        """Name of the role."""
        return _output(self, "name")


class PostgresSchema(_Resource):
    """A schema. Import id: HOST:PORT/DATABASE/SCHEMA, with PGUSER, PGPASSWORD and PGSSLROOTCERT in the environment."""

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        database: Input[str],
        username: Input[str],
        password: Input[str],
        name: Input[str],
        owner_role: Input[str] | None = None,
        port: Input[int] | None = None,
        ca_bundle: Input[str] | None = None,
        ssl_mode: Input[SslMode] | None = None,
        adopt: Input[bool] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`owner_role` defaults to the role that logs in."""
        super().__init__(resource_name, locals(), opts)

    @property
    def name(self) -> pulumi.Output[str]:
        """Name of the schema."""
        return _output(self, "name")


class GalleryLogin(_Resource):
    """The fact that a gallery takes a login; a new one is tried before anything uses it, at preview already.

    What must not change before the login is known to work depends on it. Import is not possible.
    """

    def __init__(
        self,
        resource_name: str,
        *,
        registry: Input[str],
        username: Input[str],
        password: Input[str],
        ca_bundle: Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`registry` is host or host:port."""
        super().__init__(resource_name, locals(), opts)


class PostgresLogin(_Resource):
    """The fact that a PostgreSQL takes a login; a new one is tried before anything uses it, at preview already.

    What must not change before the login is known to work depends on it. Import is not possible.
    """

    def __init__(
        self,
        resource_name: str,
        *,
        host: Input[str],
        database: Input[str],
        username: Input[str],
        password: Input[str],
        port: Input[int] | None = None,
        ca_bundle: Input[str] | None = None,
        ssl_mode: Input[SslMode] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`ca_bundle` is PEM text, without it the machine's CAs are trusted."""
        super().__init__(resource_name, locals(), opts)


class GalleryModel(_Resource):
    """A model that must be in the gallery; fails, and says how to push it, while it is missing.

    With `CustomTimeouts(create=…)` it waits that long. Import id: REGISTRY/REPOSITORY:TAG or
    REGISTRY/REPOSITORY@sha256:…, with VCF_GALLERY_USERNAME, VCF_GALLERY_PASSWORD and VCF_GALLERY_CA in the
    environment where needed.
    """

    def __init__(
        self,
        resource_name: str,
        *,
        registry: Input[str],
        repository: Input[str],
        reference: Input[str],
        username: Input[str] | None = None,
        password: Input[str] | None = None,
        ca_bundle: Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`registry` is host or host:port, `reference` a tag or a sha256 digest."""
        super().__init__(resource_name, locals(), opts, outputs=("digest", "ociRef"))

    @property
    def digest(self) -> pulumi.Output[str]:
        """Digest of the manifest, sha256:…."""
        return _output(self, "digest")

    @property
    def oci_ref(self) -> pulumi.Output[str]:
        """REGISTRY/REPOSITORY@DIGEST, whose content never changes."""
        return _output(self, "ociRef")


class NamespaceContents(_Resource):
    """What a namespace really has: it comes some time after the namespace is RUNNING. No object of its own.

    Making it waits, and so does asking for more; removing it does nothing.
    """

    def __init__(
        self,
        resource_name: str,
        *,
        namespace: Input[str],
        vm_classes: Sequence[Input[str]] | None = None,
        storage_classes: Sequence[Input[str]] | None = None,
        images: Sequence[AwaitedImage] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`storage_classes` by their Kubernetes names. Errors carry the names that there are."""
        super().__init__(resource_name, locals(), opts, outputs=("imageNames",))

    @property
    def namespace(self) -> pulumi.Output[str]:
        """Name of the namespace, once it has everything."""
        return _output(self, "namespace")

    def image_name(self, name: Input[str]) -> pulumi.Output[str]:
        """How a machine has to name an image: by its name, or by its id `vmi-…` where others have that name too."""
        found: pulumi.Output[Mapping[str, Any]] = pulumi.get(self, "imageNames")
        return pulumi.Output.all(found, name).apply(lambda known: str(known[0][known[1]]))


class Readiness(_Resource):
    """Objects that are ready. No object of its own: making it waits, and removing it does nothing.

    With `kubeconfig` they are objects of that cluster, else of the provider's Supervisor.
    """

    def __init__(
        self,
        resource_name: str,
        *,
        objects: Sequence[AwaitedObject],
        kubeconfig: Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Errors carry conditions, recent events, and the values that the platform publishes as allowed."""
        super().__init__(resource_name, locals(), opts, outputs=("values",))

    @property
    def values(self) -> pulumi.Output[Mapping[str, Any]]:
        """What was asked for under `values`, by key; nothing where an object does not say it any more."""
        value: pulumi.Output[Mapping[str, Any]] = pulumi.get(self, "values")
        return value


@dataclasses.dataclass(frozen=True)
class Supervisor:
    """A Supervisor of the vCenter; statuses as vCenter words them."""

    id: str
    name: str
    config_status: str
    kubernetes_status: str


@dataclasses.dataclass(frozen=True)
class StoragePolicy:
    """A storage policy of the vCenter."""

    id: str
    name: str


@dataclasses.dataclass(frozen=True)
class LibraryItem:
    """An item of a content library; `type` is ovf, iso, vm-template, …."""

    id: str
    name: str
    type: str


@dataclasses.dataclass(frozen=True)
class Library:
    """A content library with its items, by name."""

    id: str
    name: str
    items: Sequence[LibraryItem]


@dataclasses.dataclass(frozen=True)
class GpuDevice:
    """A GPU of a host. `id` is its PCI address, `assigned_to` the the VMs that use it, where asked for."""

    id: str
    vendor_id: str
    device_id: str
    name: str
    passthrough_active: bool
    assigned_to: Sequence[str]


@dataclasses.dataclass(frozen=True)
class GpuHost:
    """A host of a compute cluster with the vGPU profiles it offers and its GPUs; memory in MiB."""

    name: str
    moid: str
    connected: bool
    memory_mib: int
    vgpu_profiles: Sequence[str]
    pci_devices: Sequence[GpuDevice]


@dataclasses.dataclass(frozen=True)
class GpuInventory:
    """The hosts of a compute cluster, by name."""

    hosts: Sequence[GpuHost]


@dataclasses.dataclass(frozen=True)
class MissingName:
    """A name that vCenter has nothing for, but `known`; or too much, of which `ids` name each."""

    kind: str
    name: str
    known: Sequence[str]
    ids: Sequence[str]


@dataclasses.dataclass(frozen=True)
class OsImage:
    """An OS image of a Kubernetes release, as a cluster selects it: ubuntu, 22.04, its content library."""

    os: str
    version: str
    library: str


@dataclasses.dataclass(frozen=True)
class KubernetesRelease:
    """A Kubernetes release of a Supervisor with the OS images that have come; `against` is "" when it can be used."""

    name: str
    version: str
    against: str
    images: Sequence[OsImage]


@dataclasses.dataclass(frozen=True)
class InfrastructurePolicy:
    """An infrastructure policy of DSM, with the VM classes and storage policies that it allows."""

    name: str
    vm_classes: Sequence[str]
    storage_policies: Sequence[str]


@dataclasses.dataclass(frozen=True)
class DatabaseOffer:
    """What DSM allows in a namespace, and the VM classes and storage classes that the namespace may use."""

    namespace: str
    infrastructure_policies: Sequence[InfrastructurePolicy]
    versions: Sequence[str]
    backup_locations: Sequence[str]
    replicas: Sequence[int]
    max_storage: str
    bound_classes: Sequence[str]
    bound_storage: Sequence[str]


@dataclasses.dataclass(frozen=True)
class StandingDatabase:
    """A PostgresCluster that is there, as its spec has it."""

    name: str
    version: str
    infrastructure_policy: str
    vm_class: str
    storage_policy: str
    backup_location: str
    replicas: int
    storage_space: str


@dataclasses.dataclass(frozen=True)
class Platform:
    """What a Supervisor offers, and what a namespace has already.

    `allowed` is of the namespace, or of others where DSM has told nothing of it; `standing` are its PostgresClusters,
    `clusters` the releases of its Clusters by name. `unanswered` has why something is not known: apis, releases,
    images, offers, databases.
    """

    served: Sequence[str]
    offered: Sequence[KubernetesRelease]
    allowed: Sequence[DatabaseOffer]
    standing: Sequence[StandingDatabase]
    clusters: Mapping[str, str]
    virtual_machines: Sequence[str]
    unanswered: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class PrincipalAnswer:
    """Whether a user or group is there; else the `domains` there are, or the subjects `known` in its domain."""

    found: bool
    domains: Sequence[str]
    known: Sequence[str]
    unanswered: str


@dataclasses.dataclass(frozen=True)
class ImageProperties:
    """Keys of the OVF properties that an image lets its user set, where vCenter told (`known`)."""

    known: bool
    properties: Sequence[str]
    unanswered: str


@dataclasses.dataclass(frozen=True)
class ModelAnswer:
    """Whether a model is in the gallery: `status` found, missing, denied, or "" for not known, with the reason."""

    status: str
    tags: Sequence[str]
    repositories: Sequence[str]
    reason: str


@dataclasses.dataclass(frozen=True)
class ChartAnswer:
    """Versions of a chart: `status` found, missing, or "" for not known, with the reason."""

    status: str
    versions: Sequence[str]
    reason: str


_T = TypeVar("_T")


@dataclasses.dataclass(frozen=True)
class LookUp(Generic[_T]):
    """A question to the provider that has not been asked yet, for `ask`."""

    function: str
    arguments: Mapping[str, Any]
    read: Callable[[Any], _T]


def ask(look_ups: Sequence[LookUp[Any]], opts: pulumi.InvokeOptions | None = None) -> list[Any]:
    """The answers to all of these, asked side by side: one takes as long as the slowest, not as all together.

    A question that fails has its pulumi.RunError as its answer.
    """

    async def asked(look_up: LookUp[_T]) -> _T | pulumi.RunError:
        try:
            found = await pulumi.runtime.invoke_async(f"vcf:index:{look_up.function}", look_up.arguments, opts)
        except Exception as error:
            return _in_short(error)
        return look_up.read(_whole(look_up.function, found))

    async def together() -> list[Any]:
        return list(await asyncio.gather(*(asked(each) for each in look_ups)))

    # As the SDK's own look-ups do it, which can be asked one after the other only.
    answers: list[Any] = _sync_await(together())
    return answers


def _one(look_up: LookUp[_T], opts: pulumi.InvokeOptions | None) -> _T:
    [found] = ask([look_up], opts)
    if isinstance(found, pulumi.RunError):
        raise found
    answer: _T = found
    return answer


def missing_names(names: Mapping[str, Sequence[str]]) -> LookUp[list[MissingName]]:
    """Which of these names or ids cannot be used.

    By kind: computeClusters, supervisors, storagePolicies, contentLibraries, vmClasses.
    """
    return LookUp("getMissing", names, lambda found: [MissingName(**each) for each in found["missing"]])


def platform(
    namespace: str, *, vm_operator: str, cluster_api: str, releases: bool, offers: bool, databases: bool, machines: bool
) -> LookUp[Platform]:
    """What the Supervisor offers and the namespace has, as far as asked for; the namespace need not be there."""
    arguments = {
        "namespace": namespace,
        "vmOperator": vm_operator,
        "clusterApi": cluster_api,
        "releases": releases,
        "offers": offers,
        "databases": databases,
        "machines": machines,
    }
    return LookUp("getPlatform", arguments, _platform)


def _platform(found: Any) -> Platform:
    return Platform(
        served=found["served"],
        offered=[
            KubernetesRelease(
                name=each["name"],
                version=each["version"],
                against=each["against"],
                images=[OsImage(**image) for image in each["images"]],
            )
            for each in found["offered"]
        ],
        allowed=[
            DatabaseOffer(
                namespace=each["namespace"],
                infrastructure_policies=[
                    InfrastructurePolicy(policy["name"], policy["vmClasses"], policy["storagePolicies"])
                    for policy in each["infrastructurePolicies"]
                ],
                versions=each["versions"],
                backup_locations=each["backupLocations"],
                replicas=[int(number) for number in each["replicas"]],
                max_storage=each["maxStorage"],
                bound_classes=each["boundClasses"],
                bound_storage=each["boundStorage"],
            )
            for each in found["allowed"]
        ],
        standing=[
            StandingDatabase(
                name=each["name"],
                version=each["version"],
                infrastructure_policy=each["infrastructurePolicy"],
                vm_class=each["vmClass"],
                storage_policy=each["storagePolicy"],
                backup_location=each["backupLocation"],
                replicas=int(each["replicas"]),
                storage_space=each["storageSpace"],
            )
            for each in found["standing"]
        ],
        clusters={each["name"]: each["release"] for each in found["clusters"]},
        virtual_machines=found["virtualMachines"],
        unanswered={each["what"]: each["reason"] for each in found["unanswered"]},
    )


def principals(supervisor: str, entries: Sequence[AccessEntry]) -> LookUp[list[PrincipalAnswer]]:
    """Which of these users and groups there are, one answer for each; their roles do not matter."""
    wanted = [
        {
            "subjectType": each.subject_type,
            "subject": each.subject,
            "domain": each.domain,
            **({"identityProvider": each.identity_provider} if each.identity_provider else {}),
        }
        for each in entries
    ]
    arguments = {"supervisor": supervisor, "entries": wanted}
    return LookUp("getPrincipals", arguments, lambda found: [PrincipalAnswer(**each) for each in found["answers"]])


def image_properties(library: str, image: str, cluster: str) -> LookUp[ImageProperties]:
    """Which OVF properties an image of a library lets its user set, asked for a compute cluster."""

    def read(found: Any) -> ImageProperties:
        return ImageProperties(found["known"], found["properties"], found["unanswered"])

    return LookUp("getImageProperties", {"library": library, "image": image, "cluster": cluster}, read)


def models(
    registry: str, wanted: Sequence[tuple[str, str]], *, username: str, password: str, ca_bundle: str
) -> LookUp[list[ModelAnswer]]:
    """Which of these models, each repository and tag or digest, are in a gallery, one answer for each."""
    login = {"username": username, "password": password, "caBundle": ca_bundle}
    arguments = {
        "registry": registry,
        "models": [{"repository": repository, "reference": reference} for repository, reference in wanted],
        **{key: value for key, value in login.items() if value},
    }
    return LookUp("getModels", arguments, lambda found: [ModelAnswer(**each) for each in found["answers"]])


def chart_versions(charts: Sequence[Mapping[str, str]]) -> LookUp[list[ChartAnswer]]:
    """Versions of these charts, each {repository, chart} and, where asked for, {username, password, caBundle}."""
    arguments = {"charts": [dict(each) for each in charts]}
    return LookUp("getCharts", arguments, lambda found: [ChartAnswer(**each) for each in found["answers"]])


def get_supervisor(name: str, opts: pulumi.InvokeOptions | None = None) -> Supervisor:
    """The Supervisor with this name or id; fails with the names there are."""
    found = _invoke("getSupervisor", {"name": name}, opts)
    return Supervisor(
        id=found["id"],
        name=found["name"],
        config_status=found["configStatus"],
        kubernetes_status=found["kubernetesStatus"],
    )


def get_storage_policy(name: str, opts: pulumi.InvokeOptions | None = None) -> StoragePolicy:
    """The storage policy with this name or id; fails with the names there are."""
    found = _invoke("getStoragePolicy", {"name": name}, opts)
    return StoragePolicy(id=found["id"], name=found["name"])


def content_library(name: str) -> LookUp[Library]:
    """The content library with this name or id; fails with the names there are."""

    def read(found: Any) -> Library:
        items = [LibraryItem(id=i["id"], name=i["name"], type=i["type"]) for i in found["items"]]
        return Library(id=found["id"], name=found["name"], items=items)

    return LookUp("getContentLibrary", {"name": name}, read)


def get_content_library(name: str, opts: pulumi.InvokeOptions | None = None) -> Library:
    """The content library with this name or id; fails with the names there are."""
    return _one(content_library(name), opts)


def gpu_inventory(cluster: str, *, assignments: bool = False) -> LookUp[GpuInventory]:
    """GPU hosts of a compute cluster; fails with the clusters there are.

    With `assignments` every VM is looked at for the devices that it uses, which is slow with many.
    """
    return LookUp("getGpuInventory", {"cluster": cluster, "assignments": assignments}, _gpu_inventory)


def get_gpu_inventory(
    cluster: str, opts: pulumi.InvokeOptions | None = None, *, assignments: bool = False
) -> GpuInventory:
    """GPU hosts of a compute cluster, as `gpu_inventory` has it."""
    return _one(gpu_inventory(cluster, assignments=assignments), opts)


def _gpu_inventory(found: Any) -> GpuInventory:
    return GpuInventory(
        hosts=[
            GpuHost(
                name=host["name"],
                moid=host["moid"],
                connected=host["connected"],
                memory_mib=int(host["memoryMib"]),
                vgpu_profiles=host["vgpuProfiles"],
                pci_devices=[
                    GpuDevice(
                        id=device["id"],
                        vendor_id=device["vendorId"],
                        device_id=device["deviceId"],
                        name=device["name"],
                        passthrough_active=device["passthroughActive"],
                        assigned_to=device["assignedTo"],
                    )
                    for device in host["pciDevices"]
                ],
            )
            for host in found["hosts"]
        ]
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoredCluster:
    """What the Supervisor has made of a cluster's class and Kubernetes release."""

    cluster_class: str
    release: str


def get_cluster(
    namespace: str, name: str, api_version: str, opts: pulumi.InvokeOptions | None = None
) -> StoredCluster | None:
    """A cluster of the Supervisor as it is stored; None when there is none, or nobody can look yet."""
    args = {"namespace": namespace, "name": name, "apiVersion": api_version}
    found = _invoke("getCluster", args, opts, required=False)
    if not found.get("exists"):
        return None
    return StoredCluster(cluster_class=found["clusterClass"], release=found["release"])


def get_secret(
    namespace: Input[str],
    name: Input[str],
    key: str,
    timeout_seconds: int,
    opts: pulumi.InvokeOutputOptions,
    awaited: Input[str] | None = None,
) -> pulumi.Output[str]:
    """A value of a Secret in the Supervisor, waited for until its operator has published it; always secret.

    With `awaited` it is waited for until it is that value.
    """
    args = {"namespace": namespace, "name": name, "key": key, "timeoutSeconds": timeout_seconds}
    if awaited is not None:
        args["awaited"] = pulumi.Output.secret(awaited)
    found = pulumi.runtime.invoke_output("vcf:index:getSecret", args, opts)
    return pulumi.Output.secret(found.apply(lambda result: str(result["value"])))


def get_library_item(
    library: Input[str], name: Input[str], timeout_seconds: int, opts: pulumi.InvokeOutputOptions
) -> pulumi.Output[LibraryItem]:
    """An item of a content library (by name or id), waited for until the library lists it."""
    args = {"library": library, "name": name, "timeoutSeconds": timeout_seconds}
    return pulumi.runtime.invoke_output("vcf:index:getLibraryItem", args, opts).apply(
        lambda found: LibraryItem(id=str(found["id"]), name=str(found["name"]), type=str(found["type"]))
    )


def _invoke(function: str, args: Mapping[str, Any], opts: pulumi.InvokeOptions | None, *, required: bool = True) -> Any:
    try:
        result = pulumi.runtime.invoke(f"vcf:index:{function}", args, opts).value
    except Exception as error:
        raise _in_short(error) from None
    return {} if not result and not required else _whole(function, result)


def _in_short(error: Exception) -> pulumi.RunError:
    # The SDK raises bare exceptions, which the engine would show with a traceback of this program.
    return pulumi.RunError(str(error).rpartition("returned an error: ")[2])


def _whole(function: str, result: Any) -> Any:
    if not result:
        raise pulumi.RunError(f"{function} has no answer while the vcf provider's configuration is not known yet.")
    return result


def _secret(value: Input[str] | None) -> Input[str] | None:
    return None if value is None else pulumi.Output.secret(value)


def _wire(value: Any) -> Any:
    """Argument classes as the maps the provider takes: camelCase keys, nothing for None."""
    if isinstance(value, pulumi.Output):
        return value.apply(_wire)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_wire(item) for item in value]
    if dataclasses.is_dataclass(value):
        members = {member.name: getattr(value, member.name) for member in dataclasses.fields(value)}
        return {_camel(name): _wire(member) for name, member in members.items() if member is not None}
    return value


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


def _output(resource: pulumi.CustomResource, name: str) -> pulumi.Output[str]:
    # By its wire name: the SDK renames nothing on classes without getters of its own.
    value: pulumi.Output[str] = pulumi.get(resource, name)
    return value
