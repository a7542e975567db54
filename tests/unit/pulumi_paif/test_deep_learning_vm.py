from __future__ import annotations

import base64
import subprocess
import sys
from typing import Any

import pytest

from pulumi_paif._component import ComponentInputError
from pulumi_paif.deep_learning_vm import DeepLearningVm, DeepLearningVmArgs, VmServiceArgs, VspherePlacementArgs
from pulumi_paif.enums import Persona
from pulumi_paif.shared_readiness import SharedReadiness
from tests.unit.pulumi_paif.harness import NAMESPACE, Declared, Engine, Registration, declare

_VM = "kubernetes:vmoperator.vmware.com/v1alpha3:VirtualMachine"
_SERVICE = "kubernetes:vmoperator.vmware.com/v1alpha3:VirtualMachineService"
_SECRET = "kubernetes:core/v1:Secret"
_ARGS: DeepLearningVmArgs = {
    "name": "acme-dev-dlvm-alice",
    "persona": Persona.DATA_SCIENTIST,
    "image": "dlvm-9.0.1-simulated",
    "password": "first-password",
    "vm_service": {
        "namespace": NAMESPACE,
        "vm_class": "acme-dev-class-a100-20c",
        "storage_class": "pai-gold",
        "labels": {"paif.dev/owner": "alice"},
    },
}
_LABELS = {"paif.dev/owner": "alice", "paif.dev/workstation": "acme-dev-dlvm-alice"}
_PLACE: VspherePlacementArgs = {
    "datacenter": "pai-dc",
    "host": "esx-05.lab.test",
    "datastore": "pai-ds",
    "network": "pai-workload",
    "ovf_network": "VM Network",
    "pci_device": "0000:3b:00.0",
    "content_library": "dlvm-images",
    "cpu_count": 16,
    "memory_mib": 131072,
    "disk_gib": 200,
    "guest_id": "ubuntu64Guest",
    "gpu_model": "L40S",
}


def _given(change: dict[str, Any]) -> Any:
    """Arguments with changes, those of the VM Service's block in their place."""
    if "vsphere" in change:
        return {**_ARGS, "vm_service": None, **change}
    own = {key: value for key, value in change.items() if key in VmServiceArgs.__annotations__}
    rest = {key: value for key, value in change.items() if key not in own}
    return {**_ARGS, "vm_service": {**(_ARGS.get("vm_service") or {}), **own}, **rest}


def _declared(**change: Any) -> Declared:
    args = _given(change)

    def build() -> dict[str, Any]:
        made = DeepLearningVm("alice", args)
        return {"address": made.address, "ssh": made.ssh, "jupyter": made.jupyter_url}

    return declare(build)


def _boot(secret: Registration) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in secret.inputs["data"].items()}


def test_the_vm_service_makes_secret_machine_and_service() -> None:
    declared = _declared(license_token="license", ngc_api_key="ngc-key", public_key="ssh-ed25519 A")
    assert declared.types() == {_SECRET: 1, _VM: 1, _SERVICE: 1, "vcf:index:Readiness": 1}
    secret = declared.one(_SECRET)
    assert secret.inputs["metadata"] == {
        "name": "acme-dev-dlvm-alice-ovf",
        "namespace": NAMESPACE,
        "labels": _LABELS,
        "annotations": {"paif.dev/image": "dlvm-9.0.1-simulated", "paif.dev/image-id": "dlvm-9.0.1-simulated"},
    }
    assert _boot(secret) == {
        "hostname": "acme-dev-dlvm-alice",
        "password": "first-password",
        "public-keys": "ssh-ed25519 A",
        "vgpu-license": "license",
        "nvidia-portal-api-key": "ngc-key",
    }
    assert "data" in secret.secrets
    assert declared.one(_VM).inputs["spec"] == {
        "className": "acme-dev-class-a100-20c",
        "imageName": "dlvm-9.0.1-simulated",
        "storageClass": "pai-gold",
        "powerState": "PoweredOn",
        "powerOffMode": "TrySoft",
        "network": {"interfaces": [{"name": "eth0"}]},
        "bootstrap": {"vAppConfig": {"rawProperties": "acme-dev-dlvm-alice-ovf"}},
    }
    assert declared.one(_SERVICE).inputs["spec"] == {
        "type": "LoadBalancer",
        "selector": {"paif.dev/workstation": "acme-dev-dlvm-alice"},
        "ports": [
            {"name": "ssh", "protocol": "TCP", "port": 22, "targetPort": 22},
            {"name": "jupyter", "protocol": "TCP", "port": 8888, "targetPort": 8888},
        ],
    }


