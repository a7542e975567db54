from __future__ import annotations

from typing import Any, get_args

import pytest

from stacks.environment import SECRETS, Environment, storage_class, validate
from stacks.environment.sections.section import FullName, Section, UsesStoragePolicy, UsesVmClass
from tests.unit.stacks.samples import COMPLETE, GONE, PEM, changed, environment, messages


def test_the_complete_environment_is_valid() -> None:
    assert messages({}) == []


def test_what_is_right_is_not_refused() -> None:
    key = f"{_KEY} Zoë, at home"
    proxy = {"http": "http://proxy.test:3128", "https": "https://10.0.0.1", "noProxy": ["localhost"]}
    assert messages({"workstations.0": {**COMPLETE["workstations"][0], "publicKey": key, "proxy": proxy}}) == []
    assert messages({"workstations.0.owner": "Zoë O'Brien (ML) <zoe@example.com>"}) == []
    assert messages({"vcenter.caBundle": f"of the lab\n{PEM}\r\nand another\r\n{PEM}"}) == []
    one = {"content.dlvmLibrary": "all", "content.kubernetesLibrary": "all"}
    assert messages(one) == []
    assert messages({**one, "contentLibraries": [_library(name="all")]}) == []


@pytest.mark.parametrize(
    ("kind", "endpoints", "control_plane", "high_availability", "kept"),
    [
        ("dev", 1, 1, False, False),
        ("qa", 1, 1, False, False),
        ("staging", 2, 3, True, False),
        ("prod", 3, 3, True, True),
    ],
)
def test_defaults_follow_the_kind(
    kind: str, endpoints: int, control_plane: int, high_availability: bool, kept: bool
) -> None:
    env = environment({"kind": kind, "workstations": []})
    assert [endpoint.replicas for endpoint in env.model_endpoints] == [endpoints, endpoints]
    assert env.clusters[0].control_plane.replicas == control_plane
    assert env.database is not None
    assert env.database.high_availability is high_availability
    assert (env.protection.protect, env.protection.retain) == (kept, kept)


def test_what_the_configuration_says_wins_over_the_default() -> None:
    env = environment(
        {"kind": "prod", "workstations": [], "modelEndpoints.0.replicas": 1, "protection": {"protect": False}}
    )
    assert env.model_endpoints[0].replicas == 1
    assert (env.protection.protect, env.protection.retain) == (False, True)


def test_names_follow_the_convention() -> None:
    env = environment()
    assert env.named("workstation", "alice") == "acme-dev-dlvm-alice"
    assert env.vm_class_name("a100-40c") == "acme-dev-class-a100-40c"
    assert env.vm_class_name("best-effort-large") == "best-effort-large"


def test_labels_say_whose_something_is() -> None:
    assert environment().labels(persona="data-scientist") == {
        "paif.dev/organization": "acme",
        "paif.dev/environment": "dev",
        "paif.dev/owner": "ai-platform",
        "paif.dev/cost-center": "cc-1",
        "paif.dev/persona": "data-scientist",
    }


def test_a_storage_class_is_the_policy_as_kubernetes_writes_it() -> None:
    assert storage_class("vSAN Default Storage Policy") == "vsan-default-storage-policy"


def _library(url: str = "", name: str = "dlvm-images", **subscription: Any) -> dict[str, Any]:
    followed = {"subscription": {"url": url, **subscription}} if url else {}
    return {"name": name, "datacenter": "pai-dc", "datastore": "pai-ds", **followed}


_EXTERNAL = {"host": "pg.test", "database": "vectors", "username": "pais"}


