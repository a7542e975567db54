from __future__ import annotations

from typing import Any

import pytest

from pulumi_paif._component import ComponentInputError
from pulumi_paif.ai_namespace import AiNamespace, AiNamespaceArgs
from pulumi_paif.vcf import NamespaceRole
from tests.unit.pulumi_paif.harness import NAMESPACE, declare

_ARGS: AiNamespaceArgs = {
    "name": NAMESPACE,
    "supervisor": "pai-supervisor",
    "access_list": [{"subject": "mlops", "domain": "lab.test", "role": NamespaceRole.EDIT}],
    "storage": [{"policy": "pai-gold", "limit_mib": 1024}, {"policy": "pai-silver"}],
    "vm_classes": ["best-effort-large"],
    "content_libraries": ["dlvm-images"],
}


def test_the_namespace_gets_permissions_limits_classes_and_libraries() -> None:
    declared = declare(lambda: {"namespace": AiNamespace("n", _ARGS).name})
    assert declared.types() == {"vcf:index:Namespace": 1, "vcf:index:NamespaceContents": 1}
    assert declared.one("vcf:index:Namespace").inputs == {
        "name": NAMESPACE,
        "supervisor": "pai-supervisor",
        "accessList": [{"subjectType": "GROUP", "subject": "mlops", "domain": "lab.test", "role": "EDIT"}],
        "storageSpecs": [{"policy": "pai-gold", "limitMib": 1024}, {"policy": "pai-silver"}],
        "vmClasses": ["best-effort-large"],
        "contentLibraries": ["dlvm-images"],
        "adopt": False,
    }
    assert declared.outputs == {"namespace": NAMESPACE}


def test_a_namespace_without_storage_or_with_an_unknown_role_is_refused() -> None:
    access = [{"subject_type": "GROUP", "subject": "a", "domain": "b", "role": "ADMIN"}]
    with pytest.raises(ComponentInputError) as raised:
        AiNamespace("n", {**_ARGS, "storage": [], "access_list": access})  # type: ignore[typeddict-item]
    assert [error["property_path"] for error in raised.value.errors or []] == ["storage", "access_list[0].role"]


def test_an_adopted_namespace_may_be_exclusive_and_know_external_identity_providers() -> None:
    entry = {"subject_type": "USER", "subject": "ada", "domain": "acme.example", "role": "VIEW"}
    args: AiNamespaceArgs = {**_ARGS, "adopt": True, "exclusive": True}
    args["access_list"] = [{**entry, "identity_provider": "00000000-0000-4000-8000-000000000001"}]  # type: ignore[typeddict-item]
    given = declare(lambda: {"namespace": AiNamespace("n", args).name}).one("vcf:index:Namespace").inputs
    assert (given["adopt"], given["exclusive"]) == (True, True)
    assert given["accessList"][0]["identityProvider"] == "00000000-0000-4000-8000-000000000001"


def test_the_name_is_given_out_when_the_namespace_has_what_it_is_to_offer() -> None:
    def build() -> dict[str, Any]:
        made = AiNamespace("n", {**_ARGS, "images": ["dlvm"]})
        return {"name": made.name, "classes": made.storage_classes}

    declared = declare(build)
    assert declared.one("vcf:index:NamespaceContents", "n-contents").inputs == {
        "namespace": NAMESPACE,
        "vmClasses": ["best-effort-large"],
        "storageClasses": ["pai-gold", "pai-silver"],
        "images": [{"name": "dlvm"}],
    }
    assert declared.outputs == {"name": NAMESPACE, "classes": ["pai-gold", "pai-silver"]}


def test_whoever_waits_for_parts_of_it_gets_the_name_at_once() -> None:
    declared = declare(lambda: {"name": AiNamespace("n", {**_ARGS, "await_contents": False}).name})
    assert declared.types() == {"vcf:index:Namespace": 1}
