"""The table of small programs, written without our components: each has the verdict that it should, by the real engine.

Files of `programs/` hold them; docs/policies.md tells how to add one. Programs with the same settings and configuration
share a preview, in which each has names of its own; `alone` is for those that the stack itself is judged by.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field
from ruamel.yaml import YAML

from cli.policy.packs import Finding, read
from tests.policy.harness import Engine, RequestedResource

_FOLDER = Path(__file__).resolve().parent / "programs"
_AT_LEAST, _LEGITIMATE = 150, 40
_STACK = "team"
"""An environment for which policies/config has no file: a program's settings are all there are."""
_OWN = ("-configuration", "-exemptions")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RequestedInFile(_Model):
    """A resource of a program; `$P` in its texts becomes a token of the program's own."""

    type: str
    name: str = "it"
    properties: dict[str, Any] = {}
    protect: bool = False
    after: tuple[str, ...] = ()
    via: str = ""
    """Name of the program's own provider (a resource of type pulumi:providers:…) that it goes to."""


class Program(_Model):
    """A program and what the packs should say of it: rules as pack/rule.

    `refused` are the rules whose findings stop the run, `advisory` and `undecided` those that are only shown; none is
    said beside them. `because` is why that is right.
    """

    name: str
    because: str
    refused: frozenset[str] = frozenset()
    advisory: frozenset[str] = frozenset()
    undecided: frozenset[str] = frozenset()
    settings: str = "licensed"
    kind: str = "dev"
    config: dict[str, Any] | None = {}
    """Keys of `paif:` beside kind and organization; null for a stack that has none at all, as any other project's."""
    alone: bool = False
    resources: tuple[RequestedInFile, ...]


class ProgramFile(_Model):
    """A file of programs, and the settings that they name, by pack."""

    settings: dict[str, dict[str, dict[str, Any]]] = {}
    programs: tuple[Program, ...] = Field(min_length=1)


@cache
def _table() -> dict[str, tuple[Program, dict[str, dict[str, Any]]]]:
    """Programs and their settings, by file and name."""
    found: dict[str, tuple[Program, dict[str, dict[str, Any]]]] = {}
    common = YAML(typ="safe").load((_FOLDER / "settings.yaml").read_text(encoding="utf-8"))
    for file in sorted(_FOLDER.glob("*.yaml")):
        if file.name == "settings.yaml":
            continue
        loaded = ProgramFile.model_validate(YAML(typ="safe").load(file.read_text(encoding="utf-8")))
        for program in loaded.programs:
            key = f"{file.stem}: {program.name}"
            assert key not in found, f"two programs are called so: {key}"
            found[key] = (program, {**common, **loaded.settings}[program.settings])
    return found


def _batches() -> dict[str, list[str]]:
    """Keys of the programs that share a preview."""
    batches: dict[str, list[str]] = {}
    for key, (program, settings) in _table().items():
        same = json.dumps([settings, program.kind, program.config], sort_keys=True, default=str)
        batches.setdefault(f"{key} {same}" if program.alone else same, []).append(key)
    return batches


def _with_token(value: Any, token: str) -> Any:
    if isinstance(value, str):
        return value.replace("$P", token)
    if isinstance(value, dict):
        return {_with_token(key, token): _with_token(each, token) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_token(each, token) for each in value]
    return value


def _requested(program: Program, token: str) -> Iterator[RequestedResource]:
    for each in program.resources:
        yield RequestedResource(
            each.type,
            f"{token}-{each.name}",
            _with_token(each.properties, token),
            each.protect,
            after=tuple(f"{token}-{name}" for name in each.after),
            via=f"{token}-{each.via}" if each.via else "",
        )


def _preview(folder: Path, keys: list[str]) -> dict[str, list[Finding]]:
    """Findings of one preview, by program; what is said of the stack is said of each."""
    first, settings = _table()[keys[0]]
    config = {} if first.config is None else {"kind": first.kind, "organization": "acme", **first.config}
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    tokens = {key: f"p{index:03}" for index, key in enumerate(keys)}
    requested = [each for key in keys for each in _requested(_table()[key][0], tokens[key])]
    engine = Engine(folder, _STACK, texts)
    engine.prepare(*{each.type.partition(":")[0] for each in requested} - {"pulumi"})
    engine.resources(*requested)
    file = folder / "settings.json"
    file.write_text(json.dumps({f"{pack}-configuration": values for pack, values in settings.items()}, default=str))
    answer = engine.run(
        *("preview", "--json", "--stack", _STACK, "--policy-pack-config", str(file)),
        packs=("all",),
        check=False,
        PULUMI_ENABLE_STREAMING_JSON_PREVIEW="true",
    )
    findings, errors = read(answer.stdout)
    refused = any(each.level == "mandatory" for each in findings)
    # Settings that a pack does not take end a run before anything is judged, and nothing is said of any program.
    assert refused or (answer.returncode == 0 and not errors), (errors, answer.stdout[-2000:], answer.stderr)
    said: dict[str, list[Finding]] = {key: [] for key in keys}
    for each in findings:
        if not each.rule.endswith(_OWN):
            if len(keys) > 1 and each.rule == "unjudged-objects":
                # Of the whole stack: a program about it has one of its own.
                continue
            mine = [key for key in keys if each.name.startswith(f"{tokens[key]}-")]
            for key in mine or keys:
                said[key].append(each)
    return said


Said = Callable[[str], list[Finding]]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Said:
    """What is said of a program: each preview is made when the first of its programs asks for it."""
    found: dict[str, list[Finding]] = {}

    def of(key: str) -> list[Finding]:
        if key not in found:
            batch = next(keys for keys in _batches().values() if key in keys)
            found.update(_preview(tmp_path_factory.mktemp("programs"), batch))
        return found[key]

    return of


_KEYS = [
    pytest.param(key, marks=pytest.mark.xdist_group(f"programs {number}"))
    for number, keys in enumerate(_batches().values())
    for key in keys
]


@pytest.mark.skipif(shutil.which("pulumi") is None, reason="no pulumi on PATH; ./paif test has it")
@pytest.mark.parametrize("key", _KEYS)
def test_a_program_gets_the_verdict_that_it_should(said: Said, key: str) -> None:
    program, _ = _table()[key]
    findings = said(key)
    told = "\n".join(f"[{each.level}] {each.pack}/{each.rule} {each.name}: {each.message}" for each in findings)
    assert "the check itself failed" not in told
    rules = {
        "refused": {f"{each.pack}/{each.rule}" for each in findings if each.level != "advisory"},
        "undecided": {f"{each.pack}/{each.rule}" for each in findings if each.undecided},
        "advisory": {
            f"{each.pack}/{each.rule}" for each in findings if each.level == "advisory" and not each.undecided
        },
    }
    wanted = {"refused": program.refused, "undecided": program.undecided, "advisory": program.advisory}
    assert rules == wanted, f"{program.because}\n{told}"


def test_the_table_is_as_long_as_it_is_said_to_be() -> None:
    programs = [program for program, _ in _table().values()]
    assert len(programs) >= _AT_LEAST
    assert sum(not program.refused for program in programs) >= _LEGITIMATE