# Each mistake alone: what is changed, and how the only message begins and what it names as nearest.
_MISTAKES: list[tuple[dict[str, Any], str, str]] = [
    ({"gpuu": {}}, "paif:gpuu is a mapping: expected one of the keys", "gpu"),
    ({"gpu.modle": "x"}, "paif:gpu.modle is 'x': expected one of the keys mode, model", "mode"),
    ({"vmClasses.0.cpuCounts": 4}, "paif:vmClasses[0].cpuCounts is 4: expected one of the keys", "cpuCount"),
    (
        {"kind": "production"},
        "paif:kind is 'production': expected one of dev, qa, staging, prod, sandbox, uat or dr",
        "prod",
    ),
    ({"owner": GONE}, "paif:owner: expected a value: this key is required", ""),
    ({"vmClasses.0.memoryGib": "64"}, "paif:vmClasses[0].memoryGib is '64': expected a whole number", ""),
    ({"namespace.adopt": "yes"}, "paif:namespace.adopt is 'yes': expected true or false", ""),
    ({"vmClasses": "none"}, "paif:vmClasses is 'none': expected a list", ""),
    ({"database": []}, "paif:database is a list: expected a mapping", ""),
    ({"vmClasses.0.cpuCount": 0}, "paif:vmClasses[0].cpuCount is 0: expected more than 0", ""),
    ({"namespace.storage": []}, "paif:namespace.storage is a list: expected at least 1 entry", ""),
    (
        {"gpu.model": "A1000"},
        "paif:gpu.model is 'A1000': expected one of A100, A100-40GB, A16, A30, A40, H100, H100-NVL, "
        "H200, H200-NVL, L4, L40, L40S, RTX-PRO-6000",
        "A100",
    ),
    (
        {"vmClasses.1.profile": "grid_a100-41c"},
        "paif:vmClasses[1].profile is 'grid_a100-41c': expected a profile that a NVIDIA A100 80 GB has: grid_a100-4c, ",
        "grid_a100-40c",
    ),
    (
        {"vmClasses.1.profile": "grid_l40s-48c"},
        "paif:vmClasses[1].profile is 'grid_l40s-48c': expected a profile",
        "grid_a100-40c",
    ),
    (
        {"vmClasses.2": {"name": "A100", "cpuCount": 1, "memoryGib": 1}},
        "paif:vmClasses[2].name is 'A100': expected a short DNS label",
        "",
    ),
    ({"namespace.name": "acme_dev"}, "paif:namespace.name is 'acme_dev': expected a DNS label", ""),
    ({"workstations.0.name": "a" * 21}, "paif:workstations[0].name is 'aaaaa", ""),
    (
        {"workstations.0.persona": "app-developer"},
        "paif:workstations[0].persona is 'app-developer': expected data-scientist or mlops-engineer: "
        "application developers get endpoint URLs and no Deep Learning VM",
        "",
    ),
    (
        {"modelEndpoints.0.model.repository": "models/Meta/llama"},
        "paif:modelEndpoints[0].model.repository is 'models/Meta/llama': expected a model in the gallery",
        "",
    ),
    ({"modelEndpoints.0.name": "Llama"}, "paif:modelEndpoints[0].name is 'Llama': expected a short DNS label", ""),
    ({"licenseToken": GONE}, "paif:licenseToken: expected the NVIDIA client configuration token", ""),
    ({"licenseToken": "a\r\nb"}, "paif:licenseToken is [secret]: expected a token without carriage returns", ""),
    ({"ngcApiKey": "nvapi-a b"}, "paif:ngcApiKey is [secret]: expected a key without spaces and line ends", ""),
    ({"workstationPassword": "word\n"}, "paif:workstationPassword is [secret]: expected one line: a line end", ""),
    ({"ngcApiKey": GONE}, "paif:ngcApiKey: expected the NGC key", ""),
    ({"workstationPassword": GONE}, "paif:workstationPassword: expected the first password", ""),
    ({"modelEndpoints.0.engine": "Infinity"}, "paif:modelEndpoints[0].engine is 'Infinity': expected vLLM", ""),
    (
        {"modelEndpoints.0.class": "best-effort-large"},
        "paif:modelEndpoints[0].class is 'best-effort-large': expected a class with a GPU: vLLM",
        "",
    ),
    (
        {"workstations.0.class": "best-effort-large"},
        "paif:workstations[0].class is 'best-effort-large': expected a ",
        "",
    ),
    (
        {"workstations.1.class": "a100-20"},
        "paif:workstations[1].class is 'a100-20': expected a class of paif:vmClasses (a100-20c, a100-40c)",
        "a100-20c",
    ),
    ({"vmClasses.0.gpus": 1}, "paif:vmClasses[0].profile is 'grid_a100-20c': expected either a profile or gpus", ""),
    ({"workstations.1.name": "alice"}, "paif:workstations[1].name is 'alice': expected a name that no other entry", ""),
    (
        {"modelEndpoints.1.routingName": "meta/llama"},
        "paif:modelEndpoints[1].routingName is 'meta/llama': expected a routing name of its own",
        "",
    ),
    ({"database": GONE}, "paif:database: expected a database, since Private AI Services", ""),
    ({"aiServices": GONE}, "paif:aiServices: expected Private AI Services, since paif:modelEndpoints", ""),
    (
        {"database.storagePolicy": "pai-glod"},
        "paif:database.storagePolicy is 'pai-glod': expected a policy of paif:namespace.storage (pai-gold)",
        "pai-gold",
    ),
    (
        {"clusters.0.podNetwork": "10.96.4.0/24"},
        "paif:clusters[0].podNetwork is '10.96.4.0/24': expected a network that does not overlap serviceNetwork",
        "",
    ),
    (
        {"supervisor.networks": ["192.168.0.0/16"]},
        "paif:clusters[0].podNetwork is '192.168.144.0/20': expected a network that does not overlap the Supervisor's",
        "",
    ),
    (
        {"clusters.0.podNetwork": "not a network"},
        "paif:clusters[0].podNetwork is 'not a network': expected a network",
        "",
    ),
    (
        {"clusters.0.release": "v1.34.1+vmware.1"},
        "paif:clusters[0].release is 'v1.34.1+vmware.1': expected Kubernetes",
        "",
    ),
    (
        {"clusters.0.clusterClass": "builtin-generic-v3.2"},
        "paif:clusters[0].clusterClass is 'builtin-generic-v3.2': expected one of builtin-generic-v3.2.0",
        "builtin-generic-v3.2.0",
    ),
    ({"clusters.0.release": "1.32"}, "paif:clusters[0].release is '1.32': expected a release such as v1.32.0", ""),
    (
        {"clusters.0.release": "v1.33", "clusters.0.clusterClass": "builtin-generic-v3.4.0"},
        "paif:clusters[0].osVersion: expected a version of Ubuntu, in quotes (22.04, 24.04): v1.33 has images of each",
        "",
    ),
    (
        {"clusters.0.osVersion": "20.04"},
        "paif:clusters[0].osVersion is '20.04': expected a version of Ubuntu: 22.04, 24.04",
        "",
    ),
    ({"clusters.0.controlPlane": {"replicas": 5}}, "paif:clusters[0].controlPlane.replicas is 5: expected", ""),
    ({"clusters.0.pools.0.class": "a100-40c"}, "paif:clusters[0].pools: expected also a pool without GPU", ""),
    ({"clusters.0.pools.0.minReplicas": 1}, "paif:clusters[0].pools[0].replicas: expected either replicas, or", ""),
    (
        {"conditions": {"nvidia.com/v1/ClusterPolicies": ["x"]}},
        'paif:conditions["nvidia.com/v1/ClusterPolicies"]',
        "nvidia.com/v1/ClusterPolicy",
    ),
    ({"workstations.0.route": "vsphere"}, "paif:workstations[0].vsphere: expected the host", ""),
    ({"database": {}}, "paif:database.infrastructurePolicy: expected the infrastructure policy of DSM under which", ""),
    (
        {"database": {"existing": "Shared"}},
        "paif:database.existing is 'Shared': expected a DNS label",
        "",
    ),
    (
        {"database": {"existing": "shared", "storageGib": 60}},
        "paif:database.storageGib is 60: expected nothing here: the database is existing and used as it is",
        "",
    ),
    (
        {"database": {"existing": "shared"}, "databasePassword": "p"},
        "paif:databasePassword is [secret]: expected none: the password of an existing PostgresCluster",
        "",
    ),
    (
        {"database": {"existing": "shared", "external": _EXTERNAL}},
        "paif:database.external is a mapping: expected either existing or external, not both",
        "",
    ),
    (
        {"database": {"external": _EXTERNAL}},
        "paif:databasePassword: expected the password of the external database",
        "",
    ),
    (
        {"database": {"external": _EXTERNAL, "class": "best-effort-large"}, "databasePassword": "p"},
        "paif:database.class is 'best-effort-large': expected nothing here: the database is external",
        "",
    ),
    (
        {"database": {"external": {**_EXTERNAL, "host": "https://pg.test"}}, "databasePassword": "p"},
        "paif:database.external.host is 'https://pg.test': expected a host name or address",
        "",
    ),
    ({"vsphereTags": {"create": ["ownr"]}}, "paif:vsphereTags.create[0] is 'ownr': expected one of", "owner"),
    ({"vsphereTags": {"categories": {"cost": "x"}}}, "paif:vsphereTags.categories.cost is 'x': expected one of", ""),
    (
        {"contentLibraries": [_library(name="dlvm-image")]},
        "paif:contentLibraries[0].name is 'dlvm-image': expected a library of paif:content (dlvm-images, kubernetes)",
        "dlvm-images",
    ),
    (
        {"contentLibraries": [_library(), _library()]},
        "paif:contentLibraries[1].name is 'dlvm-images': expected a name that no other entry has (entry 0 has it)",
        "",
    ),
    (
        {"contentLibraries": [_library("http://mirror.test/lib.json")]},
        "paif:contentLibraries[0].subscription.url is 'http://mirror.test/lib.json': expected an https:// address of",
        "",
    ),
    (
        {"contentLibraries": [_library("https://who:why@mirror.test/lib.json")]},
        "paif:contentLibraries[0].subscription.url is 'https://[secret]@mirror.test/lib.json': expected an https://",
        "",
    ),
    (
        {"contentLibraries": [_library("https://mirror.test/{tokn}/lib.json")]},
        "paif:contentLibraries[0].subscription.url is 'https://mirror.test/{tokn}/lib.json': expected an https://",
        "",
    ),
    (
        {"contentLibraries": [_library("https://mirror.test/{token}/lib.json")]},
        "paif:libraryToken: expected the token in the address of dlvm-images: pulumi config set --secret",
        "",
    ),
    (
        {"contentLibraries": [_library("https://mirror.test/lib.json", username="vcsp")]},
        "paif:libraryPassword: expected the password of vcsp at dlvm-images: pulumi config set --secret",
        "",
    ),
]


