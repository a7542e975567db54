"""Wrong settings that only the site can tell: each is refused before anything is made, at its line, with what is there.

All that can stand together do so in one preview of the real engine; each by itself goes through the same look-ups of
the provider against the same lab, without an engine in between.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pulumi
import pytest
from ruamel.yaml import YAML

from pulumi_paif import vcf
from stacks.connections import Connections
from stacks.environment import SECRETS, Environment, validate
from stacks.phases import PHASES
from stacks.preflight import PreflightResult, run_preflight
from tests.lab.conftest import Paif, api_client
from tests.lab.connections import vcenter_session
from tests.unit.pulumi_resource_vcf.harness import Engine

_IMAGES = "/apis/run.tanzu.vmware.com/v1alpha3/osimages"
_RELEASE = "/apis/kubernetes.vmware.com/v1alpha1/kubernetesreleases/v1.32.0---vmware.6-fips-vkr.2"


@dataclass(frozen=True)
class Wrong:
    """One mistake in the dev environment's file: what stands there instead of what, and how it is told."""

    name: str
    good: str
    bad: str
    at: str
    """Text of the line at which it is told."""
    says: tuple[str, ...]
    together: bool = True
    """Whether it can stand beside the others: a site without a Supervisor of this name is asked nothing of it."""
    also: tuple[str, str] = ("", "")
    """What is changed elsewhere, so that the mistake is the only one."""


