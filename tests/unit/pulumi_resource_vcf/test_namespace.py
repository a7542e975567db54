"""Rules of vcf:index:Namespace."""

from __future__ import annotations

from typing import Any

import pytest

from pulumi_resource_vcf.errors import InitFailedError, VcfError
from pulumi_resource_vcf.values import plain_map
from tests.unit.pulumi_resource_vcf.double import INSTANCES, LIBRARY_ID, VCenterDouble, vapi_error
from tests.unit.pulumi_resource_vcf.harness import UNKNOWN, Engine

NS = "Namespace"
GROUP = {"subjectType": "GROUP", "subject": "data-scientists", "domain": "lab.test", "role": "EDIT"}


def inputs(**changes: Any) -> dict[str, Any]:
    """A namespace with everything set."""
    full = {
        "name": "pai-dev",
        "supervisor": "pai-supervisor",
        "description": "for team A",
        "accessList": [GROUP],
        "storageSpecs": [{"policy": "pai-gold", "limitMib": 1048576}],
        "vmClasses": ["gpu-a"],
        "contentLibraries": ["dlvm-images"],
    }
    return {k: v for k, v in {**full, **changes}.items() if v is not None}


@pytest.fixture(autouse=True)
def _classes(vcenter: VCenterDouble) -> None:
    vcenter.classes.update({name: {"id": name} for name in ("gpu-a", "gpu-b")})


def test_create_sends_ids_and_waits_until_running(engine: Engine, vcenter: VCenterDouble) -> None:
    vcenter.polls_until_running = 3
    resource_id, state = engine.create(NS, inputs())
    sent = vcenter.bodies[-1][1]
    assert resource_id == "pai-dev"
    assert plain_map(state)["configStatus"] == "RUNNING"
    assert len(engine.clock.slept) == 3
    assert sent["supervisor"] == "domain-c8"
    assert sent["storage_specs"] == [{"policy": "policy-gold", "limit": 1048576}]
    assert sent["vm_service_spec"] == {"vm_classes": ["gpu-a"], "content_libraries": [LIBRARY_ID]}
    assert sent["access_list"] == [
        {"subject_type": "GROUP", "subject": "data-scientists", "domain": "lab.test", "role": "EDIT"}
    ]
    assert sent["description"].startswith("for team A [pulumi:paif/dev ")


def test_second_check_of_the_same_inputs_is_no_change(engine: Engine) -> None:
    _, state = engine.create(NS, inputs())
    assert engine.diff(NS, state, inputs()).changes is False


def test_lists_are_compared_without_order(engine: Engine) -> None:
    _, state = engine.create(NS, inputs(vmClasses=["gpu-a", "gpu-b"]))
    assert engine.diff(NS, state, inputs(vmClasses=["gpu-b", "gpu-a"])).changes is False


def test_an_id_in_place_of_its_name_is_no_change(engine: Engine) -> None:
    _, state = engine.create(NS, inputs())
    by_id = inputs(
        supervisor="domain-c8",
        storageSpecs=[{"policy": "policy-gold", "limitMib": 1048576}],
        contentLibraries=[LIBRARY_ID],
    )
    assert engine.diff(NS, state, by_id).changes is False


def test_name_and_supervisor_replace_everything_else_updates(engine: Engine) -> None:
    _, state = engine.create(NS, inputs())
    assert engine.diff(NS, state, inputs(name="pai-qa")).replaces == ["name"]
    assert engine.diff(NS, state, inputs(name="pai-qa")).delete_before_replace is False
    moved = engine.diff(NS, state, inputs(supervisor="other-supervisor"))
    assert (moved.replaces, moved.delete_before_replace) == (["supervisor"], True)
    changed = engine.diff(NS, state, inputs(description="new", accessList=[], storageSpecs=[], vmClasses=[]))
    assert changed.replaces == []
    assert set(changed.diffs) == {"description", "accessList", "storageSpecs", "vmClasses"}