_HALF = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjE\n-----END OPENSSH PRIVATE KEY-----\n"
_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
_PROXY = {"http": "http://proxy.test:3128", "noProxy": ["localhost"]}
_OIDC = {"issuerUrl": "https://idp.test", "clientId": "pais"}
_PEM = "the text of certificates in PEM, -----BEGIN CERTIFICATE----- … "
_ACCESS = {"subject": "mlops", "domain": "lab.test", "role": "EDIT"}
_MISTAKES += [
    (
        {"vmClasses.0.deviceId": "20b5"},
        "paif:vmClasses[0].deviceId is '20b5': expected a class with gpus: a profile names its GPUs itself",
        "",
    ),
    ({"vmClasses.0.deviceId": "0x20B5"}, "paif:vmClasses[0].deviceId is '0x20B5': expected a PCI device id such ", ""),
    (
        {"workstations.0.publicKey": _HALF},
        "paif:workstations[0].publicKey is [secret]: expected the public half, the file that ends in .pub: this is a ",
        "",
    ),
    ({"workstations.0.publicKey": _KEY[:-10]}, "paif:workstations[0].publicKey is 'ssh-ed25519 AAAA", ""),
    ({"workstations.0.publicKey": f"ssh-rsa {_KEY[12:]}"}, "paif:workstations[0].publicKey is 'ssh-rsa AAAA", ""),
    ({"workstations.0.publicKey": f"{_KEY}\n{_KEY}"}, "paif:workstations[0].publicKey is 'ssh-ed25519 AAAA", ""),
    ({"workstations.0.publicKey": "~/.ssh/id"}, "paif:workstations[0].publicKey is '~/.ssh/id': expected one wh", ""),
    (
        {"workstations.0.publicKey": "ssh-ed25519 AAAA"},
        "paif:workstations[0].publicKey is 'ssh-ed25519 AAAA': expected one whole SSH public key, a ",
        "",
    ),
    *(
        (
            {"workstations.0.proxy": {**_PROXY, scheme: f"http://who:why@{scheme}.test:3128"}},
            f"paif:workstations[0].proxy.{scheme} is 'http://[secret]@{scheme}.test:3128': expected an http://",
            "",
        )
        for scheme in ("http", "https")
    ),
    (
        {"workstations.0.proxy": {**_PROXY, "http": "who:why@p:1"}},
        "paif:workstations[0].proxy.http is '[secret]@p:1'",
        "",
    ),
    (
        {"chartRepository": "https://who:w/y@charts.test"},
        "paif:chartRepository is 'https://[secret]@charts.test': ",
        "",
    ),
    (
        {"chartRepository": "charts.test"},
        "paif:chartRepository is 'charts.test': expected an https://, http:// or oci",
        "",
    ),
    (
        {"chartRepository": "oci://r.test/charts/gpu-operator"},
        "paif:chartRepository is 'oci://r.test/charts/gpu-operator': expected what comes before /gpu-operator, the ch",
        "",
    ),
    (
        {"chartRepository": "oci://r.test/charts", "chartUsername": "u"},
        "paif:chartPassword: expected the password of u at oci://r.test/charts: pulumi config set --secret paif:chart",
        "",
    ),
    (
        {"chartRepository": "http://charts.test", "chartUsername": "u", "chartPassword": "p"},
        "paif:chartRepository is 'http://charts.test': expected an https:// or oci:// address: there is a login, paif",
        "",
    ),
    (
        {"chartUsername": "u", "chartPassword": "p"},
        "paif:chartRepository: expected an https:// or oci:// address: there is a login, paif:chartUsername",
        "",
    ),
    (
        {"chartRepository": "https://charts.test", "chartPassword": "p"},
        "paif:chartUsername: expected the user name that paif:chartPassword belongs to",
        "",
    ),
    (
        {"chartRepository": "oci://r.test/charts", "chartCaBundle": PEM},
        "paif:chartCaBundle: expected none: of an OCI registry Helm trusts only what the machine does; add it there, ",
        "",
    ),
    (
        {"chartRepository": "http://charts.test", "chartCaBundle": PEM},
        "paif:chartCaBundle: expected none: only an https:// repository, paif:chartRepository, has a certificate",
        "",
    ),
    (
        {"aiServices.oidc": {**_OIDC, "issuerUrl": "https://who:why@idp.test"}},
        "paif:aiServices.oidc.issuerUrl is 'https://[secret]@idp.test': expected an https:// address without ",
        "",
    ),
    (
        {"vcenter.server": "https://vc.test"},
        "paif:vcenter.server is 'https://vc.test': expected a host or host:port",
        "",
    ),
    (
        {"vcenter.caBundle": "/etc/ssl/ca.pem"},
        f"paif:vcenter.caBundle is '/etc/ssl/ca.pem': expected {_PEM}(there ",
        "",
    ),
    ({"database.caBundle": PEM.replace("MII", "MIJ")}, "paif:database.caBundle is '-----BEGIN CERTIFICATE", ""),
    (
        {"aiServices.oidc": {**_OIDC, "caBundle": PEM + PEM[:60]}},
        "paif:aiServices.oidc.caBundle is '-----BEGIN CERT",
        "",
    ),
    (
        {"gallery": {"registry": "r.test", "username": "u", "caBundle": PEM + _HALF}},
        f"paif:gallery.caBundle is [secret]: expected {_PEM}(block 2 is a OPENSSH PRIVATE KEY, which has no place ",
        "",
    ),
    (
        {"ngcApiKey": GONE, "clusters": [], "aiServices": GONE, "modelEndpoints": []},
        "paif:ngcApiKey: expected the NGC key with which workstations, endpoints and clusters get the vGPU ",
        "",
    ),
    (
        {"namespace.storage.1": {"policy": "pai-gold"}},
        "paif:namespace.storage[1].policy is 'pai-gold': expected each policy once (entry 0 has it)",
        "",
    ),
    (
        {"namespace.accessList": [_ACCESS, {**_ACCESS, "role": "VIEW", "subject": "MLOps"}]},
        "paif:namespace.accessList[1].subject is 'mlops@lab.test': expected each group once, with one role (entry 0",
        "",
    ),
    ({"aiServices.authorizedGroups": ["a", "a"]}, "paif:aiServices.authorizedGroups[1] is 'a': expected each once", ""),
    ({"vsphereTags": {"create": ["owner", "owner"]}}, "paif:vsphereTags.create[1] is 'owner': expected each once", ""),
    (
        {"owner": "Team Zoë"},
        "paif:owner is 'Team Zoë': expected what fits the Kubernetes label that is made of it: letters A to Z",
        "",
    ),
    ({"vcenter.password": "hunter2"}, "paif:vcenter.password is [secret]: expected one of the keys", ""),
    ({"registryPasword": "hunter2"}, "paif:registryPasword is [secret]: expected one of the keys", "registryPassword"),
]


