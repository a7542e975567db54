from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

import pulumi
import pytest

import paif_catalog as catalog
from cli.output.personas import StackView, personas, value_at
from stacks.capacity import read_inventory
from stacks.connections import Connections, connections
from stacks.phases import PHASES, wanted_phases
from stacks.problems import read_problems
from stacks.program import build
from stacks.run_options import RunOptions
from tests.unit.pulumi_paif.harness import Declared, Engine, declare
from tests.unit.stacks.samples import GONE, PEM, environment
from tests.unit.stacks.site import ANSWERS, STANDING, inventory, platform

CONNECTIONS = Connections.model_validate(
    {
        "vcenter": {"server": "127.0.0.1:1", "username": "admin", "password": "vcenter-password", "ca": "PEM"},
        "supervisor": {"name": "pai-supervisor", "kubeconfig": "supervisor-kubeconfig"},
        "gallery": {"host": "127.0.0.1:2", "username": "robot", "password": "gallery-password", "ca": "PEM"},
        "oidc": {"issuer": "https://127.0.0.1:3/oidc", "clientId": "pais", "ca": "PEM"},
        "helm": {"repository": "http://127.0.0.1:4/charts"},
        "databaseCa": "PEM",
    }
)


def _run(
    changes: dict[str, Any] | None = None, until: str = "", gpus: dict[str, Any] | None = None, **told: Any
) -> Declared:
    env = environment(changes)
    answers = {**ANSWERS, **({"vcf:index:getGpuInventory": gpus} if gpus else {})}
    return declare(lambda: build(env, CONNECTIONS, RunOptions(until=until, **told)), answers)


def test_a_pool_from_zero_has_the_size_of_its_class() -> None:
    pool = {"name": "gpu", "class": "a100-40c", "minReplicas": 0, "maxReplicas": 3}
    cluster = _run({"clusters.0.pools.1": pool}).one("kubernetes:cluster.x-k8s.io/v1beta1:Cluster")
    made = cluster.inputs["spec"]["topology"]["workers"]["machineDeployments"][1]
    told = {
        key.removeprefix("capacity.cluster-autoscaler.kubernetes.io/"): value
        for key, value in made["metadata"]["annotations"].items()
    }
    assert {key: told[key] for key in ("cpu", "memory", "gpu-count")} == {
        "cpu": "16",
        "memory": "128Gi",
        "gpu-count": "1",
    }


def test_the_complete_environment_is_exactly_these_resources() -> None:
    assert _run().types() == {
        "pulumi:providers:vcf": 1,
        # the Supervisor's and the guest cluster's
        "pulumi:providers:kubernetes": 2,
        "vcf:index:VirtualMachineClass": 2,
        "vcf:index:Namespace": 1,
        # for the database, AI services, workstations and clusters
        "vcf:index:NamespaceContents": 4,
        "kubernetes:databases.dataservices.vmware.com/v1alpha1:PostgresCluster": 1,
        "vcf:index:PostgresExtension": 1,
        "kubernetes:pais.vmware.com/v1alpha1:PAISConfiguration": 1,
        "vcf:index:GalleryLogin": 1,
        "vcf:index:GalleryModel": 2,
        "kubernetes:pais.vmware.com/v1alpha1:ModelEndpoint": 2,
        "kubernetes:vmoperator.vmware.com/v1alpha3:VirtualMachine": 2,
        "kubernetes:vmoperator.vmware.com/v1alpha3:VirtualMachineService": 2,
        "kubernetes:cluster.x-k8s.io/v1beta1:Cluster": 1,
        "kubernetes:helm.sh/v3:Release": 1,
        # database, services, two endpoints, two workstations, cluster, GPU Operator
        "vcf:index:Readiness": 8,
        "kubernetes:core/v1:Namespace": 1,
        # trust for identity provider, database and gallery; licenses of PAIS and of the operator
        "kubernetes:core/v1:ConfigMap": 5,
        # two workstations, two NGC pull secrets, the gallery's, the cluster's trust
        "kubernetes:core/v1:Secret": 6,
    }


