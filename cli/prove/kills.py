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
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml

from cli.bench.scratch import copy_of_this_checkout, own_lab
from cli.engine.recovery.helm_releases import api_client
from cli.output.console import Failed
from providers.vcf.http import tls_context

PHASES = ("foundation", "data", "ai-services", "endpoints", "workstations", "clusters")
VICTIMS = ("engine", "plugin", "helm", "lab", "everything")
"""What is killed: the engine; one plugin; the plugin while Helm is at it; one part of the lab; whatever the run is."""

_ENVIRONMENT = "dev"
_COST_CENTRE = re.compile(r"(paif:costCentre: )(\S+)")
_RUN_SECONDS, _MOMENT_SECONDS = 1800, 600
_JITTER_SECONDS = 1.5
_TRIES, _SETTLES = 3, 3
_OURS = ("pulumi", "paif", "helm")
"""Field managers of what a run makes; the lab's operators have others."""
_SUPERVISOR = (
    "/api/v1/secrets",
    "/api/v1/configmaps",
    "/apis/vmoperator.vmware.com/v1alpha3/virtualmachines",
    "/apis/vmoperator.vmware.com/v1alpha3/virtualmachineservices",
    "/apis/cluster.x-k8s.io/v1beta1/clusters",
    "/apis/databases.dataservices.vmware.com/v1alpha1/postgresclusters",
    "/apis/pais.vmware.com/v1alpha1/paisconfigurations",
    "/apis/pais.vmware.com/v1alpha1/modelendpoints",
)
_GUEST = (
    "/api/v1/namespaces/gpu-operator/configmaps",
    "/apis/apps/v1/namespaces/gpu-operator/deployments",
    "/apis/nvidia.com/v1/clusterpolicies",
)
_RELEASES = "/api/v1/namespaces/gpu-operator/secrets?labelSelector=owner%3Dhelm"

Objects = dict[str, str]
"""Identities of objects by kind, namespace and name."""


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


