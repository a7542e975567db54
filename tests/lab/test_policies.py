"""`up` refuses what the policy packs refuse, and nothing of it exists afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.lab.conftest import ROOT, Paif
from tests.lab.connections import lab_api

_NAME = "site1"


@pytest.fixture(scope="module")
def site(paif: Paif, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paif]:
    """A checkout with an environment of its own, like dev, but without settings and licenses; nothing of it is left."""
    paif("lab", "up")
    toolkit = paif.elsewhere(tmp_path_factory.mktemp("site"))
    text = (toolkit.root / "stacks" / "Pulumi.dev.yaml").read_text()
    (toolkit.root / "stacks" / f"Pulumi.{_NAME}.yaml").write_text(text.replace("acme-dev", f"acme-{_NAME}"))
    (toolkit.root / "policies" / "config" / "licenses.yaml").unlink()
    yield toolkit
    toolkit.pulumi("stack", "rm", _NAME, "--yes")
    assert not (toolkit.state / "pulumi" / ".pulumi" / "stacks" / "paif" / f"{_NAME}.json").exists()


def _nothing_exists(paif: Paif) -> None:
    """Neither in the state, nor in vCenter."""
    assert not paif.export(_NAME)["deployment"].get("resources")
    with lab_api(paif) as client:
        there = client.get("/lab/v1/wcp").raise_for_status().text + client.get("/lab/v1/vms").raise_for_status().text
    assert _NAME not in there


def test_vgpu_without_a_declared_license_is_refused_before_anything_exists(site: Paif) -> None:
    answer = site("up", _NAME, check=False)
    assert answer.returncode == 1
    said = answer.stdout + answer.stderr
    for part in (
        "vgpu-entitlement",
        f"paif-{_NAME}",
        "no NVIDIA entitlement is declared",
        "do: declare the entitlement",
    ):
        assert part in said
    assert "Traceback" not in said
    assert "Updating" not in said
    _nothing_exists(site)
    assert f"{_NAME} has no policies/config/paif/{_NAME}.yaml" in site("check").stderr


def test_more_gpus_than_licensed_are_refused_before_anything_exists_also_without_a_preview(site: Paif) -> None:
    yaml = YAML(typ="safe")
    folder = site.root / "policies" / "config" / "paif"
    settings = yaml.load(folder / "dev.yaml")
    settings["licensing"]["licenses"] = {"nvaie": {"owned": [{"gpus": 1, "term": "perpetual"}]}}
    yaml.dump(settings, folder / f"{_NAME}.yaml")
    site.pulumi("stack", "select", _NAME, "--create")
    packs = ("--policy-pack", f"{site.root}/policies/all/pulumi-analyzer-paif")
    answer = site.pulumi("up", "--stack", _NAME, "--yes", "--skip-preview", *packs, check=False)
    assert answer.returncode
    for part in ("license-overuse", "the configuration needs 3 GPU licenses of 1", "do: ask for fewer machines"):
        assert part in answer.stdout
    assert "Previewing" not in answer.stdout
    _nothing_exists(site)


def test_the_unchanged_dev_environment_previews_with_at_most_two_lines_of_the_packs(paif: Paif) -> None:
    paif("lab", "up")
    paif.pulumi("stack", "select", "dev", "--create")
    answer = paif.pulumi("preview", "--stack", "dev", "--policy-pack", f"{ROOT}/policies/all/pulumi-analyzer-paif")
    told = answer.stdout.split("Policies:\n", 1)[1].split("\n\n", 1)[0].splitlines()
    headings, lines = [each for each in told if "paif@v" in each], [each for each in told if "paif@v" not in each]
    assert len(headings) == 1
    assert len(lines) <= 2, "\n".join(lines)


def test_an_audit_judges_what_is_there_and_leaves_evidence(paif: Paif, tmp_path: Path) -> None:
    paif.having("dev")
    paif("policy", "audit", "dev", "--output", str(tmp_path))
    evidence = json.loads((tmp_path / "policy-audit.json").read_text())
    (dev,) = evidence["environments"]
    assert dev["resources"] == len(paif.export("dev")["deployment"]["resources"])
    verdicts = {(each["rule"], each["resource"].rsplit("::", 1)[1]): each["verdict"] for each in dev["judgements"]}
    assert verdicts["platform/dlvm-persona", "acme-dev-dlvm-alice"] == "passed"
    assert "refused" not in verdicts.values()
    assert dev["settings"] in (tmp_path / "policy-audit.md").read_text()
