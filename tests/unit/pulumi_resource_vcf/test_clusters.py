"""Looking up what the Supervisor has made of a cluster's class and release."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.pulumi_resource_vcf.double import Answer, Certificates, Request, Server, kubeconfig_of
from tests.unit.pulumi_resource_vcf.harness import Engine

_PATH = "/apis/cluster.x-k8s.io/v1beta1/namespaces/ns/clusters/gpu"
_ASKED = {"namespace": "ns", "name": "gpu", "apiVersion": "cluster.x-k8s.io/v1beta1"}
_RELEASE = "v1.32.0+vmware.6-fips"


class _ApiServer(Server):
    """Has what a test gives it, by path."""

    def __init__(self, certificates: Certificates) -> None:
        super().__init__(certificates)
        self.objects: dict[str, Any] = {}

    def handle(self, request: Request) -> Answer:
        found = self.objects.get(request.path)
        return Answer(200, found) if found else Answer(404, {"kind": "Status"})


@pytest.fixture
def api(certificates: Certificates) -> Iterator[_ApiServer]:
    server = _ApiServer(certificates)
    with server.serving():
        yield server


@pytest.fixture
def engine(api: _ApiServer, certificates: Certificates) -> Engine:
    return Engine(kubeconfig=kubeconfig_of(api, certificates, {"token": "t"}))


def _cluster(topology: dict[str, Any], label: str = "") -> dict[str, Any]:
    labels = {"run.tanzu.vmware.com/tkr": label} if label else {}
    return {"metadata": {"name": "gpu", "labels": labels}, "spec": {"topology": topology}}


@pytest.mark.parametrize(
    ("label", "release"),
    [
        ("v1.32.0---vmware.6-fips-vkr.2", f"{_RELEASE}-vkr.2"),
        # It comes some time after the version.
        ("v1.31.4---vmware.1-fips-vkr.3", _RELEASE),
        ("", _RELEASE),
    ],
)
def test_a_release_is_told_in_full_where_its_label_is_of_the_stored_version(
    api: _ApiServer, engine: Engine, label: str, release: str
) -> None:
    api.objects[_PATH] = _cluster({"class": "builtin-generic-v3.3.0", "version": _RELEASE}, label)
    found = engine.invoke("getCluster", **_ASKED)
    assert found == {**_ASKED, "exists": True, "clusterClass": "builtin-generic-v3.3.0", "release": release}


def test_the_class_is_read_where_the_asked_version_of_the_api_has_it(api: _ApiServer, engine: Engine) -> None:
    topology = {"classRef": {"name": "builtin-generic-v3.6.0", "namespace": "central"}, "version": _RELEASE}
    api.objects[_PATH.replace("v1beta1", "v1beta2")] = _cluster(topology)
    found = engine.invoke("getCluster", **{**_ASKED, "apiVersion": "cluster.x-k8s.io/v1beta2"})
    assert found["clusterClass"] == "builtin-generic-v3.6.0"


@pytest.mark.parametrize("answer", [Answer(404), Answer(403)])
def test_a_cluster_that_is_not_there_or_not_to_be_seen_yet_does_not_exist(
    api: _ApiServer, engine: Engine, answer: Answer
) -> None:
    api.fail(f"GET {_PATH}", answer)
    assert engine.invoke("getCluster", **_ASKED)["exists"] is False


def test_a_cluster_without_a_class_does_not_exist_as_one(api: _ApiServer, engine: Engine) -> None:
    api.objects[_PATH] = {"metadata": {"name": "gpu"}, "spec": {}}
    assert engine.invoke("getCluster", **_ASKED)["exists"] is False
