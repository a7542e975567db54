"""What Cluster API's own admission and VKS's hooks say of Clusters: the real one judges what this toolkit writes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from ruamel.yaml import YAML

import paif_catalog as catalog
from cli.bench.scratch import lab_configuration, write_yaml
from pulumi_paif.gpu_cluster import GpuCluster
from stacks import program
from stacks.environment import SECRETS, validate
from stacks.phases import wanted_phases
from stacks.phases.context import connect
from stacks.preflight import PreflightResult
from tests.lab.conftest import ROOT, Paif, api_client, wait_until
from tests.lab.hand_made import by_hand
from tests.lab.project import Project
from tests.unit.pulumi_paif.harness import declare
from tests.unit.pulumi_paif.test_gpu_cluster import _ARGS
from tests.unit.stacks.site import ANSWERS
from tests.unit.stacks.test_program import CONNECTIONS

_NAMESPACE = "judged"
_CLUSTERS = f"/apis/cluster.x-k8s.io/v1beta1/namespaces/{_NAMESPACE}/clusters"
_TYPE = "kubernetes:cluster.x-k8s.io/v1beta1:Cluster"
_STACKS = ("dev", "qa", "staging", "prod")
_REAL = '.cluster.cluster.x-k8s.io" denied the request'
_SIZE = "cluster.x-k8s.io/cluster-api-autoscaler-node-group"
_TAINT = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
_VOLUME = {"name": "containerd", "mountPath": "/var/lib/containerd", "capacity": "200Gi"}
_CENTRAL = catalog.baseline().cluster_classes.central_namespace

Object = dict[str, Any]
Change = Callable[[Object], object]


@pytest.fixture(scope="module")
def supervisor(paif: Paif, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The Supervisor's API server, with a namespace that has ClusterClasses."""
    paif("lab", "up")
    with by_hand(paif) as site:
        site.make(_NAMESPACE)
    with api_client(paif.endpoints()["supervisor"]["kubeconfig"], tmp_path_factory.mktemp("pair")) as client:
        yield client
    with by_hand(paif) as site:
        site.remove(_NAMESPACE)


def _of_stack(name: str) -> Object:
    """The Cluster that the program makes of a stack file; its secrets are not needed for that."""
    data = YAML(typ="safe").load((ROOT / "stacks" / f"Pulumi.{name}.yaml").read_text(encoding="utf-8"))["config"]
    config = {key.removeprefix("paif:"): value for key, value in data.items()}
    for key, value in config.items():
        if isinstance(value, dict) and "secure" in value:
            config[key] = "x" * 80
    env, problems = validate(config, name, SECRETS)
    assert env is not None, problems

    def build() -> dict[str, Any]:
        # There is no vCenter behind these answers.
        return program.declare(connect(env, CONNECTIONS), PreflightResult(), wanted_phases(""))

    [made] = [each for each in declare(build, ANSWERS).registrations if each.type == _TYPE]
    return made.inputs


def _of_component(**change: Any) -> Object:
    def build() -> dict[str, Any]:
        args: Any = {**_ARGS, **change}
        return {"name": GpuCluster("gpu", args).name}

    return declare(build).one(_TYPE).inputs


def _judged(client: httpx.Client, cluster: Object) -> httpx.Response:
    """What the API server says of a new Cluster, which it does not store."""
    body = copy.deepcopy(cluster)
    body["metadata"]["namespace"] = _NAMESPACE
    return client.post(_CLUSTERS, json=body, params={"dryRun": "All"})


@pytest.mark.parametrize("stack", _STACKS)
def test_the_cluster_of_a_stack_file_is_admitted(supervisor: httpx.Client, stack: str) -> None:
    answer = _judged(supervisor, _of_stack(stack))
    assert answer.is_success, answer.text
    # Nobody has looked at what has a warning of Cluster API's: it would say that the class was not found.
    assert "warning" not in answer.headers, answer.headers["warning"]


_POOLS = _ARGS["pools"]
_VARIANTS: dict[str, Object] = {
    "as it is": {},
    "with an authority": {"ca_bundle": "PEM"},
    "with a range": {
        "pools": [_POOLS[0], {"name": "g", "vm_class": "g", "gpu_count": 1, "min_replicas": 1, "max_replicas": 4}]
    },
    "from zero": {
        "pools": [
            _POOLS[0],
            {
                "name": "g",
                "vm_class": "g",
                "gpu_count": 1,
                "min_replicas": 0,
                "max_replicas": 4,
                "capacity": {"cpu_count": 16, "memory_gib": 128},
            },
        ]
    },
    "with three machines": {"control_plane_replicas": 3},
    **{
        f"release {each}": {"release": each}
        for each in ("v1.32", "v1.32.0+vmware.6-fips", "v1.32.0---vmware.6-fips-vkr.2")
    },
    **{
        name: {"cluster_class": name}
        for name, each in catalog.baseline().cluster_classes.classes.items()
        if each.takes(catalog.baseline().versions["kubernetes-release"].version)
    },
    "class and release of 1.33": {
        "cluster_class": "builtin-generic-v3.7.0",
        "release": "v1.33.6+vmware.1-fips-vkr.2",
        "os_version": "24.04",
    },
}


