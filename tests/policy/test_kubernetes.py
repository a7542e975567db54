"""Objects of clusters: what cannot be read is not passed over, and what a stack is about is known in any order."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from policies.platform.pack import PACK
from policies.shared.analyzer import Analyzer
from policies.shared.charts import charts_of
from policies.shared.model import Resource, UndecidedError
from policies.shared.operators import gpu_operators
from policies.shared.properties import decode
from policies.shared.protocol import messages
from tests.policy.harness import Process, RequestedResource
from tests.policy.resources import CONFIG_MAP, DEPLOYMENT, IMAGE, PAIS, RELEASE, SETTINGS, UNKNOWN, changed

_DRIVER = "repository: harbor.example.test/gpu\nimage: vgpu-guest-driver\nversion: 550.90.07\n"


def _resource(kind: str, properties: dict[str, Any], name: str = "it") -> Resource:
    return decode(Process.request(RequestedResource(f"kubernetes:{kind}", name, properties), "dev"))


def _release(**properties: Any) -> Resource:
    return _resource("helm.sh/v3:Release", properties)


# Values of charts.


def _with_asset(asset: dict[str, str], **properties: Any) -> Resource:
    resource = _release(chart="gpu-operator", **properties)
    return Resource(resource.urn, resource.type, "it", {**resource.properties, "valueYamlFiles": [asset]})


def test_a_value_file_is_read_only_with_the_content_that_the_engine_has_seen(tmp_path: Path) -> None:
    file = tmp_path / "gpu.yaml"
    file.write_text(f"driver: {{licensingConfig: {{configMapName: from-file}}, {', '.join(_DRIVER.splitlines())}}}\n")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    (operator,) = gpu_operators(_with_asset({"path": str(file), "hash": digest}))
    assert operator.driver_kind() == "vgpu"
    assert operator.license_key() == ("licensingConfig.configMapName", "from-file")
    for asset in (
        {"path": str(file), "hash": "0" * 64},
        {"path": str(tmp_path / "gone"), "hash": digest},
        {"uri": "x"},
    ):
        (operator,) = gpu_operators(_with_asset(asset))
        with pytest.raises(UndecidedError, match=r"valueYamlFiles\.0"):
            operator.driver_kind()


def test_what_values_say_themselves_is_judged_beside_files_that_cannot_be_read() -> None:
    values = {"driver": {"image": "vgpu-guest-driver", "licensingConfig": {"configMapName": "x"}}}
    (operator,) = gpu_operators(_with_asset({"uri": "https://example.test/values.yaml"}, values=values))
    assert operator.driver_kind() == "vgpu"
    assert operator.license_key()[1] == "x"
    with pytest.raises(UndecidedError):
        operator.driver("imagePullSecrets")


def test_a_chart_in_a_folder_brings_what_its_own_files_say(tmp_path: Path) -> None:
    (tmp_path / "Chart.yaml").write_text(
        "name: ai\nversion: 0.3.0\ndependencies:\n- {name: gpu-operator, version: v24.9.0, alias: gpus}\n"
    )
    (tmp_path / "values.yaml").write_text("gpus:\n  driver: {image: vgpu-guest-driver}\n")
    (operator,) = gpu_operators(_release(chart=str(tmp_path), values={"gpus": {"driver": {"version": "550.90.07"}}}))
    assert (operator.version, operator.brought, operator.driver("version")) == ("v24.9.0", False, "550.90.07")
    assert operator.driver_kind() == "vgpu"
    assert operator.license_key()[1] == ""


def test_a_folder_of_the_operators_name_that_is_not_there_is_undecided() -> None:
    (operator,) = gpu_operators(_release(chart="./charts/gpu-operator"))
    with pytest.raises(UndecidedError, match=r"values\.yaml of \./charts/gpu-operator"):
        operator.driver_kind()


@pytest.mark.parametrize(
    "text",
    [
        "&a [*a, *a]",
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{k}: &{k} [*{j},*{j},*{j},*{j},*{j}]\n" for j, k in zip("abcdefghi", "bcdefghij", strict=True)),
        "[" * 200 + "]" * 200,
        "- a list",
        "{{ a template }}: {",
        "a: !!python/object:x.y {}",
    ],
)
def test_values_that_nobody_can_walk_through_are_not_read(text: str) -> None:
    assert charts_of(_with_asset({"text": text}))[0].unread == "valueYamlFiles.0"


@pytest.mark.parametrize(
    ("reference", "name", "version"),
    [
        ("gpu-operator", "gpu-operator", None),
        ("nvidia/gpu-operator", "gpu-operator", None),
        ("oci://h/p/gpu-operator:v24.9.0", "gpu-operator", "v24.9.0"),
        ("oci://h/p/gpu-operator@sha256:0", "gpu-operator", None),
        ("https://h/charts/gpu-operator-v24.9.0.tgz?x=1", "gpu-operator", "v24.9.0"),
        ("./vendor/gpu-operator-24.9.1.tgz", "gpu-operator", "24.9.1"),
        ("https://h/k8s-device-plugin-0.17.0.tgz", "k8s-device-plugin", "0.17.0"),
        ("rocm/gpu-operator-charts", "gpu-operator-charts", None),
    ],
)
def test_the_name_of_a_chart_is_known_by_any_form_of_its_reference(
    reference: str, name: str, version: str | None
) -> None:
    (chart,) = charts_of(_release(chart=reference))
    assert (chart.name, chart.version) == (name, version)


@pytest.mark.parametrize(
    "properties",
    [
        {"chart": "ai", "values": {"a": {"nested-gpu-operator": {"driver": {}}}}},
        {"chart": "gpus", "values": {"driver": {}, "toolkit": {"enabled": True}}},
        {"chart": "acme-gpu-operator"},
    ],
)
def test_an_operator_is_known_by_the_name_of_its_part_and_by_settings_that_only_it_has(
    properties: dict[str, Any],
) -> None:
    assert len(gpu_operators(_release(**properties))) == 1


@pytest.mark.parametrize(
    "properties",
    [
        {"chart": "amd-gpu-operator"},
        {"chart": "csi", "values": {"driver": {"repository": "x", "image": "vgpu"}, "node": {}}},
        {"chart": "ai", "values": {"gpu-operator": {"enabled": False}}},
    ],
)
def test_what_is_no_operator_of_nvidia_is_none(properties: dict[str, Any]) -> None:
    assert gpu_operators(_release(**properties)) == ()


# Whole runs.


class _Run:
    """A run of the pack `platform` for a project without configuration of this toolkit."""

    def __init__(self, *, dry_run: bool = True, config: dict[str, str] | None = None) -> None:
        self._analyzer: Analyzer[Any, Any] = Analyzer(PACK)
        self._analyzer.configure_stack(
            messages.AnalyzerStackConfigureRequest(stack="shop", project="shop", dry_run=dry_run, config=config or {})
        )
        settings = messages.PolicyConfig(enforcementLevel=messages.MANDATORY)
        settings.properties.update({**SETTINGS["platform"], "kind": "dev"})
        self._analyzer.configure(messages.ConfigureAnalyzerRequest(policyConfig={"platform-configuration": settings}))

    def said(self, *asked: RequestedResource) -> list[str]:
        """Rules that said something, one after the other."""
        answer = messages.AnalyzeResponse()
        for each in asked:
            request = Process.request(each, "shop")
            self._analyzer.analyze(request, partial(decode, request), answer)
        return [each.policyName for each in answer.diagnostics]


_WEB = changed(DEPLOYMENT, {IMAGE: "nginx:1.27"}, "web")


def test_what_a_stack_is_about_is_known_in_any_order() -> None:
    assert _Run().said(_WEB) == []
    assert _Run().said(_WEB, CONFIG_MAP) == []
    assert "trusted-registry" in _Run().said(_WEB, PAIS)
    assert "trusted-registry" in _Run().said(PAIS, _WEB)
    assert _Run(config={"paif:kind": "dev"}).said(_WEB) == ["trusted-registry"]
    assert _Run(config={"shop:kind": "dev"}).said(_WEB) == []


@pytest.mark.parametrize(
    "change",
    [
        {"spec>template>spec>containers>0>resources": {"limits": {"nvidia.com/gpu": 1}}},
        {"spec>template>spec>runtimeClassName": "nvidia"},
        {"spec>template>spec>nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-L40S"}},
        {"spec>template>spec>initContainers": [{"name": "i", "image": "nvcr.io/nvidia/cuda:12.4.0"}]},
        {"spec>template>spec>initContainers": [{"name": "i", "image": "mirror.test/nvcr.io/nvidia/cuda:12"}]},
    ],
)
def test_a_request_for_a_gpu_or_an_image_of_ngc_is_judged_in_any_stack(change: dict[str, Any]) -> None:
    assert "trusted-registry" in _Run().said(changed(_WEB, change))


def test_the_operators_namespace_is_known_by_the_operator_in_any_order() -> None:
    namespace = RequestedResource(
        "kubernetes:core/v1:Namespace", "n", {"metadata": {"name": "gpus"}}, provider=RELEASE.provider
    )
    operator = changed(RELEASE, {"namespace": "gpus"})
    assert "gpu-operator-namespace" in _Run().said(namespace, operator)
    assert "gpu-operator-namespace" in _Run().said(operator, namespace)
    assert "gpu-operator-namespace" not in _Run().said(namespace, changed(RELEASE, {"namespace": "others"}))


def test_objects_of_a_chart_that_pulumi_renders_are_no_second_operator() -> None:
    chart = RequestedResource("kubernetes:helm.sh/v4:Chart", "gpu", dict(RELEASE.properties), provider=RELEASE.provider)
    policy = {"metadata": {"name": "cluster-policy"}, "spec": dict(RELEASE.properties["values"])}
    own = RequestedResource("kubernetes:nvidia.com/v1:ClusterPolicy", "own", policy, provider=RELEASE.provider)
    part = Process.request(own, "shop")
    part.urn = part.urn.replace("::kubernetes:nvidia", "::kubernetes:helm.sh/v4:Chart$kubernetes:nvidia")
    run, answer = _Run(), messages.AnalyzeResponse()
    assert run.said(chart) == []
    run._analyzer.analyze(part, partial(decode, part), answer)
    assert "single-gpu-operator" not in [each.policyName for each in answer.diagnostics]
    assert "single-gpu-operator" in run.said(own)


@pytest.mark.parametrize(
    "change",
    [
        {"spec>template": UNKNOWN},
        {"spec>template>spec": UNKNOWN},
        {"spec>template>spec>containers": UNKNOWN},
        {"spec>template>spec>containers>0": UNKNOWN},
        {"spec>template>spec>containers>0>image": UNKNOWN},
        {"spec": UNKNOWN},
    ],
)
def test_what_runs_is_undecided_while_nothing_tells_it(change: dict[str, Any]) -> None:
    run = _Run(config={"paif:kind": "dev"}, dry_run=False)
    assert "trusted-registry" in run.said(changed(DEPLOYMENT, change))