def test_check_collects_every_problem_with_its_path(engine: Engine) -> None:
    problems = engine.problems(
        NS,
        inputs(
            name="PAI_dev",
            supervisor=None,
            acessList=[],
            accessList=[{**GROUP, "role": "EDITOR"}, {"subject": "x"}],
            storageSpecs=[{"policy": "pai-gold", "limitMib": -1}],
            vmClasses="gpu-a",
        ),
    )
    assert set(problems) == {
        "name",
        "supervisor",
        "acessList",
        "accessList[0].role",
        "accessList[1].domain",
        "accessList[1].role",
        "storageSpecs[0].limitMib",
        "vmClasses",
    }
    assert "the nearest is 'accessList'" in problems["acessList"]
    assert "expected one of OWNER, EDIT, VIEW; the nearest is 'EDIT'" in problems["accessList[0].role"]
    assert "DNS label" in problems["name"]


def test_duplicates_are_problems(engine: Engine) -> None:
    problems = engine.problems(NS, inputs(accessList=[GROUP, GROUP], vmClasses=["gpu-a", "gpu-a"]))
    assert set(problems) == {"accessList[1]", "vmClasses[1]"}


def test_unknown_values_pass_check_and_count_as_change(engine: Engine) -> None:
    unknown = inputs(supervisor=UNKNOWN, vmClasses=[UNKNOWN, "gpu-a"], accessList=UNKNOWN)
    assert engine.problems(NS, unknown) == {}
    _, state = engine.create(NS, inputs())
    diff = engine.diff(NS, state, unknown)
    assert set(diff.diffs) == {"supervisor", "vmClasses", "accessList"}


def test_preview_of_a_create_contacts_nothing(engine: Engine, vcenter: VCenterDouble) -> None:
    resource_id, state = engine.create(NS, inputs(), preview=True)
    assert resource_id == ""
    assert state["configStatus"].value == UNKNOWN
    assert vcenter.requests == []


def test_names_that_do_not_exist_are_reported_together(engine: Engine) -> None:
    with pytest.raises(VcfError) as raised:
        engine.create(
            NS,
            inputs(supervisor="pai-supervisr", storageSpecs=[{"policy": "pai-glod"}], vmClasses=["gpu-c"]),
        )
    text = str(raised.value)
    for part in (
        "supervisor:",
        "the nearest is 'pai-supervisor'",
        "storageSpecs[0].policy",
        "pai-gold",
        "vmClasses[0]",
    ):
        assert part in text


def test_create_goes_on_with_what_a_cut_off_create_left(engine: Engine, vcenter: VCenterDouble) -> None:
    engine.create(NS, inputs())
    resource_id, state = engine.create(NS, inputs(vmClasses=["gpu-b"]))
    assert resource_id == "pai-dev"
    assert vcenter.count(f"POST {INSTANCES}/v2") == 1
    assert vcenter.namespaces["pai-dev"]["vm_service_spec"]["vm_classes"] == ["gpu-b"]
    assert plain_map(state)["owner"] in vcenter.namespaces["pai-dev"]["description"]


@pytest.mark.parametrize("description", ["by hand", "theirs [pulumi:paif/prod 0123456789abcdef.00000000]"])
def test_create_refuses_what_is_somebody_elses(engine: Engine, vcenter: VCenterDouble, description: str) -> None:
    engine.create(NS, inputs())
    vcenter.namespaces["pai-dev"]["description"] = description
    with pytest.raises(VcfError, match=r"exists already.*pulumi import.*adopt: true"):
        engine.create(NS, inputs())


def test_adopted_namespace_keeps_its_description_and_survives_destroy(engine: Engine, vcenter: VCenterDouble) -> None:
    engine.create(NS, inputs(name="pai-dev"))
    vcenter.namespaces["pai-dev"]["description"] = "by hand"
    resource_id, state = engine.create(NS, inputs(adopt=True, description=None))
    assert vcenter.namespaces["pai-dev"]["description"].startswith("by hand [pulumi:paif/dev ")
    again, state = engine.create(NS, inputs(adopt=True, description=None))
    assert again == resource_id
    engine.delete(NS, resource_id, state)
    assert vcenter.namespaces["pai-dev"]["description"] == "by hand"