@pytest.mark.parametrize("variant", _VARIANTS)
def test_every_cluster_that_the_component_can_make_is_admitted(supervisor: httpx.Client, variant: str) -> None:
    answer = _judged(supervisor, _of_component(**_VARIANTS[variant]))
    assert answer.is_success, answer.text
    assert "warning" not in answer.headers, answer.headers["warning"]


def _pool(cluster: Object) -> Object:
    pools: list[Object] = cluster["spec"]["topology"]["workers"]["machineDeployments"]
    return pools[1]


def _variables(cluster: Object, *, pool: bool) -> list[Object]:
    topology = cluster["spec"]["topology"]
    found: list[Object] = _pool(cluster)["variables"]["overrides"] if pool else topology["variables"]
    return found


def _given(name: str, value: Any, *, pool: bool = False) -> Change:
    """A variable of the cluster, or of its GPU pool, with this value."""

    def change(cluster: Object) -> None:
        variables = _variables(cluster, pool=pool)
        variables[:] = [*(each for each in variables if each["name"] != name), {"name": name, "value": value}]

    return change


def _without(name: str) -> Change:
    def change(cluster: Object) -> None:
        variables = _variables(cluster, pool=False)
        variables[:] = [each for each in variables if each["name"] != name]

    return change


def _topology(**values: Any) -> Change:
    return lambda cluster: cluster["spec"]["topology"].update(values)


def _of_pool(**values: Any) -> Change:
    return lambda cluster: _pool(cluster).update(values)


def _marked(kind: str, key: str, value: str) -> Change:
    return lambda cluster: _pool(cluster)["metadata"].setdefault(kind, {}).update({key: value})


def _control_plane(**values: Any) -> Change:
    return lambda cluster: cluster["spec"]["topology"]["controlPlane"].update(values)


def _network(kind: str, block: str) -> Change:
    return lambda cluster: cluster["spec"]["clusterNetwork"].update({kind: {"cidrBlocks": [block]}})


def _trust(authority: Object) -> Change:
    return _given("osConfiguration", {"trust": {"additionalTrustedCAs": [authority]}})


_WRONG: dict[str, tuple[Change, str]] = {
    "unknown variable": (_given("vmClas", "x"), "variables[vmClas]: Invalid value"),
    "unknown variable of a pool": (_given("vmClas", "x", pool=True), "variable is not defined"),
    "unknown variable of the control plane": (
        _control_plane(variables={"overrides": [{"name": "vmClas", "value": "x"}]}),
        "controlPlane.variables.overrides[vmClas]",
    ),
    "variables of an older class": (_given("nodePoolVolumes", [_VOLUME]), "variable is not defined"),
    "missing variable": (_without("storageClass"), 'required variable "storageClass" must be set'),
    "list for a text": (_given("vmClass", ["x"]), "must be of type string"),
    "text for an object": (_given("kubernetes", "x"), "must be of type object"),
    "object for a list": (_given("volumes", _VOLUME, pool=True), "must be of type array"),
    "unknown field of node": (_given("node", {"label": {}}, pool=True), '"label" field(s) are not specified'),
    "unknown field of kubernetes": (_given("kubernetes", {"rotation": {}}), '"rotation" field(s) are not specified'),
    "text for a number": (
        _given("kubernetes", {"certificateRotation": {"renewalDaysBeforeExpiry": "90"}}),
        "must be of type integer",
    ),
    "text for a yes": (_given("kubernetes", {"certificateRotation": {"enabled": "yes"}}), "must be of type boolean"),
    "unknown standard": (
        _given("kubernetes", {"security": {"podSecurityStandard": {"enforce": "strict"}}}),
        "Unsupported value",
    ),
    "effect of a taint": (_given("node", {"taints": [{**_TAINT, "effect": "NoExec"}]}, pool=True), "Unsupported value"),
    "taint without a value": (
        _given("node", {"taints": [{"key": "a", "effect": "NoSchedule"}]}, pool=True),
        "taints[0].value: Required value",
    ),
    "number for a label": (_given("node", {"labels": {"a": 1}}, pool=True), "must be of type string"),
    "volume without a size": (
        _given("volumes", [{"name": "a", "mountPath": "/a"}], pool=True),
        "capacity: Required value",
    ),
    "number for a size": (_given("volumes", [{**_VOLUME, "capacity": 200}], pool=True), "must be of type string"),
    "authority in another form": (_trust({"name": "x"}), "caCert: Required value"),
    "authority without a key": (_trust({"caCert": {"secretRef": {"name": "x"}}}), "secretRef.key: Required value"),
    "text for servers": (_given("osConfiguration", {"ntp": "a"}), "must be of type object"),
    "no version": (_topology(version="latest"), "version must be a valid semantic version"),
    "empty class": (_topology(**{"class": ""}), "class cannot be empty"),
    "unknown class of a pool": (_of_pool(**{"class": "worker"}), 'MachineDeploymentClass with name "worker"'),
    "long name of a pool": (_of_pool(name="x" * 64), "must be a valid label value"),
    "long name": (lambda cluster: cluster["metadata"].update(name="x" * 64), "must be a valid label value"),
    "number and largest size": (_marked("annotations", f"{_SIZE}-max-size", "3"), "cannot be set for cluster"),
    "number and least size": (_marked("annotations", f"{_SIZE}-min-size", "1"), "cannot be set for cluster"),
    "key of a label": (_marked("labels", "a b", "c"), "name part must consist of alphanumeric characters"),
    "key of an annotation": (_marked("annotations", "a b", "c"), "name part must consist of alphanumeric characters"),
    "no network": (_network("pods", "10.0.0.0"), "invalid CIDR address"),
    "health check of nothing": (_control_plane(machineHealthCheck={"enable": True}), "cannot be set to true"),
}


