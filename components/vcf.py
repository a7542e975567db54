"""Typed Pulumi resources and functions of the provider plugin `vcf` (providers/vcf).

The provider checks every input, so these classes only carry names and types. Units: memory and storage in MiB, CPU in
vCPUs, reservations in percent. A property that is left out is not managed. Import ids are in each class's docstring.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import pulumi
from pulumi import Input

__all__ = [
    "AccessEntry",
    "AwaitedImage",
    "AwaitedNodes",
    "AwaitedObject",
    "AwaitedPool",
    "AwaitedValue",
    "DirectPathDevice",
    "GalleryLogin",
    "GalleryModel",
    "GpuDevice",
    "GpuHost",
    "GpuInventory",
    "Library",
    "LibraryItem",
    "MissingName",
    "Namespace",
    "NamespaceContents",
    "Patience",
    "PostgresExtension",
    "PostgresLogin",
    "PostgresRole",
    "PostgresSchema",
    "Provider",
    "Readiness",
    "StoragePolicy",
    "StorageSpec",
    "StoredCluster",
    "Supervisor",
    "VirtualMachineClass",
    "get_cluster",
    "get_content_library",
    "get_gpu_inventory",
    "get_library_item",
    "get_missing",
    "get_secret",
    "get_storage_policy",
    "get_supervisor",
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
class Patience:
    """How many seconds a reason may last before waiting is given up; `*` is any other reason."""

    reason: Input[str]
    seconds: Input[int]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AwaitedValue:
    """A JSONPath in an object, and the key under which what is there is given out."""

    key: Input[str]
    path: Input[str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AwaitedObject:
    """An object to wait for; again whenever `asked`, a digest of what was asked for, is another one."""

    api_version: str
    kind: str
    name: Input[str]
    namespace: Input[str] | None = None
    asked: Input[str] | None = None
    wait_for: Sequence[str] = ()
    failed_by: Sequence[str] = ()
    settle_seconds: int = 0
    patience: Sequence[Patience] = ()
    nodes: AwaitedNodes | None = None
    values: Sequence[AwaitedValue] = ()


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


def get_missing(names: Mapping[str, Sequence[str]], opts: pulumi.InvokeOptions | None = None) -> list[MissingName]:
    """Which of these names or ids cannot be used.

    By kind: computeClusters, supervisors, storagePolicies, contentLibraries, vmClasses.
    """
    found = _invoke("getMissing", names, opts)
    return [MissingName(**each) for each in found["missing"]]


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


def get_content_library(name: str, opts: pulumi.InvokeOptions | None = None) -> Library:
    """The content library with this name or id; fails with the names there are."""
    found = _invoke("getContentLibrary", {"name": name}, opts)
    items = [LibraryItem(id=i["id"], name=i["name"], type=i["type"]) for i in found["items"]]
    return Library(id=found["id"], name=found["name"], items=items)


def get_gpu_inventory(
    cluster: str, opts: pulumi.InvokeOptions | None = None, *, assignments: bool = False
) -> GpuInventory:
    """GPU hosts of a compute cluster; fails with the clusters there are.

    With `assignments` every VM is looked at for the devices that it uses, which is slow with many.
    """
    found = _invoke("getGpuInventory", {"cluster": cluster, "assignments": assignments}, opts)
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
        # The SDK raises bare exceptions, which the engine would show with a traceback of this program.
        raise pulumi.RunError(str(error).rpartition("returned an error: ")[2]) from None
    if not result and not required:
        return {}
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
