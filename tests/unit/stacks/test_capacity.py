from __future__ import annotations

from pathlib import Path
from typing import Any

from pulumi_paif.vcf import GpuDevice, GpuHost, GpuInventory
from stacks.capacity import Demand, demands, gpu_machines, read_inventory, shortages, write_inventory
from tests.unit.stacks.samples import GONE, environment

_PROFILES = [f"grid_a100-{size}c" for size in (4, 8, 10, 16, 20, 40, 80)]
_DIRECTPATH: dict[str, Any] = {
    "gpu": {"mode": "directpath", "model": "L40S"},
    "vmClasses.0.profile": GONE,
    "vmClasses.0.gpus": 1,
    "vmClasses.1.profile": GONE,
    "vmClasses.1.gpus": 2,
}


def _host(name: str, gpus: int, device: str = "20b5", memory_gib: int = 4096, **change: Any) -> GpuHost:
    devices = [
        GpuDevice(
            id=f"0000:{index:02x}:00.0",
            vendor_id="10de",
            device_id=device,
            name="NVIDIA GPU",
            passthrough_active=change.get("passthrough", device == "26b9"),
            assigned_to=[],
        )
        for index in range(gpus)
    ]
    return GpuHost(
        name=name,
        moid=name,
        connected=change.get("connected", True),
        memory_mib=memory_gib * 1024,
        vgpu_profiles=change.get("profiles", _PROFILES if device == "20b5" else []),
        pci_devices=devices,
    )


def _lacking(hosts: list[GpuHost], changes: dict[str, Any] | None = None) -> list[str]:
    return [problem.message for _, problem in shortages(environment(changes), GpuInventory(hosts=hosts))]


def test_workstations_workers_and_nodes_are_counted() -> None:
    assert [machine.name for machine in gpu_machines(environment())] == [
        "workstation alice",
        "workstation bob",
        "worker of llama",
        "node of gpu/gpu",
        "node of gpu/gpu",
    ]


def test_machines_share_a_gpu_of_their_own_profile_only() -> None:
    # 2 x 20c fill half of one GPU, 3 x 40c one and a half: three GPUs are enough, two are not.
    assert _lacking([_host("esx-01", 3)]) == []
    assert _lacking([_host("esx-01", 2)]) == [
        "paif:workstations[0]: expected room on the hosts for 1 more of 1 x workstation alice "
        "(grid_a100-20c, 64 GiB each)",
        "paif:workstations[1]: expected room on the hosts for 1 more of 1 x workstation bob "
        "(grid_a100-20c, 64 GiB each); free when all is placed that fits: esx-01 0 of 2 GPUs and 3712 of 4096 GiB",
    ]


def test_a_host_that_lacks_the_profile_is_named_with_what_it_offers() -> None:
    hosts = [_host("esx-01", 4), _host("esx-02", 4, profiles=["grid_a100-20c", "grid_a100-80c"])]
    assert _lacking(hosts) == [
        "paif:vmClasses[1].profile is 'grid_a100-40c': expected a vGPU profile that every host with this GPU offers "
        "(not so esx-02): grid_a100-20c, grid_a100-80c (did you mean 'grid_a100-80c'?)"
    ]


def test_hosts_with_other_gpus_or_out_of_reach_do_not_count() -> None:
    assert _lacking([_host("esx-01", 4), _host("esx-05", 8, "26b9")]) == []
    [lack] = _lacking([_host("esx-05", 8, "26b9"), _host("esx-01", 4, connected=False)])
    assert lack == (
        "paif:gpu.model is 'A100': expected a GPU that a connected host of compute cluster pai-gpu has: L40S"
    )


def test_a_device_that_is_not_passed_through_is_named() -> None:
    [lack] = _lacking([_host("esx-05", 8, "26b9", passthrough=False)], _DIRECTPATH)
    assert "DirectPath I/O turned on in vCenter for 0000:00:00.0, 0000:01:00.0" in lack
    assert lack.endswith("of host esx-05")


_H100 = {**_DIRECTPATH, "gpu": {"mode": "directpath", "model": "H100"}}


def _h100(name: str, device: str, **change: Any) -> GpuHost:
    return _host(name, 8, device, **{"passthrough": True, "profiles": [], **change})