def test_machines_can_share_one_wait_and_each_has_its_own_address() -> None:
    def build() -> dict[str, Any]:
        together = SharedReadiness()
        args: list[Any] = [{**_ARGS, "name": name} for name in ("one", "two")]
        made = [DeepLearningVm(each["name"], each, readiness=together) for each in args]
        together.wait("all-ready")
        return {f"{index}": each.address for index, each in enumerate(made)}

    declared = declare(build)
    ready = declared.one("vcf:index:Readiness")
    assert [(each["kind"], sorted(each["members"])) for each in ready.inputs["objects"]] == [
        ("VirtualMachine", ["one", "two"]),
        ("VirtualMachineService", ["one", "two"]),
    ]
    assert all("name" not in each and "asked" not in each for each in ready.inputs["objects"])
    assert len({*ready.inputs["objects"][0]["members"].values()}) == 2, "a digest of each"
    assert {"one", "one-access", "two", "two-access"} <= ready.depends_on
    assert declared.outputs == dict.fromkeys("01", "192.0.2.10")


def test_the_machine_is_waited_for_until_its_tools_run_and_it_has_an_address() -> None:
    ready = _declared().one("vcf:index:Readiness")
    machine, access = ready.inputs["objects"]
    # Not GuestBootstrap, which stays Unknown unless the guest reports it.
    assert machine["waitFor"] == [
        "condition=VirtualMachineCreated",
        "condition=VirtualMachineTools",
        "jsonpath={.status.network.primaryIP4}",
    ]
    assert access["waitFor"] == ["jsonpath={.status.loadBalancer.ingress[0].ip}"]
    assert ready.request.customTimeouts.create == "2700s"


def test_other_wait_conditions_replace_the_catalogs() -> None:
    ready = _declared(wait_for=["condition=VirtualMachineTools=False"]).one("vcf:index:Readiness")
    assert ready.inputs["objects"][0]["waitFor"] == ["condition=VirtualMachineTools=False"]


def test_another_spec_is_waited_for_again() -> None:
    def asked(**args: Any) -> str:
        return str(_declared(**args).one("vcf:index:Readiness").inputs["objects"][0]["asked"])

    assert asked() == asked()
    assert asked() != asked(vm_class="another")


def test_a_person_reaches_the_machine_through_its_service() -> None:
    assert _declared().outputs == {
        "address": "192.0.2.10",
        "ssh": "ssh vmware@198.51.100.7",
        "jupyter": "https://198.51.100.7:8888",
    }


def test_without_license_no_license_property_exists() -> None:
    assert set(_boot(_declared().one(_SECRET))) == {"hostname", "password"}


def test_a_proxy_reaches_the_guest_with_its_exceptions() -> None:
    declared = _declared(proxy={"https": "http://proxy.test:3128", "no_proxy": ["lab.test", "10.0.0.0/8"]})
    document = base64.b64decode(_boot(declared.one(_SECRET))["user-data"]).decode()
    assert document.startswith("#cloud-config\n")
    assert "HTTPS_PROXY=http://proxy.test:3128" in document
    assert "NO_PROXY=lab.test,10.0.0.0/8" in document


