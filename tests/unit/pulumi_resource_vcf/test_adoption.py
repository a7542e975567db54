"""Adoption takes nothing away: namespaces, VM classes, and the marks by which everybody knows what is whose."""

from __future__ import annotations

import copy
from typing import Any

import pulumi.provider.experimental.provider as sdk
import pytest

from pulumi_resource_vcf.errors import VcfError
from pulumi_resource_vcf.ownership import Mark, Stored, parse
from pulumi_resource_vcf.values import plain_map
from tests.unit.pulumi_resource_vcf.double import INSTANCES, LIBRARY_ID, VCenterDouble
from tests.unit.pulumi_resource_vcf.harness import UNKNOWN, Engine

NS, VMC = "Namespace", "VirtualMachineClass"
RELEASES_ID = "22222222-2222-3333-4444-555555555555"
IDP = "00000000-0000-4000-8000-000000000001"
OURS = {"subjectType": "GROUP", "subject": "Data-Scientists", "domain": "lab.test", "role": "EDIT"}
FOREIGN: dict[str, Any] = {
    "supervisor": "domain-c8",
    "config_status": "RUNNING",
    "polls": 0,
    "messages": [],
    "description": "  team A's own, by hand ",
    "access_list": [
        {
            "subject_type": "USER",
            "subject": "ada",
            "domain": "acme.example",
            "role": "OWNER",
            "identity_provider": IDP,
        },
        {"subject_type": "GROUP", "subject": "data-scientists", "domain": "LAB.test", "role": "VIEW"},
    ],
    "storage_specs": [{"policy": "policy-silver", "limit": 1024}, {"policy": "policy-gold"}],
    "vm_service_spec": {"vm_classes": ["gpu-b"], "content_libraries": [RELEASES_ID]},
    "content_libraries": [
        {"content_library": RELEASES_ID, "writable": True, "resource_naming_strategy": "FROM_ITEM_ID"}
    ],
    "resource_spec": {"memory_limit": 1},
}


def inputs(**changes: Any) -> dict[str, Any]:
    """What a program wants of the namespace that is there; it meets one access entry and one policy in it."""
    full = {
        "name": "shared",
        "supervisor": "pai-supervisor",
        "description": "acme dev",
        "accessList": [OURS],
        "storageSpecs": [{"policy": "pai-gold", "limitMib": 500}],
        "vmClasses": ["gpu-a"],
        "contentLibraries": ["dlvm-images"],
        "adopt": True,
    }
    return {k: v for k, v in {**full, **changes}.items() if v is not None}


@pytest.fixture
def shared(vcenter: VCenterDouble) -> dict[str, Any]:
    """The namespace that is there, as vCenter has it."""
    vcenter.classes.update({name: {"id": name} for name in ("gpu-a", "gpu-b", "gpu-c")})
    vcenter.namespaces["shared"] = copy.deepcopy(FOREIGN)
    return vcenter.namespaces["shared"]


def as_it_was(info: dict[str, Any]) -> bool:
    """Whether the namespace is as its makers left it, whatever its status counts."""
    return {k: v for k, v in info.items() if k != "polls"} == {k: v for k, v in FOREIGN.items() if k != "polls"}


def foreign_part(info: dict[str, Any]) -> list[Any]:
    """What no program has asked for."""
    return [
        Stored.of(info["description"]).text,
        info["access_list"][0],
        info["storage_specs"][0],
        info["vm_service_spec"]["vm_classes"][0],
        info["vm_service_spec"]["content_libraries"][0],
        info["content_libraries"][0],
        info["resource_spec"],
    ]


def test_what_is_there_stays_through_up_update_and_destroy(engine: Engine, shared: dict[str, Any]) -> None:
    resource_id, state = engine.create(NS, inputs())
    assert foreign_part(shared) == foreign_part(FOREIGN)
    assert shared["access_list"][1] == {**FOREIGN["access_list"][1], "role": "EDIT"}
    assert shared["storage_specs"][1] == {"policy": "policy-gold", "limit": 500}
    assert shared["vm_service_spec"] == {
        "vm_classes": ["gpu-b", "gpu-a"],
        "content_libraries": [RELEASES_ID, LIBRARY_ID],
    }
    state = engine.update(NS, resource_id, state, inputs(vmClasses=["gpu-c"], contentLibraries=[]))
    assert foreign_part(shared) == foreign_part(FOREIGN)
    assert shared["vm_service_spec"] == {"vm_classes": ["gpu-b", "gpu-c"], "content_libraries": [RELEASES_ID]}
    engine.delete(NS, resource_id, state)
    assert as_it_was(shared)


