"""``./paif bench policy``: what the three packs add to a small preview, to one of 300 resources and to one of 1,000."""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.bench.scratch import lab_configuration, scratch_project
from cli.engine import environ
from cli.labctl import daemon
from cli.output.console import Failed, say
from cli.policy.packs import policy_pack_options
from lab.state import state_directory

SMALL, LARGE, LARGEST = 1, 73, 248
"""Workstations: 73 of them, each with what belongs to it, make 300 resources, and 248 a thousand."""
MAX_RATIO, MAX_SECONDS = 1.3, 1.0
"""What is promised: at most 30 % of the large preview, and at most 1 s of the small one. The largest is only shown."""

_SETTINGS: dict[str, dict[str, Any]] = {
    "naming-configuration": {"organization": "acme"},
    "licensing-configuration": {
        "licenses": {
            "nvaie": {"owned": [{"gpus": 1000, "ends": "2099-12-31"}]},
            "paifAddOn": {"owned": [{"cores": 896, "ends": "2099-12-31"}]},
        },
        "licenseTokenForm": "any",
    },
    "platform-configuration": {"hostDriver": {"branch": 550, "nvaieMajor": 5}},
}


@dataclass(frozen=True)
class Overhead:
    """A preview without and with the packs, in seconds: medians; `ratio` and `added` are medians over pairs."""

    resources: int
    without: float
    with_packs: float
    ratio: float
    added: float


class _Previews:
    """A scratch project of the toolkit's own program. It is only ever previewed: nothing is made on the lab."""

    def __init__(self, folder: Path, machines: int) -> None:
        self._folder, self._stack = folder, f"policy{machines}"
        self._environment = environ.full_environment(lab=True)
        self._settings = folder / "policies.json"
        config = lab_configuration()
        config["paif:namespace"] = {"name": f"acme-{self._stack}-ns-ai", "storage": [{"policy": "pai-gold"}]}
        gpu = {"name": "vgpu-a100-4c", "cpuCount": 8, "memoryGib": 32, "profile": "grid_a100-4c"}
        config["paif:vmClasses"] = [gpu]
        config["paif:workstations"] = [
            {"name": f"w{index:03d}", "owner": "bench", "persona": "data-scientist", "class": "vgpu-a100-4c"}
            for index in range(machines)
        ]
        folder.mkdir()
        scratch_project(folder, self._stack, config)
        self._settings.write_text(json.dumps(_SETTINGS), encoding="utf-8")
        self._pulumi("stack", "init", self._stack)
        for key in ("licenseToken", "ngcApiKey", "workstationPassword"):
            self._pulumi("config", "set", "--secret", f"paif:{key}", "-s", self._stack, text="x" * 80)

    def _pulumi(self, *arguments: str, text: str | None = None) -> str:
        answer = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self._folder,
            env=self._environment,
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode:
            detail = (answer.stderr + answer.stdout)[-3000:]
            raise Failed(f"bench policy: pulumi {' '.join(arguments[:2])} failed:\n{detail}")
        return answer.stdout

    def resources(self) -> int:
        """Resources of the preview, the stack itself and its providers among them."""
        return len(json.loads(self._pulumi("preview", "--stack", self._stack, "--json"))["steps"])

    def pair(self, number: int) -> tuple[float, float]:
        """Seconds of one preview without and one with the packs; which goes first alternates."""
        seconds = {}
        for packs in (False, True) if number % 2 == 0 else (True, False):
            more = policy_pack_options(self._settings) if packs else []
            started = time.monotonic()
            self._pulumi("preview", "--stack", self._stack, *more)
            seconds[packs] = time.monotonic() - started
        return seconds[False], seconds[True]

    def remove(self) -> None:
        self._pulumi("stack", "rm", "--yes", "--force", "--stack", self._stack)


def run(rounds: int = 5) -> list[Overhead]:
    """Measure on this process's lab, in pairs: the small preview, then the larger ones. Raises ``Failed``."""
    daemon.up(lab_configuration().get("paif:platform"))
    (state_directory() / "run").mkdir(parents=True, exist_ok=True)
    result = []
    with tempfile.TemporaryDirectory(dir=state_directory() / "run") as folder:
        for machines in (SMALL, LARGE, LARGEST):
            bench = _Previews(Path(folder) / str(machines), machines)
            try:
                resources = bench.resources()
                pairs = []
                for number in range(rounds):
                    pairs.append(bench.pair(number))
                    say(f"bench policy: {resources} resources, pair {number + 1} of {rounds} done")
            finally:
                bench.remove()
            result.append(_overhead(resources, pairs))
    return result


def _overhead(resources: int, pairs: list[tuple[float, float]]) -> Overhead:
    return Overhead(
        resources,
        round(statistics.median(without for without, _ in pairs), 2),
        round(statistics.median(packs for _, packs in pairs), 2),
        round(statistics.median(packs / without for without, packs in pairs), 3),
        round(statistics.median(packs - without for without, packs in pairs), 2),
    )


def within_limit(results: list[Overhead]) -> bool:
    """Whether the promise holds for the small and the large preview."""
    small, large, _ = results
    return small.added <= MAX_SECONDS and large.ratio <= MAX_RATIO
