from __future__ import annotations

from typing import Any

import pytest

from pulumi_paif._component import ComponentInputError
from pulumi_paif.enums import EndpointType
from pulumi_paif.model_endpoint import ModelEndpoint, ModelEndpointArgs
from tests.unit.pulumi_paif.harness import DIGEST, NAMESPACE, declare

_ENDPOINT = "kubernetes:pais.vmware.com/v1alpha1:ModelEndpoint"
_ARGS: ModelEndpointArgs = {
    "name": "acme-dev-ep-bge",
    "namespace": NAMESPACE,
    "type": EndpointType.EMBEDDINGS,
    "gallery": {
        "registry": "harbor.test",
        "username": "robot",
        "password": "robot-password",
        "pull_secret": "gallery-pull",
    },
    "repository": "models/baai/bge-small",
    "reference": "v1",
    "vm_class": "best-effort-xlarge",
    "storage_class": "pai-gold",
    "replicas": 2,
}


def test_the_endpoint_serves_the_digest_that_is_in_the_gallery() -> None:
    def build() -> dict[str, Any]:
        made = ModelEndpoint("bge", _ARGS)
        return {"routing": made.routing_name, "digest": made.digest}

    declared = declare(build)
    assert declared.types() == {"vcf:index:GalleryModel": 1, _ENDPOINT: 1, "vcf:index:Readiness": 1}
    assert declared.one("vcf:index:GalleryModel").inputs == {
        "registry": "harbor.test",
        "repository": "models/baai/bge-small",
        "reference": "v1",
        "username": "robot",
        "password": "robot-password",
    }
    endpoint = declared.one(_ENDPOINT)
    assert endpoint.inputs["spec"] == {
        "engine": "Infinity",
        "type": "Embeddings",
        "routingName": "baai/bge-small",
        "replicas": 2,
        "model": {
            "ociRef": f"harbor.test/models/baai/bge-small@{DIGEST}",
            "pullSecrets": [{"name": "gallery-pull"}],
        },
        "virtualMachineClassName": "best-effort-xlarge",
        "storageClassName": "pai-gold",
    }
    assert endpoint.depends_on == {"bge-model"}
    assert declared.outputs == {"routing": "baai/bge-small", "digest": DIGEST}


def test_an_endpoints_name_may_hold_dots_as_a_models_does() -> None:
    args: ModelEndpointArgs = {**_ARGS, "name": "acme-dev-ep-bge-1.5"}
    declared = declare(lambda: {"routing": ModelEndpoint("bge", args).routing_name})
    assert declared.one(_ENDPOINT).inputs["metadata"]["name"] == "acme-dev-ep-bge-1.5"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"engine": "vLLM"}, "engine"),
        ({"replicas": 0}, "replicas"),
        ({"repository": "models/BAAI/bge"}, "repository"),
        ({"name": "x" * 51}, "name"),
        ({"name": "llama-.3"}, "name"),
        ({"name": "llama."}, "name"),
    ],
)
def test_a_wrong_argument_is_named_by_its_path(change: dict[str, Any], path: str) -> None:
    with pytest.raises(ComponentInputError) as raised:
        ModelEndpoint("bge", {**_ARGS, **change})  # type: ignore[typeddict-item]
    assert [error["property_path"] for error in raised.value.errors or []] == [path]
