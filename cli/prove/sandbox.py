"""Where something is killed: a copy of this checkout with a lab and stacks of its own, and what can be seen of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import yaml

import paif_catalog as catalog
from cli.bench.scratch import copy_checkout, isolated_lab_variables, lab_configuration
from cli.engine.recovery.helm_releases import api_client
from cli.output.console import Failed
from pulumi_resource_vcf.http import tls_context

ENVIRONMENT = "dev"
"""The one that is brought up and killed."""

_COST_CENTER = re.compile(r"(paif:costCenter: )(\S+)")
RUN_SECONDS = 1800
"""No run takes longer."""

_FIELD_MANAGERS = ("pulumi", "paif", "helm")
"""Field managers of what a run makes; the lab's operators have others."""


def _paths(**plurals: str) -> tuple[str, ...]:
    """Where all objects of these kinds are listed, given as kind = plural."""
    platform = catalog.baseline(lab_configuration().get("paif:platform"))
    return tuple(f"/apis/{platform.api_version(kind)}/{plural}" for kind, plural in plurals.items())


_SUPERVISOR = (
    "/api/v1/secrets",
    "/api/v1/configmaps",
    *_paths(
        VirtualMachine="virtualmachines",
        VirtualMachineService="virtualmachineservices",
        Cluster="clusters",
        PostgresCluster="postgresclusters",
        PAISConfiguration="paisconfigurations",
        ModelEndpoint="modelendpoints",
    ),
)
_GUEST = (
    "/api/v1/namespaces/gpu-operator/configmaps",
    "/apis/apps/v1/namespaces/gpu-operator/deployments",
    *_paths(ClusterPolicy="clusterpolicies"),
)
_RELEASES = "/api/v1/namespaces/gpu-operator/secrets?labelSelector=owner%3Dhelm"
Objects = dict[str, str]
"""Identities of objects by kind, namespace and name."""


class Sandbox:
    """A copy of this checkout with a lab and stacks of its own, and what can be seen of them."""

    def __init__(self, folder: Path) -> None:
        self.root, self.state, self._output_file = folder / "checkout", folder / ".paif", folder / "said"
        copy_checkout(self.root)
        self._variables = isolated_lab_variables(self.state)
        self._file = self.root / "stacks" / f"Pulumi.{ENVIRONMENT}.yaml"
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
                timeout=RUN_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"{' '.join(command[2:5])} did not end within {RUN_SECONDS} s") from None
        if check and answer.returncode:
            raise Failed(f"{' '.join(command[2:5])} ended with {answer.returncode}: {summarize_output(answer.stdout)}")
        return answer

    def start_up(self) -> subprocess.Popen[bytes]:
        """An `up` in a session of its own."""
        with self._output_file.open("wb") as stream:
            return subprocess.Popen(
                [sys.executable, str(self.root / "paif"), "up", ENVIRONMENT],
                cwd=self.root,
                env=self._variables,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )

    def output_tail(self) -> str:
        """The end of what the last `up` that was begun has said."""
        return summarize_output(self._output_file.read_text(encoding="utf-8", errors="replace"))

    def change(self, *, release: bool) -> str:
        """Change what nearly every resource carries, and with ``release`` what Helm installs; what to look for."""
        self._changes += 1
        cost_center = f"cc-{5000 + self._changes}"
        text = _COST_CENTER.sub(rf"\g<1>{cost_center}", self._text)
        if release:
            # The branch of the host's driver; which build of it the chart names makes no difference here.
            driver = f"550.90.{self._changes:02}"
            text = text.replace("name: gpu\n", f"name: gpu\n      gpuOperator: {{driverVersion: {driver}}}\n", 1)
        self._file.write_text(text, encoding="utf-8")
        return cost_center

    def resources(self) -> dict[str, dict[str, Any]]:
        """The stack's resources by URN, as its checkpoint has them at this moment."""
        return {each["urn"]: each for each in self._checkpoint().get("resources") or []}

    def pending(self) -> int:
        return len(self._checkpoint().get("pending_operations") or [])

    def _checkpoint(self) -> dict[str, Any]:
        file = self.state / "pulumi" / ".pulumi" / "stacks" / "paif" / f"{ENVIRONMENT}.json"
        try:
            found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["checkpoint"].get("latest") or {}
        except (OSError, ValueError, KeyError):
            return {}
        return found

    def objects(self) -> Objects:
        """What runs have made in the Supervisor, in the guest cluster and in vCenter."""
        objects: Objects = {}
        for config, paths in ((self._config("supervisor"), _SUPERVISOR), (self._config("vks-*-gpu"), _GUEST)):
            for path in paths if config else ():
                for each in _items(config, path):
                    metadata = each["metadata"]
                    managers = {entry.get("manager", "") for entry in metadata.get("managedFields", [])}
                    if any(manager.startswith(_FIELD_MANAGERS) for manager in managers):
                        kind = path.partition("?")[0].rsplit("/", 1)[-1]
                        objects[f"{kind} {metadata.get('namespace', '')}/{metadata['name']}"] = metadata["uid"]
        return objects

    def machines(self) -> list[str]:
        """Virtual machines of vCenter by namespace and name, doubles included."""
        endpoint = json.loads((self.state / "lab" / "endpoints.json").read_text(encoding="utf-8"))["vcenter"]
        token = (self.state / "lab" / "token").read_text(encoding="utf-8")
        context = tls_context(endpoint["ca"])
        with httpx.Client(verify=context, trust_env=False, timeout=30) as client:
            answer = client.get(f"https://{endpoint['server']}/lab/v1/vms", headers={"X-Lab-Token": token})
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


def summarize_output(output: str) -> str:
    """What a run has said of errors and changes at its end, on one line."""
    prefixes = ("error:", "paif:", "*", "~  ", "+  ", "-  ")
    lines = [line.strip() for line in output.splitlines() if line.strip().startswith(prefixes)]
    return " / ".join(lines[-6:])[:600] or output.strip()[-300:]
