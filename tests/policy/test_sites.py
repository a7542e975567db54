"""The table of sites: each needs the licenses that were worked out by hand, by pack, report and comment alike."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ConfigDict

from cli.policy.licenses import Report, Use, configured_use, license_figures, state_use
from cli.preview.model import BeforeAfter, Recording
from cli.pull_request.comment import render
from policies.licensing.configuration import LicensingSettings
from policies.licensing.counting.balance import PRODUCTS, TITLES, UNITS
from policies.licensing.counting.need import Product
from tests.policy.harness import Process, RequestedResource, urn
from tests.policy.resources import CLUSTER, DEPLOYMENT, ENDPOINT, FUTURE, POOLS, STACK, VM, changed

_FILE = Path(__file__).resolve().parent / "sites.yaml"
_RULES = {"overuse": "license-overuse", "ended": "entitlement-expired", "evaluation": "evaluation-in-production"}
_IMAGE = "nvcr.io/nim/meta/llama-3.1-8b-instruct:1.8.4"
_UNIT = {"nvaie": "gpus", "vws": "concurrentUsers", "vpc": "concurrentUsers", "vapps": "concurrentUsers"}
_NODES = "cluster.x-k8s.io/cluster-api-autoscaler-node-group"


class Site(BaseModel):
    """A site as the file writes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    kind: str = "dev"
    model: str = "A100"
    mixed: bool = False
    classes: dict[str, list[str] | dict[str, Any]] = {}
    workstations: dict[str, int] = {}
    endpoints: dict[str, int] = {}
    pools: dict[str, int] = {}
    scaled: dict[str, int] = {}
    control: dict[str, int] = {}
    nims: list[dict[str, int]] = []
    owned: dict[Product, int] = {}
    purchases: dict[Product, list[dict[str, Any]]] = {}
    included: dict[str, int] = {}
    shares: dict[Product, dict[str, int]] = {}
    used: dict[Product, int]
    gpus: dict[str, int]
    missing: dict[Product, int] = {}
    verdict: dict[Product, str] = {}

    def licenses(self) -> dict[str, Any]:
        """What is owned, as the organization's file has it."""
        found: dict[str, Any] = {}
        for product, count in self.owned.items():
            found[product] = {"owned": [{_UNIT[product]: count, "ends": FUTURE}]}
        for product, listed in self.purchases.items():
            found[product] = {
                "owned": [{key: str(v) if isinstance(v, dt.date) else v for key, v in each.items()} for each in listed]
            }
        for product, shares in self.shares.items():
            found[product]["shares"] = shares
        if self.included:
            included = [{"model": model, "gpus": count, "ends": FUTURE} for model, count in self.included.items()]
            found.setdefault("nvaie", {})["included"] = included
        return found

    def settings(self, licenses: dict[str, Any]) -> dict[str, Any]:
        """Settings of the pack; no class is made here, so that one may have several vGPUs."""
        existing = {name: {"profiles": each} if isinstance(each, list) else each for name, each in self.classes.items()}
        return {"licenses": licenses, "existingClasses": existing, "mixedSizeGpus": self.mixed, "kind": self.kind}

    def config(self) -> dict[str, Any]:
        """The stack's configuration."""
        pools = [{"name": name, "class": name, "replicas": count} for name, count in self.pools.items()]
        pools += [{"name": name, "class": name, "minReplicas": 1, "maxReplicas": n} for name, n in self.scaled.items()]
        cluster: dict[str, Any] = {"name": "gpu", "pools": pools}
        for name, count in self.control.items():
            cluster["controlPlane"] = {"class": name, "replicas": count}
        return {
            "kind": self.kind,
            "gpu": {"mode": "vgpu", "model": self.model},
            "workstations": [
                {"name": f"{name}-{number}", "class": name}
                for name, count in self.workstations.items()
                for number in range(count)
            ],
            "modelEndpoints": [{"name": each, "class": each, "replicas": n} for each, n in self.endpoints.items()],
            "clusters": [cluster] if pools else [],
        }

    def resources(self) -> Iterator[RequestedResource]:
        """The same as resources, with containers, which no configuration has."""
        for name, count in self.workstations.items():
            for number in range(count):
                yield changed(VM, {"spec>className": name, "metadata>name": f"{name}-{number}"}, f"{name}-{number}")
        for name, count in self.endpoints.items():
            spec = {"spec>virtualMachineClassName": name, "spec>replicas": count, "metadata>name": name}
            yield changed(ENDPOINT, spec, f"endpoint-{name}")
        if self.pools or self.scaled:
            yield self._cluster()
        for index, each in enumerate(self.nims):
            container = {"name": "nim", "image": _IMAGE, "resources": {"limits": {"nvidia.com/gpu": each["gpus"]}}}
            properties = {"spec>replicas": each["replicas"], "spec>template>spec>containers": [container]}
            yield changed(DEPLOYMENT, properties | {"metadata>name": f"nim-{index}"}, f"nim-{index}")

    def _cluster(self) -> RequestedResource:
        listed = []
        for name, count in {**self.pools, **self.scaled}.items():
            pool = copy.deepcopy(CLUSTER.properties["spec"]["topology"]["workers"]["machineDeployments"][1])
            pool |= {"name": name, "replicas": count, "variables": {"overrides": [{"name": "vmClass", "value": name}]}}
            pool["metadata"] = {"annotations": {}}
            if name in self.scaled:
                pool["replicas"] = 1
                pool["metadata"]["annotations"] = {f"{_NODES}-min-size": "1", f"{_NODES}-max-size": str(count)}
            listed.append(pool)
        plane: dict[str, Any] = {}
        for name, count in self.control.items():
            overrides = {"overrides": [{"name": "vmClass", "value": name}]}
            plane = {"spec>topology>controlPlane": {"replicas": count, "variables": overrides}}
        return changed(CLUSTER, {POOLS: listed, **plane}, "cluster")

    def export(self) -> dict[str, Any]:
        """What `pulumi stack export` writes of them."""
        listed = [
            {"urn": urn(each.type, each.name), "type": each.type, "custom": True, "inputs": each.properties}
            for each in self.resources()
        ]
        root = {"urn": urn("pulumi:pulumi:Stack", "paif-dev"), "type": "pulumi:pulumi:Stack", "custom": False}
        return {"version": 3, "deployment": {"resources": [root, *listed]}}