@pytest.mark.parametrize("wrong", _WRONG)
def test_cluster_api_refuses(supervisor: httpx.Client, wrong: str) -> None:
    change, says = _WRONG[wrong]
    cluster = _of_component()
    change(cluster)
    answer = _judged(supervisor, cluster)
    assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    said = answer.json()["message"]
    assert _REAL in said
    assert says in said


_WRONG_FOR_VKS: dict[str, tuple[Change, str]] = {
    "no services": (lambda cluster: cluster["spec"]["clusterNetwork"].pop("services"), "a VKS cluster needs one"),
    "networks overlap": (_network("pods", "10.100.0.0/16"), "overlap"),
    "five machines": (_control_plane(replicas=5), "expected 1 or 3"),
    "no such release": (_topology(version="v1.32.9+vmware.1"), "no KubernetesRelease matches"),
    "too new a class": (
        _topology(**{"class": "builtin-generic-v3.7.0", "classNamespace": _CENTRAL}),
        "outside the window 1.33 to 1.36",
    ),
    "ambiguous image": (
        _topology(
            **{"class": "builtin-generic-v3.7.0", "classNamespace": _CENTRAL, "version": "v1.33.6+vmware.1-fips"}
        ),
        "2 OS images of v1.33.6+vmware.1-fips-vkr.2 match os-name=ubuntu",
    ),
}


@pytest.mark.parametrize("wrong", _WRONG_FOR_VKS)
def test_vks_refuses(supervisor: httpx.Client, wrong: str) -> None:
    change, says = _WRONG_FOR_VKS[wrong]
    cluster = _of_component()
    change(cluster)
    answer = _judged(supervisor, cluster)
    assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert says in answer.json()["message"]


@pytest.fixture(scope="module")
def stored(supervisor: httpx.Client) -> Iterator[Object]:
    """A Cluster of 1.32 that is stored, and never gets nodes: its VM classes are not there."""
    cluster = _of_component(
        cluster_class="builtin-generic-v3.4.0", release="v1.32.10+vmware.1-fips-vkr.2", os_version="22.04"
    )
    cluster["metadata"] |= {"namespace": _NAMESPACE, "name": "stored"}
    supervisor.post(_CLUSTERS, json=cluster).raise_for_status()
    yield cluster
    supervisor.delete(f"{_CLUSTERS}/stored").raise_for_status()
    wait_until(lambda: supervisor.get(f"{_CLUSTERS}/stored").status_code == httpx.codes.NOT_FOUND, "it is gone")


def test_the_server_stores_a_release_short_and_raises_the_class(supervisor: httpx.Client, stored: Object) -> None:
    assert stored["spec"]["topology"]["version"] == "v1.32.10+vmware.1-fips-vkr.2"
    found = supervisor.get(f"{_CLUSTERS}/stored").json()
    topology = found["spec"]["topology"]
    assert (topology["class"], topology["version"]) == ("builtin-generic-v3.6.0", "v1.32.10+vmware.1-fips")
    assert found["metadata"]["labels"]["run.tanzu.vmware.com/tkr"] == "v1.32.10---vmware.1-fips-vkr.2"


