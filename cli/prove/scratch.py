"""A checkout, a lab and stacks of their own, in which ``./paif prove`` makes things fail."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.bench.scratch import copy_checkout, isolated_lab_variables
from cli.engine import environ
from cli.output.console import Failed
from cli.prove.fault_proxy import Fault
from lab.state import ROOT

REFUSED = "refused"
"""How a resource fails that a policy pack refuses during `up`; the other ways are those of ``fault_proxy``."""

_PLUGINS = "cli/prove/plugins"


@dataclass(frozen=True)
class Case:
    """One failure: a provider's `method` about `what`, a URN or a function with its arguments, and `how` it fails."""

    method: str
    what: str
    how: str

    @property
    def name(self) -> str:
        """What fails, short: kind and name of a resource, or the function and what it asks for."""
        if self.method == "Invoke":
            function, _, arguments = self.what.partition(" ")
            inputs = json.loads(arguments or "{}")
            return f"{function.rsplit(':', 1)[-1]} {inputs.get('name') or inputs.get('cluster') or ''}".strip()
        return f"{kind_of(self.what)} {self.what.rsplit('::', 1)[-1]}"


@dataclass
class Run:
    """How a command ended, what it printed, and the calls that its providers got."""

    status: int
    output: str = field(repr=False)
    calls: list[dict[str, Any]] = field(repr=False)

    @property
    def failed_calls(self) -> int:
        return sum(bool(each["failed"]) for each in self.calls)

    @property
    def failure_summary(self) -> str:
        """Why it failed, as far as it fits a line."""
        lines = [line.strip() for line in self.output.splitlines() if "error:" in line or line.startswith("paif:")]
        return " / ".join(lines[:3])[:400] or self.output.strip()[-200:]

    def subjects(self, method: str, *, previews: bool = False) -> list[str]:
        """What the calls of a method were about, in order."""
        return [each["what"] for each in self.calls if each["method"] == method and each["preview"] == previews]


def kind_of(urn: str) -> str:
    """The kind in a URN, without its package."""
    return urn.rsplit("::", 2)[1].rsplit("$", 1)[-1].rsplit(":", 1)[-1]


class Scratch:
    """A copy of this checkout below ``folder`` whose plugins can be made to fail.

    Its lab and stacks are its own, or those of another state directory, ``state``.
    """

    def __init__(self, folder: Path, state: Path | None = None) -> None:
        self.root, self.state = folder / "checkout", state or folder / ".paif"
        copy_checkout(self.root)
        (self.root / ".venv").symlink_to((ROOT / ".venv").resolve())
        project = self.root / "Pulumi.yaml"
        text = project.read_text(encoding="utf-8")
        proxies = f"path: {_PLUGINS}/vcf\n    - name: kubernetes\n      path: {_PLUGINS}/kubernetes\n"
        assert "path: pulumi_resource_vcf\n" in text  # noqa: S101 - the project's own file
        project.write_text(text.replace("path: pulumi_resource_vcf\n", proxies), encoding="utf-8")
        self._calls = folder / "calls.jsonl"
        self._variables = isolated_lab_variables(self.state)

    def stack_file(self, env: str) -> Path:
        return self.root / "stacks" / f"Pulumi.{env}.yaml"

    def paif(self, *arguments: str, case: Case | None = None, check: bool = False) -> Run:
        """Run ``./paif``. Raises ``Failed`` when ``check`` and it fails."""
        return self._run([sys.executable, str(self.root / "paif"), *arguments], case, {}, check)

    def pulumi(self, env: str, command: str, *arguments: str, case: Case | None = None, check: bool = False) -> Run:
        """Run plain ``pulumi`` without a preview, as what no preview and no plan guards."""
        arguments_ = [command, "--stack", env, "--yes", "--skip-preview", "--non-interactive", *arguments]
        if case is not None and case.how == REFUSED:
            arguments_ += ["--policy-pack", str(self.root / _PLUGINS / "refusal" / "pulumi-analyzer-refusal")]
        backend = f"file://{self.state / 'pulumi'}"
        with_engine = {
            **environ.environment(lab=True),
            "PULUMI_BACKEND_URL": self._backend(backend),
            "PAIF_STATE": str(self.state),
            "SSL_CERT_FILE": str(self.state / "lab" / "trust.pem"),
        }
        return self._run(["pulumi", *arguments_], case, with_engine, check)

    def _backend(self, plain: str) -> str:
        address = environ.environment(lab=True)["PULUMI_BACKEND_URL"]
        return plain + address.partition("?")[1] + address.partition("?")[2]

    def _run(self, command: list[str], case: Case | None, extra: dict[str, str], check: bool) -> Run:
        self._calls.unlink(missing_ok=True)
        variables = {**self._variables, **extra, "PAIF_CALLS": str(self._calls)}
        if case is not None and case.how == REFUSED:
            variables["PAIF_REFUSED"] = case.what
        elif case is not None:
            variables["PAIF_FAULT"] = Fault(
                method=case.method,
                what=case.what,
                how=case.how,  # type: ignore[arg-type] # pydantic checks it
            ).model_dump_json()
        answer = subprocess.run(
            command,
            cwd=self.root,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if check and answer.returncode:
            raise Failed(f"{' '.join(command[:3])} ended with {answer.returncode}:\n{answer.stdout[-3000:]}")
        lines = self._calls.read_text(encoding="utf-8").splitlines() if self._calls.exists() else []
        return Run(answer.returncode, answer.stdout, [json.loads(line) for line in lines])

    def resources(self, env: str) -> dict[str, dict[str, Any]]:
        """The stack's resources by URN, as its checkpoint has them; empty when it has none."""
        file = self.state / "pulumi" / ".pulumi" / "stacks" / "paif" / f"{env}.json"
        try:
            latest = json.loads(file.read_text(encoding="utf-8"))["checkpoint"].get("latest") or {}
        except FileNotFoundError:
            return {}
        return {each["urn"]: each for each in latest.get("resources") or [] if not each.get("delete")}

    def close(self) -> None:
        """Stop the lab."""
        self.paif("lab", "down")


def recreated(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> list[str]:
    """URNs that are gone, or of which another object is there now."""
    return [urn for urn, each in before.items() if urn not in after or _identity(each) != _identity(after[urn])]


def _identity(resource: dict[str, Any]) -> tuple[Any, Any]:
    return resource.get("id"), resource.get("created")