@pytest.mark.parametrize(("machines", "readinesses"), [(8, 8), (9, 1)])
def test_more_machines_than_an_engine_runs_operations_share_one_wait(machines: int, readinesses: int) -> None:
    asked = [
        {"name": f"w{index}", "owner": "alice", "persona": "data-scientist", "class": "a100-20c"}
        for index in range(machines)
    ]
    declared = _run({"workstations": asked}, until="workstations", gpus=inventory(gpus=10))
    waits = [each for each in declared.registrations if each.type == "vcf:index:Readiness"]
    assert len(waits) == readinesses
    assert all(declared.outputs[f"dataScientist.workstations.{each['name']}.address"] for each in asked)


@pytest.mark.parametrize(
    ("until", "phases"),
    [
        ("foundation", {"foundation"}),
        ("data", {"foundation", "data"}),
        ("ai-services", {"foundation", "data", "ai-services"}),
        ("endpoints", {"foundation", "data", "ai-services", "endpoints"}),
        ("workstations", {"foundation", "workstations"}),
        ("clusters", {"foundation", "clusters"}),
        ("", set(PHASES)),
    ],
)
def test_a_run_up_to_a_phase_builds_it_and_what_it_needs(until: str, phases: set[str]) -> None:
    declared = _run(until=until)
    built = {each.name for each in declared.registrations if each.type.startswith("paif:phase:")}
    assert built == phases


def test_an_unknown_phase_is_refused_with_the_nearest() -> None:
    with pytest.raises(pulumi.RunError, match=r"did you mean 'workstations'"):
        wanted_phases("workstation")


def test_a_workstation_and_a_cluster_do_not_wait_for_ai_services() -> None:
    declared = _run()
    for kind in (
        "kubernetes:vmoperator.vmware.com/v1alpha3:VirtualMachine",
        "kubernetes:cluster.x-k8s.io/v1beta1:Cluster",
    ):
        for each in (r for r in declared.registrations if r.type == kind):
            needed = " ".join(sorted(each.depends_on))
            assert "acme-dev-ns-workstations" in needed or "acme-dev-ns-clusters" in needed
            assert "-pg-" not in needed
            assert "-ep-" not in needed


def _contents(declared: Declared, name: str) -> dict[str, Any]:
    made = declared.one("vcf:index:NamespaceContents", f"acme-dev-ns-{name}")
    assert "acme-dev-ns-ai" in made.depends_on
    return {key: value for key, value in made.inputs.items() if key != "namespace"}


def test_each_phase_waits_once_for_what_its_objects_name_in_the_namespace() -> None:
    declared = _run()
    assert _contents(declared, "workstations") == {
        "vmClasses": ["acme-dev-class-a100-20c"],
        "storageClasses": ["pai-gold"],
        # The item tells it from other images of that name.
        "images": [{"name": "dlvm-9.0.1-simulated", "itemId": "i"}],
    }
    machines = [each for each in declared.registrations if each.type.endswith(":VirtualMachine")]
    assert len(machines) > 1
    assert all("acme-dev-ns-workstations" in each.depends_on for each in machines)
    clusters = _contents(declared, "clusters")
    assert clusters["storageClasses"] == ["pai-gold"]
    assert set(clusters["vmClasses"]) >= {"acme-dev-class-a100-40c", "best-effort-large"}
    assert "images" not in clusters
    database = declared.one("kubernetes:databases.dataservices.vmware.com/v1alpha1:PostgresCluster")
    assert "acme-dev-ns-database" in database.depends_on
    pais = declared.one("kubernetes:pais.vmware.com/v1alpha1:PAISConfiguration")
    assert "acme-dev-ns-services" in pais.depends_on


def test_ai_services_come_after_the_extension_and_endpoints_after_the_services() -> None:
    declared = _run()
    pais = declared.one("kubernetes:pais.vmware.com/v1alpha1:PAISConfiguration")
    assert "acme-dev-pg-vectors" in pais.depends_on
    assert "acme-dev-pg-vectors-vector" in pais.depends_on
    endpoint = declared.one("paif:index:ModelEndpoint", "acme-dev-ep-llama")
    assert f"{pais.name}-ready" in endpoint.depends_on