_DATABASE = "    infrastructurePolicy: pai-infra\n"
_ALICE = "    - {name: alice, owner: alice, persona: data-scientist, class: vgpu-a100-20c}\n"
_CLUSTER = "    - name: gpu\n      pools:\n"
_BGE = "      model: {repository: models/baai/bge-small-en-v1.5-simulated, reference: v1}\n"
_DSM = "that DSM allows in a namespace of this Supervisor"
_WRONG = (
    Wrong("Supervisor", "name: pai-supervisor", "name: pai-supervisr", "pai-supervisr", ("'pai-supervisor'?",), False),
    Wrong(
        "compute cluster",
        "computeCluster: pai-gpu",
        "computeCluster: pai-gpus",
        "pai-gpus",
        ("a compute cluster that vCenter has: pai-gpu (did you mean 'pai-gpu'?)",),
        False,
        # Where the hosts are not found, nothing is said of what they cannot hold.
        ("grid_a100-40c", "grid_a100d-40c"),
    ),
    Wrong(
        "storage policy",
        "    storage:\n",
        "    storage:\n      - {policy: pai-slver}\n",
        "policy: pai-slver",
        ("a storage policy that vCenter has: pai-gold, pai-silver", "'pai-silver'?"),
    ),
    Wrong(
        "Kubernetes library",
        "kubernetesLibrary: kubernetes-releases",
        "kubernetesLibrary: kubernetes-release",
        "kubernetesLibrary: kubernetes-release",
        ("dlvm-images, kubernetes-releases",),
    ),
    Wrong("image", "dlvmImage: dlvm-9.0.1", "dlvmImage: dlvm-9.0.2", "dlvm-9.0.2", ("'dlvm-9.0.1-simulated'?",)),
    Wrong(
        "image without properties",
        "dlvmLibrary: dlvm-images\n    dlvmImage: dlvm-9.0.1-simulated",
        "dlvmLibrary: kubernetes-releases\n    dlvmImage: ubuntu-2204-amd64-v1.32.0---vmware.6-fips-vkr.2",
        "dlvmImage: ubuntu",
        ("hostname, nvidia-portal-api-key, password, vgpu-license", "a machine has no NVIDIA license"),
        False,
    ),
    Wrong(
        "access group",
        "subject: platform-engineers",
        "subject: platform-enginers",
        "platform-enginers",
        ("a group that domain lab.test has: app-developers, data-scientists", "'platform-engineers'?"),
    ),
    Wrong(
        "access domain",
        "subject: mlops-engineers, domain: lab.test",
        "subject: mlops-engineers, domain: lab.tset",
        "lab.tset",
        ("an SSO domain that vCenter has: lab.test, vsphere.local", "'lab.test'?"),
    ),
    Wrong(
        "access user",
        "    storage:\n",
        "      - {subjectType: USER, subject: administrater, domain: vsphere.local, role: VIEW}\n    storage:\n",
        "administrater",
        ("a user that domain vsphere.local has: Administrator", "'Administrator'?"),
    ),
    Wrong(
        "identity provider",
        "    storage:\n",
        "      - {subject: ada, domain: corp.example, role: VIEW,"
        " identityProvider: 00000000-0000-4000-8000-000000000009}\n    storage:\n",
        "00000000-0000-4000-8000-000000000009",
        ("identity provider of the Supervisor: 00000000-0000-4000-8000-000000000001",),
    ),
    Wrong(
        "existing class",
        "  paif:vmClasses:\n",
        "  paif:vmClasses:\n    - {name: team-small, cpuCount: 2, memoryGib: 4, existing: true}\n",
        "team-small",
        ("a VM class that vCenter has: best-effort-large",),
    ),
    Wrong(
        "class of the catalog",
        "class: best-effort-xlarge",
        "class: best-effort-2xlarge",
        "best-effort-2xlarge",
        ("'best-effort-xlarge'?",),
    ),
    Wrong("profile", "grid_a100-40c", "grid_a100d-40c", "grid_a100d-40c", ("'grid_a100-40c'?",)),
    Wrong(
        "infrastructure policy",
        _DATABASE,
        "    infrastructurePolicy: pai-infro\n",
        "pai-infro",
        (f"an infrastructure policy {_DSM}: pai-infra, pai-infra-gold", "'pai-infra'?"),
    ),
    Wrong(
        "database version",
        "  paif:database:\n",
        "  paif:database:\n    version: 16.9+vmware.v9.0.1.0\n",
        "16.9+vmware",
        (f"a version of PostgreSQL {_DSM}: 14.17+vmware.v9.0.1.0", "'16.8+vmware.v9.0.1.0'?"),
    ),
    Wrong(
        "backup location",
        "  paif:database:\n",
        "  paif:database:\n    backup: {location: s3-defalt}\n",
        "s3-defalt",
        (f"a backup location {_DSM}: s3-default", "'s3-default'?"),
    ),
    Wrong(
        "storage space",
        "  paif:database:\n",
        "  paif:database:\n    storageGib: 4096\n",
        "storageGib: 4096",
        ("at most 2048, which DSM allows",),
    ),
    Wrong(
        "class that DSM's policy leaves out",
        _DATABASE,
        "    infrastructurePolicy: pai-infra-gold\n    class: best-effort-medium\n",
        "class: best-effort-medium",
        ("a class that infrastructure policy pai-infra-gold allows: best-effort-large",),
        False,
        ("{policy: pai-silver", "{policy: pai-gold"),
    ),
    Wrong(
        "storage policy that DSM's policy leaves out",
        _DATABASE,
        "    infrastructurePolicy: pai-infra-gold\n    storagePolicy: pai-silver\n",
        "storagePolicy: pai-silver",
        ("a storage policy that infrastructure policy pai-infra-gold allows: pai-gold",),
        False,
    ),
    Wrong(
        "release",
        _CLUSTER,
        "    - name: gpu\n      release: v1.32.1+vmware.6-fips-vkr.2\n      pools:\n",
        "v1.32.1+vmware",
        ("a Kubernetes release that the Supervisor has: v1.32.0+vmware.6-fips-vkr.2, v1.32.10",),
    ),
    Wrong(
        "model's tag",
        "instruct-simulated, reference: v1}",
        "instruct-simulated, reference: v12}",
        "reference: v12",
        ("what the gallery has of models/meta/llama-3.1-8b-instruct-simulated: v1",),
    ),
    Wrong(
        "model",
        _BGE,
        _BGE.replace("v1.5", "v1.6"),
        "bge-small-en-v1.6-simulated",
        ("MLOps push it, from a workstation", "'models/baai/bge-small-en-v1.5-simulated'?"),
    ),
    Wrong(
        "chart version",
        "      pools:\n",
        "      gpuOperator: {version: v24.9.1}\n      pools:\n",
        "v24.9.1",
        ("a version of chart gpu-operator", "v24.9.0", "(did you mean 'v24.9."),
    ),
)