_SITES = [Site.model_validate(each) for each in yaml.safe_load(_FILE.read_text(encoding="utf-8"))]
SITES = [pytest.param(each, id=each.name) for each in _SITES]


def _settings(site: Site) -> LicensingSettings:
    return LicensingSettings.model_validate(site.settings(site.licenses()))


def _uses(site: Site) -> list[Use]:
    """What the site needs by its state, and by its configuration where that has all of it."""
    settings, today = _settings(site), dt.datetime.now(dt.UTC).date()
    found = []
    if site.model == "A100":
        # A state does not tell the environment's GPU model.
        found.append(state_use(site.export(), settings, settings.licenses, today))
    if not site.nims:
        found.append(configured_use("dev", site.config(), settings, settings.licenses, today))
    assert found
    return found


def test_there_are_as_many_sites_as_it_is_said() -> None:
    assert len(_SITES) >= 25
    assert len({each.name for each in _SITES}) == len(_SITES)


@pytest.mark.parametrize("site", SITES)
def test_a_site_needs_the_gpus_and_licenses_that_were_worked_out_by_hand(site: Site) -> None:
    for use in _uses(site):
        assert {each.model: each.gpus for each in use.need.models} == site.gpus
        assert {product: use.need.of(product) for product in site.used} == site.used
        assert {product: n for product in PRODUCTS if (n := use.need.of(product)) and product not in site.used} == {}


@pytest.mark.parametrize("site", SITES)
def test_the_report_says_the_same(site: Site) -> None:
    for use in _uses(site):
        rows = [each for each in Report(_settings(site).licenses, (use,), dt.date.today()).rows() if not each["model"]]
        shown = {each["product"]: each for each in rows}
        for product, used in site.used.items():
            if used:
                assert shown[product]["used"] == used
                assert shown[product]["missing"] == site.missing.get(product, 0)


@pytest.mark.parametrize("site", SITES)
def test_the_comment_says_the_same(site: Site) -> None:
    for use in _uses(site):
        recording = Recording("dev")
        recording.licenses = BeforeAfter(before=None, after=license_figures(use))
        text = render([recording])
        for product, used in site.used.items():
            lines = [line for line in text.splitlines() if line.startswith(f"Licenses, `{TITLES[product]}` ")]
            if used:
                (line,) = lines
                assert f"**{used}**" in line
                missing = site.missing.get(product, 0)
                assert (f"**{missing} too many**" in line) == bool(missing), line


def _said(process: Process, site: Site, licenses: dict[str, Any], *, resources: bool) -> list[tuple[str, str]]:
    """Rule and message of what the pack says of licenses."""
    config = {"organization": "acme", **({"gpu": site.config()["gpu"]} if resources else site.config())}
    process.start(stack="dev", pack="licensing", config=config, settings=site.settings(licenses))
    asked = list(site.resources()) if resources else [STACK]
    return [
        (each.rule, each.message)
        for one in asked
        for each in process.analyze(one, "dev")
        if each.rule in _RULES.values()
    ]


@pytest.mark.parametrize("site", SITES)
def test_the_pack_says_the_same_once(packs: dict[str, Process], site: Site) -> None:
    for resources in (True, False):
        if site.nims and not resources:
            continue
        found = _said(packs["licensing"], site, site.licenses(), resources=resources)
        wanted = sorted(_RULES[each] for each in site.verdict.values())
        assert sorted(rule for rule, _ in found) == wanted, found
        # With one less than is needed the pack names the number: at the resource that is the first without.
        for product, used in site.used.items():
            if used:
                fewer = {product: {"owned": [{_UNIT[product]: used - 1, "ends": FUTURE}]}}
                if product == "vpc" and "vws" in site.used:
                    fewer["vws"] = {"owned": [{_UNIT["vws"]: site.used["vws"], "ends": FUTURE}]}
                said = [text for rule, text in _said(packs["licensing"], site, fewer, resources=resources)]
                mine = [text for text in said if f"({TITLES[product]})" in text]
                assert len(mine) == 1, said
                assert f"{used} {UNITS[product]} of {used - 1} ({TITLES[product]})" in mine[0]