def test_an_entry_that_the_program_drops_gets_its_former_value_back(engine: Engine, shared: dict[str, Any]) -> None:
    resource_id, state = engine.create(NS, inputs())
    state = engine.update(NS, resource_id, state, inputs(accessList=[], storageSpecs=[], vmClasses=["gpu-a", "gpu-b"]))
    assert shared["access_list"] == FOREIGN["access_list"]
    assert shared["storage_specs"] == FOREIGN["storage_specs"]
    # gpu-b was there before: not wanting it any more does not take it from the others.
    engine.update(NS, resource_id, state, inputs(accessList=[], storageSpecs=[], vmClasses=[]))
    assert shared["vm_service_spec"]["vm_classes"] == ["gpu-b"]


def test_what_somebody_else_has_set_since_is_not_put_back(engine: Engine, shared: dict[str, Any]) -> None:
    resource_id, state = engine.create(NS, inputs())
    shared["access_list"][1]["role"] = "OWNER"
    engine.delete(NS, resource_id, state)
    assert shared["access_list"][1]["role"] == "OWNER"


def test_an_adopted_namespace_differs_by_what_is_ours_only(
    engine: Engine, vcenter: VCenterDouble, shared: dict[str, Any]
) -> None:
    resource_id, state = engine.create(NS, inputs())
    checked = engine.checked(NS, inputs())
    read = engine.read(NS, resource_id, state, checked)
    assert plain_map(read.properties) == plain_map(state)
    shared["access_list"].append({**FOREIGN["access_list"][0], "subject": "eve"})
    shared["vm_service_spec"]["vm_classes"].append("gpu-c")
    shared["description"] = shared["description"].replace("by hand", "by hand, again")
    read = engine.read(NS, resource_id, state, checked)
    assert engine.diff(NS, read.properties, inputs()).changes is False
    assert engine.diff(NS, read.properties, inputs(description="acme dev, new owner")).changes is False
    shared["access_list"][1]["role"] = "VIEW"
    shared["vm_service_spec"]["vm_classes"].remove("gpu-a")
    read = engine.read(NS, resource_id, state, checked)
    assert sorted(engine.diff(NS, read.properties, inputs()).diffs) == ["accessList", "vmClasses"]
    engine.update(NS, resource_id, read.properties, inputs())
    assert vcenter.namespaces["shared"]["vm_service_spec"]["vm_classes"] == ["gpu-b", "gpu-c", "gpu-a"]


def test_exclusive_removes_the_rest_and_says_so_in_the_preview(engine: Engine, shared: dict[str, Any]) -> None:
    engine.create(NS, inputs(exclusive=True), preview=True)
    [warning] = engine.warnings
    assert not engine.notices
    for gone in ("REMOVES access of USER ada@acme.example", "policy-silver", "gpu-b", RELEASES_ID, "the description"):
        assert gone in warning
    assert as_it_was(shared)
    resource_id, state = engine.create(NS, inputs(exclusive=True))
    assert [entry["subject"] for entry in shared["access_list"]] == ["data-scientists"]
    assert shared["storage_specs"] == [{"policy": "policy-gold", "limit": 500}]
    assert shared["vm_service_spec"] == {"vm_classes": ["gpu-a"], "content_libraries": [LIBRARY_ID]}
    assert shared["content_libraries"] == []
    assert Stored.of(shared["description"]).text == "acme dev"
    shared["vm_service_spec"]["vm_classes"].append("gpu-c")
    read = engine.read(NS, resource_id, state, engine.checked(NS, inputs(exclusive=True)))
    assert engine.diff(NS, read.properties, inputs(exclusive=True)).diffs == ["vmClasses"]
    engine.delete(NS, resource_id, state)
    # What was there before adoption stays, with its own value; what was removed does not come back.
    assert [entry["role"] for entry in shared["access_list"]] == ["VIEW"]
    assert shared["vm_service_spec"]["vm_classes"] == ["gpu-c"]


