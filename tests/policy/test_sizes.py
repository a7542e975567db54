"""Sizes: profiles that share a GPU, and disks in every notation that Kubernetes takes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.policy.harness import Process
from tests.policy.resources import CLUSTER, CONFIG, POOLS, SETTINGS, VM_CLASS, changed

_CAPACITY = f"{POOLS}>1>variables>overrides>1>value>0>capacity"


def _begin(process: Process, **settings: Any) -> None:
    process.start(pack="platform", settings={**SETTINGS["platform"], **settings}, config=CONFIG)


def _sizes(process: Process, *profiles: str, **settings: Any) -> list[str]:
    _begin(process, **settings)
    classes = [changed(VM_CLASS, {"name": each, "vgpuProfiles": [each]}, each) for each in profiles]
    found = [each for one in classes for each in process.analyze(one)]
    return [each.message for each in found if each.rule in {"profile-homogeneous", "profile-sizes"}]


def test_slices_of_a_gpu_may_differ_in_size(packs: dict[str, Process]) -> None:
    assert _sizes(packs["platform"], "grid_a100-1-5c", "grid_a100-2-10c", "grid_a100-3-20c") == []
    assert _sizes(packs["platform"], "grid_a100-1-5c", "grid_a100-40c") == []


def test_sizes_are_judged_by_the_number_of_gpus(packs: dict[str, Process]) -> None:
    (found,) = _sizes(packs["platform"], "grid_a100-1-5c", "grid_a100-40c", "grid_a100-20c", gpus={"A100": 1})
    assert "1 GPU of the model: 40 GiB" in found
    three = ("grid_a100-40c", "grid_a100-20c", "grid_a100-10c")
    assert _sizes(packs["platform"], *three, gpus={"A100": 3}) == []
    (found,) = _sizes(packs["platform"], *three, gpus={"A100": 2})
    assert "2 GPUs of the model: 20 GiB, 40 GiB" in found
    other_words = ("nvidia_rtx_pro_6000_blackwell_dc-96q", "nvidia_rtx_pro_6000_blackwell_dc-48q")
    assert _sizes(packs["platform"], *other_words, gpus={"RTX Pro 6000 Blackwell DC": 2}) == []


def test_two_sizes_are_told_with_what_is_assumed_of_the_gpus(packs: dict[str, Process]) -> None:
    (found,) = _sizes(packs["platform"], "grid_a100-1-5c", "grid_a100-40c", "grid_a100-20c", gpus={"L4": 1})
    assert "has 40 GiB of the same GPU model, and nothing tells that there is a GPU for each size" in found
    assert _sizes(packs["platform"], "grid_a100-40c", "grid_a100-20c", mixedProfileSizes=True) == []


@pytest.mark.parametrize(
    "size", ["100Gi", "1Ti", "0.5Ti", "200G", "107374182400", 107374182400, "1e12", "1E", "104857600Ki", "102400Mi"]
)
def test_a_disk_is_large_enough_in_any_notation(packs: dict[str, Process], size: Any) -> None:
    _begin(packs["platform"])
    found = packs["platform"].analyze(changed(CLUSTER, {_CAPACITY: size}))
    assert "gpu-pool-storage" not in {each.rule for each in found}


@pytest.mark.parametrize(("size", "gib"), [("50Gi", 50), ("100G", 93), ("99.9Gi", 99), ("100", 0), ("1000m", 0)])
def test_a_disk_is_too_small_in_any_notation(packs: dict[str, Process], size: str, gib: int) -> None:
    _begin(packs["platform"])
    found = packs["platform"].analyze(changed(CLUSTER, {_CAPACITY: size}))
    (message,) = [each.message for each in found if each.rule == "gpu-pool-storage"]
    assert f"has {gib} GiB for images, expected at least 100" in message


def test_a_size_that_is_none_is_said_to_be_none(packs: dict[str, Process]) -> None:
    _begin(packs["platform"])
    found = packs["platform"].analyze(changed(CLUSTER, {_CAPACITY: "big"}))
    (message,) = [each.message for each in found if each.rule == "gpu-pool-storage"]
    assert "this is no size" in message
    assert "'big'" in message