def test_lost_answer_to_the_post_is_recognized(engine: Engine, vcenter: VCenterDouble) -> None:
    original = vcenter.handle

    def handle(request: Any) -> Any:
        answer = original(request)
        if request.method == "POST" and request.path.endswith("/v2") and answer.status == 204:
            answer.drop = True
        return answer

    vcenter.handle = handle  # type: ignore[method-assign]
    resource_id, _ = engine.create(NS, inputs())
    assert resource_id == "pai-dev"
    assert vcenter.count(f"POST {INSTANCES}/v2") == 2


def test_timeout_tells_status_and_messages_and_keeps_the_resource(engine: Engine, vcenter: VCenterDouble) -> None:
    vcenter.polls_until_running = 10_000
    original = vcenter.handle

    def handle(request: Any) -> Any:
        for info in vcenter.namespaces.values():
            info["messages"] = [{"severity": "WARNING", "details": {"default_message": "waiting for storage quota"}}]
        return original(request)

    vcenter.handle = handle  # type: ignore[method-assign]
    with pytest.raises(InitFailedError, match=r"CONFIGURING.*WARNING: waiting for storage quota") as raised:
        engine.create(NS, inputs(), timeout=60)
    assert raised.value.resource_id == "pai-dev"
    assert 45 < engine.clock.time <= 60


def test_waits_ten_minutes_without_custom_timeout(engine: Engine, vcenter: VCenterDouble) -> None:
    vcenter.polls_until_running = 10_000
    with pytest.raises(InitFailedError):
        engine.create(NS, inputs())
    assert 570 < engine.clock.time <= 600


def test_lasting_error_status_fails_before_the_timeout(engine: Engine, vcenter: VCenterDouble) -> None:
    vcenter.polls_until_running = 10_000
    original = vcenter.handle

    def handle(request: Any) -> Any:
        for info in vcenter.namespaces.values():
            info["config_status"] = "ERROR"
        return original(request)

    vcenter.handle = handle  # type: ignore[method-assign]
    with pytest.raises(InitFailedError, match="cannot be configured"):
        engine.create(NS, inputs())
    assert engine.clock.time < 60


def test_read_without_drift_equals_the_state(engine: Engine) -> None:
    resource_id, state = engine.create(NS, inputs())
    read = engine.read(NS, resource_id, state, engine.checked(NS, inputs()))
    assert plain_map(read.properties) == plain_map(state)
    assert plain_map(read.inputs) == inputs()


def test_read_reports_drift_of_managed_properties_only(engine: Engine, vcenter: VCenterDouble) -> None:
    managed = inputs(accessList=None)
    resource_id, state = engine.create(NS, managed)
    info = vcenter.namespaces["pai-dev"]
    info["access_list"] = [{"subject_type": "USER", "subject": "eve", "domain": "lab.test", "role": "OWNER"}]
    info["storage_specs"] = [{"policy": "policy-silver"}]
    read = engine.read(NS, resource_id, state, engine.checked(NS, managed))
    assert plain_map(read.inputs) == {**managed, "storageSpecs": [{"policy": "policy-silver"}]}
    assert engine.diff(NS, read.properties, managed).diffs == ["storageSpecs"]


def test_read_of_a_gone_namespace_returns_no_id(engine: Engine, vcenter: VCenterDouble) -> None:
    resource_id, state = engine.create(NS, inputs())
    del vcenter.namespaces["pai-dev"]
    assert engine.read(NS, resource_id, state).resource_id == ""


def test_import_fills_everything_in_by_name(engine: Engine) -> None:
    engine.create(NS, inputs())
    read = engine.read(NS, "pai-dev")
    assert plain_map(read.inputs) == inputs()
    assert engine.diff(NS, read.properties, inputs()).changes is False