def test_exclusive_is_a_change_of_its_own_and_needs_adopt(engine: Engine, shared: dict[str, Any]) -> None:
    del shared
    _, state = engine.create(NS, inputs())
    assert engine.diff(NS, state, inputs(exclusive=True)).diffs == ["exclusive"]
    assert engine.diff(NS, state, inputs(exclusive=False)).changes is False
    assert "adopt: true" in engine.problems(NS, inputs(adopt=None, exclusive=True))["exclusive"]


def test_the_preview_tells_what_comes_what_changes_and_what_is_left(
    engine: Engine, vcenter: VCenterDouble, shared: dict[str, Any]
) -> None:
    wanted = inputs(vmClasses=["gpu-a", "gpu-b", "made-in-this-run"], contentLibraries=[UNKNOWN])
    engine.create(NS, wanted, preview=True)
    [told] = engine.notices
    assert not engine.warnings
    assert told.splitlines() == [
        "Supervisor namespace 'shared' is there and is adopted:",
        "  changes access of GROUP data-scientists@lab.test: VIEW to EDIT, VIEW again once it is released",
        "  changes storage policy policy-gold: no limit to 500, no limit again once it is released",
        "  has VM class gpu-b already",
        "  adds VM class gpu-a",
        "  adds VM class made-in-this-run",
        "  leaves 1 of accessList; 1 of storageSpecs; 1 of contentLibraries; "
        """the description "  team A's own, by hand \"""",
    ]
    assert as_it_was(shared)
    assert vcenter.count("(PATCH|DELETE) .*") == 0
    resource_id, state = engine.create(NS, inputs())
    engine.update(NS, resource_id, state, inputs(vmClasses=[]), preview=True)
    assert "takes away VM class gpu-a, which this stack had added" in engine.notices[-1]


def test_a_preview_fails_where_the_run_would(engine: Engine, shared: dict[str, Any]) -> None:
    shared["supervisor"] = "domain-c9"
    with pytest.raises(VcfError, match="exists on another Supervisor"):
        engine.create(NS, inputs(), preview=True)


def test_a_secret_in_what_is_there_is_not_told(engine: Engine, shared: dict[str, Any]) -> None:
    shared["description"] = "acme dev, by hand"
    checked = engine.checked(NS, inputs())
    checked["description"] = checked["description"].with_secret(True)
    engine.run(engine.provider.create(sdk.CreateRequest(engine.urn(NS), checked, 0, preview=True)))
    assert "'[secret], by hand'" in engine.notices[0]


def test_what_a_cut_off_adoption_had_added_is_known_to_the_next(engine: Engine, shared: dict[str, Any]) -> None:
    engine.create(NS, inputs())
    resource_id, state = engine.create(NS, inputs())
    engine.delete(NS, resource_id, state)
    assert as_it_was(shared)
    resource_id, state = engine.create(NS, inputs(accessList=[]))
    engine.update(NS, resource_id, state, inputs(vmClasses=["gpu-a", "gpu-c"]))
    engine.delete(NS, resource_id, state)
    assert shared["vm_service_spec"]["vm_classes"] == ["gpu-b"]


def test_a_description_that_was_written_anew_never_deletes_what_is_adopted(
    engine: Engine, vcenter: VCenterDouble, shared: dict[str, Any]
) -> None:
    resource_id, state = engine.create(NS, inputs())
    shared["description"] = "new words"
    state = engine.read(NS, resource_id, state, engine.checked(NS, inputs())).properties
    engine.delete(NS, resource_id, state)
    assert "shared" in vcenter.namespaces
    assert shared["description"] == "new words"
    assert shared["vm_service_spec"]["vm_classes"] == ["gpu-b"]
    assert shared["access_list"] == FOREIGN["access_list"]


def test_what_was_imported_and_is_called_adopted_is_not_deleted(
    engine: Engine, vcenter: VCenterDouble, shared: dict[str, Any], client_class: dict[str, Any]
) -> None:
    for kind, name in ((NS, "shared"), (VMC, "client")):
        found = engine.read(kind, name)
        state = {**found.properties, "adopt": found.properties["name"].with_value(True)}
        engine.delete(kind, name, state)
    assert as_it_was(vcenter.namespaces["shared"])
    assert vcenter.classes["client"] == client_class == MADE_IN_CLIENT
    assert shared is vcenter.namespaces["shared"]