def test_each_persona_gets_its_own_outputs() -> None:
    outputs = _run().outputs
    assert {name.split(".")[0] for name in outputs} == {
        "environment",
        "versions",
        "dataScientist",
        "mlopsEngineer",
        "appDeveloper",
        "database",
        "clusters",
    }
    assert outputs["dataScientist.workstations.alice.ssh"] == "ssh vmware@198.51.100.7"
    assert outputs["mlopsEngineer.workstations.bob.owner"] == "bob"
    assert outputs["appDeveloper.models.bge"] == "baai/bge"
    assert outputs["appDeveloper.oidc.issuer"] == "https://127.0.0.1:3/oidc"
    assert outputs["mlopsEngineer.gallery.username"] == "robot"
    assert outputs["mlopsEngineer.gallery.password"] == "gallery-password"
    assert outputs["appDeveloper.baseUrl"] == "https://198.51.100.9/api/v1/compatibility/openai/v1"
    assert not [name for name in outputs if name.startswith("appDeveloper") and "workstation" in name]
    assert outputs["versions.clusters.gpu.gpuOperator"] == "v24.9.0"


def test_the_sheet_of_the_outputs_tells_all_that_was_made() -> None:
    declared, asked = _run(), environment()
    outputs: dict[str, Any] = {}
    for path, value in declared.outputs.items():
        *parents, last = path.split(".")
        place = outputs
        for part in parents:
            place = place.setdefault(part, {})
        place[last] = value
    made = frozenset((each.type.rsplit(":", 1)[-1], each.name) for each in declared.registrations)
    sheet = personas("dev", outputs, StackView(asked, made))
    assert "not made" not in sheet
    assert "removed" not in sheet
    assert "None" not in sheet
    for named in ("alice", "bob", "model llama", "model bge", "cluster gpu", "database", "gallery", "sign-in"):
        assert f"  {named}  " in sheet
    for path in re.findall(r"`\./paif outputs dev ([\w.]+)", sheet):
        assert value_at(outputs, path)


def test_secrets_are_secret_in_inputs_and_outputs() -> None:
    declared = _run()
    assert declared.secret_outputs == {
        "database.password",
        "clusters.gpu.kubeconfig",
        "mlopsEngineer.gallery.password",
        "dataScientist.workstations.alice.password",
        "mlopsEngineer.workstations.bob.password",
    }
    words = ("in-plain-text", "vcenter-password", "gallery-password", "supervisor-kubeconfig", "value-of-pg")
    for each in declared.registrations:
        for path, text in _leaves(each.inputs):
            if any(word in text for word in words):
                assert any(path.startswith(secret) for secret in each.secrets), f"{each.type} {each.name}: {path}"


def _leaves(value: Any, path: str = "") -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in _leaves(item, f"{path}.{key}".strip("."))]
    if isinstance(value, list):
        return [leaf for index, item in enumerate(value) for leaf in _leaves(item, f"{path}[{index}]")]
    return [(path, str(value))]


def test_everything_that_takes_labels_says_whose_it_is() -> None:
    for each in _run().registrations:
        labels = (each.inputs.get("metadata") or {}).get("labels")
        if each.type.startswith("kubernetes:") and not each.type.endswith("Patch") and "helm" not in each.type:
            assert labels, each.name
            assert labels["paif.dev/owner"] == "ai-platform"
            assert labels["paif.dev/cost-center"] == "cc-1"


def test_directpath_leaves_no_license_anywhere() -> None:
    changes: dict[str, Any] = {
        "gpu": {"mode": "directpath", "model": "L40S"},
        "vmClasses.0.profile": GONE,
        "vmClasses.0.gpus": 1,
        "vmClasses.1.profile": GONE,
        "vmClasses.1.gpus": 1,
        "licenseToken": GONE,
        "ngcApiKey": GONE,
    }
    declared = _run(changes, gpus=inventory(8, profiles=[], deviceId="26b9", passthroughActive=True))
    text = str([each.inputs for each in declared.registrations]).lower()
    for word in ("licensingconfig", "client_configuration_token", "vgpu-license", "nvcr.io", "ngc"):
        assert word not in text, word


