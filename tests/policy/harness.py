"""What tests of the policy packs share: a pack's process spoken to as the engine does, and whole runs of the engine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from policies import testing
from policies.testing import (
    LEVELS,
    SECRET,
    SIGNATURE,
    UNKNOWN,
    Diagnostic,
    Process,
    RequestedResource,
    struct,
    urn,
    wire,
)

__all__ = [
    "LEVELS",
    "PACKS",
    "ROOT",
    "SECRET",
    "SIGNATURE",
    "UNKNOWN",
    "Diagnostic",
    "Engine",
    "Process",
    "RequestedResource",
    "executable",
    "started",
    "struct",
    "urn",
    "wire",
]

ROOT = Path(__file__).resolve().parents[2]
PACKS = ("naming", "licensing", "platform")


def executable(pack: str) -> Path:
    """A pack's executable; `all` is the one with all three."""
    return ROOT / "policies" / pack / ("pulumi-analyzer-paif" if pack == "all" else f"pulumi-analyzer-paif-{pack}")


def started(pack: str, **variables: str) -> AbstractContextManager[Process]:
    """A pack's process, as the engine starts the executable, with these environment variables."""
    return testing.started(executable(pack), **variables)


# Whole runs of the engine.

_HERE = Path(__file__).resolve().parent / "engine"


@dataclass
class Engine:
    """A scratch Pulumi project with simulated providers, a file backend and its own home."""

    folder: Path
    stack: str = "scratch"
    config: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)

    def prepare(self, *packages: str) -> None:
        """Make the project; simulated providers of these packages beside the usual ones."""
        bin_ = self.folder / "bin"
        plugins = []
        for name in sorted({"kubernetes", "vcf", "vsphere", "test", *packages}):
            home = self.folder / "providers" / name
            home.mkdir(parents=True)
            script = home / f"pulumi-resource-{name}"
            script.write_text(
                f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{ROOT}/.venv/bin/python" "{_HERE}/provider.py" "$@"\n'
            )
            script.chmod(0o755)
            plugins.append(f"    - {{name: {name}, path: {home}}}")
        bin_.mkdir()
        (self.folder / "state").mkdir()
        shutil.copy(_HERE / "program.py", self.folder / "__main__.py")
        (self.folder / "Pulumi.yaml").write_text(
            "name: paif\nruntime: python\nplugins:\n  providers:\n" + "\n".join(plugins) + "\n"
        )
        self.run("stack", "init", self.stack)
        values = [part for key, value in self.config.items() for part in ("--plaintext", f"paif:{key}={value}")]
        values += [part for key, value in self.secrets.items() for part in ("--secret", f"paif:{key}={value}")]
        if values:
            self.run("config", "set-all", "--stack", self.stack, *values)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}",
            "PULUMI_HOME": str(self.folder / "home"),
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}?metadata=skip",
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "TEST_CREATED": str(self.folder / "created"),
            "PAIF_POLICY_REPORT": "each",
        }

    def run(self, *arguments: str, packs: Sequence[str] = (), check: bool = True, **values: str) -> Any:
        argv = ["pulumi", *arguments, "--non-interactive"]
        for pack in packs:
            argv += ["--policy-pack", str(executable(pack))]
        answer = subprocess.run(
            argv,
            cwd=self.folder,
            env={**self.environment, **values},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        if check:
            assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer

    def resources(self, *asked: RequestedResource) -> None:
        data = [
            {
                "type": each.type,
                "name": each.name,
                "properties": each.properties,
                "protect": each.protect,
                "after": each.after,
                "via": each.via,
            }
            for each in asked
        ]
        (self.folder / "resources.json").write_text(json.dumps(data), encoding="utf-8")

    def created(self) -> list[str]:
        file = self.folder / "created"
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []
