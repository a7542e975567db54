"""What runs is found however it is named: in charts, in the operator's kinds, and in what a machine starts at boot."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.policy.harness import Process, RequestedResource
from tests.policy.resources import (
    BOOTSTRAP,
    CONFIG,
    DEPLOYMENT,
    INLINE_VM,
    LIBRARY,
    RELEASE,
    SETTINGS,
    VSPHERE_VM,
    changed,
    owning,
)


def _chart(**properties: Any) -> RequestedResource:
    return RequestedResource(
        RELEASE.type, "chart", {"name": "app", "version": "1.0.0", **properties}, provider=RELEASE.provider
    )


def _boot(key: str, text: str, where: str = "stringData") -> RequestedResource:
    value = base64.b64encode(text.encode()).decode()
    value = base64.b64encode(value.encode()).decode() if where == "data" else value
    return changed(BOOTSTRAP, {"stringData": {}, where: {"$secret": {key: value}}})


def _nim_kind(kind: str) -> RequestedResource:
    spec = {"image": {"repository": "harbor.example.test/mirror/llama", "tag": "1"}}
    properties = {"metadata": {"name": "llama"}, "spec": spec}
    return RequestedResource(f"kubernetes:apps.nvidia.com/v1alpha1:{kind}", "nim", properties)


_ONELINER = "docker run -d --gpus all -e NGC_API_KEY=x nvcr.io/nim/meta/llama-3.1-8b-instruct:1.3.3"
_CLOUD = "#cloud-config\nruncmd:\n- [docker, run, 'nvcr.io/nim/meta/llama3:1']\n"
_JSON = '{"vgpu_license": "x", "image": "nvcr.io/nim/nvidia/nv-embedqa:1.0"}'
NIMS = {
    "chart-repository": _chart(chart="nim-llm", repositoryOpts={"repo": "https://helm.ngc.nvidia.com/nim"}),
    "chart-of-a-team": _chart(chart="x", repositoryOpts={"repo": "https://me:pw@helm.ngc.nvidia.com/nim/nvidia/"}),
    "chart-archive": _chart(chart="https://helm.ngc.nvidia.com/nim/charts/nim-llm-1.3.0.tgz"),
    "chart-image": _chart(chart="x", values={"image": {"repository": "nvcr.io/nim/meta/llama", "tag": "1"}}),
    "chart-split": _chart(chart="x", values={"a": [{"registry": "nvcr.io", "repository": "nim/meta/llama"}]}),
    "chart-registry-and-image": _chart(chart="x", values={"llm": {"registry": "nvcr.io/nim/", "image": "llama"}}),
    "service": _nim_kind("NIMService"),
    "cache": _nim_kind("NIMCache"),
    "pipeline": _nim_kind("NIMPipeline"),
    "oneliner": _boot("image-oneliner", _ONELINER),
    "oneliner-in-data": _boot("image-oneliner", _ONELINER, "data"),
    "user-data": _boot("user-data", _CLOUD),
    "config-json": _boot("config-json", _JSON),
    "inline": changed(
        INLINE_VM,
        {
            "spec>bootstrap>vAppConfig>properties>0": {
                "key": "image-oneliner",
                "value": {"value": base64.b64encode(_ONELINER.encode()).decode()},
            }
        },
    ),
    "clone": changed(VSPHERE_VM, {"vapp>properties": {"$secret": {"user-data": _CLOUD}}}),
}
OTHERS = {
    "operator": RELEASE,
    "open-model": _boot("image-oneliner", "docker run nvcr.io/nvidia/pytorch:24.08-py3 && docker login nvcr.io"),
    "text": _boot("user-data", "#cloud-config\n# see https://docs.nvidia.com/nim/ and /nim/x\n"),
    "chart": _chart(
        chart="x",
        repositoryOpts={"repo": "https://helm.ngc.nvidia.com/nvidia"},
        values={"image": {"registry": "nvcr.io", "repository": "nvidia/k8s-device-plugin"}, "model": "nim/llama"},
    ),
}


def _said(process: Process, asked: RequestedResource, rule: str, licenses: dict[str, Any]) -> list[str]:
    settings = {**SETTINGS["licensing"], "licenses": licenses}
    process.start(pack="licensing", settings=settings, config=CONFIG)
    return [each.message for each in process.analyze(asked) if each.rule == rule]


@pytest.mark.parametrize("which", NIMS)
def test_a_nim_needs_its_entitlement_however_it_is_started(packs: dict[str, Process], which: str) -> None:
    (found,) = _said(packs["licensing"], NIMS[which], "nim-entitlement", {})
    assert "this is a NIM microservice, and no NVIDIA AI Enterprise entitlement is declared" in found
    assert "NGC_API_KEY" not in found
    assert _said(packs["licensing"], NIMS[which], "nim-entitlement", owning(1)) == []


@pytest.mark.parametrize("which", OTHERS)
def test_what_is_no_nim_needs_no_entitlement_of_one(packs: dict[str, Process], which: str) -> None:
    assert _said(packs["licensing"], OTHERS[which], "nim-entitlement", {}) == []


def test_a_container_of_ai_enterprise_in_a_boot_script_needs_its_entitlement(packs: dict[str, Process]) -> None:
    asked = _boot("user-data", "#cloud-config\nruncmd: [docker run nvcr.io/nvaie/tritonserver:24]\n")
    assert len(_said(packs["licensing"], asked, "nvaie-container-entitlement", {})) == 1
    image = "spec>template>spec>containers>0>image"
    plain = changed(DEPLOYMENT, {image: "nvcr.io/nvaie/tritonserver:24"})
    assert len(_said(packs["licensing"], plain, "nvaie-container-entitlement", {})) == 1


def test_what_a_chart_runs_is_undecided_while_its_values_are_not_known(packs: dict[str, Process]) -> None:
    for values in ({"$unknown": True}, {"image": {"repository": {"$unknown": True}}}):
        (found,) = _said(packs["licensing"], _chart(chart="x", values=values), "nim-entitlement", {})
        assert "undecided: values" in found


# Where it comes from.


def _refused(process: Process, asked: RequestedResource, rule: str) -> list[str]:
    process.start(pack="platform", settings=SETTINGS["platform"], config=CONFIG)
    return [each.message for each in process.analyze(asked) if each.rule == rule]


@pytest.mark.parametrize(
    ("properties", "says"),
    [
        ({"chart": "oci://docker.io/x/y"}, "host docker.io is not trusted (chart is"),
        ({"chart": "https://charts.example.net/x-1.tgz"}, "host charts.example.net is not trusted (chart is"),
        ({"chart": "http://nvcr.io/x-1.tgz"}, "the repository has no TLS (chart is"),
        ({"chart": "x", "repositoryOpts": {"repo": "http://nvcr.io/x"}}, "no TLS (repositoryOpts.repo is"),
        ({"chart": "oci://nvcr.io/x/y"}, ""),
        ({"chart": "oci://harbor.example.test/charts/y", "repositoryOpts": {"repo": ""}}, ""),
        ({"chart": "./charts/own"}, ""),
    ],
)
def test_a_chart_comes_from_a_trusted_host_however_it_is_addressed(
    packs: dict[str, Process], properties: dict[str, Any], says: str
) -> None:
    found = _refused(packs["platform"], _chart(**properties), "chart-source")
    assert [says in each for each in found] == ([True] if says else [])


@pytest.mark.parametrize(
    ("values", "registry"),
    [
        ({"image": {"repository": "docker.io/x/y", "tag": "1"}}, "docker.io"),
        ({"image": {"registry": "quay.io", "repository": "x/y"}}, "quay.io"),
        ({"image": {"repository": "bitnami/redis", "tag": "7"}}, "docker.io"),
        ({"sidecar": {"image": "ghcr.io/x/y:1"}}, "ghcr.io"),
        ({"sidecar": {"image": "busybox:1"}}, "docker.io"),
        ({"list": [{"image": "x/y"}]}, "docker.io"),
        ({"global": {"imageRegistry": "quay.io"}}, "quay.io"),
        ({"driver": {"repository": "quay.io/nvidia", "image": "driver", "version": "550"}}, "quay.io"),
        ({"image": {"repository": "harbor.example.test/x/y", "tag": "1"}}, ""),
        ({"image": {"registry": "nvcr.io", "repository": "nvidia/y", "tag": "1"}}, ""),
        ({"git": {"repository": "https://github.com/x/y"}, "model": {"repository": "meta/llama"}}, ""),
        ({"schema": {"registry": "confluent"}, "driver": {"image": "gpu-driver"}, "image": {"tag": "1"}}, ""),
    ],
)
def test_images_of_any_chart_come_from_a_trusted_registry(
    packs: dict[str, Process], values: dict[str, Any], registry: str
) -> None:
    found = _refused(packs["platform"], _chart(chart="x", values=values), "trusted-registry")
    assert [f"registry {registry} is not trusted" in each for each in found] == ([True] if registry else [])


def test_images_of_the_nim_operator_come_from_a_trusted_registry(packs: dict[str, Process]) -> None:
    assert _refused(packs["platform"], _nim_kind("NIMService"), "trusted-registry") == []
    asked = changed(_nim_kind("NIMService"), {"spec>image>repository": "quay.io/x/llama"})
    assert len(_refused(packs["platform"], asked, "trusted-registry")) == 1


def test_a_label_is_no_image(packs: dict[str, Process]) -> None:
    asked = changed(DEPLOYMENT, {"metadata>labels>repository": "team/thing"})
    assert _refused(packs["platform"], asked, "trusted-registry") == []


# Secrets that they are given.

_ENV = "spec>template>spec>containers>0>env"
_SECRET = "hunter2-hunter2"


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        (_chart(chart="x", values={"auth": {"adminPassword": _SECRET}}), "values.auth.adminPassword"),
        (_chart(chart="x", values={"ngc": {"apiKey": _SECRET}}), "values.ngc.apiKey"),
        (_chart(chart="x", values={"oidc": {"clientSecret": _SECRET}}), "values.oidc.clientSecret"),
        (_chart(chart="x", values={"env": [{"name": "HF_TOKEN", "value": _SECRET}]}), "values.env.0.value"),
        (_chart(chart="x", values={"env": {"NGC_API_KEY": _SECRET}}), "values.env.NGC_API_KEY"),
        (_chart(chart="x", repositoryOpts={"repo": "", "password": _SECRET}), "repositoryOpts.password"),
        (changed(LIBRARY, {"subscription>password": _SECRET}), "subscription.password"),
        (changed(DEPLOYMENT, {_ENV: [{"name": "DB_PASSWORD", "value": _SECRET}]}), _ENV.replace(">", ".") + ".0.value"),
        (changed(DEPLOYMENT, {_ENV: [{"name": "AWS_SECRET_ACCESS_KEY", "value": _SECRET}]}), "env.0.value"),
        (changed(_nim_kind("NIMService"), {"spec>env": [{"name": "X_TOKEN", "value": _SECRET}]}), "spec.env.0.value"),
    ],
)
def test_a_secret_in_plain_text_is_refused_wherever_it_is_given(
    packs: dict[str, Process], asked: RequestedResource, path: str
) -> None:
    (found,) = _refused(packs["platform"], asked, "no-plain-secrets")
    assert path in found
    assert _SECRET not in found
    hidden = json.loads(json.dumps(dict(asked.properties)).replace(f'"{_SECRET}"', f'{{"$secret": "{_SECRET}"}}'))
    marked = RequestedResource(asked.type, asked.name, hidden, provider=asked.provider)
    assert _refused(packs["platform"], marked, "no-plain-secrets") == []
    late = json.loads(json.dumps(dict(asked.properties)).replace(f'"{_SECRET}"', '{"$unknown": true}'))
    unknown = RequestedResource(asked.type, asked.name, late, provider=asked.provider)
    (undecided,) = _refused(packs["platform"], unknown, "no-plain-secrets")
    assert "undecided: " in undecided


@pytest.mark.parametrize(
    "asked", [_chart(chart="x", values={"$unknown": True}), changed(DEPLOYMENT, {_ENV: {"$unknown": True}})]
)
def test_whether_a_secret_is_given_is_undecided_while_nothing_of_it_is_known(
    packs: dict[str, Process], asked: RequestedResource
) -> None:
    (found,) = _refused(packs["platform"], asked, "no-plain-secrets")
    assert "undecided: " in found


@pytest.mark.parametrize(
    "asked",
    [
        RELEASE,
        DEPLOYMENT,
        LIBRARY,
        _chart(
            chart="x",
            values={
                "auth": {"existingSecret": "redis", "existingSecretPasswordKey": "password", "password": ""},
                "imagePullSecrets": ["ngc-secret"],
                "model": {"ngcAPISecret": "ngc-api", "tokenSecret": "t", "maxTokens": "8", "apiKey": "$(NGC_API_KEY)"},
                "passwordSecretRef": {"name": "s", "key": "password"},
                "automountServiceAccountToken": "true",
            },
        ),
        changed(
            DEPLOYMENT,
            {
                _ENV: [
                    {"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}},
                    {"name": "DB_PASSWORD_FILE", "value": "/run/secrets/db"},
                    {"name": "API_KEY", "value": "${FROM_ELSEWHERE}"},
                    {"name": "HF_TOKEN"},
                ]
            },
        ),
    ],
)
def test_what_only_names_a_secret_is_none(packs: dict[str, Process], asked: RequestedResource) -> None:
    assert _refused(packs["platform"], asked, "no-plain-secrets") == []