def test_a_class_of_whole_gpus_names_the_device_that_the_hosts_have() -> None:
    whole: dict[str, Any] = {
        "gpu": {"mode": "directpath", "model": "H100"},
        "vmClasses.0.profile": GONE,
        "vmClasses.0.gpus": 1,
        "vmClasses.1.profile": GONE,
        "vmClasses.1.gpus": 1,
        "licenseToken": GONE,
        "ngcApiKey": GONE,
    }
    declared = _run(whole, gpus=inventory(8, profiles=[], deviceId="2331", passthroughActive=True))
    classes = [each for each in declared.registrations if each.type == "vcf:index:VirtualMachineClass"]
    assert {each.inputs["directPathDevices"][0]["deviceId"] for each in classes} == {"2331"}


def test_prod_protects_and_keeps_what_holds_data() -> None:
    declared = _run({"kind": "prod", "workstations": [], "modelEndpoints": []})
    kept = {
        (each.type.rsplit(":", 1)[1])
        for each in declared.registrations
        if each.request.custom and each.request.protect and each.request.retainOnDelete
    }
    assert {"Namespace", "PostgresCluster", "Cluster"} <= kept
    assert "VirtualMachineClass" not in kept


def test_nothing_is_made_where_the_hosts_have_no_room() -> None:
    with pytest.raises(pulumi.RunError) as raised:
        _run(gpus=inventory(gpus=1))
    assert str(raised.value).startswith("The infrastructure cannot hold stack dev; nothing was created:")
    assert "esx-01 0 of 1 GPUs" in str(raised.value)


def test_what_the_infrastructure_lacks_goes_to_the_file_that_asks_for_it(tmp_path: Path) -> None:
    file = tmp_path / "problems.json"
    _run(problems_file=file)
    assert read_problems(file) == []
    with pytest.raises(pulumi.RunError):
        _run({"content.dlvmImage": "dlvm-9.0.2"}, gpus=inventory(profiles=["grid_a100-40c"]), problems_file=file)
    found = dict(read_problems(file))
    assert set(found) == {("vmClasses", 0, "profile"), ("content", "dlvmImage")}
    assert found["vmClasses", 0, "profile"].nearest == "grid_a100-40c"


def _missing(kind: str, name: str, known: tuple[str, ...] = (), ids: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"kind": kind, "name": name, "known": list(known), "ids": list(ids)}


_NAMED: list[tuple[dict[str, Any], dict[str, Any], tuple[Any, ...], str]] = [
    (
        {"vcenter.computeCluster": "pai-gp"},
        _missing("computeClusters", "pai-gp", ("mgmt", "pai-gpu")),
        ("vcenter", "computeCluster"),
        "paif:vcenter.computeCluster is 'pai-gp': expected a compute cluster that vCenter has: mgmt, pai-gpu "
        "(did you mean 'pai-gpu'?)",
    ),
    (
        {"supervisor.name": "pai-supervisr"},
        _missing("supervisors", "pai-supervisr", ("pai-supervisor",)),
        ("supervisor", "name"),
        "paif:supervisor.name is 'pai-supervisr': expected a Supervisor that vCenter has: pai-supervisor "
        "(did you mean 'pai-supervisor'?)",
    ),
    (
        {"namespace.storage.1": {"policy": "pai-slver"}},
        _missing("storagePolicies", "pai-slver", ("pai-gold", "pai-silver")),
        ("namespace", "storage", 1, "policy"),
        "paif:namespace.storage[1].policy is 'pai-slver': expected a storage policy that vCenter has: pai-gold, "
        "pai-silver (did you mean 'pai-silver'?)",
    ),
    (
        {"content.kubernetesLibrary": "kubernetes-release"},
        _missing("contentLibraries", "kubernetes-release", ids=("id-1", "id-2")),
        ("content", "kubernetesLibrary"),
        "paif:content.kubernetesLibrary is 'kubernetes-release': expected an id, since several are called so: id-1, "
        "id-2",
    ),
    (
        {"content.dlvmLibrary": "dlvm"},
        _missing("contentLibraries", "dlvm", ("dlvm-images",)),
        ("content", "dlvmLibrary"),
        "paif:content.dlvmLibrary is 'dlvm': expected a content library that vCenter has: dlvm-images",
    ),
    (
        {"vmClasses.0.existing": True},
        _missing("vmClasses", "a100-20c", ("a100-20",)),
        ("vmClasses", 0, "name"),
        "paif:vmClasses[0].name is 'a100-20c': expected a VM class that vCenter has: a100-20 (did you mean 'a100-20'?)",
    ),
    (
        {},
        _missing("vmClasses", "best-effort-xlarge"),
        ("modelEndpoints", 1, "class"),
        "paif:modelEndpoints[1].class is 'best-effort-xlarge': expected a VM class that vCenter has: none is defined",
    ),
]