def _changed(text: str, mistakes: tuple[Wrong, ...]) -> str:
    """The dev environment's file with these mistakes, as an environment of its own."""
    text = text.replace("acme-dev-ns-ai", "acme-wrong-ns-ai")
    for each in mistakes:
        # Where several begin at one place, each keeps what those before it have put there.
        assert each.good in text, each.name
        text = text.replace(each.good, each.bad)
        text = text.replace(*each.also) if each.also[0] else text
    return text


def _dev(paif: Paif) -> str:
    return (paif.root / "stacks" / "Pulumi.dev.yaml").read_text(encoding="utf-8")


Look = Callable[..., PreflightResult]


@pytest.fixture(scope="module")
def site(paif: Paif) -> Paif:
    """A lab as a first environment finds it."""
    paif.without("dev", "qa", "staging")
    return paif


def test_all_that_is_wrong_is_told_in_one_preview_at_its_line_and_nothing_is_made(site: Paif, tmp_path: Path) -> None:
    there = site.elsewhere(tmp_path)
    mistakes = tuple(each for each in _WRONG if each.together)
    assert len(mistakes) >= 18
    bad = _changed(_dev(site), mistakes)
    (there.root / "stacks" / "Pulumi.wrong.yaml").write_text(bad, encoding="utf-8")
    answer = there("up", "wrong", "--yes", check=False)
    assert answer.returncode == 2, answer.stdout + answer.stderr
    assert "Traceback" not in answer.stdout + answer.stderr
    told = [line for line in answer.stderr.splitlines() if line.startswith("stacks/Pulumi.wrong.yaml:")]
    lines = bad.splitlines()
    for mistake in mistakes:
        at_its_line = [line for line in told if mistake.at in lines[int(line.split(":")[1]) - 1]]
        said = next((line for line in at_its_line if mistake.says[0] in line), None)
        assert said is not None, f"{mistake.name} is not told:\n{answer.stdout}{answer.stderr}"
        for part in mistake.says:
            assert part in said, mistake.name
    assert len(told) == len(mistakes)
    assert not there.export("wrong")["deployment"].get("resources")
    assert _vcenter(site, "/api/vcenter/namespaces/instances/v2/acme-wrong-ns-ai").status_code == httpx.codes.NOT_FOUND


def _vcenter(paif: Paif, path: str) -> httpx.Response:
    with vcenter_session(paif) as client:
        return client.get(path)


@pytest.fixture
def look(site: Paif, monkeypatch: pytest.MonkeyPatch) -> Iterator[Look]:
    """Looks ahead for a stack file's text, with the provider in this process and the lab as its site."""
    given = site.endpoints()
    engines: list[Engine] = []

    def ahead(text: str, **changes: Any) -> PreflightResult:
        ends = Connections.model_validate({**given, "databaseCa": given["vcenter"]["ca"], **changes})
        account = ends.vcenter
        engine = Engine(
            server=account.server,
            username=account.username,
            password=account.password.get_secret_value(),
            caBundle=account.ca,
            kubeconfig=ends.supervisor.kubeconfig.get_secret_value(),
        )
        engines.append(engine)

        def ask(look_ups: list[vcf.LookUp[Any]], opts: Any) -> list[Any]:
            del opts
            return [_asked(engine, each) for each in look_ups]

        monkeypatch.setattr(vcf, "ask", ask)
        return run_preflight(_environment(text), ends, set(PHASES), pulumi.InvokeOptions())

    yield ahead
    for engine in engines:
        engine.close()


def _asked(engine: Engine, look_up: vcf.LookUp[Any]) -> Any:
    try:
        return look_up.read(engine.invoke(look_up.function, **look_up.arguments))
    except Exception as error:
        return pulumi.RunError(str(error))


def _environment(text: str) -> Environment:
    config: dict[str, Any] = json.loads(json.dumps(YAML(typ="safe").load(text)["config"]))
    data = {key.removeprefix("paif:"): value for key, value in config.items()}
    for key in SECRETS:
        if key in data:
            data[key] = "a-secret-of-this-test"
    found, problems = validate(data, "wrong", frozenset(SECRETS))
    assert found is not None, [problem.message for _, problem in problems]
    return found


def _messages(ahead: PreflightResult) -> list[str]:
    return [problem.message for _, problem in ahead.problems]


