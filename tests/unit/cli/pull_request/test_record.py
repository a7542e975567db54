"""What a build keeps of a preview: all that the comment needs, no secret, also when the preview fails."""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.commands import pull_request as commands
from cli.configuration.stack_files import Problems
from cli.engine import environ, pulumi_cli, selection
from cli.engine.stack import Stack
from cli.output.console import Failed
from cli.policy import packs
from cli.preview.model import BeforeAfter
from cli.pull_request import figures, record
from cli.pull_request.recording import read
from cli.toolkit import checkout
from pulumi_paif.vcf import GpuDevice, GpuHost, GpuInventory
from stacks.capacity import write_inventory
from stacks.problems import Problem
from tests.policy.harness import Engine

ROOT = Path(__file__).resolve().parents[4]
RECORDED = ROOT / "tests" / "data" / "previews"
FAKE = """#!/bin/sh
# Plays the engine: answers with a recorded preview and writes its event log where it is told to.
echo "$@" > "{folder}/asked"
echo "$PULUMI_DEBUG_COMMANDS" > "{folder}/debug"
while [ $# -gt 0 ]; do
    [ "$1" = --event-log ] && cp "{events}" "$2"
    [ "$1" = --save-plan ] && echo '{{}}' > "$2"
    shift
done
cat "{preview}"
{said}
exit {status}
"""


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def play(
        name: str, status: int = 0, preview: Path | None = None, said: str = "echo password=PLANTED-stderr >&2"
    ) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir()
        here = RECORDED / name
        text = FAKE.format(
            folder=folder,
            events=here / "events.jsonl",
            preview=preview or here / "preview.json",
            status=status,
            said=said,
        )
        (folder / "pulumi").write_text(text)
        (folder / "pulumi").chmod(stat.S_IRWXU)
        monkeypatch.setattr(record, "load_stack", lambda name, _: Stack(name, lab=False))
        monkeypatch.setattr(selection, "select", lambda _: None)
        monkeypatch.setattr(environ, "environment", lambda **_: {"PATH": f"{folder}:/usr/bin:/bin"})
        return folder

    return play


def run(*arguments: str) -> Any:
    return CliRunner().invoke(commands.pr_comment_app, ["record", *arguments])


def contents(folder: Path) -> str:
    return "".join(path.read_text() for path in sorted(folder.rglob("*")) if path.is_file())


def test_recording_has_no_secret_and_renders_like_the_engines_own(tmp_path: Path, pulumi: Any) -> None:
    folder = pulumi("refused", status=1)
    result = run("prod", "--output", f"{tmp_path}/out", "--json")
    assert result.exit_code == 1
    kept = contents(tmp_path / "out")
    assert "PLANTED" not in kept
    assert "eyJ" not in kept
    asked = (folder / "asked").read_text()
    assert asked.startswith("preview --stack prod --json --event-log ")
    assert "--non-interactive" in asked.split()
    assert " ".join(packs.policy_pack_options()) in asked
    assert "--show-sames" in asked.split(), "the engine leaves out lifted retention otherwise"
    assert (folder / "debug").read_text().strip(), "the engine hides --event-log otherwise"
    (tmp_path / "raw").mkdir()
    shutil.copytree(RECORDED / "refused", tmp_path / "raw" / "prod")
    ours, theirs = (read(tmp_path / each, "prod") for each in ("out", "raw"))
    assert (ours.changes, ours.policies) == (theirs.changes, theirs.policies)
    assert ours.refused
    assert not ours.failed
    assert json.loads(result.stdout.splitlines()[-1]) == {
        "environment": "prod",
        "result": "refused by policy",
        "changes": 3,
    }


def test_plan_is_saved_where_it_is_asked_for(tmp_path: Path, pulumi: Any) -> None:
    pulumi("changes")
    assert run("staging", "--output", f"{tmp_path}/out", "--save-plan", f"{tmp_path}/plan.json").exit_code == 0
    assert (tmp_path / "plan.json").exists()
    plan = (tmp_path / "out" / "staging" / "plan.md").read_text()
    assert "acme-staging-pg-vectors" in plan