@pytest.mark.parametrize(("changes", "missing", "path", "said"), _NAMED, ids=[str(each[2]) for each in _NAMED])
def test_what_is_named_and_not_there_is_told_where_it_is_named_and_nothing_else_is_said_of_it(
    tmp_path: Path,
    changes: dict[str, Any],
    missing: dict[str, Any],
    path: tuple[Any, ...],
    said: str,
) -> None:
    file = tmp_path / "problems.json"
    env = environment(changes)
    answers = {**ANSWERS, "vcf:index:getMissing": {"missing": [missing]}}
    if missing["kind"] == "computeClusters":
        answers["vcf:index:getGpuInventory"] = RuntimeError("there is none")
    if missing["name"] == "dlvm":
        answers["vcf:index:getContentLibrary"] = RuntimeError("there is none")
    with pytest.raises(pulumi.RunError, match=r"nothing was created"):
        declare(lambda: build(env, CONNECTIONS, RunOptions(problems_file=file)), answers)
    [(where, problem)] = read_problems(file)
    assert (where, problem.message) == (path, said)


def test_one_library_may_hold_images_and_releases() -> None:
    declared = _run({"content.dlvmLibrary": "dlvm-images", "content.kubernetesLibrary": "dlvm-images"})
    assert declared.one("vcf:index:Namespace").inputs["contentLibraries"] == ["dlvm-images"]


@pytest.mark.parametrize("kind", catalog.baseline().awaited_kinds())
def test_every_condition_that_an_environment_may_override_is_waited_for(kind: str) -> None:
    declared = _run({"conditions": {kind: ["condition=Overridden"]}})
    awaited = [it for each in declared.registrations for it in each.inputs.get("objects") or []]
    said = {f"{each['apiVersion']}/{each['kind']}": each["waitFor"] for each in awaited}
    assert said[kind] == ["condition=Overridden"]


def test_a_missing_image_is_named_with_the_nearest() -> None:
    with pytest.raises(pulumi.RunError, match=r"paif:content.dlvmImage is 'dlvm-9.0.2'.*did you mean"):
        _run({"content.dlvmImage": "dlvm-9.0.2"})


@pytest.mark.parametrize("gpus", [4, 1], ids=["enough", "too few"])
def test_what_gpu_hosts_there_are_goes_to_the_file_that_asks_for_it(tmp_path: Path, gpus: int) -> None:
    file = tmp_path / "gpus.json"
    with contextlib.suppress(pulumi.RunError):
        _run(gpus=inventory(gpus=gpus), inventory_file=file)
    found = read_inventory(file, environment().vcenter.compute_cluster)
    assert found is not None
    assert [len(host.pci_devices) for host in found.hosts] == [gpus]


def test_an_environment_without_gpus_or_workstations_asks_nothing_of_the_inventory() -> None:
    plain: dict[str, Any] = {"vmClasses": [], "workstations": [], "modelEndpoints": [], "clusters": []}
    calls = [token for token, _ in _run(plain).calls]
    assert "vcf:index:getGpuInventory" not in calls
    assert "vcf:index:getContentLibrary" not in calls


_VCF: dict[str, Any] = {
    "target": "vcf",
    "registryPassword": "r",
    "gallery": {"registry": "harbor.test", "username": "robot"},
    "aiServices.oidc": {"issuerUrl": "https://idp.test", "clientId": "pais"},
}


