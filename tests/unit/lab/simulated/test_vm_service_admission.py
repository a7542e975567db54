"""What VM Operator's look-ups refuse and fill in; the rules themselves are tried on a real API server."""

from __future__ import annotations

from typing import Any, cast

import pytest

from lab.operators.kubernetes_api import Api
from lab.operators.resources import (
    CLUSTER_VIRTUAL_MACHINE_IMAGE,
    NAMESPACE,
    RESOURCE_QUOTA,
    STORAGE_CLASS,
    VIRTUAL_MACHINE_IMAGE,
    Object,
    Resource,
)
from lab.simulated.vm_service import lookups
from lab.simulated.vm_service.admission_policies import POLICY, POLICY_USE, admission_policies, put_policies
from lab.simulated.vm_service.lookups import DeniedError, filled_in, objections, resolved_image
from lab.simulated.vm_service.machine_rules import ZONE_LABEL

_NS = "pai-dev"


class Site:
    """An API server with a few things in it."""

    def __init__(self) -> None:
        self.there: dict[Resource, list[Object]] = {
            STORAGE_CLASS: [{"metadata": {"name": "gold"}}],
            RESOURCE_QUOTA: [{"spec": {"hard": {"gold.storageclass.storage.k8s.io/requests.storage": "1Gi"}}}],
            VIRTUAL_MACHINE_IMAGE: [],
            CLUSTER_VIRTUAL_MACHINE_IMAGE: [],
            NAMESPACE: [{"metadata": {"name": _NS, "labels": {"vSphereClusterID": "domain-c7"}}}],
        }
        self.listed = 0

    def image(self, kind: Resource, name: str, shown: str) -> None:
        self.there[kind].append({"metadata": {"name": name}, "status": {"name": shown}})

    def list(self, resource: Resource, namespace: str | None = None) -> list[Object]:
        del namespace
        self.listed += 1
        return list(self.there[resource])

    def apply(self, resource: Resource, body: Object) -> None:
        self.there[resource].append(body)

    def delete(self, resource: Resource, name: str) -> None:
        self.there[resource] = [each for each in self.there[resource] if each["metadata"]["name"] != name]

    def get(self, resource: Resource, name: str) -> Object | None:
        return next((each for each in self.there[resource] if each["metadata"]["name"] == name), None)

    @property
    def api(self) -> Api:
        return cast(Api, self)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(lookups, "_seen", {})
    return Site()


def _named(*names: str) -> list[Object]:
    return [{"metadata": {"name": name}} for name in names]


def _vm(**spec: Any) -> Object:
    return {"metadata": {"name": "vm", **spec.pop("metadata", {})}, "spec": spec}


def test_an_image_of_one_scope_is_found_by_its_name(site: Site) -> None:
    site.image(CLUSTER_VIRTUAL_MACHINE_IMAGE, "vmi-1", "dlvm")
    assert resolved_image(site.api, "dlvm", _NS) == (CLUSTER_VIRTUAL_MACHINE_IMAGE, "vmi-1")


def test_an_image_that_came_a_moment_ago_is_found(site: Site) -> None:
    with pytest.raises(DeniedError, match='no VM image exists for "dlvm" in namespace or cluster scope'):
        resolved_image(site.api, "dlvm", _NS)
    site.image(VIRTUAL_MACHINE_IMAGE, "vmi-1", "dlvm")
    assert resolved_image(site.api, "dlvm", _NS) == (VIRTUAL_MACHINE_IMAGE, "vmi-1")


def test_a_hundred_machines_do_not_list_all_images_a_hundred_times(site: Site) -> None:
    site.image(VIRTUAL_MACHINE_IMAGE, "vmi-1", "dlvm")
    for _ in range(100):
        resolved_image(site.api, "dlvm", _NS)
        assert objections(site.api, _vm(storageClass="gold"), _NS) == []
    assert site.listed == 4


def test_an_id_is_looked_for_in_the_namespace_first(site: Site) -> None:
    site.image(VIRTUAL_MACHINE_IMAGE, "vmi-1", "dlvm")
    site.image(CLUSTER_VIRTUAL_MACHINE_IMAGE, "vmi-1", "dlvm")
    assert resolved_image(site.api, "vmi-1", _NS) == (VIRTUAL_MACHINE_IMAGE, "vmi-1")


def test_a_network_that_is_named_stays_and_a_disabled_one_gets_no_interface(site: Site) -> None:
    named = filled_in(site.api, _vm(network={"interfaces": [{"name": "eth0", "network": {"name": "mine"}}]}), _NS)
    assert named["spec"]["network"]["interfaces"][0]["network"]["name"] == "mine"
    assert "network" not in filled_in(site.api, _vm(network={"disabled": True}), _NS)["spec"]


def test_an_image_reference_that_means_another_one_is_refused(site: Site) -> None:
    site.image(VIRTUAL_MACHINE_IMAGE, "vmi-1", "dlvm")
    with pytest.raises(DeniedError, match="must refer to the same resource"):
        filled_in(site.api, _vm(imageName="dlvm", image={"kind": "VirtualMachineImage", "name": "vmi-2"}), _NS)


def test_only_the_supervisors_own_zone_is_known(site: Site) -> None:
    def labeled(zone: str) -> Object:
        return _vm(metadata={"labels": {ZONE_LABEL: zone}})

    assert objections(site.api, labeled("domain-c7"), _NS) == []
    assert "not found" in objections(site.api, labeled("moon"), _NS)[0]


def test_each_request_is_judged_by_the_rules_that_concern_it() -> None:
    policies = {policy["metadata"]["name"].split("-simulation-")[1]: policy for policy, _ in admission_policies()}
    assert [each.partition(".")[0] for each in policies] == [
        "virtualmachines-new",
        "virtualmachines-changed",
        "virtualmachines-described",
        "virtualmachineservices-new",
        "virtualmachineservices-changed",
    ]
    for policy in policies.values():
        (rule,) = policy["spec"]["matchConstraints"]["resourceRules"]
        other = "CREATE" if rule["operations"] == ["UPDATE"] else "UPDATE"
        expressions = [each["expression"] for each in policy["spec"]["validations"]]
        assert not any(each.startswith(f"request.operation != '{other}'") for each in expressions)


def test_rules_of_an_older_lab_go(site: Site) -> None:
    site.there |= {POLICY: _named("vm-operator-simulation.lab.paif.dev", "of-others"), POLICY_USE: _named("of-others")}
    put_policies(site.api)
    names = {each["metadata"]["name"] for each in site.there[POLICY]}
    assert names == {"of-others", *(policy["metadata"]["name"] for policy, _ in admission_policies())}
