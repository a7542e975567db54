"""Rules of vcf:index:VirtualMachineClass."""

from __future__ import annotations

from typing import Any

import pytest

from pulumi_resource_vcf.errors import VcfError
from pulumi_resource_vcf.values import plain_map
from tests.unit.pulumi_resource_vcf.double import VCenterDouble
from tests.unit.pulumi_resource_vcf.harness import UNKNOWN, Engine

VMC = "VirtualMachineClass"
A100 = {"vendorId": "10de", "deviceId": "20b5"}


def inputs(**changes: Any) -> dict[str, Any]:
    """A vGPU class."""
    full = {"name": "vgpu-a100-40c", "cpuCount": 16, "memoryMib": 65536, "vgpuProfiles": ["grid_a100-40c"]}
    return {k: v for k, v in {**full, **changes}.items() if v is not None}


def test_create_sends_sdk_field_names_and_reserves_all_memory(engine: Engine, vcenter: VCenterDouble) -> None:
    resource_id, state = engine.create(VMC, inputs())
    sent = vcenter.bodies[-1][1]
    assert resource_id == "vgpu-a100-40c"
    assert (sent["cpu_count"], sent["memory_MB"], sent["memory_reservation"]) == (16, 65536, 100)
    assert sent["devices"] == {
        "vgpu_devices": [{"profile_name": "grid_a100-40c"}],
        "dynamic_direct_path_IO_devices": [],
    }
    assert plain_map(state)["memoryReservationPercent"] == 100


def test_direct_path_devices_are_sent_as_numbers(engine: Engine, vcenter: VCenterDouble) -> None:
    label = {"vendorId": "0x10DE", "deviceId": "26B9", "customLabel": "l40s"}
    engine.create(VMC, inputs(vgpuProfiles=None, directPathDevices=[A100, label]))
    assert vcenter.bodies[-1][1]["devices"]["dynamic_direct_path_IO_devices"] == [
        {"vendor_id": 0x10DE, "device_id": 0x20B5},
        {"vendor_id": 0x10DE, "device_id": 0x26B9, "custom_label": "l40s"},
    ]


def test_ids_are_normalized_so_that_spelling_is_no_change(engine: Engine) -> None:
    _, state = engine.create(VMC, inputs(vgpuProfiles=None, directPathDevices=[A100]))
    other = inputs(vgpuProfiles=None, directPathDevices=[{"vendorId": "0x10DE", "deviceId": "20B5"}])
    assert engine.diff(VMC, state, other).changes is False


def test_devices_need_all_memory_reserved(engine: Engine) -> None:
    problems = engine.problems(VMC, inputs(memoryReservationPercent=50))
    assert "got 50; expected 100, since vgpuProfiles is set" in problems["memoryReservationPercent"]


def test_vgpu_and_direct_path_exclude_each_other(engine: Engine) -> None:
    assert "together with vgpuProfiles" in engine.problems(VMC, inputs(directPathDevices=[A100]))["directPathDevices"]


def test_reservation_is_not_decided_while_devices_are_unknown(engine: Engine) -> None:
    checked = engine.checked(VMC, inputs(vgpuProfiles=UNKNOWN))
    assert "memoryReservationPercent" not in checked


def test_check_collects_every_problem(engine: Engine) -> None:
    bad_device = {"vendorId": "nvidia", "deviceId": 8373}
    problems = engine.problems(
        VMC,
        inputs(
            cpuCount=0, memoryMib=None, cpuReservationPercent=101, vgpuProfiles=None, directPathDevices=[bad_device]
        ),
    )
    assert set(problems) == {
        "cpuCount",
        "memoryMib",
        "cpuReservationPercent",
        "directPathDevices[0].vendorId",
        "directPathDevices[0].deviceId",
    }
    assert "four hex digits" in problems["directPathDevices[0].vendorId"]


def test_only_the_name_replaces(engine: Engine) -> None:
    _, state = engine.create(VMC, inputs())
    changed = engine.diff(
        VMC, state, inputs(cpuCount=8, memoryMib=1024, vgpuProfiles=["grid_a100-8c"], description="x")
    )
    assert changed.replaces == []
    assert set(changed.diffs) == {"cpuCount", "memoryMib", "vgpuProfiles", "description"}
    assert engine.diff(VMC, state, inputs(name="other")).replaces == ["name"]


def test_forced_replacement_deletes_first_since_the_name_stays(engine: Engine) -> None:
    _, state = engine.create(VMC, inputs())
    assert engine.diff(VMC, state, inputs()).delete_before_replace is True