@pytest.mark.parametrize("leaver", [0, 1])
def test_two_stacks_share_a_namespace_and_the_last_one_takes_the_shared_part_away(
    engine: Engine, shared: dict[str, Any], leaver: int
) -> None:
    urns = [engine.urn(NS, stack=stack) for stack in ("dev", "qa")]
    wanted = [inputs(vmClasses=["gpu-a"]), inputs(vmClasses=["gpu-a", "gpu-c"])]
    made = [engine.create(NS, each, urn=urn)[1] for urn, each in zip(urns, wanted, strict=True)]
    assert shared["vm_service_spec"]["vm_classes"] == ["gpu-b", "gpu-a", "gpu-c"]
    for urn, state, each in zip(urns, made, wanted, strict=True):
        read = engine.read(NS, "shared", state, engine.checked(NS, each), urn=urn)
        assert engine.diff(NS, read.properties, each).changes is False
    engine.delete(NS, "shared", made[leaver], urn=urns[leaver])
    assert shared["access_list"][1]["role"] == "EDIT"
    assert shared["storage_specs"][1]["limit"] == 500
    assert "gpu-a" in shared["vm_service_spec"]["vm_classes"]
    assert ("gpu-c" in shared["vm_service_spec"]["vm_classes"]) is (leaver == 0)
    engine.delete(NS, "shared", made[1 - leaver], urn=urns[1 - leaver])
    assert as_it_was(shared)


def test_a_stack_that_made_a_namespace_leaves_what_others_added_and_keeps_it_while_they_use_it(
    engine: Engine, vcenter: VCenterDouble, shared: dict[str, Any]
) -> None:
    del vcenter.namespaces["shared"], shared
    maker = inputs(adopt=None)
    other = engine.urn(NS, stack="qa")
    resource_id, state = engine.create(NS, maker)
    _, adopted = engine.create(NS, inputs(vmClasses=["gpu-c"], accessList=[{**OURS, "subject": "mlops"}]), urn=other)
    read = engine.read(NS, resource_id, state, engine.checked(NS, maker))
    assert engine.diff(NS, read.properties, maker).changes is False
    state = engine.update(NS, resource_id, read.properties, inputs(adopt=None, vmClasses=[]))
    info = vcenter.namespaces["shared"]
    assert info["vm_service_spec"]["vm_classes"] == ["gpu-c"]
    assert [each["subject"] for each in info["access_list"]] == ["Data-Scientists", "mlops"]
    with pytest.raises(VcfError, match=r"also used by paif/qa.*left alone"):
        engine.delete(NS, resource_id, state)
    engine.delete(NS, resource_id, adopted, urn=other)
    assert [each["subject"] for each in info["access_list"]] == ["Data-Scientists"]
    engine.delete(NS, resource_id, state)
    assert vcenter.namespaces == {}


def test_a_change_while_the_namespace_is_configured_waits_and_looks_again(
    engine: Engine, vcenter: VCenterDouble, shared: dict[str, Any]
) -> None:
    vcenter.polls_until_running = 3
    shared.update(config_status="CONFIGURING", polls=4)
    original = vcenter.handle

    def handle(request: Any) -> Any:
        if request.method == "PATCH" and shared["config_status"] == "CONFIGURING":
            # Meanwhile somebody else is at work.
            shared["vm_service_spec"]["vm_classes"] = ["gpu-b", "gpu-c"]
        return original(request)

    vcenter.handle = handle  # type: ignore[method-assign]
    resource_id, state = engine.create(NS, inputs())
    assert shared["vm_service_spec"]["vm_classes"] == ["gpu-b", "gpu-c", "gpu-a"]
    shared.update(config_status="CONFIGURING", polls=4)
    state = engine.update(NS, resource_id, state, inputs(vmClasses=[]))
    shared.update(config_status="CONFIGURING", polls=4)
    engine.delete(NS, resource_id, state)
    assert (shared["config_status"], shared["vm_service_spec"]["vm_classes"]) == ("RUNNING", ["gpu-b", "gpu-c"])
    assert vcenter.count(f"PATCH {INSTANCES}/shared") > 3


def test_a_change_that_a_concurrent_writer_overwrote_is_made_again(
    engine: Engine, vcenter: VCenterDouble, shared: dict[str, Any]
) -> None:
    original, overwritten = vcenter.handle, []

    def handle(request: Any) -> Any:
        answer = original(request)
        if request.method == "PATCH" and not overwritten:
            overwritten.append(shared["vm_service_spec"])
            # The other had read before us, and writes after us.
            shared.update(vm_service_spec=copy.deepcopy(FOREIGN["vm_service_spec"]), description="theirs")
        return answer

    vcenter.handle = handle  # type: ignore[method-assign]
    resource_id, state = engine.create(NS, inputs())
    assert shared["vm_service_spec"]["vm_classes"] == ["gpu-b", "gpu-a"]
    engine.delete(NS, resource_id, state)
    assert shared["vm_service_spec"] == FOREIGN["vm_service_spec"]