def test_update_patches_and_keeps_what_is_not_managed(engine: Engine, vcenter: VCenterDouble) -> None:
    resource_id, state = engine.create(NS, inputs())
    new = engine.update(NS, resource_id, state, inputs(vmClasses=["gpu-a", "gpu-b"], contentLibraries=None))
    info = vcenter.namespaces["pai-dev"]
    assert info["vm_service_spec"] == {"vm_classes": ["gpu-a", "gpu-b"], "content_libraries": [LIBRARY_ID]}
    assert "contentLibraries" not in new
    engine.update(NS, resource_id, new, inputs(vmClasses=None, contentLibraries=["kubernetes-releases"]))
    assert info["vm_service_spec"]["vm_classes"] == ["gpu-a", "gpu-b"]
    assert len(info["vm_service_spec"]["content_libraries"]) == 1
    assert info["vm_service_spec"]["content_libraries"] != [LIBRARY_ID]
    assert plain_map(new)["configStatus"] == "RUNNING"


def test_delete_waits_until_gone(engine: Engine, vcenter: VCenterDouble) -> None:
    resource_id, state = engine.create(NS, inputs())
    vcenter.polls_until_gone = 2
    engine.delete(NS, resource_id, state)
    assert vcenter.namespaces == {}
    assert len(engine.clock.slept) == 2


def test_delete_of_a_gone_namespace_is_fine(engine: Engine, vcenter: VCenterDouble) -> None:
    resource_id, state = engine.create(NS, inputs())
    vcenter.namespaces.clear()
    engine.delete(NS, resource_id, state)


def test_delete_leaves_a_namespace_that_changed_hands(engine: Engine, vcenter: VCenterDouble) -> None:
    resource_id, state = engine.create(NS, inputs())
    vcenter.namespaces["pai-dev"]["description"] = "x [pulumi:paif/prod 0123456789abcdef.00000000]"
    with pytest.raises(VcfError, match=r"paif/prod.*pulumi state delete"):
        engine.delete(NS, resource_id, state)


def test_forced_replacement_of_the_same_name_leaves_the_namespace(engine: Engine, vcenter: VCenterDouble) -> None:
    resource_id, old = engine.create(NS, inputs())
    _, new = engine.create(NS, inputs())
    engine.delete(NS, resource_id, old)
    assert "pai-dev" in vcenter.namespaces
    engine.delete(NS, resource_id, new)
    assert vcenter.namespaces == {}


def test_update_keeps_the_mark_deletable(engine: Engine, vcenter: VCenterDouble) -> None:
    resource_id, state = engine.create(NS, inputs())
    engine.update(NS, resource_id, state, inputs(description="lost before it was recorded"))
    engine.delete(NS, resource_id, state)
    assert vcenter.namespaces == {}


def test_delete_under_a_new_urn_after_an_alias_works(engine: Engine, vcenter: VCenterDouble) -> None:
    resource_id, state = engine.create(NS, inputs())
    engine.delete(NS, resource_id, state, urn=engine.urn(NS, "renamed"))
    assert vcenter.namespaces == {}


def test_create_waits_for_an_older_one_that_is_being_removed(engine: Engine, vcenter: VCenterDouble) -> None:
    engine.create(NS, inputs())
    vcenter.namespaces["pai-dev"].update(config_status="REMOVING", polls=3)
    engine.create(NS, inputs())
    assert vcenter.namespaces["pai-dev"]["config_status"] == "RUNNING"
    assert vcenter.count(f"POST {INSTANCES}/v2") == 2


def test_refusal_shows_vcenters_own_message(engine: Engine, vcenter: VCenterDouble) -> None:
    vcenter.fail(f"POST {INSTANCES}/v2", vapi_error(400, "INVALID_ARGUMENT", "Storage policy is not compatible."))
    with pytest.raises(VcfError, match=r"400 INVALID_ARGUMENT .*Storage policy is not compatible\."):
        engine.create(NS, inputs())


def test_secret_input_stays_secret_in_every_answer(engine: Engine) -> None:
    resource_id, state = engine.create(NS, inputs())
    marked = {**state, "description": state["description"].with_secret(True)}
    read = engine.read(NS, resource_id, marked, {k: v for k, v in marked.items() if k in inputs()})
    assert read.properties["description"].is_secret
    assert read.inputs["description"].is_secret
