"""What a Supervisor namespace really has: classes, storage and images come some time after it is RUNNING."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .api_server import ApiServer
from .errors import AmbiguousNameError, VcfError, listed, nearest

VM_CLASS: Final = "VM class"
STORAGE_CLASS: Final = "storage class"
IMAGE: Final = "image"
_VM_OPERATOR: Final = "vmoperator.vmware.com"
_QUOTA: Final = ".storageclass.storage.k8s.io/"
_BY_ID: Final = "vmi-"

Item = Mapping[str, Any]


@dataclass(frozen=True)
class Image:
    """An image that machines of a namespace may be made of: its object name `vmi-…`, and the name that people use."""

    id: str
    name: str
    item: str
    of_namespace: bool
    not_ready: str = ""


@dataclass(frozen=True)
class Missing:
    """Something that is not there yet. `there` are the names of its kind that are; `reason` is of one that is."""

    kind: str
    name: str
    there: tuple[str, ...] = ()
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}" + (f" ({self.reason})" if self.reason else "")

    def told(self, namespace: str) -> str:
        """What is wrong, for a person."""
        if self.reason:
            return f"{self.kind} {self.name!r} of namespace {namespace} cannot be used yet: {self.reason}."
        near = nearest(self.name, self.there)
        return f"Namespace {namespace} has no {self.kind} {self.name!r}{near}. It has: {listed(self.there)}."


@dataclass(frozen=True)
class Contents:
    """What was found; None for a kind that the login may not look at."""

    vm_classes: tuple[str, ...] | None = None
    storage_classes: tuple[str, ...] | None = None
    images: tuple[Image, ...] | None = None


async def look(api: ApiServer, namespace: str, kinds: Iterable[str]) -> tuple[Contents, dict[str, VcfError]]:
    """What of these kinds there is, and why a kind could not be looked at."""
    version = await _served(api, _VM_OPERATOR)
    looks: dict[str, Coroutine[Any, Any, Any]] = {
        kind: look(api, version, namespace) for kind, look in _LOOKS.items() if kind in set(kinds)
    }
    answers = await asyncio.gather(*looks.values(), return_exceptions=True)
    found: dict[str, Any] = {}
    failed: dict[str, VcfError] = {}
    for kind, answer in zip(looks, answers, strict=True):
        if isinstance(answer, VcfError):
            failed[kind] = answer
        elif isinstance(answer, BaseException):
            raise answer
        else:
            found[kind] = answer
    return Contents(found.get(VM_CLASS), found.get(STORAGE_CLASS), found.get(IMAGE)), failed


async def _served(api: ApiServer, group: str) -> str:
    """Group and version of an API as the server prefers it, "" where it does not have the group."""
    version = await api.version_of(group)
    return f"{group}/{version}" if version else ""


async def _vm_classes(api: ApiServer, version: str, namespace: str) -> tuple[str, ...]:
    return tuple(map(_name, await api.items(version, "VirtualMachineClass", namespace)))


async def _storage_classes(api: ApiServer, _: str, namespace: str) -> tuple[str, ...]:
    """Those that the namespace has a quota for. By which kind of quota depends on the Supervisor's capabilities."""
    classes, quotas, policy_quotas = await asyncio.gather(
        api.items("storage.k8s.io/v1", "StorageClass"),
        api.items("v1", "ResourceQuota", namespace),
        api.items("cns.vmware.com/v1alpha2", "StoragePolicyQuota", namespace),
    )
    allowed = {key.partition(_QUOTA)[0] for each in quotas for key in _dig(each, "spec", "hard") or {} if _QUOTA in key}
    allowed |= {
        str(total.get("storageClassName")) for each in policy_quotas for total in _dig(each, "status", "total") or []
    }
    return tuple(name for name in map(_name, classes) if name in allowed)


async def _images(api: ApiServer, version: str, namespace: str) -> tuple[Image, ...]:
    own, shared = await asyncio.gather(
        api.items(version, "VirtualMachineImage", namespace), api.items(version, "ClusterVirtualMachineImage")
    )
    return (*(_image(each, of_namespace=True) for each in own), *(_image(each, of_namespace=False) for each in shared))


_LOOKS: Final = {VM_CLASS: _vm_classes, STORAGE_CLASS: _storage_classes, IMAGE: _images}


def _image(item: Item, *, of_namespace: bool) -> Image:
    conditions = _dig(item, "status", "conditions") or []
    ready: Item = next((each for each in conditions if each.get("type") == "Ready"), {})
    said = [str(ready[key]) for key in ("reason", "message") if ready.get(key)]
    return Image(
        id=_name(item),
        name=str(_dig(item, "status", "name") or ""),
        item=str(_dig(item, "status", "providerItemID") or ""),
        of_namespace=of_namespace,
        not_ready="" if ready.get("status") == "True" else ": ".join(said) or "it is not said to be ready",
    )


def _name(item: Item) -> str:
    return str(item["metadata"]["name"])


def _dig(item: Any, *path: str) -> Any:
    for key in path:
        item = item.get(key) if isinstance(item, Mapping) else None
    return item


def lacking(found: Contents, inputs: Mapping[str, Any]) -> Iterator[Missing]:
    """What was asked for and is not there, of the kinds that could be looked at. Raises AmbiguousNameError."""
    for kind, names, there in (
        (VM_CLASS, inputs.get("vmClasses"), found.vm_classes),
        (STORAGE_CLASS, inputs.get("storageClasses"), found.storage_classes),
    ):
        if there is not None:
            yield from (Missing(kind, name, there) for name in names or [] if name not in there)
    if found.images is not None:
        for asked in inputs.get("images") or []:
            image = chosen(found.images, asked["name"], asked.get("itemId") or "")
            if image is None:
                names = tuple(each.name or each.id for each in found.images)
                yield Missing(IMAGE, asked["name"], names)
            elif image.not_ready:
                yield Missing(IMAGE, asked["name"], reason=image.not_ready)


def chosen(images: Sequence[Image], name: str, item: str) -> Image | None:
    """The image with this name or id; of several the one of the library item, where that is known.

    None while there is none. Raises AmbiguousNameError when several could be meant.
    """
    named = [each for each in images if name in {each.id, each.name}]
    # Where images do not tell their item, the name has to do.
    if item and any(each.item for each in named):
        named = [each for each in named if each.item == item]
    if len({each.id for each in named}) > 1:
        ids = (f"{each.id} ({'namespace' if each.of_namespace else 'Supervisor'})" for each in named)
        raise AmbiguousNameError("The namespace", "image", name, ids)
    # One library that the namespace and the Supervisor share shows the same item twice: the namespace's is taken.
    return next(iter(named), None)


def reference(images: Sequence[Image] | None, name: str, item: str) -> str:
    """How a machine names its image: by the name that people use, or by the id where others have that name too."""
    image = chosen(images or (), name, item)
    alike = [each for each in images or () if each.name == name]
    return image.id if image is not None and len(alike) > 1 else name
