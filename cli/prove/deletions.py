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

from cli.engine import destructive_steps
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
    violations: tuple[str, ...]


def configuration(rng: random.Random, basics: dict[str, Any]) -> dict[str, Any]:
    """A random valid configuration of an environment: most of what a stack file can have, and leave out again."""
    config = {key: value for key, value in basics.items() if key != "paif:clusters"}
    config["paif:costCenter"] = rng.choice(["cc-1", "cc-2"])
    namespace = dict(config["paif:namespace"])
    namespace["accessList"] = namespace["accessList"][: rng.randint(1, 3)]
    if rng.random() < 0.4:
        namespace["storage"] = [*namespace["storage"], {"policy": "pai-gold"}]
    config["paif:namespace"] = namespace
    people = [each for each in config["paif:workstations"] if rng.random() < 0.6]
    config["paif:workstations"] = people
    endpoints = [each for each in config["paif:modelEndpoints"] if rng.random() < 0.6]
    config["paif:modelEndpoints"] = endpoints
    database, services = rng.random() < 0.8, rng.random() < 0.7
    if not (database and services):
        del config["paif:aiServices"]
        config["paif:modelEndpoints"] = []
    if not database:
        del config["paif:database"]
    elif rng.random() < 0.3:
        config["paif:database"] = {**config["paif:database"], "name": "other"}
    used = {each["class"] for each in [*config["paif:workstations"], *config["paif:modelEndpoints"]]}
    config["paif:vmClasses"] = [each for each in config["paif:vmClasses"] if each["name"] in used or rng.random() < 0.5]
    if rng.random() < 0.15:
        config["paif:clusters"] = [
            {"name": "gpu", "pools": [{"name": "cpu", "class": "best-effort-large", "replicas": rng.randint(1, 2)}]}
        ]
        config["paif:clusters"][0]["gpuOperator"] = {"enabled": False}
    return {key: value for key, value in config.items() if value != []}


class RandomWalk:
    """An environment that goes through random configurations."""

    def __init__(self, scratch: Scratch, seed: int) -> None:
        self._scratch, self._rng = scratch, random.Random(seed)  # noqa: S311 - these are trials, no secrets
        self._file = scratch.stack_file(_ENV)
        self._template: dict[str, Any] = YAML(typ="safe").load(self._file.read_text(encoding="utf-8"))

    def start(self) -> None:
        """Bring the first configuration up. Raises ``Failed``."""
        self._write(configuration(self._rng, self._template["config"]))
        self._scratch.paif("up", _ENV, check=True)

    def _write(self, config: dict[str, Any]) -> None:
        with self._file.open("w", encoding="utf-8") as stream:
            YAML(typ="safe").dump({**self._template, "config": config}, stream)

    def step(self, number: int, plan: Path) -> Step:
        """Go to another configuration. Raises ``Failed`` when its preview fails, which says nothing of deletions."""
        self._write(configuration(self._rng, self._template["config"]))
        self._scratch.paif("preview", _ENV, "--", "--save-plan", str(plan), check=True)
        steps = destructive_steps.plan_steps(plan)
        announced = {urn for urn, taken in steps.items() if taken & destructive_steps.DELETE_OPERATIONS}
        destructive = destructive_steps.in_plan(
            plan, lambda: {"deployment": {"resources": [*self._scratch.resources(_ENV).values()]}}
        )
        violations = [*self._check_unapproved(destructive)]
        failed = self._draw_failure(steps)
        if failed is not None:
            violations += self._check_failed_run(failed)
        approvals = [part for name in sorted({each.name for each in destructive}) for part in ("--allow-delete", name)]
        run = self._scratch.paif("up", _ENV, *approvals)
        if run.status:
            violations.append(f"up failed: {run.failure_summary}")
        deleted = set(run.subjects("Delete"))
        if unannounced := deleted - announced:
            violations.append(f"deleted and not announced: {', '.join(sorted(unannounced))}")
        return Step(number, len(announced), len(deleted), failed.name if failed else "", tuple(violations))

    def _check_unapproved(self, destructive: list[destructive_steps.DestructiveStep]) -> list[str]:
        if not destructive_steps.unapproved(destructive, ()):
            return []
        run = self._scratch.paif("up", _ENV, "--yes")
        violations = [] if run.status == 1 else [f"without leave it ended with {run.status}"]
        return violations + [f"deleted without leave: {each}" for each in run.subjects("Delete")]

    def _draw_failure(self, steps: dict[str, set[str]]) -> Case | None:
        """One of the planned creations and updates, with a way in which it fails."""
        candidates = [
            (method, urn)
            for urn, taken in sorted(steps.items())
            for method, step in (("Create", "create"), ("Update", "update"))
            if step in taken and _is_provider_resource(urn)
        ]
        if not candidates:
            return None
        method, urn = self._rng.choice(candidates)
        return Case(method, urn, self._rng.choice(["error", "not-ready", "cut"]))

    def _check_failed_run(self, case: Case) -> list[str]:
        run = self._scratch.pulumi(_ENV, "up", "--continue-on-error", case=case)
        violations = [f"deleted by a run that failed: {each}" for each in run.subjects("Delete")]
        if run.status == 0:
            violations.append(f"it ended with 0 though {case.name} failed")
        return violations


def _is_provider_resource(urn: str) -> bool:
    return not urn.rsplit("::", 2)[1].rsplit("$", 1)[-1].startswith(("paif:", "pulumi:"))


def prove(scratch: Scratch, folder: Path, *, pairs: int, seed: int, on_result: Callable[[Step], None]) -> list[Step]:
    """Walk through ``pairs`` pairs of configurations; ``on_result`` gets each. Raises ``Failed``."""
    walk, results = RandomWalk(scratch, seed), []
    walk.start()
    for number in range(1, pairs + 1):
        try:
            step = walk.step(number, folder / "plan.json")
        except Failed as error:
            step = Step(number, 0, 0, "", (str(error),))
        results.append(step)
        on_result(step)
    return results