def test_nothing_is_said_of_what_is_right(look: Look, paif: Paif) -> None:
    ahead = look(_changed(_dev(paif), ()))
    assert (ahead.problems, ahead.unanswered) == ([], [])


@pytest.mark.parametrize("mistake", _WRONG, ids=[each.name for each in _WRONG])
def test_each_mistake_by_itself_is_the_only_one_that_is_told(look: Look, paif: Paif, mistake: Wrong) -> None:
    ahead = look(_changed(_dev(paif), (mistake,)))
    [said] = _messages(ahead)
    for part in mistake.says:
        assert part in said
    assert ahead.unanswered == []


@pytest.mark.parametrize("path", ["/chart", ""], ids=["nothing there", "nobody there"])
def test_a_chart_repository_that_is_none_is_refused(look: Look, paif: Paif, path: str) -> None:
    there = paif.endpoints()["helm"]["repository"].removesuffix("/charts")
    repository = f"{there}{path}" if path else "http://127.0.0.1:1/charts"
    [said] = _messages(look(_changed(_dev(paif), ()), helm={"repository": repository}))
    assert f"paif:chartRepository is '{repository}'" in said


@pytest.fixture
def supervisor(site: Paif, tmp_path: Path) -> Iterator[httpx.Client]:
    with api_client(site.endpoints()["supervisor"]["kubeconfig"], tmp_path) as client:
        yield client


def test_a_release_whose_os_image_has_not_come_is_refused(look: Look, paif: Paif, supervisor: httpx.Client) -> None:
    items = supervisor.get(_IMAGES).raise_for_status().json()["items"]
    [image] = [
        each
        for each in items
        if each["metadata"]["labels"]["os-name"] == "ubuntu"
        and each["metadata"]["labels"]["run.tanzu.vmware.com/tkr"] == _RELEASE.rpartition("/")[2]
    ]
    supervisor.delete(f"{_IMAGES}/{image['metadata']['name']}").raise_for_status()
    try:
        [said] = _messages(look(_changed(_dev(paif), ())))
    finally:
        kept = {key: image["metadata"][key] for key in ("name", "labels")}
        supervisor.post(_IMAGES, json={**image, "metadata": kept}).raise_for_status()
    assert "OS image for ubuntu has come to the Supervisor" in said


def test_a_release_that_cannot_be_used_is_refused_with_its_condition(
    look: Look, paif: Paif, supervisor: httpx.Client
) -> None:
    def conditions(**change: str) -> None:
        found = supervisor.get(_RELEASE).raise_for_status().json()["status"]["conditions"]
        changed = [{**each, **change} if each["type"] == "Compatible" else each for each in found]
        headers = {"content-type": "application/merge-patch+json"}
        body = {"status": {"conditions": changed}}
        supervisor.patch(f"{_RELEASE}/status", json=body, headers=headers).raise_for_status()

    conditions(status="False", message="needs a newer VKS")
    try:
        [said] = _messages(look(_changed(_dev(paif), ())))
    finally:
        conditions(status="True", message="")
    assert "Compatible is False: needs a newer VKS" in said


def test_a_user_without_rights_is_told_what_could_not_be_looked_up_and_is_not_stopped(
    look: Look, paif: Paif, supervisor: httpx.Client
) -> None:
    accounts = "/api/v1/namespaces/kube-system/serviceaccounts"
    supervisor.post(accounts, json={"metadata": {"name": "nobody"}}).raise_for_status()
    try:
        token = (
            supervisor.post(f"{accounts}/nobody/token", json={"spec": {}}).raise_for_status().json()["status"]["token"]
        )
        ends = paif.endpoints()["supervisor"]
        config = YAML(typ="safe").load(ends["kubeconfig"])
        config["users"][0]["user"] = {"token": token}
        ahead = look(_changed(_dev(paif), ()), supervisor={**ends, "kubeconfig": json.dumps(config)})
    finally:
        supervisor.delete(f"{accounts}/nobody").raise_for_status()
    assert ahead.problems == []
    told = "\n".join(ahead.unanswered)
    for what in ("Kubernetes releases", "OS images", "what DSM allows"):
        assert re.search(rf"{what}.*may not read", told), told
    assert token not in told
