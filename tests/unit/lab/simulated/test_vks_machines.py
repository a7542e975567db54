"""How the Supervisor shows the machines of a Cluster."""

from __future__ import annotations

from typing import Any

import pytest

from lab.simulated.vks.machines import body_of, name_of, status_of
from lab.simulated.vks.topology import Pool
from lab.simulated.vks.vm_classes import VmClass

_CLUSTER: dict[str, Any] = {"metadata": {"name": "gpu", "namespace": "ns", "uid": "u"}}


def _pool(name: str, version: str, replicas: int = 2) -> Pool:
    return Pool(name, replicas, VmClass("c", 2, 8192), "ubuntu-22.04", version, {}, (), 1, "t")


_OLD, _NEW = "v1.32.0+vmware.6-fips-vkr.2", "v1.33.6+vmware.1-fips-vkr.2"


def _version(body: dict[str, Any]) -> str:
    return str(body["spec"]["template"]["spec"]["version"])


def test_a_pool_has_its_old_version_until_its_nodes_are_those_wanted() -> None:
    before = body_of(_CLUSTER, _pool("a", _OLD), None, settled=False)
    assert _version(before) == "v1.32.0+vmware.6-fips"
    rolling = body_of(_CLUSTER, _pool("a", _NEW), before, settled=False)
    assert _version(rolling) == "v1.32.0+vmware.6-fips"
    assert _version(body_of(_CLUSTER, _pool("a", _NEW), rolling, settled=True)) == "v1.33.6+vmware.1-fips"


@pytest.mark.parametrize(
    ("there", "ready", "version"),
    [
        ([], [], None),
        (["old"], ["old"], None),
        (["old", "new"], ["old", "new"], None),
        (["new"], [], None),
        (["new"], ["new"], "v1.33.6+vmware.1-fips"),
    ],
)
def test_a_control_plane_tells_a_version_once_all_of_it_has_that(
    there: list[str], ready: list[str], version: str | None
) -> None:
    pool = _pool("control-plane", _NEW, replicas=1)
    status = status_of(pool, there, ["new"], ready)
    assert status.get("version") == version


def test_objects_belong_to_their_cluster_and_keep_their_names() -> None:
    body = body_of(_CLUSTER, _pool("a", _OLD), None, settled=True)
    assert [each["uid"] for each in body["metadata"]["ownerReferences"]] == ["u"]
    assert body["metadata"]["name"] == name_of(_CLUSTER, _pool("a", _NEW))
    assert body["spec"]["selector"]["matchLabels"] == body["spec"]["template"]["metadata"]["labels"]
