from __future__ import annotations

import base64
import json
from typing import Any

import pulumi
import pytest

from pulumi_paif._component import ComponentInputError
from pulumi_paif.gpu_operator import GpuOperator
from tests.unit.pulumi_paif.harness import Declared, declare

_RELEASE = "kubernetes:helm.sh/v3:Release"
_LICENSE: dict[str, Any] = {"license_token": "license", "ngc_api_key": "ngc-key"}
_CLUSTER: dict[str, Any] = {
    "kubeconfig": "the guest's",
    "pools": [{"name": "gpu", "gpu_count": 2, "min_replicas": 1, "max_replicas": 3}],
}


def _declared(**args: Any) -> Declared:
    return declare(lambda: {"state": GpuOperator("op", {**_CLUSTER, **args}).state})  # type: ignore[arg-type]


def test_vgpu_installs_the_guest_driver_with_license_and_pull_secret() -> None:
    declared = _declared(
        gpu_mode="vgpu", repository={"url": "http://charts.test"}, driver_version="550.90.07", **_LICENSE
    )
    assert declared.types() == {
        "kubernetes:core/v1:Namespace": 1,
        "kubernetes:core/v1:ConfigMap": 1,
        "kubernetes:core/v1:Secret": 1,
        _RELEASE: 1,
        "vcf:index:Readiness": 1,
    }
    release = declared.one(_RELEASE).inputs
    assert (release["chart"], release["version"]) == ("gpu-operator", "v24.9.0")
    assert release["repositoryOpts"]["repo"] == "http://charts.test"
    config_map = declared.one("kubernetes:core/v1:ConfigMap").inputs["metadata"]["name"]
    assert release["values"]["driver"] == {
        "enabled": True,
        "repository": "nvcr.io/nvidia/vgpu",
        "image": "vgpu-guest-driver-5",
        "version": "550.90.07",
        "imagePullSecrets": ["ngc-secret"],
        "licensingConfig": {"configMapName": config_map, "nlsEnabled": True},
    }
    pull = declared.one("kubernetes:core/v1:Secret")
    assert json.loads(base64.b64decode(pull.inputs["data"][".dockerconfigjson"])) == {
        "auths": {"nvcr.io": {"username": "$oauthtoken", "password": "ngc-key"}}
    }
    assert any(path.startswith("data") for path in pull.secrets)


def test_the_license_is_secret_in_the_state_though_it_is_a_config_map() -> None:
    config_map = _declared(gpu_mode="vgpu", **_LICENSE).one("kubernetes:core/v1:ConfigMap")
    assert config_map.inputs["data"]["client_configuration_token.tok"] == "license"
    assert "data" in config_map.secrets
    assert list(config_map.request.additionalSecretOutputs) == ["data"]


def test_a_new_license_or_key_can_replace_the_old_on_a_protected_cluster() -> None:
    def build() -> dict[str, Any]:
        args: Any = {**_CLUSTER, "gpu_mode": "vgpu", **_LICENSE}
        return {"state": GpuOperator("op", args, pulumi.ResourceOptions(protect=True)).state}

    declared = declare(build)
    assert not declared.one("kubernetes:core/v1:ConfigMap").request.protect
    assert not declared.one("kubernetes:core/v1:Secret").request.protect
    assert declared.one(_RELEASE).request.protect


def test_directpath_installs_the_data_center_driver_and_nothing_licensed() -> None:
    declared = _declared(gpu_mode="directpath")
    assert declared.types() == {
        "kubernetes:core/v1:Namespace": 1,
        _RELEASE: 1,
        "vcf:index:Readiness": 1,
    }
    release = declared.one(_RELEASE).inputs
    assert release["values"]["driver"] == {"enabled": True}
    assert release["repositoryOpts"]["repo"] == "https://helm.ngc.nvidia.com/nvidia"


def test_a_chart_of_an_oci_registry_is_named_as_a_whole() -> None:
    release = _declared(gpu_mode="directpath", repository={"url": "oci://registry.test/charts"}).one(_RELEASE).inputs
    assert release["chart"] == "oci://registry.test/charts/gpu-operator"
    assert release["repositoryOpts"]["repo"] == ""


def test_a_private_repository_gets_its_login_as_a_secret_and_its_authority_as_a_file() -> None:
    private = {"url": "https://charts.test", "username": "u", "password": "of-u", "ca_file": "../ca.pem"}
    release = _declared(gpu_mode="directpath", repository=private).one(_RELEASE)
    given = release.inputs["repositoryOpts"]
    assert (given["repo"], given["username"], given["caFile"]) == ("https://charts.test", "u", "../ca.pem")
    assert given["password"] == "of-u"
    assert any(path.startswith("repositoryOpts") for path in release.secrets)


def test_the_namespace_admits_privileged_pods() -> None:
    namespace = _declared(gpu_mode="directpath", labels={"a": "b"}).one("kubernetes:core/v1:Namespace")
    assert namespace.inputs["metadata"] == {
        "name": "gpu-operator",
        "labels": {"a": "b", "pod-security.kubernetes.io/enforce": "privileged"},
    }


def test_the_release_is_as_the_provider_completes_it_so_that_a_saved_plan_holds() -> None:
    release = _declared(gpu_mode="directpath").one(_RELEASE).inputs
    assert "compat" not in release
    assert release["keyring"] == ""
    assert release["skipAwait"] is False
    assert release["disableCRDHooks"] is False
    assert set(release["repositoryOpts"]) == {"repo", "caFile", "certFile", "keyFile", "password", "username"}


def test_it_is_ready_when_the_nodes_of_all_gpu_pools_offer_their_gpus() -> None:
    declared = _declared(gpu_mode="directpath")
    ready = declared.one("vcf:index:Readiness")
    (policy,) = ready.inputs["objects"]
    assert (policy["apiVersion"], policy["kind"], policy["name"]) == (
        "nvidia.com/v1",
        "ClusterPolicy",
        "cluster-policy",
    )
    assert policy["waitFor"] == ["jsonpath={.status.state}=ready"]
    assert policy["nodes"]["pools"] == [
        {"name": "gpu", "label": "paif.dev/pool=gpu", "minimum": 1, "maximum": 3, "gpus": 2}
    ]
    assert ready.inputs["kubeconfig"] == "the guest's"
    assert "kubeconfig" in ready.secrets
    assert ready.depends_on == {"op"}
    assert declared.outputs == {"state": "ready"}


@pytest.mark.parametrize(
    ("args", "paths"),
    [
        ({"gpu_mode": "vgpu"}, ["license_token", "ngc_api_key"]),
        ({"gpu_mode": "directpath", "license_token": "x"}, ["license_token"]),
        ({"gpu_mode": "mig"}, ["gpu_mode"]),
        (
            {"gpu_mode": "directpath", "repository": {"url": "oci://r.test", "ca_file": "x"}},
            ["repository.ca_file"],
        ),
    ],
)
def test_a_wrong_argument_is_named_by_its_path(args: Any, paths: list[str]) -> None:
    with pytest.raises(ComponentInputError) as raised:
        GpuOperator("op", args)
    assert [error["property_path"] for error in raised.value.errors or []] == paths
