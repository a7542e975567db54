"""Rules of the typed classes in pulumi_paif/vcf: exact inputs on the wire, secrets marked, outputs resolved."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest

from pulumi_paif import vcf
from pulumi_resource_vcf.python_sdk import written
from pulumi_resource_vcf.schema import package_schema

OUTPUTS = {
    "configStatus": "RUNNING",
    "supervisorId": "domain-c8",
    "installedVersion": "0.8.5",
    "ociRef": "h/m@sha256:0",
}


class Mocks(pulumi.runtime.Mocks):
    """Records what would be registered; answers with the inputs and fixed outputs."""

    def __init__(self) -> None:
        self.inputs: dict[str, dict[str, Any]] = {}
        self.answer: dict[str, Any] = {}

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.inputs[args.typ] = dict(args.inputs)
        return args.name, {**args.inputs, **OUTPUTS}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        return self.answer, []


@pytest.fixture
def mocks() -> Iterator[Mocks]:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    mocks = Mocks()
    pulumi.runtime.set_mocks(mocks, preview=False)
    yield mocks
    loop.close()
    # Pulumi's mocks take the present loop, whoever made it.
    asyncio.set_event_loop(asyncio.new_event_loop())


def value_of(output: pulumi.Output[Any]) -> Any:
    """Waits for an output."""
    return asyncio.get_event_loop().run_until_complete(output.future())


def is_secret(output: pulumi.Output[Any]) -> bool:
    return asyncio.get_event_loop().run_until_complete(output.is_secret())


def test_namespace_goes_out_in_camel_case_without_what_is_left_out(mocks: Mocks) -> None:
    resource = vcf.Namespace(
        "ns",
        name="pai-dev",
        supervisor="pai-supervisor",
        access_list=[vcf.AccessEntry(subject="ds", domain="lab.test", role="EDIT")],
        storage_specs=[vcf.StorageSpec(policy="gold", limit_mib=5), vcf.StorageSpec(policy="silver")],
        vm_classes=pulumi.Output.from_input(["a"]),
    )
    assert value_of(resource.config_status) == "RUNNING"
    assert value_of(resource.supervisor_id) == "domain-c8"
    assert value_of(resource.name) == "pai-dev"
    assert mocks.inputs["vcf:index:Namespace"] == {
        "name": "pai-dev",
        "supervisor": "pai-supervisor",
        "accessList": [{"subject": "ds", "domain": "lab.test", "role": "EDIT"}],
        "storageSpecs": [{"policy": "gold", "limitMib": 5}, {"policy": "silver"}],
        "vmClasses": ["a"],
    }


def test_argument_lists_may_be_outputs(mocks: Mocks) -> None:
    device = vcf.DirectPathDevice(vendor_id="10de", device_id=pulumi.Output.from_input("26b9"))
    resource = vcf.VirtualMachineClass(
        "vm", name="dp", cpu_count=8, memory_mib=4096, direct_path_devices=pulumi.Output.from_input([device])
    )
    assert value_of(resource.name) == "dp"
    sent = mocks.inputs["vcf:index:VirtualMachineClass"]
    assert sent["directPathDevices"] == [{"vendorId": "10de", "deviceId": "26b9"}]


def test_passwords_are_secret_without_the_programs_doing(mocks: Mocks) -> None:
    login: Any = {"host": "db", "database": "d", "username": "u", "password": "p"}
    made: list[tuple[pulumi.CustomResource, str]] = [
        (vcf.PostgresExtension("e", extension="vector", **login), "password"),
        (vcf.PostgresRole("r", name="team", role_password="q", **login), "rolePassword"),
        (vcf.PostgresSchema("s", name="team", **login), "password"),
        (vcf.GalleryModel("m", registry="h", repository="m", reference="1", username="u", password="p"), "password"),
    ]
    for resource, name in made:
        assert is_secret(getattr(resource, name)), resource
    assert set(mocks.inputs) == {f"vcf:index:{type(resource).__name__}" for resource, _ in made}


def test_outputs_that_are_no_inputs_resolve(mocks: Mocks) -> None:
    del mocks
    login: Any = {"host": "db", "database": "d", "username": "u", "password": "p"}
    assert value_of(vcf.PostgresExtension("e", extension="vector", **login).installed_version) == "0.8.5"
    assert value_of(vcf.GalleryModel("m", registry="h", repository="m", reference="1").oci_ref) == "h/m@sha256:0"


@pytest.mark.parametrize("file", sorted(written(package_schema())))
def test_classes_are_as_the_providers_schema_writes_them(file: str) -> None:
    there = (Path(vcf.__file__).parent / file).read_text(encoding="utf-8")
    wanted = written(package_schema())[file]
    assert there == wanted, "run: .venv/bin/python -m pulumi_resource_vcf.python_sdk pulumi_paif/vcf"


def test_look_ups_become_typed_values(mocks: Mocks) -> None:
    gpu = {
        "id": "a",
        "vendorId": "10de",
        "deviceId": "20b5",
        "name": "A100",
        "passthroughActive": True,
        "assignedTo": [],
    }
    host = {"name": "esx", "moid": "host-1", "connected": True, "memoryMib": 4.0, "vgpuProfiles": ["p"]}
    mocks.answer = {"hosts": [{**host, "pciDevices": [gpu]}]}
    found = vcf.get_gpu_inventory("pai-gpu").hosts[0]
    assert (found.memory_mib, found.pci_devices[0].passthrough_active) == (4, True)


def test_look_up_without_an_answer_is_explained(mocks: Mocks) -> None:
    mocks.answer = {}
    with pytest.raises(pulumi.RunError, match="configuration is not known yet"):
        vcf.get_supervisor("x")
