"""``./paif prove kills``: kill -9 at random moments of every phase, and the next run makes it whole.

A case takes a phase's resources away, or changes what they carry, begins a run and kills something in the middle of it,
once a drawn number of the phase's resources are there and a drawn part of a second has passed. Then must hold:

- the next run ends well, and the one after it has nothing to change, or one of the two that follow it;
- no operation is pending;
- nothing is there twice, or beside what was there when everything was whole;
- what the killed run had not touched is the same object as before: nothing was deleted on the way.

Everything is real but what the lab simulates. The runs are `./paif up`, since plain `pulumi` clears nothing up.
"""

from __future__ import annotations

import json
import random
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from cli.output.console import Failed
from cli.prove.sandbox import ENVIRONMENT, RUN_SECONDS, Objects, Sandbox, summarize_output

PHASES = ("foundation", "data", "ai-services", "endpoints", "workstations", "clusters")
VICTIMS = ("engine", "plugin", "helm", "lab", "everything")
"""What is killed: the engine; one plugin; the plugin while Helm is at it; one part of the lab; whatever the run is."""

_WAIT_SECONDS = 600
_JITTER_SECONDS = 1.5
_MAX_ATTEMPTS, _MAX_SETTLING_RUNS = 3, 3


@dataclass(frozen=True)
class Kill:
    """What came of one kill; `violations` tell what did not hold, and are empty when all did."""

    phase: str
    victim: str
    what: str
    pending: int
    duplicates: int
    deletions: int
    violations: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.violations


class NothingToKill(Exception):  # noqa: N818 - an event that the caller answers
    """The run was over before there was anything to kill."""


