from __future__ import annotations

from typing import Any

import pulumi
import pytest

from pulumi_paif._component import ComponentInputError
from pulumi_paif.enums import GpuMode
from pulumi_paif.private_ai_services import PrivateAiServices, PrivateAiServicesArgs
from tests.unit.pulumi_paif.harness import NAMESPACE, Declared, declare

_PAIS = "kubernetes:pais.vmware.com/v1alpha1:PAISConfiguration"
_CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
_SECRET = "kubernetes:core/v1:Secret"
_ARGS: PrivateAiServicesArgs = {
    "namespace": NAMESPACE,
    "storage_class": "pai-gold",
    "control_plane_class": "best-effort-large",
    "gpu_mode": GpuMode.VGPU,
    "oidc": {"issuer_url": "https://idp.test/oidc", "client_id": "pais"},
    "database": {
        "host": "192.0.2.20",
        "port": 5432,
        "database": "pais",
        "username": "pgadmin",
        "password_secret": "pg-vectors",
    },
    "authorized_groups": ["mlops"],
    "ca_bundles": {"oidc": "PEM1", "gallery": "PEM2"},
    "license_token": "license",
    "ngc_api_key": "ngc-key",
}


def _declared(**change: Any) -> Declared:
    args: Any = {**_ARGS, **change}

    def build() -> dict[str, Any]:
        made = PrivateAiServices("pais", args)
        return {"url": made.url, "ca": made.ca_bundle}

    return declare(build)


def _without_license(mode: str) -> Declared:
    return _declared(gpu_mode=mode, license_token=None, ngc_api_key=None)


def test_the_configuration_comes_last_and_names_everything_before_it() -> None:
    declared = _declared()
    assert declared.types() == {_CONFIG_MAP: 3, _SECRET: 1, _PAIS: 1, "vcf:index:Readiness": 1}
    configuration = declared.one(_PAIS)
    assert configuration.depends_on == {"pais-trust-oidc", "pais-trust-gallery", "pais-license", "pais-ngc"}
    config_map = declared.one(_CONFIG_MAP, "pais-license").inputs["metadata"]["name"]
    trust = [declared.one(_CONFIG_MAP, f"pais-trust-{name}").inputs["metadata"]["name"] for name in ("oidc", "gallery")]
    assert [name[:-9] for name in trust] == ["trust-oidc", "trust-gallery"]
    assert configuration.inputs["spec"] == {
        "worker": {"storageClassName": "pai-gold"},
        "vksControlPlane": {"virtualMachineClassName": "best-effort-large", "storageClassName": "pai-gold"},
        "ingress": {"serviceType": "LoadBalancer"},
        "clientTls": {"caBundleRefs": [{"name": name} for name in trust]},
        "database": {
            "host": "192.0.2.20",
            "dbname": "pais",
            "username": "pgadmin",
            "passwordRef": {"name": "pg-vectors", "fieldPath": "password"},
        },
        "auth": {
            "oidc": {
                "issuerUrl": "https://idp.test/oidc",
                "clientId": "pais",
                "scope": ["openid", "groups"],
                "extraAudiences": [],
                "authorizedGroups": ["mlops"],
            }
        },
        "nvidiaConfig": {"licenseConfigRef": {"name": config_map}, "imagePullSecretRef": {"name": "ngc-pull"}},
    }
    assert configuration.inputs["metadata"]["name"] == "default"


def test_the_license_is_secret_and_a_new_one_gets_a_new_name() -> None:
    first, second = (_declared(license_token=token).one(_CONFIG_MAP, "pais-license") for token in ("one", "two"))
    assert first.inputs["data"]["client_configuration_token.tok"] == "one"
    assert "data" in first.secrets
    assert list(first.request.additionalSecretOutputs) == ["data"]
    names = [each.inputs["metadata"]["name"] for each in (first, second)]
    assert len(set(names)) == 2
    assert all(name.startswith("nvidia-licence-") for name in names)
    assert not {path for path in first.secrets if path.startswith("metadata")}


def test_an_authority_that_changes_is_another_object_which_the_configuration_refers_to() -> None:
    names = []
    for pem in ("one", "two"):
        declared = _declared(ca_bundles={"oidc": pem})
        [reference] = declared.one(_PAIS).inputs["spec"]["clientTls"]["caBundleRefs"]
        made = declared.one(_CONFIG_MAP, "pais-trust-oidc").inputs
        assert made["data"] == {"ca.crt": pem}
        assert reference["name"] == made["metadata"]["name"]
        names.append(reference["name"])
    assert len(set(names)) == 2


def test_an_ngc_key_that_changes_keeps_its_object_so_that_nothing_else_changes() -> None:
    first, second = (_declared(ngc_api_key=key) for key in ("one", "two"))
    changed, kept = (
        [each.one(kind, name).inputs for each in (first, second)]
        for kind, name in ((_SECRET, "pais-ngc"), (_PAIS, "pais"))
    )
    assert changed[0]["stringData"] != changed[1]["stringData"]
    assert changed[0]["metadata"] == changed[1]["metadata"]
    assert kept[0] == kept[1]


def test_what_only_carries_the_configuration_can_be_replaced_below_what_is_protected() -> None:
    def build() -> dict[str, Any]:
        PrivateAiServices("pais", _ARGS, pulumi.ResourceOptions(protect=True))
        return {}

    declared = declare(build)
    assert {each.name for each in declared.registrations if not each.request.protect} == {
        "pais-trust-oidc",
        "pais-trust-gallery",
        "pais-license",
        "pais-ngc",
        "pais-ready",
    }


def test_directpath_has_a_driver_but_neither_license_nor_pull_secret() -> None:
    declared = _without_license("directpath")
    assert declared.types() == {_CONFIG_MAP: 3, _PAIS: 1, "vcf:index:Readiness": 1}
    overrides = declared.one(_CONFIG_MAP, "pais-gpu-operator").inputs["metadata"]["name"]
    assert overrides.startswith("gpu-operator-values-")
    assert declared.one(_PAIS).inputs["spec"]["nvidiaConfig"] == {"gpuOperatorOverridesRef": {"name": overrides}}


def test_without_gpus_there_is_no_nvidia_part() -> None:
    declared = _without_license("none")
    assert declared.types() == {_CONFIG_MAP: 2, _PAIS: 1, "vcf:index:Readiness": 1}
    assert "nvidiaConfig" not in declared.one(_PAIS).inputs["spec"]


def test_clients_get_an_address_and_an_authority_that_is_no_secret() -> None:
    declared = _declared()
    assert declared.outputs == {"url": "https://198.51.100.9", "ca": "value-of-pais-ingress-default"}
    assert declared.secret_outputs == set()


@pytest.mark.parametrize(
    ("change", "paths"),
    [
        ({"gpu_mode": "vgpu", "license_token": None, "ngc_api_key": None}, ["license_token", "ngc_api_key"]),
        ({"gpu_mode": "directpath"}, ["license_token", "ngc_api_key"]),
        ({"oidc": {"issuer_url": "http://idp.test", "client_id": "pais"}}, ["oidc.issuer_url"]),
        ({"gpu_mode": "mig", "license_token": None, "ngc_api_key": None}, ["gpu_mode"]),
    ],
)
def test_a_wrong_argument_is_named_by_its_path(change: dict[str, Any], paths: list[str]) -> None:
    args: Any = {**_ARGS, **change}
    with pytest.raises(ComponentInputError) as raised:
        PrivateAiServices("pais", args)
    assert [error["property_path"] for error in raised.value.errors or []] == paths
