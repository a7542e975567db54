"""``./paif prove deletions``: what a run deletes was announced, for random pairs of configurations.

One environment goes from each random configuration to the next. For each step three things must hold:

- without leave by name, a step that takes away what holds data or serves people is refused, and nothing is deleted;
- a run in which one of the planned changes fails deletes nothing, through plain `pulumi up --continue-on-error`;
- `./paif up` with that leave deletes nothing but what its plan says.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from cli.engine import losses
from cli.output.console import Failed
from cli.prove.scratch import Case, Scratch

_ENV = "dev"


@dataclass(frozen=True)
class Step:
    """From one configuration to the next: how many deletions were announced and made, and what did not hold."""

    number: int
    announced: int
    deleted: int
    failed: str
    """The change that was made to fail, "" when the step had none that could."""
    wrong: tuple[str, ...]


def configuration(drawn: random.Random, basics: dict[str, Any]) -> dict[str, Any]:
    """A random valid configuration of an environment: most of what a stack file can have, and leave out again."""
    config = {key: value for key, value in basics.items() if key != "paif:clusters"}
    config["paif:costCentre"] = drawn.choice(["cc-1", "cc-2"])
    namespace = dict(config["paif:namespace"])
    namespace["accessList"] = namespace["accessList"][: drawn.randint(1, 3)]
    if drawn.random() < 0.4:
        namespace["storage"] = [*namespace["storage"], {"policy": "pai-gold"}]
    config["paif:namespace"] = namespace
    people = [each for each in config["paif:workstations"] if drawn.random() < 0.6]
    config["paif:workstations"] = people
    endpoints = [each for each in config["paif:modelEndpoints"] if drawn.random() < 0.6]
    config["paif:modelEndpoints"] = endpoints
    database, services = drawn.random() < 0.8, drawn.random() < 0.7
    if not (database and services):
        del config["paif:aiServices"]
        config["paif:modelEndpoints"] = []
    if not database:
        del config["paif:database"]
    elif drawn.random() < 0.3:
        config["paif:database"] = {**config["paif:database"], "name": "other"}
    used = {each["class"] for each in [*config["paif:workstations"], *config["paif:modelEndpoints"]]}
    config["paif:vmClasses"] = [
        each for each in config["paif:vmClasses"] if each["name"] in used or drawn.random() < 0.5
    ]
    if drawn.random() < 0.15:
        config["paif:clusters"] = [
            {"name": "gpu", "pools": [{"name": "cpu", "class": "best-effort-large", "replicas": drawn.randint(1, 2)}]}
        ]
        config["paif:clusters"][0]["gpuOperator"] = {"enabled": False}
    return {key: value for key, value in config.items() if value != []}


class Walk:
    """An environment that goes through random configurations."""

    def __init__(self, scratch: Scratch, seed: int) -> None:
        self._scratch, self._drawn = scratch, random.Random(seed)  # noqa: S311 - these are trials, no secrets
        self._file = scratch.stack_file(_ENV)
        self._whole: dict[str, Any] = YAML(typ="safe").load(self._file.read_text(encoding="utf-8"))

    def start(self) -> None:
        """Bring the first configuration up. Raises ``Failed``."""
        self._write(configuration(self._drawn, self._whole["config"]))
        self._scratch.paif("up", _ENV, check=True)

    def _write(self, config: dict[str, Any]) -> None:
        with self._file.open("w", encoding="utf-8") as stream:
            YAML(typ="safe").dump({**self._whole, "config": config}, stream)

    def step(self, number: int, plan: Path) -> Step:
        """Go to another configuration. Raises ``Failed`` when its preview fails, which says nothing of deletions."""
        self._write(configuration(self._drawn, self._whole["config"]))
        self._scratch.paif("preview", _ENV, "--", "--save-plan", str(plan), check=True)
        steps = losses.steps_of(plan)
        announced = {urn for urn, taken in steps.items() if taken & losses.DELETES}
        lost = losses.of_plan(plan, lambda: {"deployment": {"resources": [*self._scratch.resources(_ENV).values()]}})
        wrong = [*self._without_leave(lost)]
        failed = self._failing(steps)
        if failed is not None:
            wrong += self._with_a_failure(failed)
        leave = [part for name in sorted({each.name for each in lost}) for part in ("--allow-delete", name)]
        run = self._scratch.paif("up", _ENV, *leave)
        if run.status:
            wrong.append(f"up failed: {run.ending}")
        deleted = set(run.about("Delete"))
        if beyond := deleted - announced:
            wrong.append(f"deleted and not announced: {', '.join(sorted(beyond))}")
        return Step(number, len(announced), len(deleted), failed.name if failed else "", tuple(wrong))

    def _without_leave(self, lost: list[losses.Loss]) -> list[str]:
        if not losses.unasked(lost, ()):
            return []
        run = self._scratch.paif("up", _ENV, "--yes")
        wrong = [] if run.status == 1 else [f"without leave it ended with {run.status}"]
        return wrong + [f"deleted without leave: {each}" for each in run.about("Delete")]

    def _failing(self, steps: dict[str, set[str]]) -> Case | None:
        """One of the planned creations and updates, with a way in which it fails."""
        able = [
            (method, urn)
            for urn, taken in sorted(steps.items())
            for method, step in (("Create", "create"), ("Update", "update"))
            if step in taken and _is_a_providers(urn)
        ]
        if not able:
            return None
        method, urn = self._drawn.choice(able)
        return Case(method, urn, self._drawn.choice(["error", "not-ready", "cut"]))

    def _with_a_failure(self, case: Case) -> list[str]:
        run = self._scratch.pulumi(_ENV, "up", "--continue-on-error", case=case)
        wrong = [f"deleted by a run that failed: {each}" for each in run.about("Delete")]
        if run.status == 0:
            wrong.append(f"it ended with 0 though {case.name} failed")
        return wrong


def _is_a_providers(urn: str) -> bool:
    return not urn.rsplit("::", 2)[1].rsplit("$", 1)[-1].startswith(("paif:", "pulumi:"))


def prove(scratch: Scratch, folder: Path, *, pairs: int, seed: int, told: Callable[[Step], None]) -> list[Step]:
    """Walk through ``pairs`` pairs of configurations; ``told`` hears of each. Raises ``Failed``."""
    walk, found = Walk(scratch, seed), []
    walk.start()
    for number in range(1, pairs + 1):
        try:
            step = walk.step(number, folder / "plan.json")
        except Failed as error:
            step = Step(number, 0, 0, "", (str(error),))
        found.append(step)
        told(step)
    return found
