"""One lab of its own for all lab tests: real engine, real API servers, in a state directory that is thrown away."""

from __future__ import annotations

import base64
import json
import signal
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from ruamel.yaml import YAML

from cli.bench.scratch import copy_checkout, isolated_lab_variables
from lab.process import die_with_parent

ROOT = Path(__file__).resolve().parent.parent.parent
_MINUTES = 60
_UP_SECONDS = 15 * _MINUTES


class Outputs(dict[str, Any]):
    """Outputs with secrets in the clear, which no failing test may print."""

    def __repr__(self) -> str:
        return f"<outputs {', '.join(self)}>"

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        return Outputs(value) if isinstance(value, dict) else value

    def values(self) -> Any:
        """The values, as guarded as the whole."""
        return [self[key] for key in self]


@dataclass
class Paif:
    """The toolkit as a person uses it: its commands, in the tests' own state directory."""

    state: Path
    environment: dict[str, str] = field(repr=False)
    printed: list[str] = field(default_factory=list, repr=False)
    root: Path = ROOT
    """The checkout whose code and stack files are used."""
    _shell: tuple[bool, str] | None = field(default=None, init=False, repr=False)
    _as_it_should: dict[str, str] = field(default_factory=dict, init=False, repr=False)
    """By environment, its checkpoint when `up` had last brought it to what its stack file says."""

    def elsewhere(self, folder: Path) -> Paif:
        """The toolkit in a copy of this checkout whose files a test may change, on the same lab and stacks."""
        copy_checkout(folder)
        return replace(self, root=folder)

    def __call__(
        self, *arguments: str, check: bool = True, extra: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run ``./paif`` with these arguments; its output is kept for the search for secrets."""
        answer = self._run([str(self.root / "paif"), *arguments], check=check, extra=extra)
        plain = arguments[0] == "up" and set(arguments[2:]) <= {"--", "--expect-no-changes"} and self.root == ROOT
        if plain and not answer.returncode:
            self.settled(arguments[1])
        return answer

    def having(self, env: str) -> None:
        """Have an environment up as its stack file says; cheap when no run has written its state since it was.

        Whoever changes something beside every run says so (``by_hand``).
        """
        if self._checkpoint(env) and self._as_it_should.get(env) == self._checkpoint(env):
            self("lab", "up")
        else:
            self("up", env)

    def by_hand(self, env: str) -> None:
        """An environment is being changed by no run: ``having`` it takes an `up`."""
        self._as_it_should.pop(env, None)

    def settled(self, env: str) -> None:
        """A test has seen, by other means than `up`, that an environment is as its stack file says."""
        self._as_it_should[env] = self._checkpoint(env)

    def without(self, *envs: str) -> None:
        """Have the lab up without these environments; cheap when they are not there."""
        self("lab", "up")
        for env in envs:
            if '"urn"' in self._checkpoint(env):
                self("destroy", env)

    def _checkpoint(self, env: str) -> str:
        """The environment's state as the backend keeps it; "" when there is none."""
        try:
            return (self.state / "pulumi" / ".pulumi" / "stacks" / "paif" / f"{env}.json").read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def pulumi(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run plain ``pulumi`` as a shell would after ``eval "$(./paif env)"``."""
        script = 'eval "$SHELL_LINES" && exec pulumi "$@"'
        extra = {"SHELL_LINES": self._shell_lines()}
        return self._run(["bash", "-c", script, "pulumi", *arguments], check=check, extra=extra)

    def pulumi_in(
        self, folder: Path, *arguments: str, check: bool = True, extra: dict[str, str] | None = None, given: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run plain ``pulumi`` in another project, with ``given`` on its standard input."""
        script = 'eval "$SHELL_LINES" && cd "$FOLDER" && exec pulumi "$@" --non-interactive'
        values = {**(extra or {}), "SHELL_LINES": self._shell_lines(), "FOLDER": str(folder)}
        return self._run(["bash", "-c", script, "pulumi", *arguments], check=check, extra=values, given=given)

    def _shell_lines(self) -> str:
        """What ``./paif env`` prints, asked for once as a person's shell does, and again when a lab comes or goes."""
        lab = (self.state / "lab" / "trust.pem").exists()
        if self._shell is None or self._shell[0] is not lab:
            command = [str(self.root / "paif"), "env"]
            told = subprocess.run(
                command, cwd=self.root, env=self.environment, capture_output=True, text=True, check=True
            )
            self._shell = (lab, told.stdout)
        return self._shell[1]

    def _run(
        self, command: list[str], *, check: bool, extra: dict[str, str] | None, given: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        answer = subprocess.run(
            command,
            cwd=self.root,
            env={**self.environment, **(extra or {})},
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=_UP_SECONDS,
            preexec_fn=lambda: die_with_parent(signal.SIGINT),
        )
        self.printed.append(answer.stdout + answer.stderr)
        if check and answer.returncode:
            said = f"{answer.stdout[-3000:]}\n{answer.stderr[-3000:]}"
            pytest.fail(f"{' '.join(command[-4:])} ended with {answer.returncode}:\n{said}")
        return answer

    def outputs(self, env: str) -> Outputs:
        """The environment's outputs with secrets in the clear. Not kept in ``printed``: it was asked for."""
        answer = self("outputs", env, "--json", "--show-secrets")
        self.printed.pop()
        return Outputs(json.loads(answer.stdout))

    def export(self, env: str) -> dict[str, Any]:
        result: dict[str, Any] = json.loads(self.pulumi("stack", "export", "--stack", env).stdout)
        return result

    def endpoints(self) -> dict[str, Any]:
        """What the lab offers, secrets included."""
        result: dict[str, Any] = json.loads((self.state / "lab" / "endpoints.json").read_text(encoding="utf-8"))
        return result


def api_client(kubeconfig: str, folder: Path) -> httpx.Client:
    """A client of a Kubernetes API server with the client certificate of a kubeconfig."""
    config = YAML(typ="safe").load(kubeconfig)
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    pair = folder / "pair.pem"
    pair.touch(0o600)
    try:
        pair.write_bytes(base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"]))
        context.load_cert_chain(pair)
    finally:
        pair.unlink()
    return httpx.Client(base_url=cluster["server"], verify=context, trust_env=False, timeout=30)


def changes(answer: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """The counts of a run that was made with ``--json``; what stays and what is only read is left out."""
    summary: dict[str, int] = json.loads(answer.stdout)["changeSummary"]
    return {kind: count for kind, count in summary.items() if kind not in {"same", "read"} and count}


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 300) -> None:
    """Poll ``condition``; the wait is bounded and its length proves nothing."""
    event = threading.Event()
    for _ in range(int(seconds / 0.1)):
        if condition():
            return
        event.wait(0.1)
    pytest.fail(f"{what}: it did not happen")


@pytest.fixture(scope="session")
def paif(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paif]:
    """The toolkit with a state directory of its own; the lab is stopped at the end, whatever happened."""
    state = tmp_path_factory.mktemp("lab") / ".paif"
    toolkit = Paif(state, isolated_lab_variables(state))
    yield toolkit
    toolkit("lab", "down", check=False)


GROUPS: dict[str, tuple[str, ...]] = {
    "cut-off runs": ("cut_off_runs",),
    "failures": ("failures",),
    "four environments": ("environments", "secrets", "states_of_before", "destroy"),
    "drift": ("drift",),
    "rotation": ("rotation",),
    "killed lab": ("killed_lab",),
    "dev": ("mistakes", "preflight", "dev", "readiness"),
    "documents": ("documents",),
    "examples": ("examples",),
    "machines": ("machines", "vsphere"),
    "adoption": ("adoption", "charts"),
    "promotion": ("plans", "policies", "everyday"),
    "beside dev": ("target_vcf", "databases", "contents", "interrupted"),
    "admission": ("cluster_admission", "machine_admission"),
}
"""All that is said of the order of lab tests: files by group, the longest group first.

On several processes a group stays on one of them, in the order given here, and whoever is through takes the next one;
so none may take much more than a third of the whole. In one process the groups follow each other. Every test makes
sure of what it needs (``Paif.having``, ``Paif.without``): the order saves time and is needed by none. A file of no
group has one of its own, after these.
"""


def _place(item: pytest.Item) -> tuple[int, int]:
    """Where a lab test's file comes: its group, and its place in it."""
    name = item.path.stem.removeprefix("test_")
    for number, files in enumerate(GROUPS.values()):
        if name in files:
            return number, files.index(name)
    return len(GROUPS), 0


def _group(item: pytest.Item) -> str:
    name = item.path.stem.removeprefix("test_")
    return next((group for group, files in GROUPS.items() if name in files), name)


@pytest.hookimpl(tryfirst=True)  # xdist reads the marks in a hook of the same name
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Lab tests come in the order of their groups: first where others fill the gaps, last in one process."""
    ours = [item for item in items if "tests/lab/" in str(item.path)]
    ours.sort(key=lambda item: (*_place(item), _group(item)))
    for item in ours:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    rest = [item for item in items if item not in ours]
    items[:] = [*ours, *rest] if hasattr(config, "workerinput") else [*rest, *ours]