@pytest.mark.parametrize(("changes", "beginning", "near"), _MISTAKES)
def test_a_mistake_is_said_once_with_what_was_expected(changes: dict[str, Any], beginning: str, near: str) -> None:
    found = [message for message in messages(changes) if not message.startswith("paif:workstations[0].route")]
    assert len(found) == 1, found
    assert found[0].startswith(beginning), found[0]
    assert (f"(did you mean {near!r}?)" in found[0]) if near else ("did you mean" not in found[0]), found[0]


@pytest.mark.parametrize("kind", ["dev", "prod"])
def test_a_database_that_is_there_needs_nothing_of_dsm(kind: str) -> None:
    base = {"kind": kind, "workstations": []}
    assert messages({**base, "database": {"existing": "shared"}}) == []
    assert messages({**base, "database": {"external": _EXTERNAL, "name": "x"}, "databasePassword": "p"}) == []


def test_directpath_needs_no_license_and_takes_no_profile() -> None:
    env = {
        "gpu": {"mode": "directpath", "model": "L40S"},
        "licenseToken": GONE,
        "ngcApiKey": GONE,
        "vmClasses.0.profile": GONE,
        "vmClasses.0.gpus": 1,
        "vmClasses.1.profile": GONE,
        "vmClasses.1.gpus": 2,
    }
    assert messages(env) == []
    with_profile = messages({**env, "vmClasses.1.profile": "grid_l40s-48c", "vmClasses.1.gpus": 0})
    assert [message.split(":")[1] for message in with_profile] == ["vmClasses[1].profile is 'grid_l40s-48c'"]