def _after_a_change(
    made_with: dict[str, str], monkeypatch: pytest.MonkeyPatch, image_id: str = "", **given: Any
) -> Declared:
    """A machine whose Secret the engine keeps as it was, whatever is given now; `image_id` as it is noted there."""
    plain = Engine.new_resource

    def kept(self: Engine, args: Any) -> Any:
        identity, outputs = plain(self, args)
        if args.typ == _SECRET:
            noted = {"paif.dev/image": "dlvm-9.0.0"} | ({"paif.dev/image-id": image_id} if image_id else {})
            metadata = {**outputs["metadata"], "annotations": noted}
            outputs = {**outputs, "metadata": metadata, "data": {k: _base64(v) for k, v in made_with.items()}}
        return identity, outputs

    monkeypatch.setattr(Engine, "new_resource", kept)
    args = _given(given)

    def build() -> dict[str, Any]:
        made = DeepLearningVm("alice", args)
        return {"password": made.password, "stale": made.stale}

    return declare(build)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_what_only_a_first_boot_reads_is_kept_as_it_was_and_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {"hostname": "acme-dev-dlvm-alice", "password": "the-first", "public-keys": "ssh-ed25519 OLD"}
    given = {
        "license_token": "new",
        "ngc_api_key": "new",
        "proxy": {"http": "http://p"},
        "public_key": "ssh-ed25519 NEW",
    }
    declared = _after_a_change(before, monkeypatch, **given)
    assert declared.outputs["stale"] == ["first password", "public key", "license token", "NGC key", "proxy", "image"]
    # The one that logs in, not the one that is given now.
    assert declared.outputs["password"] == "the-first"
    assert declared.secret_outputs == {"password"}
    assert list(declared.one(_SECRET).request.ignoreChanges) == ["data", "metadata.annotations"]
    # Asked for as it is: the platform refuses another image, and would refuse every machine for one new one.
    assert declared.one(_VM).inputs["spec"]["imageName"] == "dlvm-9.0.0"


def test_a_machine_as_it_was_made_has_nothing_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {"hostname": "acme-dev-dlvm-alice", "password": "first-password"}
    assert _after_a_change(before, monkeypatch, image="dlvm-9.0.0").outputs == {
        "password": "first-password",
        "stale": [],
    }


