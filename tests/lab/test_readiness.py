"""When `up` returns, all of it is there: on a lab that says ready early, and goes on saying so while things change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.lab.conftest import Paif, api_client, changes
from tests.lab.promised import lacking

_LATER_RELEASE = "v1.32.10+vmware.1-fips-vkr.2"
_LATER_OPERATOR = "v24.9.2"


@pytest.fixture(scope="module")
def elsewhere(paif: Paif, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paif]:
    """The toolkit with a stack file of dev that these tests change, dev being up; it is gone afterwards.

    A cluster does not go back to the release before.
    """
    paif.having("dev")
    yield paif.elsewhere(tmp_path_factory.mktemp("readiness") / "checkout")
    paif("destroy", "dev")


def _edit(paif: Paif, change: Callable[[dict[str, Any]], None]) -> None:
    file = paif.root / "stacks" / "Pulumi.dev.yaml"
    yaml = YAML()
    document = yaml.load(file)
    change(document["config"])
    yaml.dump(document, file)


def test_a_third_node_is_there_when_up_returns(elsewhere: Paif, tmp_path: Path) -> None:
    def grow(config: dict[str, Any]) -> None:
        config["paif:clusters"][0]["pools"][0]["replicas"] = 2

    _edit(elsewhere, grow)
    elsewhere("up", "dev")
    assert lacking(elsewhere, "dev", tmp_path) == []


def test_nodes_of_another_size_are_all_there_when_up_returns(elsewhere: Paif, tmp_path: Path) -> None:
    def resize(config: dict[str, Any]) -> None:
        config["paif:clusters"][0]["pools"][0]["class"] = "best-effort-xlarge"

    _edit(elsewhere, resize)
    elsewhere("up", "dev")
    kubeconfig = elsewhere.outputs("dev")["clusters"]["gpu"]["kubeconfig"]
    with api_client(kubeconfig, tmp_path) as guest:
        nodes = guest.get("/api/v1/nodes").raise_for_status().json()["items"]
    sizes = {
        node["metadata"]["labels"]["node.kubernetes.io/instance-type"]
        for node in nodes
        if node["metadata"]["labels"].get("paif.dev/pool") == "cpu"
    }
    assert sizes == {"best-effort-xlarge"}


def test_every_kubelet_is_of_the_new_release_when_up_returns(elsewhere: Paif, tmp_path: Path) -> None:
    def upgrade(config: dict[str, Any]) -> None:
        config["paif:clusters"][0]["release"] = _LATER_RELEASE

    _edit(elsewhere, upgrade)
    elsewhere("up", "dev")
    assert lacking(elsewhere, "dev", tmp_path) == []


def test_every_operand_is_of_the_new_operator_when_up_returns(elsewhere: Paif, tmp_path: Path) -> None:
    def upgrade(config: dict[str, Any]) -> None:
        config["paif:clusters"][0]["gpuOperator"] = {"version": _LATER_OPERATOR}

    _edit(elsewhere, upgrade)
    elsewhere("up", "dev")
    assert lacking(elsewhere, "dev", tmp_path) == []
    kubeconfig = elsewhere.outputs("dev")["clusters"]["gpu"]["kubeconfig"]
    with api_client(kubeconfig, tmp_path) as guest:
        sets = guest.get("/apis/apps/v1/namespaces/gpu-operator/daemonsets").raise_for_status().json()["items"]
    toolkit = next(each for each in sets if each["metadata"]["name"] == "nvidia-container-toolkit-daemonset")
    assert toolkit["spec"]["template"]["spec"]["containers"][0]["image"].endswith(":v1.17.4-ubuntu20.04")
    assert toolkit["status"]["updatedNumberScheduled"] == toolkit["status"]["numberReady"] == 2


def test_nothing_is_left_to_do_after_all_that(elsewhere: Paif) -> None:
    assert changes(elsewhere.pulumi("preview", "--stack", "dev", "--json")) == {}


def test_a_driver_without_a_license_is_told_with_the_pods_reason_and_given_up(elsewhere: Paif) -> None:
    elsewhere("lab", "fault", "license-server-down")

    def exchange(config: dict[str, Any]) -> None:
        cluster = config["paif:clusters"][0]
        if cluster.pop("gpuOperator", None) is None:
            cluster["gpuOperator"] = {"version": _LATER_OPERATOR}

    try:
        _edit(elsewhere, exchange)
        answer = elsewhere("up", "dev", check=False)
        said = answer.stdout + answer.stderr
        assert answer.returncode == 1
        assert "Unlicensed: no license: the license server does not answer" in said
    finally:
        elsewhere("lab", "fault", "--off")
