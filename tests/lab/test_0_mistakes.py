"""Configuration mistakes as a person meets them: all at once, each where it stands, and nothing is made."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.conftest import Paif


@dataclass(frozen=True)
class Mistake:
    """What is changed in dev's stack file, where that stands then (a piece of the line), and what is said of it."""

    good: str
    bad: str
    stands: str
    says: tuple[str, ...]


_LICENCE = "  paif:licenceToken:\n"
_MISTAKES = [
    Mistake("paif:owner:", "paif:ownr:", "paif:ownr", ("paif:ownr", "did you mean 'owner'")),
    Mistake(
        "name: vgpu-a100-20c, cpuCount: 8,",
        "name: vgpu-a100-20c, cpuCount: eight,",
        "cpuCount: eight",
        ("paif:vmClasses[0].cpuCount is 'eight'", "expected a whole number"),
    ),
    Mistake(
        "profile: grid_a100-40c",
        "profile: grid_a100-41c",
        "grid_a100-41c",
        ("paif:vmClasses[1].profile is 'grid_a100-41c'", "did you mean 'grid_a100-40c'"),
    ),
    Mistake(
        "owner: bob, persona: mlops-engineer",
        "owner: bob, persona: app-developer",
        "app-developer, class",
        ("paif:workstations[1].persona is 'app-developer'", "data-scientist or mlops-engineer"),
    ),
    Mistake(
        "name: acme-dev-ns-ai",
        "name: Acme_dev",
        "Acme_dev",
        ("paif:namespace.name is 'Acme_dev'", "expected a DNS label"),
    ),
    Mistake(
        "models/meta/llama",
        "models/Meta/llama",
        "models/Meta",
        ("paif:modelEndpoints[0].model.repository", "lower case"),
    ),
    Mistake(
        "  paif:database:\n    infrastructurePolicy: pai-infra\n",
        "  paif:database:\n    infrastructurePolicy: pai-infra\n    infrastructurePolicy: pai-infra\n",
        "",
        ("paif:database.infrastructurePolicy: expected each key once (line ",),
    ),
    # What is missing stands nowhere: it is told of the whole.
    Mistake("", "", "", ("paif:licenceToken: expected",)),
    Mistake("", "", "", ("paif:owner: expected a value",)),
]


@dataclass(frozen=True)
class Checkout:
    """A copy of this checkout with one more stack file, ``broken``, and a state directory of its own."""

    root: Path
    paif: Paif
    text: str

    def __call__(self, script: str) -> subprocess.CompletedProcess[str]:
        environment = {**self.paif.environment, "PAIF_STATE": str(self.root / ".paif")}
        return subprocess.run(
            ["bash", "-c", script], cwd=self.root, env=environment, capture_output=True, text=True, check=False
        )


@pytest.fixture(scope="module")
def checkout(paif: Paif, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    root = paif.elsewhere(tmp_path_factory.mktemp("mistakes")).root
    text = (root / "stacks" / "Pulumi.dev.yaml").read_text(encoding="utf-8")
    for mistake in _MISTAKES:
        assert mistake.good in text, mistake.good
        text = text.replace(mistake.good, mistake.bad, 1)
    start = text.index(_LICENCE)
    end = text.index("  paif:", start + len(_LICENCE))
    text = text[:start] + text[end:]
    (root / "stacks" / "Pulumi.broken.yaml").write_text(text, encoding="utf-8")
    return Checkout(root, paif, text)


def test_every_mistake_is_told_at_once_with_its_line_and_nothing_is_made(checkout: Checkout) -> None:
    answer = checkout("./paif up broken")
    assert answer.returncode == 2, answer.stdout + answer.stderr
    assert "Traceback" not in answer.stderr
    lines = checkout.text.splitlines()
    for mistake in _MISTAKES:
        [said] = [line for line in answer.stderr.splitlines() if mistake.says[0] in line]
        for part in mistake.says:
            assert part in said
        assert said.startswith("stacks/Pulumi.broken.yaml:")
        number = int(said.split(":")[1])
        assert mistake.stands in lines[number - 1]
    assert answer.stderr.count("stacks/Pulumi.broken.yaml:") == len(_MISTAKES)
    assert not (checkout.root / ".paif" / "lab").exists()
    assert not (checkout.root / ".paif" / "pulumi").exists()


_PLAIN = 'eval "$(./paif env dev)" && pulumi stack select --create broken --non-interactive && exec pulumi preview'


def test_plain_pulumi_refuses_a_key_that_stands_twice_by_itself(checkout: Checkout) -> None:
    answer = checkout(_PLAIN)
    assert answer.returncode
    assert 'mapping key "infrastructurePolicy" already defined' in answer.stderr


def test_plain_pulumi_gives_the_same_messages_by_property_path_and_fails(checkout: Checkout) -> None:
    twice = next(mistake for mistake in _MISTAKES if "each key once" in mistake.says[0])
    once = checkout.text.replace(twice.bad, twice.good)
    (checkout.root / "stacks" / "Pulumi.broken.yaml").write_text(once, encoding="utf-8")
    answer = checkout(f"{_PLAIN} --stack broken --non-interactive")
    said = answer.stdout + answer.stderr
    assert answer.returncode, said
    assert "Traceback" not in said
    for mistake in _MISTAKES:
        if mistake is not twice:
            for part in mistake.says:
                assert part in said
    state = json.loads(checkout('eval "$(./paif env dev)" && pulumi stack export --stack broken').stdout)
    assert not state["deployment"].get("resources")


def test_what_no_host_offers_is_told_at_its_line_and_nothing_is_made(paif: Paif, tmp_path: Path) -> None:
    there = paif.elsewhere(tmp_path)
    good = (there.root / "stacks" / "Pulumi.dev.yaml").read_text(encoding="utf-8")
    # Both are in the catalogue: only the hosts tell.
    bad = good.replace("grid_a100-40c", "grid_a100d-40c").replace("dlvmImage: dlvm-9.0.1", "dlvmImage: dlvm-9.0.2")
    bad = bad.replace("acme-dev-ns-ai", "acme-hostless-ns-ai")
    (there.root / "stacks" / "Pulumi.hostless.yaml").write_text(bad, encoding="utf-8")
    answer = there("up", "hostless", check=False)
    said = answer.stdout + answer.stderr
    assert answer.returncode == 2, said
    assert "Traceback" not in said
    lines = bad.splitlines()
    for place, expected in (
        ("profile: grid_a100d-40c", "(did you mean 'grid_a100-40c'?)"),
        ("dlvmImage: dlvm-9.0.2", "(did you mean 'dlvm-9.0.1-simulated'?)"),
    ):
        [told] = [line for line in answer.stderr.splitlines() if line.startswith("stacks/") and expected in line]
        assert place in lines[int(told.split(":")[1]) - 1]
    assert not there.export("hostless")["deployment"].get("resources")


def test_a_namespace_of_two_environments_is_found_by_check(checkout: Checkout) -> None:
    twin = checkout.root / "stacks" / "Pulumi.twin.yaml"
    shutil.copy(checkout.root / "stacks" / "Pulumi.qa.yaml", twin)
    answer = checkout("./paif check")
    assert answer.returncode == 2
    assert "Pulumi.twin.yaml" in answer.stderr
    assert "expected a namespace that no other environment uses; qa does" in answer.stderr
