"""What is deleted, changed or added by hand in dev, followed by the words of drift's own issue to a clean end."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.lab.conftest import Outputs, Paif, api_client, wait_until
from tests.lab.connections import database_connection, vcenter_session
from tests.unit.cli.forge.stand_in import StandIn, serve

_NS = "/namespaces/acme-dev-ns-ai"
_VMS = f"/apis/vmoperator.vmware.com/v1alpha3{_NS}/virtualmachines"
_ACCESS = f"/apis/vmoperator.vmware.com/v1alpha3{_NS}/virtualmachineservices"
_PAIS = f"/apis/pais.vmware.com/v1alpha1{_NS}"
_DATABASES = f"/apis/databases.dataservices.vmware.com/v1alpha1{_NS}/postgresclusters"
_CLUSTERS = f"/apis/cluster.x-k8s.io/v1beta1{_NS}/clusters"
_INSTANCES = "/api/vcenter/namespaces/instances"
_SETTLES = 3
"""How often it may take: on a busy machine pulumi-kubernetes (4.25) may keep in the state what was before an update, as
the API server's cache that it reads is behind. The issue then stays open, and the same command settles it."""


class Hand:
    """Somebody who changes things beside the program, in the Supervisor, on the guest cluster and in vCenter."""

    def __init__(self, paif: Paif, outputs: Outputs, folder: Path) -> None:
        self._paif, self._folder = paif, folder
        self.outputs = outputs

    def at(self, kubeconfig: str, method: str, path: str, patch: list[dict[str, Any]] | None = None) -> Any:
        sent: dict[str, Any] = {}
        self._changes(method)
        if patch is not None:
            sent = {"content": json.dumps(patch), "headers": {"content-type": "application/json-patch+json"}}
            sent["params"] = {"fieldManager": "by-hand"}
        with api_client(kubeconfig, self._folder) as client:
            return client.request(method, path, **sent).raise_for_status().json()

    def _changes(self, method: str) -> None:
        if method != "GET":
            self._paif.by_hand("dev")

    def supervisor(self, method: str, path: str, *patch: dict[str, Any]) -> Any:
        return self.at(self._paif.endpoints()["supervisor"]["kubeconfig"], method, path, list(patch) or None)

    def guest(self, method: str, path: str, *patch: dict[str, Any]) -> Any:
        return self.at(self.outputs["clusters"]["gpu"]["kubeconfig"], method, path, list(patch) or None)

    def vcenter(self, method: str, path: str, body: Any = None) -> httpx.Response:
        self._changes(method)
        with vcenter_session(self._paif) as client:
            return client.request(method, path, json=body)

    def sql(self, statement: str) -> None:
        self._changes("SQL")
        with database_connection(self.outputs["database"], self._folder) as connection:
            connection.execute(statement)

    def switch_off(self) -> None:
        self.supervisor("PATCH", f"{_VMS}/acme-dev-dlvm-alice", _set("/spec/powerState", "PoweredOff"))

        def off() -> bool:
            status = self.supervisor("GET", f"{_VMS}/acme-dev-dlvm-alice")["status"]
            return status.get("powerState") == "PoweredOff" and not status.get("network")

        wait_until(off, "the machine is off")


def _set(path: str, value: Any) -> dict[str, Any]:
    return {"op": "replace", "path": path, "value": value}


def _add(path: str, value: Any) -> dict[str, Any]:
    return {"op": "add", "path": path, "value": value}


@pytest.fixture
def hand(paif: Paif, tmp_path: Path) -> Hand:
    paif.having("dev")
    return Hand(paif, paif.outputs("dev"), tmp_path)


def _drift(paif: Paif, *, check: bool = True) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(paif("drift", "dev", "--json", check=check).stdout)
    return found


def _told(found: dict[str, Any]) -> dict[str, list[str]]:
    """What drifted, as ACTION KIND NAME, with its details."""
    told = {}
    for each in found["resources"]:
        kind, name = each["urn"].rsplit("::", 2)[-2:]
        told[f"{each['action']} {kind.rsplit(':', 1)[-1]} {name}"] = each["details"]
    return told


def _urns(paif: Paif) -> list[str]:
    # A run that changes something writes what it has met first first.
    return sorted(each["urn"] for each in paif.export("dev")["deployment"].get("resources", []))


def _nothing_left(paif: Paif) -> None:
    found = _drift(paif)
    assert (found["resources"], found["programDiffers"], found["notCompared"]) == ([], [], [])


