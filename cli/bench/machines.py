"""``./paif bench``: up and preview of 1, 10 and 100 DLVMs, the toolkit and a raw program in turn."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml import YAML

import paif_catalog as catalog
from cli.bench.scratch import lab_configuration, scratch_project, write_yaml
from cli.engine import environ
from cli.engine.backend import PROJECT
from cli.engine.recovery import repair
from cli.engine.stack import Stack
from cli.labctl import daemon
from cli.output.console import Failed, say
from lab.process import die_with_parent
from lab.state import ROOT, state_directory

_HERE = Path(__file__).resolve().parent
_SAMPLE_SECONDS = 0.2
SIDES = ("toolkit", "raw")
_PROJECTS = {"toolkit": PROJECT, "raw": "paif-bench-raw"}
LIMIT = 1.2
"""What the toolkit may take of the raw program's time."""
# As long as real ones, on both sides: what a secret costs is part of the comparison.
_SECRETS = {"licenseToken": "x" * 400, "ngcApiKey": "x" * 80, "workstationPassword": "x" * 20}


@dataclass(frozen=True)
class Sample:
    """One run of one command: wall-clock seconds, and the most memory its processes held together (MiB)."""

    machines: int
    side: str
    command: str
    seconds: float
    peak_mib: float


@dataclass(frozen=True)
class Figure:
    """Medians of one command; ``ratio`` is the median of the pairwise ratios toolkit to raw."""

    machines: int
    command: str
    toolkit_seconds: float
    raw_seconds: float
    ratio: float
    toolkit_mib: float
    raw_mib: float


class _Peak(threading.Thread):
    """Watches the memory of a process and all below it, shared pages counted once."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._root = psutil.Process(pid)
        self._done = threading.Event()
        self.bytes = 0

    def run(self) -> None:
        while not self._done.wait(_SAMPLE_SECONDS):
            total = 0
            try:
                processes = [self._root, *self._root.children(recursive=True)]
            except psutil.Error:
                continue
            for each in processes:
                try:
                    total += each.memory_info().rss
                except psutil.Error:
                    continue
            self.bytes = max(self.bytes, total)

    def stop(self) -> float:
        self._done.set()
        self.join()
        return self.bytes / 2**20


class Bench:
    """Two scratch projects on the running lab; both are destroyed at the end, whatever happens."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lab = daemon.endpoints()
        self._environment = {**environ.full_environment(lab=True), "PAIF_ROOT": str(ROOT)}

    def prepare(self, machines: int) -> None:
        toolkit, raw = self._project("toolkit", machines), self._project("raw", machines)
        scratch_project(toolkit, self.stack(machines), self._stack_file(machines)["config"])
        (raw / "pulumi_resource_vcf").symlink_to(ROOT / "pulumi_resource_vcf")
        shutil.copyfile(_HERE / "raw_program.py", raw / "__main__.py")
        project = {
            "name": _PROJECTS["raw"],
            "runtime": "python",
            "plugins": {"providers": [{"name": "vcf", "path": "pulumi_resource_vcf"}]},
        }
        write_yaml(raw / "Pulumi.yaml", project)
        for side in SIDES:
            # One that was cut off left its stack; what is still on the lab carries its mark and is adopted.
            repair.reclaim(Stack(self.stack(machines), lab=True), _PROJECTS[side])
            with contextlib.suppress(Failed):
                self._pulumi(side, machines, "stack", "rm", "--yes", "--force", self.stack(machines))
            self._pulumi(side, machines, "stack", "init", self.stack(machines))
        stack = ("-s", self.stack(machines))
        for key, value in _SECRETS.items():
            self._pulumi("toolkit", machines, "config", "set", "--secret", f"paif:{key}", *stack, text=value)

    @staticmethod
    def stack(machines: int) -> str:
        return f"bench{machines}"

    def _project(self, side: str, machines: int) -> Path:
        path = self._folder / f"{side}-{machines}"
        path.mkdir(exist_ok=True)
        return path

    def _stack_file(self, machines: int) -> dict[str, Any]:
        config = lab_configuration()
        config["paif:namespace"] = {
            "name": f"bench-toolkit-{machines}",
            "storage": [{"policy": "pai-gold"}],
        }
        config["paif:vmClasses"] = [{"name": "a100-4c", "cpuCount": 8, "memoryGib": 32, "profile": "grid_a100-4c"}]
        config["paif:workstations"] = [
            {"name": f"w{index:03d}", "owner": "bench", "persona": "data-scientist", "class": "a100-4c"}
            for index in range(machines)
        ]
        return {"config": config}

    def _variables(self, machines: int) -> dict[str, str]:
        platform = catalog.baseline(lab_configuration().get("paif:platform"))
        waits = {
            kind: json.dumps(_paths(platform.condition(kind).wait_for))
            for kind in ("VirtualMachine", "VirtualMachineService")
        }
        image = YAML(typ="safe").load((ROOT / "stacks" / "Pulumi.dev.yaml").read_text(encoding="utf-8"))
        return {
            "PAIF_BENCH_MACHINES": str(machines),
            "PAIF_BENCH_VM_OPERATOR": platform.api_version("VirtualMachine"),
            "PAIF_BENCH_WAIT": waits["VirtualMachine"],
            "PAIF_BENCH_SERVICE_WAIT": waits["VirtualMachineService"],
            "PAIF_BENCH_SECRETS": json.dumps(_SECRETS),
            "PAIF_BENCH_LABELS": json.dumps(self._labels(machines)),
            "PAIF_BENCH_IMAGE": image["config"]["paif:content"]["dlvmImage"],
        }

    def _labels(self, machines: int) -> dict[str, str]:
        """What the toolkit labels a data scientist's machine with."""
        config = lab_configuration()
        facts = {key: str(config[f"paif:{key}"]) for key in ("organization", "owner", "costCenter")}
        facts |= {"environment": self.stack(machines), "persona": "data-scientist"}
        return {catalog.naming().labels[key]: value for key, value in facts.items()}

    def _pulumi(self, side: str, machines: int, *arguments: str, text: str | None = None) -> tuple[float, float]:
        started = time.monotonic()
        process = subprocess.Popen(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self._project(side, machines),
            env={**self._environment, **self._variables(machines)},
            stdin=subprocess.PIPE if text is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Killed from outside, this leaves no engine that goes on with what nobody reads.
            preexec_fn=lambda: die_with_parent(signal.SIGINT),  # noqa: PLW1509 - the thread that watches is over
        )
        peak = _Peak(process.pid)
        peak.start()
        try:
            output, _ = process.communicate(text)
        except SystemExit:
            process.send_signal(signal.SIGINT)
            process.wait()
            raise
        seconds = time.monotonic() - started
        memory = peak.stop()
        if process.returncode:
            raise Failed(
                f"bench: pulumi {' '.join(arguments[:2])} of {side} with {machines} DLVMs failed:\n{output[-3000:]}"
            )
        return seconds, memory

    def round(self, machines: int, number: int) -> list[Sample]:
        """Up, a preview without change, and destroy of both sides; which goes first alternates."""
        sides = SIDES if number % 2 == 0 else SIDES[::-1]
        stack = ("--stack", self.stack(machines))
        samples = []
        for command, arguments in (
            ("up", ("up", "--yes", "--skip-preview", *stack)),
            ("preview", ("preview", *stack, "--expect-no-changes")),
        ):
            for side in sides:
                seconds, memory = self._pulumi(side, machines, *arguments)
                samples.append(Sample(machines, side, command, seconds, memory))
        for side in sides:
            self._pulumi(side, machines, "destroy", "--yes", "--skip-preview", *stack)
        return samples

    def remove(self, machines: int) -> None:
        for side in SIDES:
            for arguments in (("destroy", "--yes", "--skip-preview"), ("stack", "rm", "--yes", "--force")):
                try:
                    self._pulumi(side, machines, *arguments, "--stack", self.stack(machines))
                except Failed as error:
                    say(str(error))


