"""States that an earlier version wrote come up under this one: nothing is replaced, deleted or made twice."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from cli.bench.scratch import write_yaml
from tests.lab import recorded_states
from tests.lab.conftest import ROOT, Paif

ENVIRONMENTS = ("dev", "qa", "staging", "prod")
_HARMLESS = {"same", "update", "read", "refresh"}
_WAITS = {"vcf:index:NamespaceContents", "vcf:index:Readiness"}
_PACKAGES = {"paif": "pulumi_paif", "vcf": "pulumi_resource_vcf"}
_LOST = re.compile(r"^ +\S+ *\d+ (?:to )?(?:delete|replace)d?$", re.MULTILINE)
"""A line of the counts that a run ends with, as `-  2 to delete` or `+- 1 replaced`."""


@dataclass(frozen=True)
class _Stack:
    """A stack of today: its name, plain pulumi in its project, and how it is brought up if not by that."""

    name: str
    _run: Callable[[list[str], bool], subprocess.CompletedProcess[str]]
    _up: Callable[[], str] | None = None

    def pulumi(self, *arguments: str) -> str:
        """What a command prints that must not fail."""
        return self._run([*arguments], True).stdout

    def up(self) -> str:
        """What is printed when it is brought up, as its owner does it."""
        return self._up() if self._up else self.pulumi("up", "--yes", "--skip-preview")

    def export(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.pulumi("stack", "export"))
        return found

    def steps(self, *options: str) -> list[dict[str, Any]]:
        """What a run would do, one step for each resource, without those that do no harm."""
        answer = self._run(["preview", "--json", *options], False)
        seen = json.loads(answer.stdout)
        if answer.returncode:
            said = [
                f"{each.get('urn', '')}: {each['message']}"
                for each in seen["diagnostics"]
                if "error" in each["severity"]
            ]
            pytest.fail(f"pulumi preview {' '.join(options)} of a state of before fails:\n" + "\n".join(said))
        steps: list[dict[str, Any]] = seen["steps"]
        # A component that is new groups what is there, and a wait that is new makes nothing.
        new = [
            each
            for each in steps
            if each["op"] == "create" and (not each["newState"]["custom"] or each["newState"]["type"] in _WAITS)
        ]
        return [each for each in steps if each["op"] not in _HARMLESS and each not in new]


@pytest.fixture(scope="module")
def lab(paif: Paif) -> Paif:
    paif("lab", "up")
    return paif


def _environment(paif: Paif, name: str) -> _Stack:
    def run(arguments: list[str], check: bool) -> subprocess.CompletedProcess[str]:
        return paif.pulumi(*arguments, "--stack", name, "--non-interactive", check=check)

    return _Stack(name, run, lambda: paif("up", name).stdout)


def _program(paif: Paif, folder: Path) -> _Stack:
    """The program that has components by their package's name, in a project of its own."""
    shutil.copyfile(recorded_states.RECORDINGS / "packages" / "__main__.py", folder / "__main__.py")
    plugins = [{"name": name, "path": str(ROOT / path)} for name, path in _PACKAGES.items()]
    write_yaml(folder / "Pulumi.yaml", {"name": "packages", "runtime": "python", "plugins": {"providers": plugins}})
    dev = YAML(typ="safe").load((ROOT / "stacks" / "Pulumi.dev.yaml").read_text(encoding="utf-8"))
    write_yaml(folder / "Pulumi.packages.yaml", {"encryptionsalt": dev["encryptionsalt"]})

    def run(arguments: list[str], check: bool) -> subprocess.CompletedProcess[str]:
        return paif.pulumi_in(folder, *arguments, "--stack", "packages", check=check)

    stack = _Stack("packages", run)
    stack.pulumi("stack", "init")
    ends = paif.endpoints()
    plain = {
        "server": ends["vcenter"]["server"],
        "username": ends["vcenter"]["username"],
        "authority": ends["vcenter"]["ca"],
        "issuer": ends["oidc"]["issuer"],
        "registry": ends["gallery"]["host"],
        "registryUsername": ends["gallery"]["username"],
    }
    secrets = {
        "kubeconfig": ends["supervisor"]["kubeconfig"],
        "password": ends["vcenter"]["password"],
        "registryPassword": ends["gallery"]["password"],
    }
    given = [part for key, value in plain.items() for part in ("--plaintext", f"site:{key}={value}")]
    given += [part for key, value in secrets.items() for part in ("--secret", f"site:{key}={value}")]
    stack.pulumi("config", "set-all", *given)
    return stack


def _comes_up(stack: _Stack, folder: Path) -> None:
    stack.up()
    present = stack.export()
    file = folder / "before.json"
    file.write_text(json.dumps(recorded_states.brought_to_life(recorded_states.read(stack.name), present)))
    stack.pulumi("stack", "import", "--file", str(file))
    _judge(stack.steps(), "a preview")
    # Whoever refreshes first has what an earlier version wrote read by this one's providers.
    _judge(stack.steps("--refresh"), "a preview with refresh")
    assert _LOST.findall(stack.up()) == []
    stack.pulumi("preview", "--expect-no-changes")
    stack.pulumi("refresh", "--yes", "--skip-preview")
    assert _identities(stack.export()) == _identities(present)


def _judge(steps: list[dict[str, Any]], where: str) -> None:
    """Fail with what is to be done to which URN, and because of which properties."""
    told = [
        f"{each['op']} {each['urn']} {each.get('replaceReasons') or each.get('diffReasons') or ''}".rstrip()
        for each in steps
    ]
    if told:
        pytest.fail(f"{where} of a state of before shows\n" + "\n".join(told))


def _identities(export: dict[str, Any]) -> dict[str, Any]:
    """What each resource is in its system: its id, and the uid of an object of Kubernetes."""
    return {
        each["urn"]: (each["id"], ((each.get("outputs") or {}).get("metadata") or {}).get("uid"))
        for each in export["deployment"]["resources"]
        # The id of a provider is nobody's but the engine's.
        if each["custom"] and each.get("id") and not each["type"].startswith("pulumi:providers:")
    }


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_of_before_comes_up_with_no_replacement_or_deletion(
    lab: Paif, tmp_path: Path, name: str
) -> None:
    _comes_up(_environment(lab, name), tmp_path)


def test_a_program_that_has_components_by_their_package_comes_up_with_no_replacement_or_deletion(
    lab: Paif, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    stack = _program(lab, project)
    try:
        _comes_up(stack, tmp_path)
    finally:
        stack.pulumi("destroy", "--yes", "--skip-preview")
        stack.pulumi("stack", "rm", "--yes")