@contextmanager
def _forge(paif: Paif) -> Iterator[tuple[StandIn, Paif]]:
    """A stand-in for GitHub, and the command that keeps an issue there."""
    with serve("github", "t") as forge:
        yield (
            forge,
            Paif(
                paif.state,
                {
                    **paif.environment,
                    "GITHUB_TOKEN": "t",
                    "GITHUB_API_URL": forge.url,
                    "GITHUB_REPOSITORY": "acme/paif",
                },
                paif.printed,
                paif.root,
            ),
        )


def _advised(issue: str, option: str) -> list[str]:
    """The arguments of the command with this option that the issue tells to run."""
    found = re.search(rf"`\./paif ([^`]*{option}[^`]*)`", issue)
    assert found is not None, issue
    return found[1].split()


def test_the_issue_followed_for_what_was_deleted_changed_and_added_in_every_phase(paif: Paif, hand: Hand) -> None:
    namespace = hand.vcenter("GET", f"{_INSTANCES}/v2/acme-dev-ns-ai").json()
    access = [
        {**each, "role": "VIEW"} if each["subject"] == "mlops-engineers" else each for each in namespace["access_list"]
    ]
    access.append({"subject_type": "GROUP", "subject": "app-developers", "domain": "lab.test", "role": "EDIT"})
    hand.vcenter("PATCH", f"{_INSTANCES}/acme-dev-ns-ai", {"access_list": access}).raise_for_status()
    hand.sql("DROP EXTENSION vector CASCADE")
    hand.supervisor("PATCH", f"{_DATABASES}/acme-dev-pg-vectors", _set("/spec/maintenanceWindow/startDay", "MONDAY"))
    bundles = hand.supervisor("GET", f"/api/v1{_NS}/configmaps")["items"]
    bundle = next(each["metadata"]["name"] for each in bundles if each["metadata"]["name"].startswith("trust-oidc-"))
    hand.supervisor("DELETE", f"/api/v1{_NS}/configmaps/{bundle}")
    hand.supervisor(
        "PATCH", f"{_PAIS}/paisconfigurations/default", _add("/spec/auth/oidc/authorizedGroups/-", "guests")
    )
    hand.supervisor("DELETE", f"/api/v1{_NS}/secrets/gallery-pull")
    hand.supervisor("PATCH", f"{_PAIS}/modelendpoints/acme-dev-ep-bge-small", _set("/spec/replicas", 2))
    hand.supervisor("DELETE", f"{_VMS}/acme-dev-dlvm-bob")
    hand.switch_off()
    port = {"name": "extra", "port": 9999, "protocol": "TCP", "targetPort": 9999}
    hand.supervisor("PATCH", f"{_ACCESS}/acme-dev-dlvm-alice", _add("/spec/ports/-", port))
    hand.supervisor("PATCH", f"{_CLUSTERS}/acme-dev-vks-gpu", _set("/metadata/labels/paif.dev~1owner", "somebody"))
    config_maps = hand.guest("GET", "/api/v1/namespaces/gpu-operator/configmaps")["items"]
    name = next(
        each["metadata"]["name"] for each in config_maps if each["metadata"]["name"].startswith("licensing-config")
    )
    hand.guest("DELETE", f"/api/v1/namespaces/gpu-operator/configmaps/{name}")
    level = "/metadata/labels/pod-security.kubernetes.io~1enforce"
    hand.guest("PATCH", "/api/v1/namespaces/gpu-operator", _set(level, "baseline"))
    with _forge(paif) as (forge, keeping):
        keeping("drift", "dev", "--forge", "github")
        issue = forge.issues[0]["body"]
        told = _told(_drift(paif))
        for gone in (
            "PostgresExtension acme-dev-pg-vectors-vector",
            "ConfigMap acme-dev-ns-pais-trust-oidc",
            "Secret gallery-pull",
            "VirtualMachine acme-dev-dlvm-bob",
            "ConfigMap acme-dev-vks-gpu-gpu-operator-license",
        ):
            assert f"delete {gone}" in told
            assert f"`{gone.split()[1]}`" in issue
        for changed, properties in {
            "Namespace acme-dev-ns-ai": ["accessList[1].role: EDIT → VIEW", "accessList[3]: (none) → {"],
            "PostgresCluster acme-dev-pg-vectors": ["spec.maintenanceWindow.startDay: SATURDAY → MONDAY"],
            "PAISConfiguration acme-dev-ns-pais": ["spec.auth.oidc.authorizedGroups[3]: (none) → guests"],
            "ModelEndpoint acme-dev-ep-bge-small": ["spec.replicas: 1 → 2"],
            "VirtualMachine acme-dev-dlvm-alice": ["spec.powerState: PoweredOn → PoweredOff"],
            "VirtualMachineService acme-dev-dlvm-alice-access": ['spec.ports[2]: (none) → {"name": "extra"'],
            "Cluster acme-dev-vks-gpu": ['metadata.labels["paif.dev/owner"]: ai-platform → somebody'],
            "Namespace acme-dev-vks-gpu-gpu-operator-namespace": [
                'metadata.labels["pod-security.kubernetes.io/enforce"]: privileged → baseline'
            ],
        }.items():
            details = "\n".join(told[f"update {changed}"])
            assert all(each in details for each in properties), details
        assert len(told) == 13
        for _ in range(_SETTLES):
            paif(*_advised(issue, "--undo"))
            keeping("drift", "dev", "--forge", "github")
            if forge.issues[0]["state"] == "closed":
                break
        assert forge.issues[0]["state"] == "closed"
    paif("up", "dev", "--", "--expect-no-changes")
    ports = hand.supervisor("GET", f"{_ACCESS}/acme-dev-dlvm-alice")["spec"]["ports"]
    assert [each["port"] for each in ports] == [22, 8888]