def test_whole_gpus_are_refused_in_vgpu_mode() -> None:
    [message] = messages({"vmClasses.0.profile": GONE, "vmClasses.0.gpus": 1})
    assert message.startswith("paif:vmClasses[0].gpus is 1: expected a profile instead")


@pytest.mark.parametrize("kind", ["staging", "prod"])
def test_only_those_who_push_models_get_a_workstation_late(kind: str) -> None:
    [message] = messages({"kind": kind})
    assert message.startswith("paif:workstations[0].persona is 'data-scientist': expected mlops-engineer")


def test_a_real_vcf_needs_gallery_and_identity_provider() -> None:
    assert [message.split(" ")[0] for message in messages({"target": "vcf"})] == [
        "paif:aiServices.oidc:",
        "paif:gallery:",
        "paif:registryPassword:",
    ]


def test_a_name_that_grows_too_long_says_which_and_why() -> None:
    found, problems = validate(
        changed({"organization": "a" * 20, "clusters.0.name": "b" * 10}), "c" * 10, frozenset(SECRETS)
    )
    assert found is None
    [(path, problem)] = problems
    assert path == ("clusters", 0, "name")
    assert "has 46 characters, at most 42 fit (node names" in problem.message


def test_every_name_begins_with_a_letter_since_services_are_named_after_some() -> None:
    [(path, problem)] = validate(changed({"organization": "3d"}), "dev", frozenset(SECRETS))[1]
    assert path == ("organization",)
    assert "a letter first" in problem.message