class Scene:
    """A copy of this checkout with a lab and stacks of its own, and what can be seen of them."""

    def __init__(self, folder: Path) -> None:
        self.root, self.state, self._said = folder / "checkout", folder / ".paif", folder / "said"
        copy_of_this_checkout(self.root)
        self._variables = own_lab(self.state)
        self._file = self.root / "stacks" / f"Pulumi.{_ENVIRONMENT}.yaml"
        self._text = self._file.read_text(encoding="utf-8")
        self._changes = 0

    def paif(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run ``./paif``. Raises ``Failed`` when ``check`` and it fails."""
        return self._run([sys.executable, str(self.root / "paif"), *arguments], check)

    def pulumi(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run plain ``pulumi`` as a shell does after ``eval "$(./paif env)"``."""
        script = 'eval "$("$0" ./paif env)" && exec pulumi "$@" --stack dev --non-interactive'
        return self._run(["bash", "-c", script, sys.executable, *arguments], check)

    def _run(self, command: list[str], check: bool) -> subprocess.CompletedProcess[str]:
        try:
            answer = subprocess.run(
                command,
                cwd=self.root,
                env=self._variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=_RUN_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"{' '.join(command[2:5])} did not end within {_RUN_SECONDS} s") from None
        if check and answer.returncode:
            raise Failed(f"{' '.join(command[2:5])} ended with {answer.returncode}: {_end(answer.stdout)}")
        return answer

    def begin(self) -> subprocess.Popen[bytes]:
        """An `up` in a session of its own."""
        with self._said.open("wb") as said:
            return subprocess.Popen(
                [sys.executable, str(self.root / "paif"), "up", _ENVIRONMENT],
                cwd=self.root,
                env=self._variables,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    def said(self) -> str:
        """The end of what the last `up` that was begun has said."""
        return _end(self._said.read_text(encoding="utf-8", errors="replace"))

    def change(self, *, release: bool) -> str:
        """Change what nearly every resource carries, and with ``release`` what Helm installs; what to look for."""
        self._changes += 1
        found = f"cc-{5000 + self._changes}"
        text = _COST_CENTRE.sub(rf"\g<1>{found}", self._text)
        if release:
            # The branch of the host's driver; which build of it the chart names makes no difference here.
            driver = f"550.90.{self._changes:02}"
            text = text.replace("name: gpu\n", f"name: gpu\n      gpuOperator: {{driverVersion: {driver}}}\n", 1)
        self._file.write_text(text, encoding="utf-8")
        return found

    def resources(self) -> dict[str, dict[str, Any]]:
        """The stack's resources by URN, as its checkpoint has them at this moment."""
        return {each["urn"]: each for each in self._checkpoint().get("resources") or []}

    def pending(self) -> int:
        return len(self._checkpoint().get("pending_operations") or [])

    def _checkpoint(self) -> dict[str, Any]:
        file = self.state / "pulumi" / ".pulumi" / "stacks" / "paif" / f"{_ENVIRONMENT}.json"
        try:
            found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["checkpoint"].get("latest") or {}
        except (OSError, ValueError, KeyError):
            return {}
        return found

    def objects(self) -> Objects:
        """What runs have made in the Supervisor, in the guest cluster and in vCenter."""
        found: Objects = {}
        for config, paths in ((self._config("supervisor"), _SUPERVISOR), (self._config("vks-*-gpu"), _GUEST)):
            for path in paths if config else ():
                for each in _items(config, path):
                    metadata = each["metadata"]
                    managers = {entry.get("manager", "") for entry in metadata.get("managedFields", [])}
                    if any(manager.startswith(_OURS) for manager in managers):
                        kind = path.partition("?")[0].rsplit("/", 1)[-1]
                        found[f"{kind} {metadata.get('namespace', '')}/{metadata['name']}"] = metadata["uid"]
        return found

    def machines(self) -> list[str]:
        """Virtual machines of vCenter by namespace and name, doubles included."""
        ends = json.loads((self.state / "lab" / "endpoints.json").read_text(encoding="utf-8"))["vcenter"]
        token = (self.state / "lab" / "token").read_text(encoding="utf-8")
        context = tls_context(ends["ca"])
        with httpx.Client(verify=context, trust_env=False, timeout=30) as client:
            answer = client.get(f"https://{ends['server']}/lab/v1/vms", headers={"X-Lab-Token": token})
        return sorted(f"{each['namespace']}/{each['name']}" for each in answer.raise_for_status().json()["vms"])

    def releases(self) -> list[str]:
        """The status of every revision of the GPU Operator that Helm knows, in their order; none without a cluster."""
        config = self._config("vks-*-gpu")
        labels = [each["metadata"]["labels"] for each in (_items(config, _RELEASES) if config else [])]
        return [each["status"] for each in sorted(labels, key=lambda each: int(each["version"]))]

    def _config(self, name: str) -> Path | None:
        return next(iter((self.state / "lab" / "kubeconfig").glob(f"{name}.yaml")), None)

    def parts(self) -> dict[str, int]:
        """The processes of the lab's parts by name, the daemon included."""
        found = json.loads(self.paif("lab", "status", "--json", check=False).stdout)
        return {name: each["pid"] for name, each in found.items() if each["pid"]}

    def close(self) -> None:
        """Stop the lab."""
        self.paif("lab", "down", check=False)


def _items(config: Path | None, path: str) -> list[dict[str, Any]]:
    """Objects below ``path``; none when the server does not answer, or does not know the kind."""
    try:
        text = (config or Path()).read_text(encoding="utf-8")
        with api_client(text, proxies=False, timeout=30) as client:
            answer = client.get(path)
            return list(answer.json()["items"]) if answer.is_success else []
    except (OSError, httpx.HTTPError, ValueError, KeyError, yaml.YAMLError):
        return []


def _end(said: str) -> str:
    told = ("error:", "paif:", "*", "~  ", "+  ", "-  ")
    lines = [line.strip() for line in said.splitlines() if line.strip().startswith(told)]
    return " / ".join(lines[-6:])[:600] or said.strip()[-300:]


class Kills:
    """Cases on one scene, one after another; what they draw depends on the seed alone."""

    def __init__(self, scene: Scene, seed: int) -> None:
        self._scene, self._drawn = scene, random.Random(seed)  # noqa: S311 - which moments are tried is no secret
        self._whole: Objects = {}
        self._machines: list[str] = []
        self._resources: dict[str, dict[str, Any]] = {}

    def prepare(self) -> None:
        """Bring the environment up, and remember what there is then. Raises ``Failed``."""
        self._scene.paif("up", _ENVIRONMENT)
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
                if process.wait(_RUN_SECONDS):
                    raise Failed(f"the run failed before anything was killed: {self._scene.said()}") from None
                continue
            process.wait(_RUN_SECONDS)
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
        after = self._scene.paif("up", _ENVIRONMENT, check=False)
        if after.returncode:
            wrong.append(f"the next run failed: {_end(after.stdout)}")
            # What comes after is judged from a whole environment again.
            self._scene.paif("up", _ENVIRONMENT, check=False)
        # Again where it has something to do: pulumi-kubernetes may keep the labels of before an update in the state,
        # killed or not (4.25; it reads them from the API server's cache, which can be behind).
        for number in range(_SETTLES):
            settled = self._scene.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes", check=False)
            if not settled.returncode:
                what += f", settled {number + 1} runs after that" if number else ""
                break
        else:
            wrong.append(f"the run after that had something to do: {_end(settled.stdout)}")
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