def test_recording_again_leaves_nothing_of_the_last_one(tmp_path: Path, pulumi: Any) -> None:
    (tmp_path / "out" / "dev").mkdir(parents=True)
    (tmp_path / "out" / "dev" / "failure.txt").write_text("of an earlier run")
    pulumi("unchanged")
    assert run("dev", "--output", f"{tmp_path}/out").exit_code == 0
    assert "of an earlier run" not in contents(tmp_path / "out")


def test_engine_that_prints_no_preview_leaves_its_reason_without_secrets(tmp_path: Path, pulumi: Any) -> None:
    (tmp_path / "nothing").write_text("")
    pulumi("unchanged", status=255, preview=tmp_path / "nothing")
    assert run("dev", "--output", f"{tmp_path}/out").exit_code == 1
    assert (tmp_path / "out" / "dev" / "failure.txt").read_text() == "password=[secret]\n"
    assert "preview failed" in (tmp_path / "out" / "dev" / "plan.md").read_text()


@pytest.mark.parametrize(("said", "told"), [("echo 'lost the backend' >&2", "lost the backend"), ("", "status 137")])
def test_engine_that_ends_badly_is_a_failure_whatever_it_printed_before(
    tmp_path: Path, pulumi: Any, said: str, told: str
) -> None:
    pulumi("unchanged", status=137, said=said)
    assert run("dev", "--output", f"{tmp_path}/out").exit_code == 1
    recording = read(tmp_path / "out", "dev")
    assert recording.failed
    assert told in recording.problems[0]
    assert "nothing changes" not in (tmp_path / "out" / "dev" / "plan.md").read_text()


def test_secret_of_the_preview_is_hidden_in_what_the_engine_said_beside_it(tmp_path: Path, pulumi: Any) -> None:
    urn = "urn:pulumi:dev::paif::kubernetes:core/v1:Secret::s"
    state = {"urn": urn, "type": "kubernetes:core/v1:Secret", "inputs": {"stringData": {"x": "correct horse"}}}
    preview = tmp_path / "preview.json"
    preview.write_text(json.dumps({"steps": [{"op": "create", "urn": urn, "newState": state}]}))
    pulumi("unchanged", status=1, preview=preview, said="echo 'no login with correct horse' >&2")
    run("dev", "--output", f"{tmp_path}/out")
    assert (tmp_path / "out" / "dev" / "failure.txt").read_text() == "no login with [secret]\n"


def test_what_the_engine_said_is_cut_after_its_secrets_are_hidden(tmp_path: Path, pulumi: Any) -> None:
    (tmp_path / "nothing").write_text("")
    # The last 8000 characters would begin within the password.
    said = """printf 'password=PLANTED-%s' "$(printf '%7999s' x | tr ' ' y)" >&2"""
    pulumi("unchanged", status=1, preview=tmp_path / "nothing", said=said)
    run("dev", "--output", f"{tmp_path}/out")
    assert (tmp_path / "out" / "dev" / "failure.txt").read_text() == "password=[secret]\n"


@pytest.mark.parametrize(
    ("error", "status"),
    [(Failed("no Pulumi backend is chosen"), 1), (Problems([Problem("gpu", "a mapping", value="3")]), 2)],
)
def test_preview_that_cannot_begin_is_recorded_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def fail(*_: object) -> Stack:
        raise error

    monkeypatch.setattr(record, "load_stack", fail)
    assert run("dev", "--output", f"{tmp_path}/out").exit_code == status
    assert read(tmp_path / "out", "dev").problems == [str(error).strip()]


def test_untouched_environment_is_not_previewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "files_since", lambda _: ["stacks/Pulumi.qa.yaml"])
    arguments = ["--output", f"{tmp_path}/out", "--if-touched"]
    assert run("dev", *arguments, "--base", "main").exit_code == 0
    assert not (tmp_path / "out").exists()
    assert run("dev", *arguments).exit_code == 2


