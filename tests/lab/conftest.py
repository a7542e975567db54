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

from cli.bench.scratch import copy_of_this_checkout, own_lab
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

    def elsewhere(self, folder: Path) -> Paif:
        """The toolkit in a copy of this checkout whose files a test may change, on the same lab and stacks."""
        copy_of_this_checkout(folder)
        return replace(self, root=folder)

    def __call__(
        self, *arguments: str, check: bool = True, extra: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run ``./paif`` with these arguments; its output is kept for the search for secrets."""
        return self._run([str(self.root / "paif"), *arguments], check=check, extra=extra)

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
    toolkit = Paif(state, own_lab(state))
    yield toolkit
    toolkit("lab", "down", check=False)


_OF_THEIR_OWN = {
    "test_1_plans": "runs",
    "test_3_secrets": "runs",
    "test_4_drift": "drift",
    "test_4_resilience": "runs",
    "test_5_admission": "machines",
    "test_5_adoption": "machines",
    "test_5_contents": "machines",
    "test_5_databases": "machines",
    "test_5_everyday": "machines",
    "test_5_examples": "examples",
    "test_5_interrupted": "machines",
    "test_5_machines": "machines",
    "test_5_rotation": "machines",
    "test_5_target_vcf": "machines",
    "test_5_vm_admission": "machines",
    "test_5_vsphere": "machines",
    "test_7_documents": "documents",
}
"""Files whose tests make what they need themselves, by group; all others need what those before them have made."""


@pytest.hookimpl(tryfirst=True)  # xdist reads the marks in a hook of the same name
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Lab tests run in the order in which an environment lives: up, used, changed, broken, destroyed."""
    ours = [item for item in items if "tests/lab/" in str(item.path)]
    ours.sort(key=lambda item: item.path.name)
    for item in ours:
        # In a run on several processes each group stays together and in order, with a lab of its own.
        item.add_marker(pytest.mark.xdist_group(_OF_THEIR_OWN.get(item.path.stem, "environments")))
    rest = [item for item in items if item not in ours]
    items[:] = [*rest, *ours]