def test_update_sends_everything_since_an_absent_reservation_means_none(engine: Engine, vcenter: VCenterDouble) -> None:
    resource_id, state = engine.create(VMC, inputs(cpuReservationPercent=10))
    engine.update(VMC, resource_id, state, inputs(cpuReservationPercent=10, cpuCount=8))
    sent = vcenter.bodies[-1][1]
    assert (sent["cpu_count"], sent["cpu_reservation"], sent["memory_reservation"]) == (8, 10, 100)


def test_update_to_no_devices_clears_them(engine: Engine, vcenter: VCenterDouble) -> None:
    resource_id, state = engine.create(VMC, inputs())
    engine.update(VMC, resource_id, state, inputs(vgpuProfiles=None))
    assert vcenter.classes["vgpu-a100-40c"]["devices"]["vgpu_devices"] == []


def test_read_without_drift_and_with(engine: Engine, vcenter: VCenterDouble) -> None:
    resource_id, state = engine.create(VMC, inputs())
    checked = engine.checked(VMC, inputs())
    read = engine.read(VMC, resource_id, state, checked)
    assert plain_map(read.properties) == plain_map(state)
    vcenter.classes["vgpu-a100-40c"].update(cpu_count=4)
    read = engine.read(VMC, resource_id, state, checked)
    assert plain_map(read.inputs)["cpuCount"] == 4
    assert engine.diff(VMC, read.properties, inputs()).diffs == ["cpuCount"]


def test_read_of_a_gone_class_returns_no_id(engine: Engine, vcenter: VCenterDouble) -> None:
    resource_id, state = engine.create(VMC, inputs())
    vcenter.classes.clear()
    assert engine.read(VMC, resource_id, state).resource_id == ""


@pytest.mark.parametrize("extra", [{}, {"directPathDevices": [], "description": ""}])
def test_import_matches_a_program_that_names_or_omits_what_is_empty(engine: Engine, extra: dict[str, Any]) -> None:
    engine.create(VMC, inputs())
    read = engine.read(VMC, "vgpu-a100-40c")
    assert engine.diff(VMC, read.properties, inputs(**extra)).changes is False


def test_import_of_direct_path_devices(engine: Engine) -> None:
    wanted = inputs(vgpuProfiles=None, directPathDevices=[A100])
    engine.create(VMC, wanted)
    assert plain_map(engine.read(VMC, "vgpu-a100-40c").inputs)["directPathDevices"] == [A100]


def test_create_is_repeatable_and_refuses_foreign_classes(engine: Engine, vcenter: VCenterDouble) -> None:
    engine.create(VMC, inputs())
    engine.create(VMC, inputs(cpuCount=8))
    assert vcenter.classes["vgpu-a100-40c"]["cpu_count"] == 8
    with pytest.raises(VcfError, match=r"belongs to the Pulumi stack paif/dev.*pulumi import.*id vgpu-a100-40c"):
        engine.create(VMC, inputs(), urn=engine.urn(VMC, "another"))


def test_adopted_class_survives_destroy(engine: Engine, vcenter: VCenterDouble) -> None:
    vcenter.classes["vgpu-a100-40c"] = {
        "id": "vgpu-a100-40c",
        "cpu_count": 1,
        "memory_MB": 4,
        "description": "hand-made",
    }
    resource_id, state = engine.create(VMC, inputs(adopt=True))
    state = engine.update(VMC, resource_id, state, inputs(adopt=True, cpuCount=4))
    engine.delete(VMC, resource_id, state)
    assert vcenter.classes["vgpu-a100-40c"]["description"] == "hand-made"


def test_delete_is_repeatable(engine: Engine, vcenter: VCenterDouble) -> None:
    resource_id, state = engine.create(VMC, inputs())
    engine.delete(VMC, resource_id, state)
    engine.delete(VMC, resource_id, state)
    assert vcenter.classes == {}


def test_delete_waits_for_users_that_are_going_and_names_those_that_stay(
    engine: Engine, vcenter: VCenterDouble
) -> None:
    resource_id, state = engine.create(VMC, inputs())
    space = {"config_status": "REMOVING", "polls": 100, "vm_service_spec": {"vm_classes": [resource_id]}}
    vcenter.polls_until_gone = 12
    vcenter.namespaces["leaving"] = {**space, "polls": 12}
    engine.delete(VMC, resource_id, state)
    assert vcenter.classes == {}
    resource_id, state = engine.create(VMC, inputs())
    vcenter.namespaces["staying"] = {**space, "config_status": "RUNNING"}
    with pytest.raises(VcfError, match=r"cannot be deleted: .*RESOURCE_IN_USE.*: staying; .*pulumi state delete"):
        engine.delete(VMC, resource_id, state)
    assert engine.clock.time < 300
    del vcenter.namespaces["staying"]
    engine.delete(VMC, resource_id, state)
    assert vcenter.classes == {}
