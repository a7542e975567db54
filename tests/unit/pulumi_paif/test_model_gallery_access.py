from __future__ import annotations

from typing import Any

import pulumi

from pulumi_paif.enums import EndpointType
from pulumi_paif.model_endpoint import ModelEndpoint
from pulumi_paif.model_gallery_access import ModelGalleryAccess
from tests.unit.pulumi_paif.harness import NAMESPACE, Declared, declare

_SECRET, _LOGIN = "kubernetes:core/v1:Secret", "vcf:index:GalleryLogin"


class _Phase(pulumi.ComponentResource):
    def __init__(self) -> None:
        super().__init__("paif:phase:endpoints", "endpoints", {}, None)


def _declared(parent: bool = False) -> Declared:
    def build() -> dict[str, Any]:
        options = pulumi.ResourceOptions(parent=_Phase()) if parent else None
        made = ModelGalleryAccess(
            "gallery",
            {"namespace": NAMESPACE, "registry": "harbor.test", "username": "robot", "password": "of-robot"},
            options,
        )
        ModelEndpoint(
            "bge",
            {
                "namespace": NAMESPACE,
                "type": EndpointType.EMBEDDINGS,
                "gallery": made.connection,
                "repository": "models/bge",
                "reference": "v1",
                "vm_class": "c",
                "storage_class": "s",
            },
        )
        return {"password": made.password}

    return declare(build)


def test_the_login_is_tried_before_the_pull_secret_is_made_and_both_hide_the_password() -> None:
    declared = _declared()
    login, pull = declared.one(_LOGIN), declared.one(_SECRET)
    assert login.inputs == {"registry": "harbor.test", "username": "robot", "password": "of-robot"}
    assert "password" in login.secrets
    assert "gallery-login" in pull.depends_on
    assert pull.inputs["metadata"] == {"name": "gallery-pull", "namespace": NAMESPACE}
    assert "of-robot" in pull.inputs["stringData"][".dockerconfigjson"]
    assert any(path.startswith("stringData") for path in pull.secrets)
    assert declared.secret_outputs == {"password"}


def test_an_endpoint_takes_the_connection_whole_and_comes_after_the_login() -> None:
    declared = _declared()
    model = declared.one("vcf:index:GalleryModel")
    assert model.inputs == {
        "registry": "harbor.test",
        "repository": "models/bge",
        "reference": "v1",
        "username": "robot",
        "password": "of-robot",
    }
    assert model.secrets == {"password"}
    assert "gallery-login" in model.depends_on
    endpoint = declared.one("kubernetes:pais.vmware.com/v1alpha1:ModelEndpoint")
    assert endpoint.inputs["spec"]["model"]["pullSecrets"] == [{"name": "gallery-pull"}]
    assert not any(path.startswith("spec") for path in endpoint.secrets)


def test_what_a_program_made_itself_before_is_taken_into_the_component() -> None:
    declared = _declared(parent=True)
    for kind in (_LOGIN, _SECRET):
        [alias] = declared.one(kind).request.aliases
        assert alias.spec.parentUrn.endswith("paif:phase:endpoints::endpoints")
    assert [each.spec.noParent for each in _declared().one(_LOGIN).request.aliases] == [True]