def test_a_real_vcf_takes_credentials_from_configuration_or_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAIF_VCENTER_SERVER", "vc.test")
    monkeypatch.setenv("PAIF_VCENTER_USERNAME", "from-the-environment")
    monkeypatch.setenv("PAIF_KUBECONFIG", "kubeconfig-text")
    monkeypatch.delenv("PAIF_VCENTER_PASSWORD", raising=False)
    found = connections(
        environment({**_VCF, "vcenter.username": "configured", "vcenterPassword": "p", "vcenter.caBundle": PEM})
    )
    assert (found.vcenter.server, found.vcenter.username, found.vcenter.ca) == ("vc.test", "configured", PEM)
    assert found.vcenter.password.get_secret_value() == "p"
    assert found.supervisor.kubeconfig.get_secret_value() == "kubeconfig-text"


def test_missing_credentials_are_all_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SERVER", "USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"PAIF_VCENTER_{name}", raising=False)
    monkeypatch.delenv("PAIF_KUBECONFIG", raising=False)
    with pytest.raises(pulumi.RunError) as raised:
        connections(environment(_VCF))
    assert [line.split(",")[0].strip() for line in str(raised.value).splitlines()[1:]] == [
        "paif:vcenter.server",
        "paif:vcenter.username",
        "paif:vcenterPassword",
        "paif:kubeconfig (the text of a kubeconfig)",
    ]


_ON_VSPHERE: dict[str, Any] = {
    "gpu": {"mode": "directpath", "model": "L40S"},
    "vmClasses": [{"name": "l40s", "cpuCount": 8, "memoryGib": 64, "gpus": 1}],
    "workstations": [
        {
            "name": "alice",
            "owner": "alice",
            "persona": "data-scientist",
            "class": "l40s",
            "route": "vsphere",
            "vsphere": {
                "datacenter": "pai-dc",
                "host": "esx-05",
                "datastore": "pai-ds",
                "network": "pai-workload",
                "pciDevice": "0000:3b:00.0",
            },
        }
    ],
    "modelEndpoints": [],
    "clusters": [],
    "licenseToken": GONE,
    "ngcApiKey": GONE,
}
_PASSED_THROUGH = inventory(8, profiles=[], deviceId="26b9", passthroughActive=True)


def test_a_fixed_device_goes_through_the_vsphere_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/somewhere/ca.pem")
    declared = _run(_ON_VSPHERE, until="workstations", gpus=_PASSED_THROUGH)
    assert declared.types() == {
        "pulumi:providers:vcf": 1,
        "pulumi:providers:kubernetes": 1,
        "pulumi:providers:vsphere": 1,
        "vcf:index:VirtualMachineClass": 1,
        "vcf:index:Namespace": 1,
        "vsphere:index/virtualMachine:VirtualMachine": 1,
    }
    provider = declared.one("pulumi:providers:vsphere")
    assert "allowUnverifiedSsl" not in provider.inputs
    assert "password" in provider.secrets


def test_the_vsphere_plugin_is_not_started_without_a_way_to_check_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with pytest.raises(pulumi.RunError, match="export SSL_CERT_FILE"):
        _run(_ON_VSPHERE, until="workstations", gpus=_PASSED_THROUGH)


_LIBRARIES: dict[str, Any] = {
    "contentLibraries": [
        {
            "name": "dlvm-images",
            "datacenter": "pai-dc",
            "datastore": "pai-ds",
            "subscription": {"url": "https://dl.broadcom.com/{token}/lib.json", "username": "vcsp"},
        }
    ],
    "libraryToken": "token-in-plain-text",
    "libraryPassword": "password-in-plain-text",
}
_CONTENT_LIBRARY = "vsphere:index/contentLibrary:ContentLibrary"


