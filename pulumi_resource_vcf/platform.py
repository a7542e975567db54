"""What a Supervisor offers and holds, read in one round before anything is made there.

Shapes as public tools read them: KubernetesRelease names its OSImages, whose labels are what a cluster selects by;
DataServicePolicyBinding has in its status what DSM allows in a namespace. What cannot be read is told, never raised: a
look ahead must not stop a run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from .bindings import allowed
from .errors import VcfError
from .kubernetes import Supervisor
from .resource import LOOK_AHEAD_SECONDS, Context
from .values import Props

if TYPE_CHECKING:
    import httpx

_AT_ONCE: Final = 4
_LONGEST: Final = 500
_WITNESSES: Final = 5
"""Namespaces of others that are looked into at most."""
_OK, _UNAUTHORIZED, _FORBIDDEN, _NOT_THERE = 200, 401, 403, 404
_NAMES_ONLY: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_RESULTS: Final = ("served", "offered", "allowed", "standing", "clusters", "virtualMachines")
_QUOTA: Final = ".storageclass.storage.k8s.io/requests.storage"


async def platform(context: Context, args: Props) -> Props:
    """All that is asked for in `args`, side by side; `unanswered` has what could not be read, and why."""
    import httpx  # noqa: PLC0415 - a third of a second that a plugin start need not pay

    found: Props = {key: [] for key in _RESULTS}
    if not context.kubeconfig:
        return {**found, "unanswered": _same(args, "the vcf provider has no `kubeconfig` of the Supervisor")}
    try:
        access = Supervisor(context.kubeconfig)
        async with access.client(await access.authenticate(), LOOK_AHEAD_SECONDS) as client:
            asked = _Round(client, access.server)
            await asked.all(args, found)
    except (VcfError, httpx.HTTPError) as error:
        return {**found, "unanswered": _same(args, str(error) or type(error).__name__)}
    return {**found, "unanswered": [{"what": what, "reason": reason} for what, reason in asked.unanswered.items()]}


def _same(args: Props, reason: str) -> list[Props]:
    asked = ["apis", *(what for what in ("releases", "offers") if args.get(what))]
    return [{"what": what, "reason": reason} for what in asked]


@dataclass
class _Round:
    """One round of reads; `unanswered` maps what was asked for to the reason why it is not known."""

    client: httpx.AsyncClient
    server: str
    unanswered: dict[str, str] = field(default_factory=dict)
    _gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    async def all(self, args: Props, found: Props) -> None:
        """Fill `found`."""
        namespace = args["namespace"]

        async def into(key: str, read: Any) -> None:
            found[key] = await read

        reads = [into("served", self._served())]
        if args.get("releases"):
            reads += [into("offered", self._releases(args)), into("clusters", self._clusters(args, namespace))]
        if args.get("databases") or args.get("offers"):
            reads.append(into("standing", self._databases(args, namespace)))
        if args.get("offers"):
            reads.append(into("allowed", self._offers(args, namespace)))
        if args.get("machines"):
            reads.append(into("virtualMachines", self._machines(args, namespace)))
        await asyncio.gather(*reads)

    async def _items(self, path: str, what: str = "", *, names_only: bool = False) -> list[Props] | None:
        """The items of a list; None where it cannot be read, which `what` is told of, if it is given."""
        found = await self._get(path, names_only=names_only)
        if isinstance(found, str):
            if what:
                self.unanswered.setdefault(what, found)
            return None
        return [each for each in found.get("items") or [] if isinstance(each, dict)]

    async def _get(self, path: str, *, names_only: bool = False) -> Props | str:
        """The answer, or the reason why there is none."""
        import httpx  # noqa: PLC0415

        headers = {"accept": _NAMES_ONLY} if names_only else {}
        try:
            async with self._gate:
                answer = await self.client.get(f"{self.server}{path}", headers=headers)
            loaded = answer.json() if answer.status_code == _OK else None
        except httpx.HTTPError as error:
            return f"{self.server} cannot be reached ({error or type(error).__name__})"
        except ValueError:
            return f"{self.server} answers no JSON to {path}: is it a Supervisor?"
        if isinstance(loaded, dict):
            return loaded
        if answer.status_code == _NOT_THERE:
            return f"{self.server} does not serve {path.partition('?')[0]}"
        if answer.status_code == _FORBIDDEN:
            return f"the kubeconfig's user may not read {path.partition('?')[0]}"
        if answer.status_code == _UNAUTHORIZED:
            return f"{self.server} does not take the kubeconfig's login: is it too old?"
        return f"{self.server} answers {answer.status_code} to {path.partition('?')[0]}"

    async def _served(self) -> list[str]:
        found = await self._get("/apis")
        if isinstance(found, str):
            self.unanswered.setdefault("apis", found)
            return []
        return sorted(
            str(version["groupVersion"]) for group in found.get("groups") or [] for version in group["versions"]
        )

    async def _releases(self, args: Props) -> list[Props]:
        versions = args["apiVersions"]
        releases, images = await asyncio.gather(
            self._items(f"/apis/{versions['KubernetesRelease']}/kubernetesreleases?limit={_LONGEST}", "releases"),
            self._items(f"/apis/{versions['OSImage']}/osimages?limit={_LONGEST}", "images", names_only=True),
        )
        by_name = {each["metadata"]["name"]: each["metadata"].get("labels") or {} for each in images or []}
        return [_release(each, by_name) for each in releases or []]

    async def _clusters(self, args: Props, namespace: str) -> list[Props]:
        api_version = args["apiVersions"]["Cluster"]
        items = await self._items(f"/apis/{api_version}/namespaces/{namespace}/clusters?limit={_LONGEST}")
        return [
            {
                "name": each["metadata"]["name"],
                "release": str(((each.get("spec") or {}).get("topology") or {}).get("version") or ""),
            }
            for each in items or []
        ]

    async def _databases(self, args: Props, namespace: str) -> list[Props]:
        api_version = args["apiVersions"]["PostgresCluster"]
        path = f"/apis/{api_version}/namespaces/{namespace}/postgresclusters?limit={_LONGEST}"
        items = await self._items(path, "databases")
        return [_database(each) for each in items or []]

    async def _machines(self, args: Props, namespace: str) -> list[str]:
        api_version = args["apiVersions"]["VirtualMachine"]
        path = f"/apis/{api_version}/namespaces/{namespace}/virtualmachines?limit={_LONGEST}"
        return [each["metadata"]["name"] for each in await self._items(path, names_only=True) or []]

    async def _offers(self, args: Props, namespace: str) -> list[Props]:
        """What DSM allows in the namespace; where it has not told that yet, what it allows in others."""
        api_version = args["apiVersions"]["DataServicePolicyBinding"]
        own = await self._items(f"/apis/{api_version}/namespaces/{namespace}/dataservicepolicybindings")
        offers = _merged(own or [])
        if not offers:
            everywhere = f"/apis/{api_version}/dataservicepolicybindings?limit={_LONGEST}"
            offers = _merged(await self._items(everywhere, "offers") or [])[:_WITNESSES]
        return list(await asyncio.gather(*(self._bound(args, offer) for offer in offers)))

    async def _bound(self, args: Props, offer: Props) -> Props:
        """An offer with the VM classes and storage classes that its namespace may use."""
        namespace, api_version = offer["namespace"], args["apiVersions"]["VirtualMachineClass"]
        classes, quotas = await asyncio.gather(
            self._items(f"/apis/{api_version}/namespaces/{namespace}/virtualmachineclasses", names_only=True),
            self._items(f"/api/v1/namespaces/{namespace}/resourcequotas"),
        )
        hard = [key for each in quotas or [] for key in (each.get("spec") or {}).get("hard") or {}]
        return {
            **offer,
            "boundClasses": sorted(each["metadata"]["name"] for each in classes or []),
            "boundStorage": sorted({key.removesuffix(_QUOTA) for key in hard if key.endswith(_QUOTA)}),
        }


def _release(item: Props, images: dict[str, Props]) -> Props:
    spec, conditions = item.get("spec") or {}, (item.get("status") or {}).get("conditions") or []
    against = [each for each in conditions if each["type"] in ("Ready", "Compatible") and each["status"] != "True"]
    named = [str(each.get("name")) for each in spec.get("osImages") or []]
    return {
        "name": item["metadata"]["name"],
        "version": str(spec.get("version") or ""),
        "against": "; ".join(
            f"{each['type']} is {each['status']}" + (f": {each['message']}" if each.get("message") else "")
            for each in against
        ),
        "images": [
            {
                "os": str(images[name].get("os-name", "")),
                "version": str(images[name].get("os-version", "")),
                "library": str(images[name].get("content-library", "")),
            }
            for name in named
            if name in images
        ],
    }


def _database(item: Props) -> Props:
    spec = item.get("spec") or {}

    def name(key: str) -> str:
        return str((spec.get(key) or {}).get("name") or "")

    return {
        "name": item["metadata"]["name"],
        "version": str(spec.get("version") or ""),
        "infrastructurePolicy": name("infrastructurePolicy"),
        "vmClass": name("vmClass"),
        "storagePolicy": str(spec.get("storagePolicyName") or ""),
        "backupLocation": name("backupLocation"),
        "replicas": int(spec.get("replicas") or 0),
        "storageSpace": str(spec.get("storageSpace") or ""),
    }


def _merged(bindings: Iterable[Props]) -> list[Props]:
    """What bindings allow, one entry for each namespace; nothing of one that DSM has not filled yet."""
    found: dict[str, Props] = {}
    for binding in bindings:
        offer = allowed(binding.get("status") or {})
        if not offer["infrastructurePolicies"]:
            continue
        namespace = binding["metadata"]["namespace"]
        before = found.setdefault(namespace, {"namespace": namespace, **allowed({})})
        for key, value in offer.items():
            before[key] = before[key] + value if isinstance(value, list) else before[key] or value
    return list(found.values())
