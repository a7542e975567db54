"""Adoption takes nothing away: a namespace that was made by hand, through `up`, update and `destroy`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from cli.bench.scratch import lab_basics, write_yaml
from pulumi_resource_vcf.ownership import Stored
from tests.lab.conftest import ROOT, Paif
from tests.lab.hand_made import CLIENT_CLASS, OVERLAP, by_hand
from tests.lab.project import Project


def _config(vm_class: str, **namespace: Any) -> dict[str, Any]:
    access = {"subject": "data-scientists", "domain": "lab.test", "role": "EDIT"}
    return lab_basics() | {
        "paif:gpu": {"mode": "directpath", "model": "L40S"},
        "paif:namespace": {
            "adopt": True,
            "accessList": [access, {"subject": "mlops-engineers", "domain": "lab.test", "role": "EDIT"}],
            "storage": [{"policy": "pai-gold", "limitGib": 5}],
            **namespace,
        },
        "paif:vmClasses": [{"name": vm_class, "cpuCount": 4, "memoryGib": 16}],
    }


def _without_ours(there: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """What the namespace would be if nobody had adopted it: only what a stack asks for is taken out of it."""
    classes = there["vm_service_spec"]["vm_classes"]
    libraries = [each["content_library"] for each in before["content_libraries"]]
    return there | {
        "description": Stored.of(there["description"]).text,
        "access_list": [
            OVERLAP if each["subject"] == "data-scientists" else each
            for each in there["access_list"]
            if each["subject"] != "mlops-engineers"
        ],
        "storage_specs": [there["storage_specs"][0], before["storage_specs"][1], *there["storage_specs"][2:]],
        "vm_service_spec": {
            "vm_classes": [each for each in classes if not each.startswith("acme-")],
            "content_libraries": [each for each in there["vm_service_spec"]["content_libraries"] if each in libraries],
        },
        "content_libraries": [each for each in there["content_libraries"] if each["content_library"] in libraries],
    }


def test_two_stacks_adopt_a_namespace_and_leave_it_as_it_was(paif: Paif, tmp_path: Path) -> None:
    paif("lab", "up")
    with by_hand(paif) as site:
        before = site.make("shared")
        hand_made = site.vm_class(str(CLIENT_CLASS["id"]))
        stacks = []
        for name, vm_class in (("one", "db"), ("two", "ai")):
            (tmp_path / name).mkdir()
            stacks.append(Project(paif, tmp_path / name, name, _config(vm_class, name="shared")))
        one, two = stacks

        def unharmed() -> None:
            assert _without_ours(site.namespace("shared"), before) == before
            assert site.vm_class(str(CLIENT_CLASS["id"])) == hand_made

        try:
            said = one("preview", "--stack", "one")
            for line in (
                "Supervisor namespace 'shared' is there and is adopted:",
                "changes access of GROUP data-scientists@lab.test: VIEW to EDIT, VIEW again once it is released",
                "adds VM class acme-one-class-db",
                "leaves 1 of accessList; 1 of storageSpecs; 2 of vmClasses",
            ):
                assert line in said
            assert site.namespace("shared") == before
            for stack in stacks:
                stack("up", "--yes", "--skip-preview", "--stack", stack.stack)
                unharmed()
            there = site.namespace("shared")
            assert there["vm_service_spec"]["vm_classes"][-2:] == ["acme-one-class-db", "acme-two-class-ai"]
            assert [each["role"] for each in there["access_list"]] == ["OWNER", "EDIT", "EDIT"]
            for stack in stacks:
                stack("refresh", "--yes", "--expect-no-changes", "--stack", stack.stack)
                stack("preview", "--expect-no-changes", "--stack", stack.stack)
            # Both want both entries: the first to drop one takes it from nobody.
            for stack, roles in ((one, ["OWNER", "EDIT", "EDIT"]), (two, ["OWNER", "VIEW"])):
                stack("config", "rm", "--path", "paif:namespace.accessList", "--stack", stack.stack)
                stack("up", "--yes", "--skip-preview", "--stack", stack.stack)
                unharmed()
                assert [each["role"] for each in site.namespace("shared")["access_list"]] == roles
            one("destroy", "--yes", "--skip-preview", "--stack", "one")
            unharmed()
            assert "acme-one-class-db" not in site.classes()
            two("preview", "--expect-no-changes", "--stack", "two")
        finally:
            for stack in stacks:
                stack("destroy", "--yes", "--skip-preview", "--stack", stack.stack)
        assert site.namespace("shared") == before
        assert not {each for each in site.classes() if each.startswith(("acme-one", "acme-two"))}
        site.remove("shared")


def test_exclusive_removes_what_is_not_given_and_the_preview_warns_of_it(paif: Paif, tmp_path: Path) -> None:
    paif("lab", "up")
    with by_hand(paif) as site:
        before = site.make("seized")
        alone = Project(paif, tmp_path, "alone", _config("db", name="seized"))
        try:
            alone("up", "--yes", "--skip-preview", "--stack", "alone")
            assert _without_ours(site.namespace("seized"), before) == before
            alone("config", "set", "--path", "paif:namespace.exclusive", "true", "--stack", "alone")
            said = alone("preview", "--stack", "alone")
            for line in ("warning: ", "REMOVES access of USER ada@acme.example", "REMOVES VM class best-effort-small"):
                assert line in said
            assert _without_ours(site.namespace("seized"), before) == before
            alone("up", "--yes", "--skip-preview", "--stack", "alone")
            there = site.namespace("seized")
            assert there["vm_service_spec"]["vm_classes"] == ["acme-alone-class-db"]
            assert [each["subject"] for each in there["access_list"]] == ["data-scientists", "mlops-engineers"]
            assert there["storage_specs"] == [{"policy": site.policy("pai-gold"), "limit": 5120}]
            alone("refresh", "--yes", "--expect-no-changes", "--stack", "alone")
        finally:
            alone("destroy", "--yes", "--skip-preview", "--stack", "alone")
        # What was wanted and there before stays, as it was before.
        assert site.namespace("seized")["access_list"] == [OVERLAP]
        assert "acme-alone-class-db" not in site.classes()
        site.remove("seized")


@pytest.mark.parametrize("devices", ["as-they-are", "others"])
def test_an_adopted_class_keeps_its_config_spec(paif: Paif, tmp_path: Path, devices: str) -> None:
    paif("lab", "up")
    with by_hand(paif) as site:
        site.make_class(CLIENT_CLASS)
        name = str(CLIENT_CLASS["id"])
        before = site.vm_class(name)
        wanted = ["grid_a100-40c"] if devices == "as-they-are" else ["grid_a100-8c"]
        stack = Project(paif, tmp_path, f"class-{devices}", _config("db", name="unused"))
        _program(tmp_path, name, wanted, paif.state / "lab" / "endpoints.json")
        if devices == "others":
            assert "has its devices in its config_spec" in stack.refused("preview", "--stack", stack.stack)
            assert site.vm_class(name) == before
            return
        try:
            said = stack("preview", "--stack", stack.stack)
            assert "changes cpuCount: 8 to 16" in said
            stack("up", "--yes", "--skip-preview", "--stack", stack.stack)
            there = site.vm_class(name)
            assert (there["cpu_count"], there["config_spec"]) == (16, before["config_spec"])
            stack("refresh", "--yes", "--expect-no-changes", "--stack", stack.stack)
        finally:
            stack("destroy", "--yes", "--skip-preview", "--stack", stack.stack)
        assert site.vm_class(name) == before


_PROGRAM = """\
import json, sys
from pathlib import Path
import pulumi
sys.path.insert(0, {root!r})
from pulumi_paif import vcf

ends = json.loads(Path({endpoints!r}).read_text())["vcenter"]
provider = vcf.Provider(
    "vc", server=ends["server"], username=ends["username"], password=ends["password"], ca_bundle=ends["ca"]
)
vcf.VirtualMachineClass(
    {name!r}, name={name!r}, cpu_count=16, memory_mib=65536, vgpu_profiles={profiles!r}, description="ours",
    adopt=True, opts=pulumi.ResourceOptions(provider=provider),
)
"""


def _program(folder: Path, name: str, profiles: list[str], endpoints: Path) -> None:
    """Let the project adopt one class instead of running the toolkit's program."""
    (folder / "adopts").mkdir()
    text = _PROGRAM.format(root=str(ROOT), endpoints=str(endpoints), name=name, profiles=profiles)
    (folder / "adopts" / "__main__.py").write_text(text, encoding="utf-8")
    project = YAML(typ="safe").load((folder / "Pulumi.yaml").read_text(encoding="utf-8"))
    write_yaml(folder / "Pulumi.yaml", {**project, "main": "adopts"})
