"""All four environments side by side on one lab, both license paths, and what prod protects."""

from __future__ import annotations

import json
import re

import pytest

from tests.lab.conftest import Paif
from tests.lab.promised import lacking

ENVIRONMENTS = ("dev", "qa", "staging", "prod")


@pytest.fixture(scope="module")
def missing() -> dict[str, list[str]]:
    """What was not there, by environment, when its `up` returned."""
    return {}


@pytest.fixture(scope="module")
def everything(paif: Paif, missing: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Paif:
    """The toolkit, with all four environments up."""
    paif.without(*ENVIRONMENTS[:-1])
    for name in ENVIRONMENTS:
        paif("up", name)
        missing[name] = lacking(paif, name, tmp_path_factory.mktemp("asked"))
    return paif


def test_all_of_it_was_there_when_up_returned(everything: Paif, missing: dict[str, list[str]]) -> None:
    assert everything
    assert missing == {name: [] for name in ENVIRONMENTS}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_second_up_previews_no_change_and_makes_none(everything: Paif, name: str) -> None:
    said = everything("up", name, "--", "--expect-no-changes").stdout
    # The option judges the update only. A change is a line of its own, beside what is unchanged.
    [preview, update] = re.findall(r"^Resources:\n((?: +.+\n)+)", said, re.MULTILINE)
    assert re.fullmatch(r" +\d+ unchanged\n", preview)
    assert preview == update


def test_the_lab_with_all_four_stays_below_8_gib(everything: Paif) -> None:
    parts = json.loads(everything("lab", "status", "--json").stdout)
    total = sum(part["rss_bytes"] for part in parts.values())
    assert total < 8 << 30, f"{total / 2**30:.2f} GiB"


def test_both_license_paths_are_exercised(everything: Paif) -> None:
    modes = {name: everything.outputs(name)["environment"]["gpuMode"] for name in ENVIRONMENTS}
    assert set(modes.values()) == {"vgpu", "directpath"}


def test_directpath_mode_has_no_license_anywhere(everything: Paif) -> None:
    for name in ENVIRONMENTS:
        if everything.outputs(name)["environment"]["gpuMode"] != "directpath":
            continue
        # What goes in: the chart's own defaults, which come out, name a license that nobody gave.
        inputs = [each.get("inputs") for each in everything.export(name)["deployment"]["resources"]]
        state = json.dumps(inputs).lower()
        for word in ("licensingconfig", "client_configuration_token", "vgpu-license"):
            assert word not in state, f"{name}: {word}"


@pytest.mark.parametrize(("name", "replicas"), [("dev", 1), ("qa", 1), ("staging", 2), ("prod", 3)])
def test_endpoints_have_the_replicas_of_their_kind(everything: Paif, name: str, replicas: int) -> None:
    found = {
        each["inputs"]["spec"]["replicas"]
        for each in everything.export(name)["deployment"]["resources"]
        if each["type"].endswith(":ModelEndpoint") and each["custom"]
    }
    assert found == {replicas}


def test_destroying_prod_is_refused_and_destroys_nothing(everything: Paif) -> None:
    before = len(everything.export("prod")["deployment"]["resources"])
    answer = everything("destroy", "prod", check=False)
    assert answer.returncode == 1
    assert "protect" in answer.stdout + answer.stderr
    assert len(everything.export("prod")["deployment"]["resources"]) == before
    assert everything.outputs("prod")["database"]["host"]


def test_stopping_early_is_refused_where_it_would_delete(everything: Paif) -> None:
    answer = everything("up", "dev", "--until", "foundation", check=False)
    assert answer.returncode == 2
    assert "would delete" in answer.stderr
