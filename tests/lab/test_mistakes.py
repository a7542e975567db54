"""Configuration mistakes as a person meets them: all at once, each where it stands, and nothing is made."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from stacks.document import compose
from stacks.environment import from_text
from stacks.stackfile import StackFile, _Reader
from tests.lab.conftest import Paif


@dataclass(frozen=True)
class Mistake:
    """What is changed in dev's stack file, where that stands then (a piece of the line), and what is said of it."""

    good: str
    bad: str
    stands: str
    says: tuple[str, ...]


_LICENSE = "  paif:licenseToken:\n"
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
    Mistake("", "", "", ("paif:licenseToken: expected",)),
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
    start = text.index(_LICENSE)
    end = text.index("  paif:", start + len(_LICENSE))
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


_SCALARS = """
    7 0 -3 +5 007 08 0o17 0x1F -0x10 0b11 1_000 12345678901234567890123 99999999999999999999 2.0 1.50 .5 -.5 1e3
    1e6 1e21 1e999 1.2.3 1__0 0x 0b2 9_ yes no on off y N true True TRUE tRUE null Null ~ nULL "quoted" '08' "true" ""
    '' 2024-13-45 20240101 12:30 v1.32.0+vmware.6 a_b 1a !!str·5 !!int·5 !!float·5 !!bool·true
""".split()  # noqa: SIM905 - a list of so many would be a page


def _value(chance: random.Random, anchors: list[str], depth: int = 0) -> str:
    """A random value in flow style; `anchors` are mappings that it may name or merge."""
    kind = chance.random()
    if depth > 3 or kind < 0.5:
        return chance.choice(_SCALARS).replace("·", " ")
    if kind < 0.6 and anchors:
        return f"*{chance.choice(anchors)}"
    if kind < 0.75:
        return f"[{', '.join(_value(chance, anchors, depth + 1) for _ in range(chance.randint(1, 3)))}]"
    keys = chance.sample(["a", "b", "c", '"d"', "7"], chance.randint(1, 3))
    parts = [f"{key}: {_value(chance, anchors, depth + 1)}" for key in keys]
    if anchors and chance.random() < 0.6:
        several = [f"*{each}" for each in chance.sample(anchors, min(2, len(anchors)))]
        merged = f"<<: {several[0]} " if chance.random() < 0.5 else f'"<<": [{", ".join(several)}]'
        parts.insert(chance.randint(0, len(parts)), merged)
    return f"{{{', '.join(parts)}}}"


@pytest.mark.parametrize("seed", range(3))
def test_what_stands_in_a_stack_file_is_taken_as_the_engine_takes_it(checkout: Checkout, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - it must be the same again
    lines: list[str] = []
    anchors: list[str] = []
    for number in range(12):
        lines.append(
            f"x-{number}: &m{number} {{a{number}: {_value(chance, [])}, b: {_value(chance, list(anchors), 2)}}}"
        )
        anchors.append(f"m{number}")
    lines += ["config:", *(f"  paif:k{number}: {_value(chance, anchors)} " for number in range(150))]
    file = checkout.root / "stacks" / f"Pulumi.read{seed}.yaml"
    file.write_text("\n".join([*lines, ""]), encoding="utf-8")
    ours = _Reader(StackFile(file)).configuration(compose(file))
    answer = checkout(
        f'eval "$(./paif env dev)" && pulumi stack init read{seed} --no-select >/dev/null 2>&1; '
        f"pulumi config --stack read{seed} --json"
    )
    assert answer.returncode == 0, answer.stderr
    taken = {key.removeprefix("paif:"): each["value"] for key, each in json.loads(answer.stdout).items()}
    assert ours == {key: from_text(key, text) for key, text in taken.items()}
    assert len(taken) == 150


def test_a_namespace_of_two_environments_is_found_by_check(checkout: Checkout) -> None:
    twin = checkout.root / "stacks" / "Pulumi.twin.yaml"
    shutil.copy(checkout.root / "stacks" / "Pulumi.qa.yaml", twin)
    answer = checkout("./paif check")
    assert answer.returncode == 2
    assert "Pulumi.twin.yaml" in answer.stderr
    assert "expected a namespace that no other environment uses; qa does" in answer.stderr