def test_an_image_is_named_by_its_id_where_its_name_does_not_tell_it_and_so_for_good(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    new = _declared(image_id="vmi-1")
    assert new.one(_VM).inputs["spec"]["imageName"] == "vmi-1"
    assert new.one(_SECRET).inputs["metadata"]["annotations"]["paif.dev/image"] == "dlvm-9.0.1-simulated"
    # Whether the name tells it by now, or means another one: the platform refuses a change.
    before = {"hostname": "acme-dev-dlvm-alice", "password": "first-password"}
    kept = _after_a_change(before, monkeypatch, "vmi-1", image="dlvm-9.0.0")
    assert kept.one(_VM).inputs["spec"]["imageName"] == "vmi-1"
    assert kept.outputs["stale"] == []


_BRACES = [
    "a{{b",
    "{{ .V1alpha3.VM.Name }}",
    "{",
    "}",
    "{}{}",
    r"a\{b",
    r"\\}",
    "{{{",
    r"\{{\}}",
    '{"a": {"b": "\\\\"}}',
]


@pytest.mark.parametrize("text", _BRACES)
def test_no_value_is_a_template_to_vm_operator(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = _boot(_declared(password=text).one(_SECRET))["password"]
    # Without an action between two braces a Go template is its own text; VM Operator takes the backslashes off then.
    assert "{{" not in sent
    assert sent.replace(r"\{", "{").replace(r"\}", "}") == text
    before = {"hostname": "acme-dev-dlvm-alice", "password": sent}
    kept = _after_a_change(before, monkeypatch, password=text, image="dlvm-9.0.0")
    assert kept.outputs == {"password": text, "stale": []}


def test_a_renewal_makes_another_secret_and_the_machine_anew() -> None:
    before, after = _declared(), _declared(renewal="autumn", password="another")
    names = [each.one(_SECRET).inputs["metadata"]["name"] for each in (before, after)]
    assert names == ["acme-dev-dlvm-alice-ovf", "acme-dev-dlvm-alice-ovf-autumn"]
    # Another resource to the engine, since it ignores changes of one that is there.
    assert before.one(_SECRET).name != after.one(_SECRET).name
    machines = [each.one(_VM) for each in (before, after)]
    assert [each.request.replacement_trigger.string_value for each in machines] == ["", "autumn"]
    assert all(each.request.deleteBeforeReplace for each in machines)
    assert not machines[1].request.ignoreChanges
    assert machines[1].inputs["spec"]["bootstrap"] == {"vAppConfig": {"rawProperties": names[1]}}


def test_a_fixed_device_pins_the_machine_and_locks_its_memory() -> None:
    declared = _declared(vsphere=_PLACE)
    assert declared.types() == {"vsphere:index/virtualMachine:VirtualMachine": 1}
    machine = declared.one("vsphere:index/virtualMachine:VirtualMachine")
    expected = {
        "hostSystemId": "id-of-esx-05.lab.test",
        "numCpus": 16,
        "memory": 131072,
        "memoryReservation": 131072,
        "memoryReservationLockedToMax": True,
        "firmware": "efi",
        "pciDeviceIds": ["0000:3b:00.0"],
        "extraConfig": {"pciPassthru.use64bitMMIO": "TRUE", "pciPassthru.64bitMMIOSizeGB": "128"},
        "clone": {"templateUuid": "id-of-dlvm-9.0.1-simulated"},
        "waitForGuestNetTimeout": 10,
    }
    assert {key: machine.inputs[key] for key in expected} == expected
    assert "DeepLearningVm::" in machine.inputs["annotation"]
    assert any(path.startswith("vapp") for path in machine.secrets)
    assert list(machine.request.ignoreChanges) == ["vapp"]


def test_of_a_clone_the_images_own_defaults_are_nothing_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Engine.new_resource

    def read(self: Engine, args: Any) -> Any:
        identity, outputs = plain(self, args)
        if "vapp" in outputs:
            properties = {**outputs["vapp"]["properties"], "password": "the-first", "public-keys": "a default"}
            outputs = {**outputs, "vapp": {"properties": properties}}
        return identity, outputs

    monkeypatch.setattr(Engine, "new_resource", read)
    args = _given({"vsphere": _PLACE})

    def build() -> dict[str, Any]:
        made = DeepLearningVm("alice", args)
        return {"password": made.password, "stale": made.stale}

    declared = declare(build)
    assert declared.outputs == {"password": "the-first", "stale": ["first password"]}
    assert declared.secret_outputs == {"password"}


def test_the_vsphere_sdk_is_loaded_only_for_its_route() -> None:
    program = "import sys, pulumi_paif.deep_learning_vm; sys.exit('pulumi_vsphere' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"persona": "app-developer"}, "persona"),
        ({"name": "Alice"}, "name"),
        ({"name": "1-alice"}, "name"),
        ({"proxy": {"https": "http://p"}}, "proxy.no_proxy"),
        ({"properties": {"vgpu-licens": "x"}}, 'properties["vgpu-licens"]'),
        ({"vsphere": _PLACE, "license_token": "x"}, "license_token"),
        ({"vsphere": _PLACE, "vm_service": _ARGS.get("vm_service")}, "vsphere"),
        ({"vm_service": None}, "vm_service"),
        ({"renewal": "In Autumn"}, "vm_service.renewal"),
    ],
)
def test_a_wrong_argument_is_named_by_its_path(change: dict[str, Any], path: str) -> None:
    with pytest.raises(ComponentInputError) as raised:
        DeepLearningVm("a", _given(change))
    assert [error["property_path"] for error in raised.value.errors or []] == [path]


def test_only_what_a_service_is_named_after_must_begin_with_a_letter() -> None:
    machine = _declared(vsphere=_PLACE, name="1-alice").one("vsphere:index/virtualMachine:VirtualMachine")
    assert machine.inputs["name"] == "1-alice"