def figures(samples: list[Sample]) -> list[Figure]:
    """Medians by number of machines and command."""
    result = []
    for machines, command in dict.fromkeys((each.machines, each.command) for each in samples):
        chosen = [each for each in samples if (each.machines, each.command) == (machines, command)]
        toolkit = [each for each in chosen if each.side == "toolkit"]
        raw = [each for each in chosen if each.side == "raw"]
        result.append(
            Figure(
                machines,
                command,
                round(statistics.median(each.seconds for each in toolkit), 2),
                round(statistics.median(each.seconds for each in raw), 2),
                round(statistics.median(a.seconds / b.seconds for a, b in zip(toolkit, raw, strict=True)), 3),
                round(statistics.median(each.peak_mib for each in toolkit)),
                round(statistics.median(each.peak_mib for each in raw)),
            )
        )
    return result


def run(machines: list[int], rounds: int) -> list[Figure]:
    """Measure on this process's lab; LIMIT is the ratio that this project promises.

    Raises ``Failed`` when a run fails; nothing is left on the lab.
    """
    daemon.up(lab_configuration().get("paif:platform"))
    samples: list[Sample] = []
    (state_directory() / "run").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=state_directory() / "run") as folder:
        bench = Bench(Path(folder))
        for count in machines:
            bench.prepare(count)
            try:
                for number in range(rounds):
                    samples += bench.round(count, number)
                    say(f"bench: {count} DLVMs, round {number + 1} of {rounds} done")
            finally:
                bench.remove(count)
    return figures(samples)


def within_limit(results: list[Figure]) -> bool:
    """Whether every figure is within the limit."""
    return all(each.ratio <= LIMIT for each in results)


def as_json(results: list[Figure]) -> str:
    return json.dumps([asdict(each) for each in results])


def _paths(expressions: list[str]) -> list[str]:
    """Wait conditions as paths: of an object without conditions pulumi-kubernetes warns at a `condition=`."""
    found = []
    for each in expressions:
        name, _, status = each.removeprefix("condition=").partition("=")
        path = f'jsonpath={{.status.conditions[?(@.type=="{name}")].status}}={status or "True"}'
        found.append(path if each.startswith("condition=") else each)
    return found
