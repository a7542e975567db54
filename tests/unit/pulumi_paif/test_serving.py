"""What programs in other languages give reaches the components as in Python, and outputs are named as there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
import pytest
from pulumi.errors import InputPropertyError

from pulumi_paif.serving.host import PackageProvider
from pulumi_paif.serving.schema import components
from tests.unit.pulumi_paif.harness import NAMESPACE, Declared, declare

_DATABASE = "kubernetes:databases.dataservices.vmware.com/v1alpha1:PostgresCluster"
_ENDPOINT = {
    "namespace": NAMESPACE,
    "type": "Embeddings",
    "repository": "models/bge",
    "reference": "v1",
    "vmClass": "c",
    "storageClass": "s",
}
_GALLERY = {"registry": "harbor.test", "username": "robot", "password": "of-robot", "pullSecret": "gallery-pull"}


def _constructed(kind: str, inputs: Mapping[str, Any], **given_out: Any) -> Declared:
    """Make a component of what is plain and of what another resource gives out."""

    def build() -> dict[str, Any]:
        # Those of a resource with a secret in it are secret.
        others = {name: pulumi.Output.secret(each) for name, each in given_out.items()}
        made = PackageProvider(components()).construct("it", f"paif:index:{kind}", {**inputs, **others}, None)
        return {name: pulumi.Output.from_input(each) for name, each in made.state.items()}

    return declare(build)


def test_blocks_numbers_and_names_arrive_as_in_python_and_outputs_leave_as_in_the_schema() -> None:
    create = {"infrastructurePolicy": "i", "storagePolicy": "s", "storageGib": 80.0, "maintenance": {"day": "SUNDAY"}}
    declared = _constructed("VectorDatabase", {"namespace": NAMESPACE, "create": create})
    spec = declared.one(_DATABASE).inputs["spec"]
    assert (spec["storageSpace"], spec["maintenanceWindow"]["startDay"]) == ("80Gi", "SUNDAY")
    assert declared.outputs["connection"] == {
        "host": "192.0.2.20",
        "port": 5432,
        "database": "pais",
        "username": "pgadmin",
        "passwordSecret": "pg-acme-dev-pg-vectors",
    }
    assert declared.secret_outputs == {"password"}


@pytest.mark.parametrize("given", [_GALLERY, {**_GALLERY, "password": None}], ids=["login", "no login"])
def test_a_connection_that_another_resource_gives_out_is_taken_whole(given: dict[str, Any]) -> None:
    model = _constructed("ModelEndpoint", _ENDPOINT, gallery=given).one("vcf:index:GalleryModel")
    assert (model.inputs["registry"], model.inputs.get("password")) == ("harbor.test", given["password"])
    assert "registry" not in model.secrets


def test_an_enum_may_come_from_another_resource() -> None:
    declared = _constructed("ModelEndpoint", {**_ENDPOINT, "gallery": _GALLERY}, type="Embeddings")
    endpoint = declared.one("kubernetes:pais.vmware.com/v1alpha1:ModelEndpoint")
    assert (endpoint.inputs["spec"]["type"], endpoint.inputs["spec"]["engine"]) == ("Embeddings", "Infinity")


@pytest.mark.parametrize(
    ("change", "path", "reason"),
    [
        ({"type": "Chat"}, "type", "expected one of Completions, Embeddings"),
        ({"gallery": {}}, "gallery.registry", "is missing"),
        ({"vmClass": None}, "vmClass", "is missing"),
    ],
)
def test_a_wrong_argument_is_told_by_its_path_in_the_schema(change: dict[str, Any], path: str, reason: str) -> None:
    with pytest.raises(InputPropertyError, match=reason) as raised:
        _constructed("ModelEndpoint", {**_ENDPOINT, "gallery": _GALLERY, **change})
    assert raised.value.property_path == path


def test_what_decides_the_shape_of_the_graph_has_to_be_known() -> None:
    inputs = {"namespace": NAMESPACE, "storageClass": "s", "controlPlaneClass": "c"}
    with pytest.raises(InputPropertyError, match="pools: expected a value that no other resource gives out"):
        _constructed("GpuCluster", inputs, pools=[{"name": "cpu", "vmClass": "c", "replicas": 1}])