def test_a_library_that_is_asked_for_is_made_and_the_namespace_and_the_machines_wait_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/somewhere/ca.pem")
    declared = _run(_LIBRARIES)
    library = declared.one(_CONTENT_LIBRARY)
    assert library.inputs == {
        "name": "dlvm-images",
        "storageBackings": ["id-of-pai-ds"],
        "subscription": {
            "subscriptionUrl": "https://dl.broadcom.com/token-in-plain-text/lib.json",
            "onDemand": True,
            "automaticSync": True,
            "authenticationMethod": "BASIC",
            "username": "vcsp",
            "password": "password-in-plain-text",
        },
    }
    assert "subscription" in library.secrets
    assert list(library.request.additionalSecretOutputs) == ["subscription"]
    namespace = declared.one("vcf:index:Namespace")
    assert namespace.inputs["contentLibraries"] == ["x/dlvm-images", "kubernetes"]
    assert "dlvm-images" in namespace.depends_on
    calls = dict(declared.calls)
    assert "vcf:index:getContentLibrary" not in calls
    asked = {"library": "x/dlvm-images", "name": "dlvm-9.0.1-simulated", "timeoutSeconds": 900}
    assert calls["vcf:index:getLibraryItem"] == asked
    machine = declared.one("kubernetes:vmoperator.vmware.com/v1alpha3:VirtualMachine", "acme-dev-dlvm-alice")
    assert machine.inputs["spec"]["imageName"] == "dlvm-9.0.1-simulated"
    contents = declared.one("vcf:index:NamespaceContents", "acme-dev-ns-workstations")
    assert contents.inputs["images"] == [{"name": "dlvm-9.0.1-simulated", "itemId": "item-dlvm-9.0.1-simulated"}]
    assert "dlvm-images" in contents.depends_on
    assert "acme-dev-ns-workstations" in machine.depends_on


def test_a_local_library_has_no_subscription_and_prod_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/somewhere/ca.pem")
    local = {"name": "kubernetes", "datacenter": "pai-dc", "datastore": "pai-ds"}
    declared = _run({"kind": "prod", "workstations": [], "contentLibraries": [local]}, until="foundation")
    library = declared.one(_CONTENT_LIBRARY)
    assert library.inputs == {"name": "kubernetes", "storageBackings": ["id-of-pai-ds"]}
    assert library.request.protect
    assert library.request.retainOnDelete


def test_an_environment_that_only_looks_libraries_up_needs_no_vsphere_plugin() -> None:
    assert not [kind for kind in _run().types() if "vsphere" in kind]


def test_a_machine_of_the_vsphere_plugin_carries_tags_that_say_whose_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/somewhere/ca.pem")
    tags = {"create": ["environment"], "categories": {"owner": "Owner"}}
    declared = _run({**_ON_VSPHERE, "vsphereTags": tags}, until="workstations", gpus=_PASSED_THROUGH)
    machine = declared.one("vsphere:index/virtualMachine:VirtualMachine")
    assert machine.inputs["tags"] == [
        "id-of-acme",
        "x/acme-dev-tags-environment-dev",
        "id-of-ai-platform",
        "id-of-cc-1",
        "id-of-data-scientist",
    ]
    looked_up = {call["name"] for token, call in declared.calls if token.endswith("getTagCategory")}
    assert looked_up == {
        "paif.dev/organization",
        "paif.dev/environment",
        "Owner",
        "paif.dev/cost-center",
        "paif.dev/persona",
    }


def test_only_the_environment_that_makes_tags_or_has_such_machines_needs_the_vsphere_plugin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/somewhere/ca.pem")
    assert not [kind for kind in _run({"vsphereTags": {}}).types() if "vsphere" in kind]
    made = _run({"vsphereTags": {"createCategories": True, "create": ["persona"]}}, until="foundation")
    assert made.types()["vsphere:index/tagCategory:TagCategory"] == 5
    assert {each.inputs["name"] for each in made.registrations if each.type == "vsphere:index/tag:Tag"} == {
        "data-scientist",
        "mlops-engineer",
    }
    assert not [token for token, _ in made.calls if token.startswith("vsphere:")]


