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
from cli.prove.scene import ENVIRONMENT, RUN_SECONDS, Objects, Scene, end_of

PHASES = ("foundation", "data", "ai-services", "endpoints", "workstations", "clusters")
VICTIMS = ("engine", "plugin", "helm", "lab", "everything")
"""What is killed: the engine; one plugin; the plugin while Helm is at it; one part of the lab; whatever the run is."""

_MOMENT_SECONDS = 600
_JITTER_SECONDS = 1.5
_TRIES, _SETTLES = 3, 3


@dataclass(frozen=True)
class Kill:
    """What came of one kill; `wrong` tells what did not hold, and is empty when all did."""

    phase: str
    victim: str
    what: str
    pending: int
    duplicates: int
    deletions: int
    wrong: tuple[str, ...]

    @property
    def held(self) -> bool:
        return not self.wrong


class Missed(Exception):  # noqa: N818 - an event that the caller answers
    """The run was over before there was anything to kill."""


class Kills:
    """Cases on one scene, one after another; what they draw depends on the seed alone."""

    def __init__(self, scene: Scene, seed: int) -> None:
        self._scene, self._drawn = scene, random.Random(seed)  # noqa: S311 - which moments are tried is no secret
        self._whole: Objects = {}
        self._machines: list[str] = []
        self._resources: dict[str, dict[str, Any]] = {}

    def prepare(self) -> None:
        """Bring the environment up, and remember what there is then. Raises ``Failed``."""
        self._scene.paif("up", ENVIRONMENT)
        self._whole, self._machines = self._scene.objects(), self._scene.machines()
        self._resources = self._scene.resources()

    def try_one(self, phase: str, victim: str) -> Kill:
        """Kill once in the middle of a phase, and judge what comes of it. Raises ``Failed`` when no moment is met."""
        for _ in range(_TRIES):
            made = self._drawn.random() < 0.5
            token = self._take_away(phase) if made else self._scene.change(release=phase == "clusters")
            before = self._scene.objects()
            share, jitter, which = self._drawn.random(), self._drawn.random() * _JITTER_SECONDS, self._drawn.random()
            process = self._scene.begin()
            try:
                killed = self._kill(process, phase, victim, token, share, jitter, which)
            except Missed:
                if process.wait(RUN_SECONDS):
                    raise Failed(f"the run failed before anything was killed: {self._scene.said()}") from None
                continue
            process.wait(RUN_SECONDS)
            what = f"{killed}, {'made' if made else 'changed'}"
            return self._judged(phase, victim, what, before)
        raise Failed(f"the run was over {_TRIES} times before anything could be killed")

    def _of(self, phase: str) -> list[str]:
        """URNs of the phase's resources that a provider makes, when everything is whole."""
        return [
            urn
            for urn, each in self._resources.items()
            if f"::paif:phase:{phase}$" in urn and each.get("custom") and ":providers:" not in each["type"]
        ]

    def _take_away(self, phase: str) -> str:
        """Remove the phase's resources and what needs them, as somebody who means it does."""
        there = self._scene.resources()
        targets = [part for urn in self._of(phase) if urn in there for part in ("--target", urn)]
        if targets:
            self._scene.pulumi("destroy", "--yes", "--skip-preview", "--target-dependents", *targets)
        return ""

    def _kill(
        self,
        process: subprocess.Popen[bytes],
        phase: str,
        victim: str,
        token: str,
        share: float,
        jitter: float,
        which: float,
    ) -> str:
        """Wait for the moment and kill; what was killed. Raises ``Missed``."""
        urns = self._of(phase)
        wanted = int(share * len(urns))

        def met() -> bool:
            if _engine(process) is None:
                return False
            if victim == "helm":
                return any(each.startswith("pending-") for each in self._scene.releases())
            there = self._scene.resources()
            done = [urn for urn in urns if urn in there and token in json.dumps(there[urn].get("inputs") or {})]
            return len(done) >= min(wanted, len(urns) - 1)

        pause = threading.Event()
        for _ in range(int(_MOMENT_SECONDS / 0.1)):
            if process.poll() is not None:
                raise Missed
            if met():
                break
            pause.wait(0.1)
        else:
            raise Missed
        pause.wait(jitter)
        found = self._victims(process, victim, which)
        if process.poll() is not None or not found:
            raise Missed
        names = sorted({" ".join(Path(part).name for part in _command(each)[:2]) for each in found})
        for each in found:
            try:
                each.kill()
            except psutil.Error:
                continue
        return "everything" if victim == "everything" else ", ".join(names)

    def _victims(self, process: subprocess.Popen[bytes], victim: str, which: float) -> list[psutil.Process]:
        if victim == "lab":
            parts = sorted(self._scene.parts().items())
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
        plugins = sorted((each for each in below if _called(each).startswith("pulumi-resource")), key=lambda p: p.pid)
        if victim == "helm":
            return [each for each in plugins if "kubernetes" in " ".join(_command(each))]
        return [plugins[int(which * len(plugins))]] if plugins else []

    def _judged(self, phase: str, victim: str, what: str, before: Objects) -> Kill:
        wrong: list[str] = []
        after = self._scene.paif("up", ENVIRONMENT, check=False)
        if after.returncode:
            wrong.append(f"the next run failed: {end_of(after.stdout)}")
            # What comes after is judged from a whole environment again.
            self._scene.paif("up", ENVIRONMENT, check=False)
        # Again where it has something to do: pulumi-kubernetes may keep the labels of before an update in the state,
        # killed or not (4.25; it reads them from the API server's cache, which can be behind).
        for number in range(_SETTLES):
            settled = self._scene.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes", check=False)
            if not settled.returncode:
                what += f", settled {number + 1} runs after that" if number else ""
                break
        else:
            wrong.append(f"the run after that had something to do: {end_of(settled.stdout)}")
        pending = self._scene.pending()
        now = self._scene.objects()
        twice = list(self._doubles(now))
        gone = [name for name, uid in before.items() if now.get(name) != uid]
        missing = [name for name in self._whole if name not in now]
        if pending:
            wrong.append(f"{pending} operations are pending")
        if twice:
            wrong.append(f"there twice, or beside what should be: {', '.join(twice)}")
        if gone:
            wrong.append(f"deleted or made anew on the way: {', '.join(gone)}")
        if missing:
            wrong.append(f"not there: {', '.join(missing)}")
        return Kill(phase, victim, what, pending, len(twice), len(gone), tuple(wrong))

    def _doubles(self, now: Objects) -> Iterator[str]:
        yield from (name for name in now if name not in self._whole)
        machines = self._scene.machines()
        yield from sorted({each for each in machines if machines.count(each) > 1})
        if len(machines) > len(self._machines):
            yield f"{len(machines)} machines instead of {len(self._machines)}"
        deployed = self._scene.releases().count("deployed")
        if deployed != 1:
            yield f"{deployed} deployed revisions of one release"


def _engine(process: subprocess.Popen[bytes]) -> psutil.Process | None:
    """The engine of the run itself, not that of its preview."""
    try:
        below = psutil.Process(process.pid).children(recursive=True)
    except psutil.Error:
        return None
    return next((each for each in below if _called(each) == "pulumi" and "up" in _command(each)), None)


def _called(process: psutil.Process) -> str:
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
    scene: Scene,
    phases: Iterable[str],
    victims: Iterable[str],
    *,
    kills: int,
    seed: int,
    told: Callable[[Kill], None],
) -> list[Kill]:
    """``kills`` kills in each phase, what is killed in turn; ``told`` hears of each. Raises ``Failed``."""
    cases, found = Kills(scene, seed), []
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
                kill = cases.try_one(phase, victim)
            except Failed as error:
                kill = Kill(phase, victim, "", 0, 0, 0, (str(error),))
            found.append(kill)
            told(kill)
    return found