def test_import_shows_identity_providers_and_the_libraries_of_both_services(
    engine: Engine, shared: dict[str, Any]
) -> None:
    shared["content_libraries"].append({"content_library": LIBRARY_ID, "writable": False})
    read = engine.read(NS, "shared")
    found = plain_map(read.inputs)
    assert found["accessList"][0]["identityProvider"] == IDP
    assert found["contentLibraries"] == ["kubernetes-releases", "dlvm-images"]
    assert engine.diff(NS, read.properties, found).changes is False
    state = engine.update(NS, "shared", read.properties, {**found, "vmClasses": ["gpu-a"]})
    assert shared["access_list"] == FOREIGN["access_list"]
    assert shared["content_libraries"][0] == FOREIGN["content_libraries"][0]
    assert parse(plain_map(state)["owner"]) is not None


def test_an_own_entry_may_name_its_identity_provider(engine: Engine, vcenter: VCenterDouble) -> None:
    vcenter.classes["gpu-a"] = {"id": "gpu-a"}
    there = {**OURS, "identityProvider": IDP}
    assert engine.problems(NS, inputs(adopt=None, accessList=[OURS, there])) == {}
    _, state = engine.create(NS, inputs(adopt=None, accessList=[OURS, there]))
    assert [e.get("identity_provider") for e in vcenter.namespaces["shared"]["access_list"]] == [None, IDP]
    assert engine.diff(NS, state, inputs(adopt=None, accessList=[there, OURS])).changes is False


@pytest.mark.parametrize("text", ["", " ", "by hand", " by hand \n", "[pulumi:not a mark]"])
def test_a_persons_text_comes_back_to_the_byte(text: str) -> None:
    first = Mark.of("urn:pulumi:dev::paif::vcf:index:Namespace::a")
    second = Mark(
        "paif/qa", "0" * 16, "1" * 8, adopted=True, added=frozenset({"AbC-_1"}), was={"x": "", "y": "[a b~=%]"}
    )
    marked = Stored(text).replacing(None, first).replacing(None, second)
    read = Stored.of(str(marked))
    assert (read, str(read)) == (marked, str(marked))
    assert parse(str(second)) == second
    assert str(read.replacing(first, None).replacing(second, None)) == text


# VM classes

MADE_IN_CLIENT: dict[str, Any] = {
    "id": "client",
    "cpu_count": 8,
    "memory_MB": 65536,
    "description": "by hand ",
    "devices": {"vgpu_devices": [], "dynamic_direct_path_IO_devices": []},
    "config_spec": {
        "_typeName": "VirtualMachineConfigSpec",
        "memoryReservationLockedToMax": True,
        "cpuAllocation": {"reservation": 4000},
        "deviceChange": [
            {"operation": "add", "device": {"backing": {"vgpu": "grid_a100-40c"}}},
            {"operation": "remove", "device": {"backing": {"vgpu": "grid_a100-8c"}}},
        ],
    },
}


def vm_class(**changes: Any) -> dict[str, Any]:
    full = {"name": "client", "cpuCount": 8, "memoryMib": 65536, "adopt": True}
    return {k: v for k, v in {**full, **changes}.items() if v is not None}


@pytest.fixture
def client_class(vcenter: VCenterDouble) -> dict[str, Any]:
    vcenter.classes["client"] = copy.deepcopy(MADE_IN_CLIENT)
    return vcenter.classes["client"]


def test_gpus_in_a_config_spec_are_seen(engine: Engine, client_class: dict[str, Any]) -> None:
    found = plain_map(engine.read(VMC, "client").inputs)
    assert (found["vgpuProfiles"], found["memoryReservationPercent"]) == (["grid_a100-40c"], 100)
    client_class["config_spec"] = {
        "device_change": [
            {
                "device": {
                    "backing": {"custom_label": "a", "allowed_device": [{"vendor_id": 0x10DE, "device_id": 0x20B5}]}
                }
            }
        ]
    }
    found = plain_map(engine.read(VMC, "client").inputs)
    assert found["directPathDevices"] == [{"vendorId": "10de", "deviceId": "20b5", "customLabel": "a"}]