def test_a_class_names_one_device_where_the_hosts_have_several() -> None:
    both = [_h100("esx-01", "2330"), _h100("esx-02", "2331", connected=False)]
    assert _lacking(both, _H100) == [
        f"paif:vmClasses[{index}].deviceId: expected one id, since a class names one device, and the hosts have "
        "2330 (esx-01), 2331 (esx-02)"
        for index in (0, 1)
    ]
    chosen = {**_H100, "vmClasses.0.deviceId": "2330", "vmClasses.1.deviceId": "2330"}
    assert _lacking(both, chosen) == []
    assert _lacking([_h100("esx-02", "2331")], chosen) == [
        f"paif:vmClasses[{index}].deviceId is '2330': expected an id that a host has: 2331 (esx-02)" for index in (0, 1)
    ]


def test_only_gpus_of_the_named_device_hold_a_machine() -> None:
    hosts = [_h100("esx-01", "2330"), _h100("esx-02", "2331")]
    # Two workstations with one GPU each, and three machines with two: eight of one kind are enough, seven are not.
    named = {**_H100, "vmClasses.0.deviceId": "2331", "vmClasses.1.deviceId": "2331"}
    assert _lacking(hosts, named) == []
    hosts[1].pci_devices.pop()  # type: ignore[attr-defined]  # a list here
    assert len(_lacking(hosts, named)) == 1


def test_whole_gpus_of_one_machine_come_from_one_host() -> None:
    # Two workstations and three machines with two GPUs each: eight GPUs, but a pair may not be split over hosts.
    assert _lacking([_host("esx-05", 8, "26b9")], _DIRECTPATH) == []
    assert (
        _lacking([_host("esx-05", 3, "26b9"), _host("esx-06", 3, "26b9"), _host("esx-07", 2, "26b9")], _DIRECTPATH)
        == []
    )
    split = _lacking([_host(f"esx-{n}", 1, "26b9") for n in range(8)], _DIRECTPATH)
    assert [lack.partition(";")[0] for lack in split] == [
        "paif:modelEndpoints[0]: expected room on the hosts for 1 more of 1 x worker of llama (2 GPUs, 128 GiB each)",
        "paif:clusters[0].pools[1]: expected room on the hosts for 2 more of 2 x node of gpu/gpu "
        "(2 GPUs, 128 GiB each)",
    ]


def test_all_memory_of_a_gpu_machine_counts() -> None:
    # 200 GiB hold one machine of 128 GiB and one of 64 GiB, though six GPUs are left.
    lacking = _lacking([_host("esx-01", 8, memory_gib=200)])
    assert len(lacking) == 2
    assert lacking[-1].endswith("esx-01 6 of 8 GPUs and 8 of 200 GiB")


def test_an_environment_without_gpu_machines_needs_no_gpu_host() -> None:
    none: dict[str, Any] = {"workstations": [], "modelEndpoints": [], "clusters": []}
    assert _lacking([], none) == []


def test_demands_are_told_per_profile_and_in_whole_gpus_of_what_there_is() -> None:
    inventory = GpuInventory(
        [_host("esx-01", 4), _host("esx-02", 4), _host("esx-03", 4, connected=False), _host("esx-04", 8, "26b9")]
    )
    # Two machines of 20 GiB share one GPU of 80 GiB, three of 40 GiB take two.
    assert demands(environment(), inventory) == [
        Demand("NVIDIA A100 80 GB", 3, 8),
        Demand("vGPU grid_a100-20c", 2, 32),
        Demand("vGPU grid_a100-40c", 3, 16),
    ]
    assert [each.total for each in demands(environment())] == [None, None, None]


def test_demands_of_whole_devices_have_no_profile() -> None:
    inventory = GpuInventory([_host("esx-01", 8, "26b9")])
    assert demands(environment(_DIRECTPATH), inventory) == [Demand("NVIDIA L40S 48 GB", 8, 8)]


def test_an_inventory_comes_back_as_it_was_written_for_its_own_cluster_only(tmp_path: Path) -> None:
    file, inventory = tmp_path / "gpus.json", GpuInventory([_host("esx-01", 2)])
    assert read_inventory(file, "gpu") is None
    write_inventory(file, "gpu", inventory)
    assert read_inventory(file, "gpu") == inventory
    assert read_inventory(file, "other") is None
    for wrong in ("{", "[]", '{"cluster": "gpu"}', '{"cluster": "gpu", "hosts": [{"name": 1}]}'):
        file.write_text(wrong)
        assert read_inventory(file, "gpu") is None
