"""What needs licenses: GPUs by model for NVIDIA AI Enterprise, running machines for the other products."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import paif_catalog as catalog
from policies.licensing.counting.packing import VGPUS_PER_LICENSE, gpus_needed, licenses_enforced

Product = Literal["nvaie", "vws", "vpc", "vapps"]
PRODUCT_OF_SERIES: dict[str, Product] = {"c": "nvaie", "q": "vws", "b": "vpc", "a": "vapps"}
"""What licenses a series of vGPU profiles. B may have vWS as well."""
UNKNOWN_MODEL = "other GPU"


@dataclass(frozen=True)
class Demand:
    """Machines or containers that need GPUs, at their largest number.

    `profiles` and `devices` are what each of the `count` machines has: vGPUs, or whole GPUs of `model` (DirectPath
    I/O). `software` says that it runs software of NVIDIA AI Enterprise, `node` that containers of a cluster run on it.
    `containers` are GPUs that each of `count` containers of NVIDIA AI Enterprise asks its cluster for.
    """

    consumer: str
    count: int
    profiles: tuple[str, ...] = ()
    devices: int = 0
    model: str = ""
    software: bool = False
    node: bool = False
    containers: int = 0

    @property
    def kind(self) -> tuple[object, ...]:
        """What it has in common with demands that count as more of the same."""
        return (self.profiles, self.devices, self.model, self.software, self.node, self.containers)

    @property
    def products(self) -> set[Product]:
        """What licenses it."""
        found: set[Product] = {product_of(each) for each in self.profiles}
        return found | ({"nvaie"} if self.containers or (self.devices and self.software) else set())

    def tell(self) -> str:
        """What it asks for, in a few words."""
        if self.containers:
            return f"{self.count} x {self.containers} GPUs for NVIDIA AI Enterprise containers"
        if self.profiles:
            listed = ", ".join(f"{n} x {name}" if n > 1 else name for name, n in Counter(self.profiles).items())
            return f"{self.count} x {listed}" if len(self.profiles) == 1 else f"{self.count} x ({listed})"
        return f"{self.count} x {self.devices} whole GPUs"


@dataclass(frozen=True)
class ModelNeed:
    """What is needed on GPUs of one model.

    `gpus` are all that carry or are something, `contract` those that NVIDIA AI Enterprise is bought for, `enforced`
    what a license server gives out for the vGPUs among them; `licenses` is what must be there.
    """

    model: str
    gpus: int
    cards: int
    vgpus: int
    contract: int
    enforced: int
    licenses: int


@dataclass(frozen=True)
class Need:
    """What is needed in all, and by whom."""

    models: tuple[ModelNeed, ...]
    users: dict[Product, int]
    """Running machines by product that is bought for each of them: vws, vpc (or vws), vapps."""
    by: dict[Product, dict[str, str]]
    """Product -> who asks -> for what."""

    def of(self, product: Product) -> int:
        """Licenses of a product, before what comes with hardware and what covers for another."""
        return sum(each.licenses for each in self.models) if product == "nvaie" else self.users.get(product, 0)


def product_of(profile: str) -> Product:
    """What licenses a vGPU profile. A name that is none (profile-known refuses it) counts as AI Enterprise's."""
    parsed = catalog.parse_profile(profile)
    return PRODUCT_OF_SERIES[parsed.series] if parsed else "nvaie"


def need_of(demands: Iterable[Demand], *, mixed: bool = False, expected: str = "") -> Need:
    """What these demands need. ``mixed``: GPUs in mixed-size mode; ``expected``: model where names leave it open."""
    listed = [each for each in demands if each.count > 0]
    vgpus: dict[str, Counter[catalog.Profile]] = {}
    unparsed = 0
    whole: Counter[str] = Counter()
    licensed: Counter[str] = Counter()
    users: Counter[Product] = Counter()
    by: dict[Product, dict[str, str]] = {}
    for each in listed:
        for name in each.profiles:
            profile = catalog.parse_profile(name)
            if profile is None:
                unparsed += each.count
                continue
            model = catalog.model_of_profile(profile, catalog.gpus(), expected) or profile.prefix
            vgpus.setdefault(model, Counter())[profile] += each.count
        if each.devices:
            model = each.model or expected or UNKNOWN_MODEL
            whole[model] += each.count * each.devices
            licensed[model] += each.count * each.devices if each.software else 0
        for product in each.products:
            users[product] += each.count
            told = by.setdefault(product, {})
            told[each.consumer] = f"{told[each.consumer]}; {each.tell()}" if each.consumer in told else each.tell()
    for model, count in _on_nodes(listed, expected).items():
        licensed[model] += count
        whole[model] = max(whole[model], licensed[model])
    models = [
        _of_model(each, vgpus.get(each, Counter()), whole[each], licensed[each], mixed=mixed)
        for each in sorted({*vgpus, *whole})
    ]
    if unparsed:
        models.append(ModelNeed("no vGPU profile", unparsed, unparsed, unparsed, unparsed, unparsed, unparsed))
    users.pop("nvaie", None)
    return Need(tuple(models), dict(users), {product: dict(sorted(told.items())) for product, told in by.items()})


def _on_nodes(demands: list[Demand], expected: str) -> Counter[str]:
    """GPUs by model on which containers of NVIDIA AI Enterprise run, those of vGPU nodes left out: they count already.

    Containers run on the whole GPUs of the nodes that are known, then on their vGPUs, the rest in clusters elsewhere.
    """
    asked = sum(each.count * each.containers for each in demands)
    nodes: Counter[str] = Counter()
    virtual = 0
    for each in demands:
        if each.node and not each.software:
            nodes[each.model or expected or UNKNOWN_MODEL] += each.count * each.devices
            virtual += each.count * sum(product_of(name) == "nvaie" for name in each.profiles)
    found: Counter[str] = Counter()
    # At least: those that NVIDIA AI Enterprise comes with are taken first.
    for model in sorted(nodes, key=lambda name: (not _included(name), name)):
        found[model] = min(asked, nodes[model])
        asked -= found[model]
    if asked > virtual:
        found[UNKNOWN_MODEL] += asked - virtual
    return +found


def _included(model: str) -> bool:
    return model in catalog.gpus().gpus and catalog.gpus().gpus[model].nvaie_included


def _of_model(name: str, vgpus: Counter[catalog.Profile], whole: int, licensed: int, *, mixed: bool) -> ModelNeed:
    gpu = catalog.gpus().gpus.get(name)
    compute = Counter({profile: count for profile, count in vgpus.items() if profile.series == "c"})
    if gpu is None:
        # Memory and number on a GPU are not known: as many on one as a license covers, so that nothing is made up.
        carriers, contract = (-(-each.total() // VGPUS_PER_LICENSE) for each in (vgpus, compute))
        enforced = contract
    else:
        carriers, contract = (gpus_needed(gpu, each, mixed=mixed) for each in (vgpus, compute))
        enforced = licenses_enforced(gpu, compute, mixed=mixed)
    cards = -(-(carriers + whole) // (gpu.gpus_per_card if gpu else 1))
    return ModelNeed(
        name, carriers + whole, cards, vgpus.total(), contract + licensed, enforced, max(contract, enforced) + licensed
    )
