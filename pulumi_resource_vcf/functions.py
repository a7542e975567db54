"""Look-ups (Pulumi functions) against vCenter."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from . import fields as f
from .errors import AmbiguousNameError, UnknownNameError, VcfError, listed, nearest
from .function import Function
from .function import object_of as _object
from .function import out as _out
from .preflight import LOOK_UPS
from .resource import Context
from .values import Props
from .vcenter import (
    VCenter,
    find_compute_cluster,
    find_library,
    find_storage_policy,
    find_supervisor,
    find_vm_class,
    segment,
)

_NAME = f.Field(kind="string", doc="name or id", required=True)
_TEXT = f.Field(kind="string", doc="", output=True)
_TEXT_IN = f.Field(kind="string", doc="name or id")


async def _supervisor(context: Context, args: Props) -> Props:
    found = await find_supervisor(context.vcenter, args["name"])
    return {
        "id": found["supervisor"],
        "name": found.get("name"),
        "configStatus": found.get("config_status"),
        "kubernetesStatus": found.get("kubernetes_status"),
    }


async def _storage_policy(context: Context, args: Props) -> Props:
    found = await find_storage_policy(context.vcenter, args["name"])
    return {"id": found["policy"], "name": found.get("name")}


_FINDERS: dict[str, Callable[[VCenter, str], Awaitable[Props]]] = {
    "computeClusters": find_compute_cluster,
    "supervisors": find_supervisor,
    "storagePolicies": find_storage_policy,
    "contentLibraries": find_library,
    "vmClasses": find_vm_class,
}


async def _missing(context: Context, args: Props) -> Props:
    # One session, whatever is asked first.
    await context.vcenter.log_in()

    async def look(kind: str, name: str) -> Props | None:
        try:
            await _FINDERS[kind](context.vcenter, name)
        except UnknownNameError as error:
            return {"kind": kind, "name": name, "known": error.known, "ids": []}
        except AmbiguousNameError as error:
            return {"kind": kind, "name": name, "known": [], "ids": error.ids}
        return None

    found = await asyncio.gather(*(look(kind, name) for kind in _FINDERS for name in args.get(kind) or []))
    return {"missing": [each for each in found if each is not None]}


async def _items(context: Context, library: str) -> list[Props]:
    vcenter = context.vcenter
    ids = await vcenter.get("/api/content/library/item", library_id=library)
    items = [await vcenter.get(f"/api/content/library/item/{segment(item)}") for item in ids]
    found: list[Props] = [{"id": i["id"], "name": i["name"], "type": i.get("type", "")} for i in items]
    return sorted(found, key=lambda item: str(item["name"]))


async def _content_library(context: Context, args: Props) -> Props:
    library = await find_library(context.vcenter, args["name"])
    return {"id": library["id"], "name": library.get("name"), "items": await _items(context, library["id"])}


async def _library_item(context: Context, args: Props) -> Props:
    library, wanted, patience = (
        await find_library(context.vcenter, args["library"]),
        args["name"],
        args["timeoutSeconds"],
    )
    start = context.clock.now()
    for pause in context.clock.backoff(first=1, factor=1.5, ceiling=15):
        items = {str(item["name"]): item for item in await _items(context, library["id"])}
        if wanted in items:
            return dict(items[wanted])
        if context.clock.now() - start + pause > patience:
            raise VcfError(
                f"Content library {library.get('name')!r} of {context.vcenter.name} does not list {wanted!r}"
                f"{nearest(wanted, items)} after {patience:.0f} s. It lists: {listed(items)}. "
                "Correct the name; or, where the library is subscribed, look at its last synchronization in vCenter; "
                "or, where it is local, upload the image. Then run `pulumi up` again."
            )
        await context.clock.sleep(pause)
    raise AssertionError


async def _gpu_inventory(context: Context, args: Props) -> Props:
    from .inventory import gpu_inventory  # noqa: PLC0415 - brings pyvmomi

    # A first REST call reports a wrong server or password in the same words as everywhere else.
    await context.vcenter.log_in()
    return await asyncio.to_thread(
        gpu_inventory, context.vcenter.account, args["cluster"], assignments=args["assignments"]
    )


async def _secret(context: Context, args: Props) -> Props:
    from .kubernetes import Supervisor  # noqa: PLC0415 - few runs need it

    if not context.kubeconfig:
        raise VcfError("The vcf provider needs `kubeconfig`, the Supervisor's, to read Secrets there.")
    value = await Supervisor(context.kubeconfig).secret_value(
        args["namespace"],
        args["name"],
        args["key"],
        float(args["timeoutSeconds"]),
        context.clock,
        args.get("awaited", ""),
    )
    return {"value": value}


_CLUSTERS = "/apis/{api_version}/namespaces/{namespace}/clusters/{name}"
_RELEASE_LABEL = "run.tanzu.vmware.com/tkr"


async def _cluster(context: Context, args: Props) -> Props:
    from .api_server import RefusedReadError  # noqa: PLC0415 - few runs need it

    supervisor = context.supervisor("to read clusters there")
    path = _CLUSTERS.format(
        api_version=args["apiVersion"], namespace=segment(args["namespace"]), name=segment(args["name"])
    )
    try:
        found = await supervisor.get(path)
    except RefusedReadError:
        # The rights in a namespace come with the namespace.
        found = None
    if found is None or "topology" not in (found.get("spec") or {}):
        return {"exists": False}
    topology = found["spec"]["topology"]
    release = str(topology.get("version", ""))
    # The stored version is short; the label has the number of its build as well.
    named = str((found["metadata"].get("labels") or {}).get(_RELEASE_LABEL, "")).replace("---", "+")
    return {
        "exists": True,
        "clusterClass": str(topology.get("class") or (topology.get("classRef") or {}).get("name", "")),
        "release": named if named.startswith(f"{release}-vkr.") else release,
    }


_PCI_DEVICE = _object(
    "GpuDevice",
    "a GPU of a host",
    {
        "id": _out("string", "PCI address on the host"),
        "vendorId": _out("string", "PCI vendor id, four hex digits"),
        "deviceId": _out("string", "PCI device id, four hex digits"),
        "name": _out("string", "vendor and model"),
        "passthroughActive": _out("boolean", "whether the host offers it for DirectPath I/O"),
        "assignedTo": _out("array", "names of the VMs that use it, when assignments are asked for", _TEXT),
    },
)
_MISSING = _object(
    "MissingName",
    "a name that cannot be used",
    {
        "kind": _out("string", "under which argument it was asked for"),
        "name": _out("string", "the name"),
        "known": _out("array", "names of what there is instead", _TEXT),
        "ids": _out("array", "ids of those that all have this name", _TEXT),
    },
)
_HOST = _object(
    "GpuHost",
    "a host of the cluster",
    {
        "name": _out("string", "name in vCenter"),
        "moid": _out("string", "managed object id"),
        "connected": _out("boolean", "whether vCenter reaches it"),
        "memoryMib": _out("integer", "memory in MiB"),
        "vgpuProfiles": _out("array", "vGPU profiles its GPUs offer", _TEXT),
        "pciDevices": _out("array", "its GPUs", _PCI_DEVICE),
    },
)
_LIBRARY_ITEM = _object(
    "LibraryItem",
    "an item of the library",
    {
        "id": _out("string", "id"),
        "name": _out("string", "name"),
        "type": _out("string", "kind of its content: ovf, iso, vm-template, …"),
    },
)

FUNCTIONS = {
    function.token: function
    for function in (
        Function(
            "vcf:index:getSupervisor",
            "Looks up a Supervisor.",
            {
                "name": _NAME,
                "id": _out("string", "id of the Supervisor"),
                "configStatus": _out("string", "CONFIGURING, RUNNING, REMOVING or ERROR"),
                "kubernetesStatus": _out("string", "READY, WARNING or ERROR"),
            },
            _supervisor,
        ),
        Function(
            "vcf:index:getStoragePolicy",
            "Looks up a storage policy.",
            {"name": _NAME, "id": _out("string", "id of the policy")},
            _storage_policy,
        ),
        Function(
            "vcf:index:getContentLibrary",
            "Looks up a content library and its items.",
            {
                "name": _NAME,
                "id": _out("string", "id of the library"),
                "items": _out("array", "its items, by name", _LIBRARY_ITEM),
            },
            _content_library,
        ),
        Function(
            "vcf:index:getLibraryItem",
            "Looks up an item of a content library, waiting until the library lists it.",
            {
                "library": f.Field(kind="string", doc="name or id of the library", required=True),
                "name": f.Field(kind="string", doc="name of the item", required=True),
                "timeoutSeconds": f.Field(kind="integer", doc="how long to wait", minimum=0, default=900),
                "id": _out("string", "id of the item"),
                "type": _out("string", "kind of its content: ovf, iso, vm-template, …"),
            },
            _library_item,
        ),
        Function(
            "vcf:index:getMissing",
            "Tells which of these names a vCenter has nothing for, or too much, and which names it has.",
            {
                **{kind: f.Field(kind="array", doc=f"names or ids: {kind}", items=_TEXT_IN) for kind in _FINDERS},
                "missing": _out("array", "those that cannot be used, in the order in which they were asked", _MISSING),
            },
            _missing,
        ),
        Function(
            "vcf:index:getGpuInventory",
            "Lists the GPU hosts of a compute cluster with their vGPU profiles and GPUs.",
            {
                "cluster": f.Field(kind="string", doc="name of the compute cluster", required=True),
                "assignments": f.Field(
                    kind="boolean", doc="look into every VM too, for assignedTo; slow with many", default=False
                ),
                "hosts": _out("array", "the cluster's hosts, by name", _HOST),
            },
            _gpu_inventory,
        ),
        Function(
            "vcf:index:getCluster",
            "Tells what the Supervisor has made of a cluster's class and Kubernetes release.",
            {
                "namespace": f.Field(kind="string", doc="Supervisor namespace", required=True),
                "name": f.Field(kind="string", doc="name of the cluster", required=True),
                "apiVersion": f.Field(kind="string", doc="group and version of the API to read", required=True),
                "exists": _out("boolean", "whether there is one that is made from a ClusterClass"),
                "clusterClass": _out("string", "name of its ClusterClass"),
                "release": _out("string", "its Kubernetes release, in full where the Supervisor says so"),
            },
            _cluster,
        ),
        Function(
            "vcf:index:getSecret",
            "Reads a Secret of the Supervisor, waiting until its operator has published it.",
            {
                "namespace": f.Field(kind="string", doc="Supervisor namespace", required=True),
                "name": f.Field(kind="string", doc="name of the Secret", required=True),
                "key": f.Field(kind="string", doc="key in it", required=True),
                "timeoutSeconds": f.Field(kind="integer", doc="how long to wait", minimum=0, default=900),
                "awaited": f.Field(kind="string", doc="wait until it is this value", secret=True),
                "value": f.Field(kind="string", doc="the key's value as text", output=True, secret=True),
            },
            _secret,
        ),
        *LOOK_UPS,
    )
}