GUARDED = """
import json, pathlib, pulumi
for name, options in json.loads(pathlib.Path("guards.json").read_text()).items():
    pulumi.CustomResource("kubernetes:core/v1:Namespace", name, {"size": "1"}, pulumi.ResourceOptions(**options))
"""


@pytest.mark.skipif(shutil.which("pulumi") is None, reason="no pulumi on PATH; ./paif test has it")
def test_the_engine_tells_guards_that_alone_are_lifted_or_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Engine(tmp_path / "engine", "dev", {"x": "y"})
    real.folder.mkdir()
    real.prepare()
    (real.folder / "__main__.py").write_text(GUARDED)
    guards = real.folder / "guards.json"
    guards.write_text(
        json.dumps({"a": {"protect": True}, "b": {"retain_on_delete": True}, "c": {}, "d": {}, "e": {"protect": True}})
    )
    real.run("up", "--yes", "--stack", "dev")
    guards.write_text(
        json.dumps({"a": {}, "b": {}, "c": {"protect": True}, "d": {"retain_on_delete": True}, "e": {"protect": True}})
    )
    monkeypatch.setattr(pulumi_cli, "ROOT", real.folder)
    monkeypatch.setattr(record, "load_stack", lambda name, _: Stack(name, lab=False))
    monkeypatch.setattr(record, "figures", lambda *_: (BeforeAfter(), BeforeAfter()))
    monkeypatch.setattr(selection, "select", lambda _: None)
    monkeypatch.setattr(environ, "environment", lambda **_: real.environment)
    monkeypatch.setattr(packs, "policy_pack_options", list)
    result = run("dev", "--output", f"{tmp_path}/out", "--save-plan", f"{tmp_path}/plan.json", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout.splitlines()[-1])["changes"] == 4
    found = {each.name: (each.lifted, each.added) for each in read(tmp_path / "out", "dev").changes}
    assert found == {
        "a": (("protection",), ()),
        "b": (("retention",), ()),
        "c": ((), ("protection",)),
        "d": ((), ("retention",)),
    }
    real.run("up", "--yes", "--stack", "dev", "--plan", f"{tmp_path}/plan.json")
    assert run("dev", "--output", f"{tmp_path}/again").exit_code == 0
    assert read(tmp_path / "again", "dev").changes == []