_WRONG_LATER: dict[str, tuple[Change, str]] = {
    "version down": (_topology(version="v1.32.0+vmware.6-fips"), "version cannot be decreased"),
    "two minors up": (_topology(version="v1.34.2+vmware.1-fips"), "version cannot be increased"),
    "a minor while the last still rolls": (
        _topology(version="v1.33.6+vmware.1-fips"),
        "minor version update cannot happen at this time",
    ),
    "no topology": (lambda cluster: cluster["spec"].pop("topology"), "cannot be removed from an existing Cluster"),
    "class that is not there": (_topology(**{"class": "nothing"}), '"nothing" not found'),
    "unknown field": (_given("node", {"label": {}}, pool=True), '"label" field(s) are not specified'),
    "effect of a taint": (_given("node", {"taints": [{**_TAINT, "effect": "NoExec"}]}, pool=True), "Unsupported value"),
}


def _updated(client: httpx.Client, change: Change) -> httpx.Response:
    cluster = client.get(f"{_CLUSTERS}/stored").json()
    change(cluster)
    return client.put(f"{_CLUSTERS}/stored", json=cluster, params={"dryRun": "All"})


@pytest.mark.parametrize("wrong", _WRONG_LATER)
def test_an_update_is_refused(supervisor: httpx.Client, stored: Object, wrong: str) -> None:
    change, says = _WRONG_LATER[wrong]
    answer = _updated(supervisor, change)
    while answer.json().get("reason") == "Conflict":
        # Its operator has written in between.
        answer = _updated(supervisor, change)
    assert answer.is_client_error, answer.text
    assert says in answer.json()["message"]


def test_every_registration_fails_closed(supervisor: httpx.Client) -> None:
    policies = {
        hook["name"]: hook["failurePolicy"]
        for kind in ("mutating", "validating")
        for each in supervisor.get(f"/apis/admissionregistration.k8s.io/v1/{kind}webhookconfigurations").json()["items"]
        for hook in each["webhooks"]
    }
    assert {name for name in policies if "cluster.cluster.x-k8s.io" in name} == {
        "default.cluster.cluster.x-k8s.io",
        "validation.cluster.cluster.x-k8s.io",
    }
    assert set(policies.values()) == {"Fail"}


class Edited(Project):
    """A project whose stack file a test edits."""

    def cluster(self, **values: Any) -> None:
        """Give the only cluster these keys."""
        path = self._folder / "stacks" / f"Pulumi.{self.stack}.yaml"
        content = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        content["config"]["paif:clusters"][0] |= values
        write_yaml(path, content)

    def changes_nothing(self) -> str:
        return self("preview", "--stack", self.stack, "--expect-no-changes")


def _class_and_release(client: httpx.Client, name: str) -> tuple[str, str]:
    topology = client.get(_CLUSTERS.replace(_NAMESPACE, "spelled") + f"/{name}").json()["spec"]["topology"]
    return topology["class"], topology["version"]


def test_what_the_server_made_of_class_and_release_is_no_change_and_what_is_asked_for_later_is_sent(
    supervisor: httpx.Client, paif: Paif, tmp_path: Path
) -> None:
    pools = [{"name": "cpu", "class": "best-effort-large", "replicas": 1}]
    config = lab_configuration() | {
        "paif:gpu": {"mode": "directpath", "model": "L40S"},
        "paif:namespace": {"name": "spelled", "storage": [{"policy": "pai-gold", "limitGib": 500}]},
        "paif:clusters": [{"name": "gpu", "pools": pools, "gpuOperator": {"enabled": False}}],
    }
    project, name = Edited(paif, tmp_path, "spelled", config), "acme-spelled-vks-gpu"
    up = ("up", "--yes", "--skip-preview", "--stack", "spelled")
    project(*up)
    short = "v1.32.0+vmware.6-fips"
    assert _class_and_release(supervisor, name) == ("builtin-generic-v3.3.0", short)
    for spelling in ("v1.32.0---vmware.6-fips-vkr.2", "v1.32.0"):
        project.cluster(release=spelling)
        assert "warning: cluster" not in project.changes_nothing()
    # Somebody asks for what the server has left behind.
    project.cluster(clusterClass="builtin-generic-v3.2.0")
    assert f"cluster {name} has ClusterClass builtin-generic-v3.3.0" in project.changes_nothing()
    project.cluster(clusterClass="builtin-generic-v3.4.0", release="v1.32.10+vmware.1-fips-vkr.2")
    project(*up)
    assert _class_and_release(supervisor, name) == ("builtin-generic-v3.4.0", "v1.32.10+vmware.1-fips")
    project.changes_nothing()
    project.cluster(release=short)
    said = project.refused("preview", "--stack", "spelled")
    assert _REAL in said
    assert "version cannot be decreased" in said
    project("destroy", "--yes", "--skip-preview", "--stack", "spelled")
