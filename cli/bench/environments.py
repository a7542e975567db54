"""``./paif bench environments``: how long the four environments take on a lab of its own, and how much memory."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cli.bench.scratch import isolated_lab_variables
from cli.output.console import Failed, say
from lab.state import ROOT

ENVIRONMENTS = ("dev", "qa", "staging", "prod")
_SECONDS, _GIB = "s", "GiB"


@dataclass(frozen=True)
class Measurement:
    """One figure, in seconds or GiB, and the most that is promised on a machine with 2 cores."""

    what: str
    value: float
    unit: str
    limit: float

    @property
    def within_limit(self) -> bool:
        return self.value <= self.limit


class _Lab:
    """This checkout's command in a state directory of its own, so that the user's lab and stacks stay as they are."""

    def __init__(self, state: Path) -> None:
        self._environment = isolated_lab_variables(state)

    def __call__(self, *arguments: str) -> tuple[float, str]:
        """Run ``./paif`` with these arguments; seconds, and what it printed. Raises ``Failed``."""
        say(f"bench: ./paif {' '.join(arguments)}")
        started = time.monotonic()
        answer = subprocess.run(
            [sys.executable, str(ROOT / "paif"), *arguments],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode:
            output = f"{answer.stdout[-2000:]}\n{answer.stderr[-2000:]}"
            raise Failed(f"bench: ./paif {' '.join(arguments)} ended with {answer.returncode}:\n{output}")
        return time.monotonic() - started, answer.stdout

    def memory_gib(self) -> float:
        """What all parts of the lab hold, shared pages counted once."""
        parts = json.loads(self("lab", "status", "--json")[1])
        return float(sum(part["rss_bytes"] for part in parts.values())) / 2**30


def run() -> Iterator[Measurement]:
    """Measure one figure after the other, everything from nothing but with tools that are there. Raises ``Failed``."""
    with tempfile.TemporaryDirectory(prefix="paif-bench-") as folder:
        paif = _Lab(Path(folder) / "state")
        try:
            yield from _figures(paif)
        finally:
            paif("lab", "down")


def _figures(paif: _Lab) -> Iterator[Measurement]:
    yield Measurement("up dev, from nothing, the lab down", paif("up", "dev")[0], _SECONDS, 180)
    yield _second_up(paif, "dev")
    yield Measurement("memory of the lab with dev", paif.memory_gib(), _GIB, 4)
    for name in ENVIRONMENTS[1:]:
        paif("up", name)
    yield Measurement("memory of the lab with all four environments", paif.memory_gib(), _GIB, 8)
    for name in ENVIRONMENTS[1:]:
        yield _second_up(paif, name)
    paif("lab", "down")
    yield Measurement("lab up, with all four environments in it", paif("lab", "up")[0], _SECONDS, 30)


def _second_up(paif: _Lab, name: str) -> Measurement:
    seconds, _ = paif("up", name, "--", "--expect-no-changes")
    return Measurement(f"up {name}, nothing to change", seconds, _SECONDS, 20)
