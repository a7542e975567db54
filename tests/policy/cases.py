"""The case table: for every rule something that passes and something that violates; test_rules.py derives the rest.

`resources` are in the order in which the program registers them; the last one is judged. `unknown` is the path in the
violating resource whose value is then not known yet; "" where the rule decides by configuration, which always is.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.policy.harness import RequestedResource
from tests.policy.resources import (
    BOOTSTRAP,
    CLUSTER,
    CONFIG_MAP,
    DATABASE,
    DEPLOYMENT,
    DIRECTPATH,
    DIRECTPATH_CLASS,
    DRS,
    ENDPOINT,
    EXTENSION,
    FUTURE,
    GALLERY,
    GONE,
    GPU_CLASS,
    GUEST,
    IMAGE,
    INLINE_VM,
    LIBRARY,
    LICENSE,
    NAMESPACE_,
    OPERATOR_NAMESPACE,
    PAIS,
    PAST,
    PLAIN_BOOTSTRAP,
    POOLS,
    RELEASE,
    ROLE,
    SCALED,
    SNAPSHOT,
    SOON,
    STACK,
    SUPERVISOR,
    TOKEN,
    VM,
    VM_CLASS,
    VSPHERE_PROVIDER,
    VSPHERE_VM,
    changed,
    jwt,
    owning,
)


@dataclass(frozen=True)
class Side:
    """One run: resources in order, and what configuration and settings differ from the usual."""

    resources: tuple[RequestedResource, ...]
    config: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=lambda: TOKEN)
    settings: Mapping[str, Any] = field(default_factory=dict)
    stack: str = "dev"


@dataclass(frozen=True)
class Case:
    """A rule's case. `says` is part of the violation's message, `does` what it says to do instead of the remedy."""

    rule: str
    good: Side
    bad: Side
    unknown: str
    says: str = ""
    does: str = ""


def by(*resources: RequestedResource, **options: Any) -> Side:
    return Side(resources, **options)


def one(
    rule: str, resource: RequestedResource, changes: Mapping[str, Any], unknown: str | None = None, **options: Any
) -> Case:
    """A resource that passes, and violates with a change; the changed value is the one that may be unknown."""
    path = next(iter(changes)) if unknown is None else unknown
    says, does = options.pop("says", ""), options.pop("does", "")
    return Case(rule, by(resource, **options), by(changed(resource, changes), **options), path, says, does)


def kinds(
    rule: str, resource: RequestedResource, changes: Mapping[str, Any], kind: str, unknown: str | None = None
) -> Case:
    """A guard of one kind of environment: what violates there passes in dev."""
    bad = changed(resource, changes)
    path = next(iter(changes)) if unknown is None else unknown
    return Case(rule, by(bad), by(bad, config={"kind": kind}, settings={"kind": kind}), path)


NAMING = [
    one("name-pattern", VM, {"metadata>name": "alice-workstation"}, says="acme-dev-dlvm-<name>"),
    one("name-environment", NAMESPACE_, {"name": "acme-prod-ns-ai"}, says="prod"),
    one("name-dns-label", VM, {"metadata>name": "acme-dev-dlvm-Alice"}),
    one("name-dns-label", ENDPOINT, {"metadata>name": "acme-dev-ep-bge-1..5"}),
    one("name-length-kubernetes", CLUSTER, {"metadata>name": "acme-dev-vks-" + "x" * 40}, says="at most 42"),
    one("name-length-vsphere", VSPHERE_VM, {"name": "x" * 81}, says="at most 80"),
    Case("environment-name", by(STACK), by(STACK, stack="Dev_1"), ""),
    one("guest-host-name", INLINE_VM, {"spec>bootstrap>vAppConfig>properties>0>value>value": "Alice_1"}),
    one("vgpu-class-name", VM_CLASS, {"name": "acme-dev-class-big"}),
    one("vgpu-class-name-true", VM_CLASS, {"vgpuProfiles": ["grid_a100-80c"]}, says="grid_a100-80c"),
    one("directpath-class-name", DIRECTPATH, {"name": "acme-dev-class-fast"}),
    one("model-name", ENDPOINT, {"spec>model>ociRef": "harbor.example.test/models/Meta/Llama:v1"}),
    one("gallery-project", GALLERY, {"repository": "library/meta/llama"}, says="reserved"),
    one("routing-name", ENDPOINT, {"spec>routingName": "my model!"}),
    Case(
        "routing-name-unique",
        by(ENDPOINT, changed(ENDPOINT, {"metadata>name": "acme-dev-ep-two", "spec>routingName": "meta/two"}, "two")),
        by(ENDPOINT, changed(ENDPOINT, {"metadata>name": "acme-dev-ep-two"}, "two")),
        "spec>routingName",
    ),
    one("database-name", DATABASE, {"spec>databaseName": "My-Vectors"}),
    one("database-role", ROLE, {"name": "pg_readers"}),
    one("secret-name", BOOTSTRAP, {"metadata>name": "Alice_Secret"}),
    one("node-pool-name", CLUSTER, {f"{POOLS}>1>name": "cpu"}, says="same name"),
    one("helm-release-name", RELEASE, {"name": "x" * 60}),
    Case(
        "required-labels",
        by(VM),
        by(changed(VM, {"metadata>labels>paif.dev/owner": GONE}), config={"owner": ""}),
        "metadata>labels",
        "paif.dev/owner",
    ),
    one("environment-label", CONFIG_MAP, {"metadata>labels>paif.dev/environment": "prod"}),
    one("persona-label", VM, {"metadata>labels>paif.dev/persona": GONE}, "metadata>labels"),
    one("vsphere-tags", VSPHERE_VM, {"tags": []}, settings={"requireVsphereTags": True}),
    one("label-syntax", VM, {"metadata>labels>paif.dev/owner": "not a label!"}),
    one("reserved-prefix", CONFIG_MAP, {"metadata>name": "kube-root"}),
    one("reserved-label", VM, {"metadata>labels>nvidia.com/mine": "x"}, "metadata>labels"),
    Case(
        "name-collision",
        by(VM, changed(VM, {"metadata>name": "acme-dev-dlvm-carol"}, "carol")),
        by(VM, changed(VM, {}, "carol")),
        "metadata>name",
        "alice",
    ),
]

_NONE: dict[str, Any] = {"licenses": {}}


def _nvaie(gpus: int, *more: dict[str, Any], **purchase: Any) -> dict[str, Any]:
    """Settings in which NVIDIA AI Enterprise is owned for so many GPUs."""
    return {"licenses": owning(gpus, nvaie={"owned": [{"gpus": gpus, "ends": FUTURE, **purchase}, *more]})}


_PLAIN = {"gpu": {}, "vmClasses": []}
"""A configuration that says nothing of GPUs: the resources tell."""
_ADD_ON = {"cores": 512, "ends": FUTURE}
_CPU_CLASS = changed(VM_CLASS, {"vgpuProfiles": []})
_POOL = {"clusters": [{"name": "gpu", "pools": [{"name": "gpu", "class": "vgpu-a100-40c", "maxReplicas": 6}]}]}
LICENSING = [
    Case(
        "vgpu-entitlement",
        by(_CPU_CLASS, config=_PLAIN, settings=_NONE),
        by(VM_CLASS, config=_PLAIN, settings=_NONE),
        "vgpuProfiles",
    ),
    one("profile-edition", VM_CLASS, {"vgpuProfiles": ["grid_a100-40q"]}, says="RTX vWS, which is not declared"),
    one("profile-compute", VM_CLASS, {"vgpuProfiles": ["grid_a100-40q"]}),
    one("profile-known", VM_CLASS, {"vgpuProfiles": ["a100-big"]}),
    one(
        "license-token-form",
        LICENSE,
        {"data": {"$secret": {"client_configuration_token.tok": "token-x\r\nsecond"}}},
        says="Windows line ends",
    ),
    Case(
        "license-token-expired",
        by(changed(BOOTSTRAP, {"stringData": {"$secret": {"vgpu-license": jwt(exp=4102444800)}}})),
        by(changed(BOOTSTRAP, {"stringData": {"$secret": {"vgpu-license": jwt(exp=1500000000)}}})),
        "stringData",
        "2017-07-14",
    ),
    Case("vgpu-license-token", by(BOOTSTRAP, VM), by(PLAIN_BOOTSTRAP, VM), "spec>className"),
    Case(
        "license-token-without-vgpu",
        by(PLAIN_BOOTSTRAP, changed(VM, {"spec>className": DIRECTPATH_CLASS})),
        by(BOOTSTRAP, changed(VM, {"spec>className": DIRECTPATH_CLASS})),
        "spec>className",
    ),
    one("gpu-operator-license", RELEASE, {"values>driver>licensingConfig": {}}),
    one("vgpu-feature-type", LICENSE, {"data": {"gridd.conf": "FeatureType=0"}}),
    one("nim-entitlement", DEPLOYMENT, {IMAGE: "nvcr.io/nim/meta/llama3:1.0"}, settings=_NONE, says="NIM"),
    one("nvaie-container-entitlement", DEPLOYMENT, {IMAGE: "nvcr.io/nvaie/tritonserver:24"}, settings=_NONE),
    Case(
        # 6 machines with half a GPU each: 3 GPUs.
        "license-overuse",
        by(STACK, config=_POOL, settings=_nvaie(3)),
        by(STACK, config=_POOL, settings=_nvaie(2)),
        "",
        "3 GPU licenses of 2",
    ),
    one(
        "vm-class-known",
        VM,
        {"spec>className": "somebody-elses"},
        says="nothing in this run tells content of class somebody-elses",
        does="let it depend on class somebody-elses",
    ),
    Case(
        "entitlement-expired",
        by(STACK, config=_POOL, settings=_nvaie(9, {"gpus": 9, "ends": PAST})),
        by(STACK, config=_POOL, settings=_nvaie(9, ends=PAST)),
        "",
        PAST,
    ),
    Case(
        "entitlement-expires-soon",
        by(STACK, settings=_nvaie(9, {"gpus": 9, "starts": SOON, "ends": FUTURE}, ends=SOON)),
        by(STACK, settings=_nvaie(9, ends=SOON)),
        "",
        "in 20 days",
    ),
    Case(
        "evaluation-in-production",
        by(
            STACK,
            config=_POOL,
            settings={"kind": "prod", **_nvaie(3, {"gpus": 9, "term": "evaluation", "ends": FUTURE})},
        ),
        by(
            STACK,
            config=_POOL,
            settings={"kind": "prod", **_nvaie(2, {"gpus": 9, "term": "evaluation", "ends": FUTURE})},
        ),
        "",
        "1 of the 3 GPU licenses",
    ),
    Case("paif-add-on", by(VM), by(VM, settings=_NONE), "spec>className"),
    Case(
        "paif-add-on-cores",
        by(STACK),
        by(
            STACK,
            settings={
                "licenses": {
                    "paifAddOn": {"owned": [_ADD_ON], "hosts": [{"count": 5, "cpus": 2, "coresPerCpu": 64}]},
                }
            },
        ),
        "",
        "640 cores",
    ),
    Case(
        "paif-add-on-expired",
        by(STACK),
        by(STACK, settings={"licenses": {"paifAddOn": {"owned": [{"cores": 512, "ends": PAST}]}}}),
        "",
    ),
    Case(
        "license-server-version",
        by(STACK, settings={"licenseServer": {"version": "3.4.0", "nvaieMajor": 6}}),
        by(STACK, settings={"licenseServer": {"version": "3.1.0", "nvaieMajor": 6}}),
        "",
    ),
]

_OTHER = "urn:pulumi:dev::paif::pulumi:providers:kubernetes::other"
_ENFORCE = "metadata>labels>pod-security.kubernetes.io/enforce"
_OVERRIDES = f"{POOLS}>1>variables>overrides"
_MIG = ["grid_a100-1-5c", "grid_a100-2-10c"]
_SMALL = changed(VM_CLASS, {"name": "acme-dev-class-vgpu-a100-20c", "vgpuProfiles": ["grid_a100-20c"]}, "small")
_BUNDLE = {"$secret": {"image-oneliner": base64.b64encode(b"docker run x/tensorflow:2").decode()}}
_PAIS_CLI = {"$secret": {"user-data": base64.b64encode(b"#cloud-config\nruncmd: [vcf pais models push]").decode()}}
_WHOLE_CLUSTER = changed(CLUSTER, {f"{_OVERRIDES}>0>value": DIRECTPATH_CLASS})
_SERVICE = changed(VM, {}, "service", type="kubernetes:vmoperator.vmware.com/v1alpha3:VirtualMachineSetResourcePolicy")
_PROXY = {"$secret": {"user-data": base64.b64encode(b"HTTPS_PROXY=http://p:3128\n").decode()}}


def _network(pods: str) -> dict[str, Any]:
    return {"clusters": [{"name": "gpu", "podNetwork": pods}]}


PLATFORM = [
    one("unreadable-value", VM, {"metadata>labels": ["a"]}, "", says="expected a mapping, this is a list"),
    one("directpath-gpu-count", VSPHERE_VM, {"pciDeviceIds": ["0000:3b:00.0", "0000:5e:00.0"]}, says="2 whole GPUs"),
    one("directpath-pinned-host", VSPHERE_VM, {"hostSystemId": GONE}, "pciDeviceIds"),
    one("directpath-memory", VSPHERE_VM, {"memoryReservation": 65536}, says="65536"),
    one("gpu-class-memory", VM_CLASS, {"memoryReservationPercent": 50}),
    one("directpath-firmware", VSPHERE_VM, {"firmware": "bios"}),
    one("directpath-mmio", VSPHERE_VM, {"extraConfig": {"pciPassthru.use64bitMMIO": "TRUE"}}),
    Case(
        "directpath-no-snapshot",
        by(SNAPSHOT),
        by(VSPHERE_VM, SNAPSHOT),
        "",
        "acme-dev-dlvm-bob",
    ),
    Case(
        "directpath-no-drs",
        by(VSPHERE_VM, DRS),
        by(VSPHERE_VM, changed(DRS, {"drsAutomationLevel": "fullyAutomated"})),
        "drsAutomationLevel",
    ),
    one("directpath-no-vmotion", VSPHERE_VM, {"datastoreClusterId": "group-p1"}),
    one("directpath-no-hot-add", VSPHERE_VM, {"memoryHotAddEnabled": True}),
    Case(
        "directpath-device-once",
        by(VSPHERE_VM, changed(VSPHERE_VM, {"name": "acme-dev-dlvm-dan", "hostSystemId": "host-2"}, "dan")),
        by(VSPHERE_VM, changed(VSPHERE_VM, {"name": "acme-dev-dlvm-dan"}, "dan")),
        "hostSystemId",
        "bob has this device",
    ),
    one("directpath-hardware", VSPHERE_VM, {"hardwareVersion": 13}),
    Case(
        "profile-homogeneous",
        by(VM_CLASS, _SMALL, settings={"gpus": {"A100": 2}}),
        by(VM_CLASS, _SMALL),
        "vgpuProfiles",
        "40 GiB",
    ),
    Case(
        "profile-sizes",
        by(VM_CLASS, changed(_SMALL, {"vgpuProfiles": ["grid_l40s-24c"]}), settings={"gpus": {}}),
        by(VM_CLASS, _SMALL, settings={"gpus": {}}),
        "vgpuProfiles",
        "40 GiB",
    ),
    one("class-one-gpu-model", VM_CLASS, {"vgpuProfiles": ["grid_a100-40c", "grid_l40s-48c"]}),
    one("mig-one-kind", changed(VM_CLASS, {"vgpuProfiles": _MIG[:1]}), {"vgpuProfiles": _MIG}),
    one("driver-branch", RELEASE, {"values>driver>version": "570.1.1"}, says="570"),
    Case(
        "dlvm-host-driver",
        by(VM),
        by(VM, settings={"hostDriver": {"branch": 570, "nvaieMajor": 7}}),
        "spec>className",
    ),
    one("gpu-operator-version", RELEASE, {"version": "v25.10.1"}),
    one("kubernetes-release", CLUSTER, {"spec>topology>version": "v1.33.1+vmware.1-fips"}, says="1.32"),
    one("cluster-class", CLUSTER, {"spec>topology>class": "tanzukubernetescluster"}),
    Case(
        "api-version",
        by(CLUSTER),
        by(changed(CLUSTER, {}, type="kubernetes:cluster.x-k8s.io/v1beta2:Cluster")),
        "",
    ),
    one("postgres-version", DATABASE, {"spec>version": "17.2+vmware.v9.0.1.0"}),
    one("pgvector-version", EXTENSION, {"version": "0.5.1"}),
    one("dlvm-persona", VM, {"metadata>labels>paif.dev/persona": "app-developer"}, says="data-scientist"),
    kinds("dlvm-in-production", VM, {"metadata>labels>paif.dev/persona": "data-scientist"}, "prod"),
    kinds("endpoint-replicas", ENDPOINT, {"spec>replicas": 1}, "prod"),
    kinds("database-high-availability", DATABASE, {"spec>replicas": 0}, "staging"),
    kinds("database-backup", DATABASE, {"spec>backupLocation": {}}, "prod"),
    kinds("backup-retention", DATABASE, {"spec>backupConfig>backupRetentionDays": 2}, "prod"),
    kinds("protection", DATABASE, {"metadata>name": "acme-dev-pg-x"}, "prod"),
    kinds("control-plane-replicas", CLUSTER, {"spec>topology>controlPlane>replicas": 1}, "prod"),
    one("control-plane-odd", CLUSTER, {"spec>topology>controlPlane>replicas": 4}),
    one("no-plain-secrets", BOOTSTRAP, {"stringData": {"password": "open-password"}}, says="[secret]"),
    one("no-secrets-in-config-maps", CONFIG_MAP, {"data": {"key": "nvapi-0123456789abcdef"}}, says="[secret]"),
    one(
        "no-inline-secrets",
        INLINE_VM,
        {"spec>bootstrap>vAppConfig>properties>1>value": {"value": "open-password"}},
        "spec>bootstrap>vAppConfig>properties",
    ),
    one("tls-verification", VSPHERE_PROVIDER, {"allowUnverifiedSsl": "true"}),
    one("tls-issuer", PAIS, {"spec>auth>oidc>issuerUrl": "http://idp.example.test"}),
    one("library-source", LIBRARY, {"subscription>subscriptionUrl": "http://mirror.example.test/lib.json"}),
    one("trusted-registry", DEPLOYMENT, {IMAGE: "docker.io/somebody/thing:1"}, says="docker.io"),
    one("chart-source", RELEASE, {"repositoryOpts>repo": "https://charts.example.net"}),
    Case(
        "model-pinned",
        by(ENDPOINT, settings={"kind": "prod"}),
        by(
            changed(ENDPOINT, {"spec>model>ociRef": "harbor.example.test/models/meta/llama:v1"}),
            settings={"kind": "prod"},
        ),
        "spec>model>ociRef",
    ),
    one("deprecated-tensorflow", BOOTSTRAP, {"stringData": _BUNDLE}),
    one("deprecated-pais-cli", BOOTSTRAP, {"stringData": _PAIS_CLI}),
    one("proxy-exceptions", BOOTSTRAP, {"stringData": _PROXY}),
    Case(
        "single-gpu-operator",
        by(RELEASE, changed(RELEASE, {}, "second", provider=_OTHER)),
        by(RELEASE, changed(RELEASE, {"name": "gpu-operator-2"}, "second")),
        "chart",
    ),
    Case(
        "gpu-operator-driver-nodes",
        by(GUEST, CLUSTER, RELEASE),
        by(GUEST, CLUSTER, changed(RELEASE, {"values>driver": {"enabled": True}})),
        "values>driver",
        "pool gpu of cluster acme-dev-vks-gpu has vGPUs",
    ),
    Case(
        "gpu-operator-driver-passthrough",
        by(GUEST, _WHOLE_CLUSTER, changed(RELEASE, {"values>driver": {"enabled": True}})),
        by(GUEST, _WHOLE_CLUSTER, RELEASE),
        "values>driver",
        "has whole GPUs",
    ),
    Case(
        "unjudged-objects",
        by(VM, STACK),
        by(_SERVICE, _SERVICE, STACK),
        "",
        "1 object is not judged: vmoperator.vmware.com/v1alpha3:VirtualMachineSetResourcePolicy",
    ),
    one("gpu-operator-runtime", RELEASE, {"values>operator>defaultRuntime": "docker"}),
    one("gpu-operator-vgpu-driver", RELEASE, {"values>driver>imagePullSecrets": []}),
    one("gpu-operator-namespace", OPERATOR_NAMESPACE, {_ENFORCE: "baseline"}),
    one("gpu-pool-image", CLUSTER, {f"{POOLS}>1>metadata>annotations": {}}),
    one("gpu-pool-taint", CLUSTER, {f"{_OVERRIDES}>2>value": {"taints": []}}),
    one("gpu-pool-storage", CLUSTER, {f"{_OVERRIDES}>1>value": []}),
    one("cpu-pool", CLUSTER, {f"{POOLS}>0": GONE}, f"{POOLS}"),
    one("autoscaler", SCALED, {f"{POOLS}>1>replicas": 2}, f"{POOLS}>1>metadata>annotations"),
    one("network-overlap", CLUSTER, {"spec>clusterNetwork>pods>cidrBlocks>0": "10.100.0.0/16"}, says="10.96.0.0/12"),
    one("service-network", CLUSTER, {"spec>clusterNetwork>services>cidrBlocks": []}),
    one("endpoint-engine", ENDPOINT, {"spec>engine": "Infinity"}),
    one("endpoint-class", ENDPOINT, {"spec>virtualMachineClassName": "best-effort-xlarge"}),
    one("pais-singleton", PAIS, {"metadata>name": "second"}),
    one("pais-control-plane", PAIS, {"spec>vksControlPlane>virtualMachineClassName": GPU_CLASS}),
    one("bootstrap-exclusive", VM, {"spec>bootstrap>cloudInit": {"rawCloudConfig": {"name": "s", "key": "k"}}}),
    one("ovf-property-known", INLINE_VM, {"spec>bootstrap>vAppConfig>properties>0>key": "no-such-key"}),
    one("clone-customization", VSPHERE_VM, {"clone>customize": {"linuxOptions": {"hostName": "bob"}}}),
    one("supervisor-single-zone", SUPERVISOR, {"zones": [{"name": "z1"}, {"name": "z2"}]}),
    Case(
        "configured-networks",
        by(
            STACK,
            config={"clusters": [{"name": "gpu", "podNetwork": "192.168.0.0/20"}]},
            settings={"networks": ["10.0.0.0/8"]},
        ),
        by(
            STACK,
            config={"clusters": [{"name": "gpu", "podNetwork": "10.1.0.0/20"}]},
            settings={"networks": ["10.0.0.0/8"]},
        ),
        "",
    ),
]

CASES = {"naming": NAMING, "licensing": LICENSING, "platform": PLATFORM}