def test_figures_before_are_those_where_the_change_began(
    tmp_path: Path, pulumi: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulumi("unchanged")
    asked: list[str] = []

    def git(*given: str, **_: object) -> None:
        asked.append(given[-1])

    monkeypatch.setattr(record, "merge_base", {"origin/main": "0123abc"}.get)
    monkeypatch.setattr(figures, "git", git)
    assert run("dev", "--output", f"{tmp_path}/out", "--base", "origin/main").exit_code == 0
    assert set(asked) == {"0123abc:stacks/Pulumi.dev.yaml"}


def test_licenses_and_gpus_are_those_of_the_stack_file_before_and_after(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "stacks" / "Pulumi.staging.yaml").read_text()
    before, found = re.subn(r"(name: gpu, class: [\w-]+, replicas:) 2", r"\1 1", text)
    assert found == 1
    owned = """nvaie: {owned: [{gpus: 4, ends: 2999-01-01}, {gpus: 1, term: perpetual}, {gpus: 70, ends: 2001-01-01}]}
vws: {owned: [{concurrentUsers: 900, ends: 2999-01-01}]}"""
    answers = {"Pulumi.staging.yaml": before, "staging.yaml": "", "licenses.yaml": owned}
    monkeypatch.setattr(figures, "git", lambda *given, **_: answers[given[-1].rsplit("/", 1)[1]])
    licenses, gpus = figures.figures("staging", "main")
    assert licenses.before is not None
    assert licenses.after is not None
    # 3 halves of a GPU need 2, as 4 do; the other product is owned and not used.
    assert [(each.product, each.used, each.allowed) for each in licenses.before] == [
        ("NVIDIA AI Enterprise", 2, 5),
        ("RTX vWS", 0, 900),
    ]
    assert [(each.used, each.allowed) for each in licenses.after] == [(2, 12)]
    assert licenses.before[0].by["cluster gpu, pool gpu"] == "1 x grid_a100-40c"
    assert licenses.after[0].by["cluster gpu, pool gpu"] == "2 x grid_a100-40c"
    assert gpus.before is not None
    assert gpus.after is not None
    assert [each.what for each in gpus.after] == ["NVIDIA A100 80 GB", "vGPU grid_a100-40c"]
    assert gpus.after[1].used == gpus.before[1].used + 1
    assert [each.total for each in gpus.after] == [None, None], "nobody has looked at the hosts"


def test_what_gpus_there_are_is_what_the_program_found(
    tmp_path: Path, pulumi: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = pulumi("changes")
    devices = [
        GpuDevice(f"0000:{index:02x}:00.0", "10de", "20b5", "GPU", passthrough_active=False, assigned_to=["a-vm"])
        for index in range(4)
    ]
    hosts = [GpuHost(f"esx-{index}.test", "host-1", True, 1 << 20, ["grid_a100-40c"], devices) for index in range(2)]
    write_inventory(folder / "gpus.json", "pai-gpu", GpuInventory(hosts))
    (folder / "pulumi").write_text(
        (folder / "pulumi").read_text().replace("while", f'cp {folder}/gpus.json "$PAIF_GPU_INVENTORY"\nwhile', 1)
    )
    monkeypatch.setattr(figures, "git", lambda *given, **_: (ROOT / given[-1].split(":")[1]).read_text())
    monkeypatch.setattr(record, "merge_base", lambda revision: revision)
    assert run("staging", "--output", f"{tmp_path}/out", "--base", "main").exit_code == 0
    recording = read(tmp_path / "out", "staging")
    assert recording.gpu is not None
    for found in (recording.gpu.before, recording.gpu.after):
        assert found is not None
        assert {each.what: each.total for each in found} == {"NVIDIA A100 80 GB": 8, "vGPU grid_a100-40c": 16}
    # Names of hosts and machines are nobody's business.
    assert "esx-" not in contents(tmp_path / "out")
    assert "a-vm" not in contents(tmp_path / "out")


def test_a_change_that_mends_the_bytes_of_a_file_has_figures_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b.test", *arguments], cwd=tmp_path, check=True)

    good = (ROOT / "stacks" / "Pulumi.staging.yaml").read_bytes()
    for name in ("stacks", "policies/config/paif"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "policies/config/paif/staging.yaml").write_bytes(b"licensing: caf\xe9\n")
    (tmp_path / "stacks/Pulumi.staging.yaml").write_bytes(good + b"# caf\xe9\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "x")
    (tmp_path / "stacks/Pulumi.staging.yaml").write_bytes(good)
    monkeypatch.setattr(figures, "ROOT", tmp_path)
    monkeypatch.setattr(checkout, "ROOT", tmp_path)
    monkeypatch.setattr(figures, "licenses_file", lambda: tmp_path / "policies/config/licenses.yaml")
    licenses, _ = figures.figures("staging", "HEAD")
    assert licenses.before is None
    assert licenses.after is not None
    assert [each.allowed for each in licenses.after] == [None]


def test_directpath_alone_needs_no_license(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "git", lambda *_, **__: None)
    found = {name: figures.figures(name, "main") for name in ("dev", "qa", "staging", "prod")}
    whole = [name for name, (_, gpus) in found.items() if "vGPU" not in str(gpus.after)]
    assert whole, "one of the example environments uses DirectPath I/O"
    for name in whole:
        licenses, _ = found[name]
        assert licenses.before is None
        assert licenses.after is not None
        assert [each.used for each in licenses.after] == [0]