def test_a_secret_in_plain_text_is_refused_and_not_shown() -> None:
    _, problems = validate(COMPLETE, "dev", {"ngcApiKey", "workstationPassword"})
    [(path, problem)] = problems
    assert path == ("licenseToken",)
    assert problem.message == (
        "paif:licenseToken is [secret]: expected an encrypted value: pulumi config set --secret paif:licenseToken"
    )


def test_a_wrongly_typed_secret_is_not_shown() -> None:
    _, problems = validate(changed({"licenseToken": ["license-in-a-list"]}), "dev", frozenset(SECRETS))
    assert "license-in-a-list" not in " ".join(problem.message for _, problem in problems)


def test_all_mistakes_are_found_at_once_each_at_its_own_place() -> None:
    found = messages(
        {
            "gpuu": {},
            "gpu.mode": "vgpuu",
            "kind": "production",
            "vmClasses.0.name": "A100",
            "vmClasses.1.profile": "grid_a100-41c",
            "workstations.0.persona": "app-developer",
            "workstations.1.class": "a100-44c",
            "modelEndpoints.0.model.repository": "models/Meta/llama",
            "clusters.0.podNetwork": "10.96.0.0/16",
        }
    )
    assert sorted(message.split(" ")[0] for message in found) == [
        "paif:clusters[0].podNetwork",
        "paif:gpu.mode",
        "paif:gpuu",
        "paif:kind",
        "paif:modelEndpoints[0].model.repository",
        "paif:vmClasses[0].name",
        "paif:vmClasses[1].profile",
        "paif:workstations[0].persona",
        "paif:workstations[1].class",
    ]


