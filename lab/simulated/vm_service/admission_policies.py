"""VM Operator's rules as ValidatingAdmissionPolicies of the Supervisor."""

from __future__ import annotations

from collections.abc import Iterable

from lab.operators.kubernetes_api import Api
from lab.operators.resources import VIRTUAL_MACHINE, VIRTUAL_MACHINE_SERVICE, Object, Resource
from lab.simulated.vm_service.cel import on
from lab.simulated.vm_service.machine_rules import GROUP, machine_rules, metadata_rules
from lab.simulated.vm_service.service_rules import service_rules

POLICY = Resource(
    "admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", namespaced=False
)
POLICY_USE = Resource(
    "admissionregistration.k8s.io/v1",
    "ValidatingAdmissionPolicyBinding",
    "validatingadmissionpolicybindings",
    namespaced=False,
)

_POLICIES = "vm-operator-simulation"
_STAYS = {"name": "stays", "expression": "!has(object.metadata.deletionTimestamp)"}
"""An object that is going must not be held by a rule: its finalizer has to come off."""


def _concerning(operation: str, rules: Iterable[Object]) -> list[Object]:
    """Those that are not of the other operation only."""
    other = on("UPDATE" if operation == "CREATE" else "CREATE", "")[:-2]
    return [each for each in rules if not each["expression"].startswith(other)]


def admission_policies() -> list[tuple[Object, Object]]:
    """What is refused by its rules, as policies with their bindings.

    By what a request does: operators write annotations of a machine all the time, and each rule takes its time.
    """
    changed, described = "object.spec != oldObject.spec", "object.metadata != oldObject.metadata"
    found = []
    for resource, rules, metadata in (
        (VIRTUAL_MACHINE, machine_rules(), metadata_rules()),
        (VIRTUAL_MACHINE_SERVICE, service_rules(), []),
    ):
        for part, operation, asked, condition in (
            ("new", "CREATE", [*rules, *metadata], None),
            ("changed", "UPDATE", rules, changed),
            ("described", "UPDATE", metadata, described),
        ):
            if validations := _concerning(operation, asked):
                found.append(_policy(resource, part, operation, validations, condition))
    return found


def _policy(
    resource: Resource, part: str, operation: str, validations: list[Object], condition: str | None
) -> tuple[Object, Object]:
    name = f"{_POLICIES}-{resource.plural}-{part}.lab.paif.dev"
    match = {
        "apiGroups": [GROUP],
        "apiVersions": ["*"],
        "operations": [operation],
        "resources": [resource.plural],
    }
    policy = {
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [match]},
            "matchConditions": [_STAYS, *([{"name": part, "expression": condition}] if condition else [])],
            "validations": validations,
        },
    }
    binding = {"metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]}}
    return policy, binding


def put_policies(api: Api) -> None:
    """Put the rules into the API server, and take away those that an older lab has left in it."""
    policies = admission_policies()
    for policy, binding in policies:
        api.apply(POLICY, policy)
        api.apply(POLICY_USE, binding)
    names = {policy["metadata"]["name"] for policy, _ in policies}
    for resource in (POLICY_USE, POLICY):
        for name in (each["metadata"]["name"] for each in api.list(resource)):
            if name.startswith(_POLICIES) and name not in names:
                api.delete(resource, name)