class Kills:
    """Cases on one scene, one after another; what they draw depends on the seed alone."""

    def __init__(self, sandbox: Sandbox, seed: int) -> None:
        self._sandbox, self._rng = sandbox, random.Random(seed)  # noqa: S311 - which moments are tried is no secret
        self._expected_objects: Objects = {}
        self._machines: list[str] = []
        self._resources: dict[str, dict[str, Any]] = {}

    def prepare(self) -> None:
        """Bring the environment up, and remember what there is then. Raises ``Failed``."""
        self._sandbox.paif("up", ENVIRONMENT)
        self._expected_objects, self._machines = self._sandbox.objects(), self._sandbox.machines()
        self._resources = self._sandbox.resources()

    def run_case(self, phase: str, victim: str) -> Kill:
        """Kill once in the middle of a phase, and judge what comes of it. Raises ``Failed`` when no moment is met."""
        for _ in range(_MAX_ATTEMPTS):
            create = self._rng.random() < 0.5
            changed_text = self._destroy_phase(phase) if create else self._sandbox.change(release=phase == "clusters")
            before = self._sandbox.objects()
            share, jitter, which = self._rng.random(), self._rng.random() * _JITTER_SECONDS, self._rng.random()
            process = self._sandbox.start_up()
            try:
                killed = self._kill(process, phase, victim, changed_text, share, jitter, which)
            except NothingToKill:
                if process.wait(RUN_SECONDS):
                    raise Failed(f"the run failed before anything was killed: {self._sandbox.output_tail()}") from None
                continue
            process.wait(RUN_SECONDS)
            what = f"{killed}, {'made' if create else 'changed'}"
            return self._evaluate(phase, victim, what, before)
        raise Failed(f"the run was over {_MAX_ATTEMPTS} times before anything could be killed")

    def _phase_urns(self, phase: str) -> list[str]:
        """URNs of the phase's resources that a provider makes, when everything is whole."""
        return [
            urn
            for urn, each in self._resources.items()
            if f"::paif:phase:{phase}$" in urn and each.get("custom") and ":providers:" not in each["type"]
        ]

    def _destroy_phase(self, phase: str) -> str:
        """Remove the phase's resources and what needs them, as somebody who means it does."""
        existing = self._sandbox.resources()
        targets = [part for urn in self._phase_urns(phase) if urn in existing for part in ("--target", urn)]
        if targets:
            self._sandbox.pulumi("destroy", "--yes", "--skip-preview", "--target-dependents", *targets)
        return ""

    def _kill(
        self,
        process: subprocess.Popen[bytes],
        phase: str,
        victim: str,
        changed_text: str,
        share: float,
        jitter: float,
        which: float,
    ) -> str:
        """Wait for the moment and kill; what was killed. Raises ``NothingToKill``."""
        urns = self._phase_urns(phase)
        threshold = int(share * len(urns))

        def met() -> bool:
            if _engine(process) is None:
                return False
            if victim == "helm":
                return any(each.startswith("pending-") for each in self._sandbox.releases())
            existing = self._sandbox.resources()
            done = [
                urn for urn in urns if urn in existing and changed_text in json.dumps(existing[urn].get("inputs") or {})
            ]
            return len(done) >= min(threshold, len(urns) - 1)

        pause = threading.Event()
        for _ in range(int(_WAIT_SECONDS / 0.1)):
            if process.poll() is not None:
                raise NothingToKill
            if met():
                break
            pause.wait(0.1)
        else:
            raise NothingToKill
        pause.wait(jitter)
        processes = self._victims(process, victim, which)
        if process.poll() is not None or not processes:
            raise NothingToKill
        names = sorted({" ".join(Path(part).name for part in _command(each)[:2]) for each in processes})
        for each in processes:
            try:
                each.kill()
            except psutil.Error:
                continue
        return "everything" if victim == "everything" else ", ".join(names)

    def _victims(self, process: subprocess.Popen[bytes], victim: str, which: float) -> list[psutil.Process]:
        if victim == "lab":
            parts = sorted(self._sandbox.parts().items())
            return [psutil.Process(parts[int(which * len(parts))][1])] if parts else []
        try:
            below = psutil.Process(process.pid).children(recursive=True)
        except psutil.Error:
            return []
        if victim == "everything":
            return [psutil.Process(process.pid), *below]
        if victim == "engine":
            engine = _engine(process)
            return [engine] if engine else []
        plugins = sorted(
            (each for each in below if _process_name(each).startswith("pulumi-resource")), key=lambda p: p.pid
        )
        if victim == "helm":
            return [each for each in plugins if "kubernetes" in " ".join(_command(each))]
        return [plugins[int(which * len(plugins))]] if plugins else []

    def _evaluate(self, phase: str, victim: str, what: str, before: Objects) -> Kill:
        violations: list[str] = []
        next_run = self._sandbox.paif("up", ENVIRONMENT, check=False)
        if next_run.returncode:
            violations.append(f"the next run failed: {summarize_output(next_run.stdout)}")
            # What comes after is judged from a whole environment again.
            self._sandbox.paif("up", ENVIRONMENT, check=False)
        # Again where it has something to do: pulumi-kubernetes may keep the labels of before an update in the state,
        # killed or not (4.25; it reads them from the API server's cache, which can be behind).
        for number in range(_MAX_SETTLING_RUNS):
            settled = self._sandbox.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes", check=False)
            if not settled.returncode:
                what += f", settled {number + 1} runs after that" if number else ""
                break
        else:
            violations.append(f"the run after that had something to do: {summarize_output(settled.stdout)}")
        pending = self._sandbox.pending()
        objects = self._sandbox.objects()
        duplicates = list(self._duplicates(objects))
        recreated = [name for name, uid in before.items() if objects.get(name) != uid]
        missing = [name for name in self._expected_objects if name not in objects]
        if pending:
            violations.append(f"{pending} operations are pending")
        if duplicates:
            violations.append(f"there twice, or beside what should be: {', '.join(duplicates)}")
        if recreated:
            violations.append(f"deleted or made anew on the way: {', '.join(recreated)}")
        if missing:
            violations.append(f"not there: {', '.join(missing)}")
        return Kill(phase, victim, what, pending, len(duplicates), len(recreated), tuple(violations))

    def _duplicates(self, objects: Objects) -> Iterator[str]:
        yield from (name for name in objects if name not in self._expected_objects)
        machines = self._sandbox.machines()
        yield from sorted({each for each in machines if machines.count(each) > 1})
        if len(machines) > len(self._machines):
            yield f"{len(machines)} machines instead of {len(self._machines)}"
        deployed = self._sandbox.releases().count("deployed")
        if deployed != 1:
            yield f"{deployed} deployed revisions of one release"


def _engine(process: subprocess.Popen[bytes]) -> psutil.Process | None:
    """The engine of the run itself, not that of its preview."""
    try:
        below = psutil.Process(process.pid).children(recursive=True)
    except psutil.Error:
        return None
    return next((each for each in below if _process_name(each) == "pulumi" and "up" in _command(each)), None)


def _process_name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.Error:
        return ""


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def prove(
    sandbox: Sandbox,
    phases: Iterable[str],
    victims: Iterable[str],
    *,
    kills: int,
    seed: int,
    on_result: Callable[[Kill], None],
) -> list[Kill]:
    """``kills`` kills in each phase, what is killed in turn; ``on_result`` gets each. Raises ``Failed``."""
    cases, results = Kills(sandbox, seed), []
    cases.prepare()
    phases, victims = list(phases), list(victims)
    # One of each phase after another: a proof that is stopped early has tried them all.
    for number in range(kills):
        for place, phase in enumerate(phases):
            possible = [each for each in victims if each != "helm" or phase == "clusters"]
            if not possible:
                continue
            victim = possible[(number + place) % len(possible)]
            try:
                kill = cases.run_case(phase, victim)
            except Failed as error:
                kill = Kill(phase, victim, "", 0, 0, 0, (str(error),))
            results.append(kill)
            on_result(kill)
    return results