def test_an_added_entry_that_only_its_owner_may_take_away_is_told(paif: Paif, hand: Hand) -> None:
    cluster = hand.supervisor("GET", f"{_CLUSTERS}/acme-dev-vks-gpu")
    pool = {**cluster["spec"]["topology"]["workers"]["machineDeployments"][0], "name": "extra"}
    path = "/spec/topology/workers/machineDeployments"
    hand.supervisor("PATCH", f"{_CLUSTERS}/acme-dev-vks-gpu", _add(f"{path}/-", pool))
    answer = paif("drift", "dev", "--undo", check=False)
    assert answer.returncode == 1
    assert "Cluster acme-dev-vks-gpu: spec.topology.workers.machineDeployments stays" in answer.stderr
    hand.supervisor("PATCH", f"{_CLUSTERS}/acme-dev-vks-gpu", {"op": "remove", "path": f"{path}/2"})
    paif("refresh", "dev")
    _nothing_left(paif)


def test_a_machine_that_is_off_is_told_in_words_after_a_refresh_and_may_stay_off(
    paif: Paif, hand: Hand, tmp_path: Path
) -> None:
    copy = paif.elsewhere(tmp_path / "copy")
    hand.switch_off()
    with _forge(paif) as (forge, keeping):
        keeping("drift", "dev", "--forge", "github")
        issue = forge.issues[0]["body"]
        paif("refresh", "dev")
        answer = paif("up", "dev", check=False)
        said = answer.stdout + answer.stderr
        assert answer.returncode == 1
        assert "VirtualMachine acme-dev-dlvm-alice: spec.powerState, set by by-hand" in said
        assert "./paif up dev --take-over" in said
        assert "./paif drift dev --keep" in said
        assert "KeyError" not in said
        assert "Traceback" not in said
        assert "1 to update" in paif("preview", "dev", "--take-over").stdout
        keeping("drift", "dev", "--forge", "github")
        assert forge.issues[0]["state"] == "open", "a refresh alone has closed it"
        copy(*_advised(issue, "--keep"))
        copy("up", "dev", "--", "--expect-no-changes")
        keeping.root = copy.root
        keeping("drift", "dev", "--forge", "github")
        assert forge.issues[0]["state"] == "closed"
    kept = (copy.root / "stacks" / "Pulumi.dev.yaml").read_text()
    assert kept.endswith("  paif:ignoreChanges:\n    VirtualMachine/acme-dev-dlvm-alice:\n      - spec.powerState\n")
    assert hand.supervisor("GET", f"{_VMS}/acme-dev-dlvm-alice")["spec"]["powerState"] == "PoweredOff"
    paif("up", "dev", "--take-over")
    assert hand.supervisor("GET", f"{_VMS}/acme-dev-dlvm-alice")["spec"]["powerState"] == "PoweredOn"
    _nothing_left(paif)