def test_a_stack_must_be_named_so_that_names_can_hold_it() -> None:
    _, problems = validate(COMPLETE, "Dev_1", frozenset(SECRETS))
    assert "a stack named as a short DNS label" in problems[0][1].message


def test_secrets_do_not_show_when_an_environment_is_printed() -> None:
    assert "in-plain-text" not in repr(environment())


def _sections(section: type[Section]) -> set[type[Section]]:
    inner = {
        each
        for info in section.model_fields.values()
        for part in (info.annotation, *get_args(info.annotation))
        for each in (part, *get_args(part))
        if isinstance(each, type) and issubclass(each, Section)
    }
    return {section}.union(*(_sections(each) for each in inner))


@pytest.mark.parametrize(("field", "mark"), [("vm_class", UsesVmClass), ("storage_policy", UsesStoragePolicy)])
def test_whatever_names_a_class_or_a_storage_policy_says_so_to_rules_and_look_ups(field: str, mark: type) -> None:
    having = [each for each in _sections(Environment) if field in each.model_fields]
    assert len(having) > 3
    without = [
        each.__name__ for each in having if not any(isinstance(it, mark) for it in each.model_fields[field].metadata)
    ]
    assert without == []


def test_a_database_that_is_there_names_no_class_and_an_existing_one_no_name() -> None:
    for database, names in ({"external": {"host": "h", "database": "d", "username": "u"}}, 1), ({"existing": "pg"}, 0):
        env = environment({"database": database, **({"databasePassword": "p"} if names else {})})
        assert ("database", "class") not in [path for path, _ in env.class_references()]
        assert len([path for path, _, _ in env.marked(FullName) if path[0] == "database"]) == names