@pytest.mark.parametrize("kind", ["dev", "prod"])
def test_an_existing_database_is_used_and_neither_created_nor_protected(kind: str) -> None:
    env = environment({"kind": kind, "workstations": [], "database": {"existing": "shared"}})
    declared = declare(lambda: build(env, CONNECTIONS, RunOptions(until="ai-services")), platform(standing=[STANDING]))
    assert "kubernetes:databases.dataservices.vmware.com/v1alpha1:PostgresCluster" not in declared.types()
    assert not declared.one("vcf:index:PostgresExtension").request.protect
    pais = declared.one("kubernetes:pais.vmware.com/v1alpha1:PAISConfiguration").inputs["spec"]["database"]
    assert pais == {
        "host": "192.0.2.20",
        "dbname": "pais",
        "username": "pgadmin",
        "passwordRef": {"name": "pg-acme-dev-pg-vectors", "fieldPath": "password"},
    }
    assert declared.outputs["versions.database"] == "16.8+vmware.v9.0.1.0"


def test_an_external_database_reaches_the_services_by_a_secret() -> None:
    external = {"host": "pg.test", "port": 6432, "database": "vectors", "username": "pais"}
    changes = {"database": {"external": external}, "databasePassword": "database-in-plain-text"}
    declared = _run(changes, until="ai-services")
    pais = declared.one("kubernetes:pais.vmware.com/v1alpha1:PAISConfiguration")
    secret = declared.one("kubernetes:core/v1:Secret", "acme-dev-pg-vectors-password")
    assert pais.inputs["spec"]["database"] == {
        "host": "pg.test:6432",
        "dbname": "vectors",
        "username": "pais",
        "passwordRef": {"name": secret.inputs["metadata"]["name"], "fieldPath": "password"},
    }
    assert "acme-dev-pg-vectors-password" in pais.depends_on
    for each in declared.registrations:
        for path, text in _leaves(each.inputs):
            if "database-in-plain-text" in text:
                assert any(path.startswith(secret) for secret in each.secrets), f"{each.type} {each.name}: {path}"
    assert declared.outputs["database.port"] == 6432
    assert "versions.database" not in declared.outputs


def test_a_secret_changes_in_place_wherever_the_program_makes_one() -> None:
    declared = _run()
    providers = [each for each in declared.registrations if each.type == "pulumi:providers:kubernetes"]
    assert len(providers) == 2
    for provider in providers:
        # Without the first every Secret is deleted before it is made again, without the second everything is.
        assert provider.inputs["enableSecretMutable"] == "true"
        assert provider.inputs["clusterIdentifier"]


def test_the_gallerys_login_is_tried_before_anything_that_holds_it() -> None:
    declared = _run()
    login = declared.one("vcf:index:GalleryLogin")
    for each in declared.registrations:
        holds = any("gallery-password" in text for _, text in _leaves(each.inputs))
        if holds and each is not login:
            # A child is registered after what the component around it waits for.
            around = [one for one in declared.registrations if each.request.parent.endswith(f"::{one.name}")]
            assert login.name in each.depends_on.union(*(one.depends_on for one in around)), f"{each.type} {each.name}"


def test_a_renewal_reaches_its_machine_only() -> None:
    plain = environment()
    machines = [each.model_dump(by_alias=True, exclude_none=True, mode="json") for each in plain.workstations]
    machines[0]["renewal"] = "autumn"
    declared = _run({"workstations": machines})
    secrets = [each.name for each in declared.registrations if "-bootstrap" in each.name]
    assert sorted(secrets) == ["acme-dev-dlvm-alice-bootstrap-autumn", "acme-dev-dlvm-bob-bootstrap"]


def test_what_only_a_first_boot_reads_is_told_once_for_all_machines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", said.append)
    _run()
    assert said == []
    plain = Engine.new_resource

    def kept(self: Engine, args: Any) -> Any:
        identity, outputs = plain(self, args)
        if args.name.endswith("-bootstrap"):
            outputs = {**outputs, "data": {**outputs["data"], "password": "b2xk"}}
        return identity, outputs

    monkeypatch.setattr(Engine, "new_resource", kept)
    outputs = _run().outputs
    [text] = said
    assert "  alice (vm-service): first password\n  bob (vm-service): first password\n" in text
    assert "renewal" in text
    assert outputs["dataScientist.workstations.alice.password"] == "old"