def test_what_does_not_answer_is_neither_gone_nor_in_the_way(paif: Paif, hand: Hand) -> None:
    before = _urns(paif)
    # Whatever a shell has exported: pulumi-kubernetes forgets all that is unreachable with it.
    careless = {"PULUMI_K8S_DELETE_UNREACHABLE": "true"}
    paif("lab", "fault", "control-plane-crash", "cluster=acme-dev-vks-gpu")
    hand.switch_off()
    try:

        def down() -> bool:
            return bool(_drift(paif, check=False)["notCompared"])

        wait_until(down, "the cluster's API server is down", seconds=300)
        found = _drift(paif, check=False)
        assert list(_told(found)) == ["update VirtualMachine acme-dev-dlvm-alice"]
        for command in (("refresh", "dev"), ("drift", "dev", "--undo")):
            answer = paif(*command, check=False, extra=careless)
            assert answer.returncode == 1
            assert "Cluster acme-dev-vks-gpu does not answer" in answer.stderr
            assert _urns(paif) == before
        assert hand.supervisor("GET", f"{_VMS}/acme-dev-dlvm-alice")["spec"]["powerState"] == "PoweredOn"
    finally:
        paif("lab", "fault", "control-plane-crash", "--off")
    with _stopped(paif, "supervisor-apiserver"):
        _refused(paif, before, careless)
    paif("lab", "fault", "api-errors", "rate=1", "status=500")
    try:
        _refused(paif, before, careless)
    finally:
        paif("lab", "fault", "api-errors", "--off")
    wait_until(lambda: paif("drift", "dev", check=False).returncode == 0, "all answer again", seconds=300)
    _nothing_left(paif)


def _refused(paif: Paif, before: list[str], extra: dict[str, str]) -> None:
    for command in (("refresh", "dev"), ("drift", "dev")):
        answer = paif(*command, check=False, extra=extra)
        assert answer.returncode == 1
        assert "nothing is taken for gone" in answer.stderr
        assert "DELETE_UNREACHABLE" not in answer.stdout + answer.stderr
        assert _urns(paif) == before


@contextmanager
def _stopped(paif: Paif, part: str) -> Iterator[None]:
    """A part of the lab that takes connections and never answers."""
    pid = json.loads(paif("lab", "status", "--json").stdout)[part]["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_namespace_deleted_by_hand_is_named_once_and_made_again_with_what_was_in_it(paif: Paif, hand: Hand) -> None:
    before = _urns(paif)
    hand.vcenter("DELETE", f"{_INSTANCES}/acme-dev-ns-ai").raise_for_status()
    gone = f"{_INSTANCES}/v2/acme-dev-ns-ai"
    wait_until(lambda: hand.vcenter("GET", gone).status_code == 404, "the namespace is gone", seconds=300)
    assert [each.split(" ", 1)[1] for each in _told(_drift(paif))] == ["Namespace acme-dev-ns-ai"]
    paif("drift", "dev", "--undo")
    assert _urns(paif) == before
    _nothing_left(paif)
    now = paif.outputs("dev")
    assert hand.at(now["clusters"]["gpu"]["kubeconfig"], "GET", "/api/v1/namespaces/gpu-operator")
    hand.outputs = now
    hand.sql("SELECT '[1,2]'::vector")


def test_cluster_database_and_machine_deleted_by_hand_are_named_once_and_destroy_ends(paif: Paif, hand: Hand) -> None:
    hand.supervisor("DELETE", f"{_CLUSTERS}/acme-dev-vks-gpu")
    hand.supervisor("DELETE", f"{_DATABASES}/acme-dev-pg-vectors")
    hand.supervisor("DELETE", f"{_VMS}/acme-dev-dlvm-bob")

    def there(path: str) -> list[str]:
        return [each["metadata"]["name"] for each in hand.supervisor("GET", path)["items"]]

    wait_until(lambda: not there(_CLUSTERS) and not there(_DATABASES), "both are gone", seconds=300)
    told = _told(_drift(paif))
    assert sorted(told) == [
        "delete Cluster acme-dev-vks-gpu",
        "delete PostgresCluster acme-dev-pg-vectors",
        "delete VirtualMachine acme-dev-dlvm-bob",
    ]
    assert "Release acme-dev-vks-gpu-gpu-operator" in told["delete Cluster acme-dev-vks-gpu"][0]
    paif("destroy", "dev")
    assert _urns(paif) == []
    assert hand.vcenter("GET", f"{_INSTANCES}/v2/acme-dev-ns-ai").status_code == 404