def test_a_config_spec_is_never_overwritten(engine: Engine, client_class: dict[str, Any]) -> None:
    resource_id, state = engine.create(VMC, vm_class(vgpuProfiles=["grid_a100-40c"], cpuCount=16))
    assert client_class["config_spec"] == MADE_IN_CLIENT["config_spec"]
    assert client_class["devices"] == MADE_IN_CLIENT["devices"]
    assert "memory_reservation" not in client_class
    assert client_class["cpu_count"] == 16
    for other in (vm_class(vgpuProfiles=["grid_a100-8c"]), vm_class(cpuReservationPercent=50)):
        with pytest.raises(VcfError, match=r"config_spec, as vSphere Client makes classes.*never written"):
            engine.update(VMC, resource_id, state, other)
        engine.delete(VMC, resource_id, state)
        with pytest.raises(VcfError, match="config_spec"):
            engine.create(VMC, other, preview=True)
        resource_id, state = engine.create(VMC, vm_class(cpuCount=16))
    engine.delete(VMC, resource_id, state)
    assert client_class == MADE_IN_CLIENT


def test_an_adopted_class_keeps_what_is_not_given_and_gets_the_rest_back(
    engine: Engine, vcenter: VCenterDouble
) -> None:
    there = {
        "id": "client",
        "cpu_count": 8,
        "memory_MB": 65536,
        "cpu_reservation": 20,
        "memory_reservation": 100,
        "description": "by hand",
        "devices": {"vgpu_devices": [{"profile_name": "grid_a100-8c"}], "dynamic_direct_path_IO_devices": []},
    }
    vcenter.classes["client"] = copy.deepcopy(there)
    wanted = vm_class(cpuCount=16, vgpuProfiles=["grid_a100-40c"], description="acme dev")
    engine.create(VMC, wanted, preview=True)
    assert engine.notices[0].splitlines() == [
        "VM class 'client' is there and is adopted:",
        "  changes cpuCount: 8 to 16",
        '  changes devices: {"vgpuProfiles":["grid_a100-8c"]} to {"vgpuProfiles":["grid_a100-40c"]}',
        "  leaves its description 'by hand'",
    ]
    assert vcenter.classes["client"] == there
    engine.create(VMC, wanted)
    resource_id, state = engine.create(VMC, wanted)
    info = vcenter.classes["client"]
    assert (info["cpu_count"], info["cpu_reservation"]) == (16, 20)
    assert info["description"].startswith("by hand [pulumi:")
    read = engine.read(VMC, resource_id, state, engine.checked(VMC, wanted))
    assert engine.diff(VMC, read.properties, wanted).changes is False
    state = engine.update(VMC, resource_id, state, vm_class(vgpuProfiles=["grid_a100-40c"], memoryMib=1024))
    assert (info["cpu_count"], info["memory_MB"]) == (8, 1024)
    info["memory_MB"] = 2048
    engine.delete(VMC, resource_id, state)
    assert info == {**there, "memory_MB": 2048}


def test_a_class_whose_mark_was_lost_is_not_deleted_when_it_was_adopted(
    engine: Engine, vcenter: VCenterDouble, client_class: dict[str, Any]
) -> None:
    resource_id, state = engine.create(VMC, vm_class())
    client_class["description"] = "new words"
    engine.delete(VMC, resource_id, state)
    assert vcenter.classes["client"]["description"] == "new words"


def test_an_update_of_what_now_belongs_to_another_stack_is_refused(engine: Engine, vcenter: VCenterDouble) -> None:
    resource_id, state = engine.create(VMC, vm_class(adopt=None))
    del vcenter.classes["client"]
    engine.create(VMC, vm_class(adopt=None), urn=engine.urn(VMC, stack="qa"))
    read = engine.read(VMC, resource_id, state, engine.checked(VMC, vm_class(adopt=None)))
    for recorded in (state, read.properties):
        with pytest.raises(VcfError, match="now belongs to the Pulumi stack paif/qa"):
            engine.update(VMC, resource_id, recorded, vm_class(adopt=None, cpuCount=2))
        with pytest.raises(VcfError, match="now belongs to the Pulumi stack paif/qa"):
            engine.delete(VMC, resource_id, recorded)
