"""Look-ups of the vcf provider: questions that can be asked side by side, and those of one answer."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import pulumi
from pulumi import Input
from pulumi.runtime.sync_await import _sync_await

from pulumi_paif.vcf.answers import (
    ChartAnswer,
    DatabaseOffer,
    GpuDevice,
    GpuHost,
    GpuInventory,
    ImageProperties,
    InfrastructurePolicy,
    KubernetesRelease,
    Library,
    LibraryItem,
    MissingName,
    ModelAnswer,
    OsImage,
    Platform,
    PrincipalAnswer,
    StandingDatabase,
    StoragePolicy,
    StoredCluster,
    Supervisor,
)
from pulumi_paif.vcf.types import AccessEntry

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
    namespace: str,
    *,
    api_versions: Mapping[str, str],
    releases: bool,
    offers: bool,
    databases: bool,
    machines: bool,
) -> LookUp[Platform]:
    """What the Supervisor offers and the namespace has, as far as asked for; the namespace need not be there.

    `api_versions` has group and version by kind, of all kinds of a Supervisor that are read.
    """
    arguments = {
        "namespace": namespace,
        "apiVersions": dict(api_versions),
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
            "subjectType": each.subject_type or "GROUP",
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
