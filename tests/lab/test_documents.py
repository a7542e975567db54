"""Every block of commands of README.md and docs/, as printed, in a fresh clone with a space in its path.

A document's blocks run in its order and in one shell, from an environment with HOME and PATH alone. A block that a
comment `<!-- not run: why -->` precedes is skipped, with that reason. docs/real-vcf.md is followed in a clone of its
own as somebody at a terminal does it; the VCF is the other clone's lab.
"""

from __future__ import annotations

import base64
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from cli.bench.scratch import copy_checkout
from lab.process import die_with_parent
from lab.state import bin_directory
from tests.documents import ROOT, Block, commands
from tools.spec import cache_directory, pulumi_home

_SECONDS = 900
_SILENT_SECONDS = 240
_SITE = "docs/real-vcf.md"
_ASKED_OF_A_TERMINAL = {"\x1b]11;?\x1b\\": b"\x1b]11;rgb:0000/0000/0000\x1b\\", "\x1b[6n": b"\x1b[1;1R"}
"""Its background, then where the cursor is: programs wait for what a terminal answers, in this order."""
_RUN = """\
cd "$1"
[ ! -e "$2" ] || . "$2"
set -e -o pipefail
{text}
set +e
export -p > "$2"
"""
"""A block in a shell that has what the blocks before it have exported, and stops at the first command that fails."""


def _position(block: Block) -> tuple[int, str, int]:
    """The first hour first; what takes away follows what uses it."""
    if "lab reset" in block.text:
        return 4, block.document, block.line
    if block.document == _SITE:
        return 3, block.document, block.line
    if "./paif destroy" in block.text:
        return 2, block.document, block.line
    return int(block.document != "README.md"), block.document, block.line


_BLOCKS = sorted(commands(), key=_position)


@dataclass
class Reader:
    """Somebody with a clone, a home and a shell in which nothing is set; what is typed is shown nowhere."""

    root: Path
    home: Path
    typed: list[str] = field(default_factory=list, repr=False)

    def environment(self) -> dict[str, str]:
        # The caches are the machine's: without them each clone would get the tools anew.
        shared = {name: os.environ[name] for name in ("PAIF_CACHE", "PULUMI_HOME", "PAIF_MIRROR") if name in os.environ}
        ours = {str(bin_directory()), str(ROOT / ".venv" / "bin")}
        path = [str(self.home / "bin"), *(each for each in os.environ["PATH"].split(":") if each not in ours)]
        # And the lab ends with this process, whatever ends it.
        return {"HOME": str(self.home), "PATH": ":".join(path), "PAIF_LAB_OWNER": str(os.getpid()), **shared}

    def run(self, block: Block, answers: Sequence[tuple[str, str]] = ()) -> subprocess.CompletedProcess[str]:
        """Run a block; with ``answers`` at a terminal, where each is typed when its prompt has appeared."""
        shell = self.home / block.document.replace("/", "-")
        command = ["bash", "--norc", "-c", _RUN.format(text=block.text), "bash", str(self.root), str(shell)]
        if answers:
            answer = self._at_a_terminal(command, answers)
        else:
            answer = subprocess.run(
                command,
                cwd=self.root,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=_SECONDS,
                preexec_fn=lambda: die_with_parent(signal.SIGINT),
            )
        for each in self.typed:
            answer.stdout = answer.stdout.replace(each, "[typed]")
        return answer

    def changed(self) -> str:
        """What git says of the clone."""
        command = ["git", "status", "--porcelain"]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=True).stdout

    def _at_a_terminal(
        self, command: list[str], answers: Sequence[tuple[str, str]]
    ) -> subprocess.CompletedProcess[str]:
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (24, 80))
        said, left = "", list(answers)
        with subprocess.Popen(
            command,
            cwd=self.root,
            env=self.environment(),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: die_with_parent(signal.SIGINT),  # noqa: PLW1509 - as in cli/engine/pulumi_cli.py
        ) as process:
            os.close(theirs)
            seen = 0
            while select.select([ours], [], [], _SILENT_SECONDS)[0]:
                try:
                    new = os.read(ours, 65536).decode("utf-8", "replace")
                except OSError:
                    break
                said += new
                for query, reply in _ASKED_OF_A_TERMINAL.items():
                    os.write(ours, reply * new.count(query))
                if left and (prompt := re.compile(left[0][0]).search(said, seen)):
                    seen = prompt.end()
                    os.write(ours, f"{left.pop(0)[1]}\r".encode())
            else:
                # It waits for something that nobody was told of.
                process.kill()
        os.close(ours)
        assert not left, f"nobody asked {[prompt for prompt, _ in left]}:\n{said[-3000:]}"
        return subprocess.CompletedProcess(command, process.returncode, said, "")


def _clone(folder: Path) -> Reader:
    """A clone of this checkout as it stands here, and a home that has nothing but the caches."""
    reader = Reader(folder / "a folder" / "paif", folder / "home")
    copy_checkout(reader.root)
    for arguments in (
        ("init", "--quiet"),
        ("add", "--all"),
        ("-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "--quiet", "--message", "all"),
        ("update-ref", "refs/remotes/origin/main", "HEAD"),
    ):
        subprocess.run(["git", *arguments], cwd=reader.root, check=True)
    (reader.home / "bin").mkdir(parents=True)
    # The python3 that a person has, not the one of this checkout's environment.
    (reader.home / "bin" / "python3").symlink_to(Path(sys.base_prefix) / "bin" / "python3")
    for there, here in ((cache_directory(), ".cache/paif"), (pulumi_home() / "plugins", ".pulumi/plugins")):
        there.mkdir(parents=True, exist_ok=True)
        (reader.home / here).parent.mkdir(parents=True, exist_ok=True)
        (reader.home / here).symlink_to(there)
    return reader


@dataclass
class Reading:
    """Whoever follows the documents, and which blocks were run: each needs what those before it have made."""

    reader: Reader
    site: Callable[[], Reader]
    done: set[Block] = field(default_factory=set)

    def run(self, block: Block) -> subprocess.CompletedProcess[str]:
        """Run a block as its document's reader does."""
        self.done.add(block)
        if block.document != _SITE:
            return self.reader.run(block)
        site = self.site()
        answers = _answers(block, _ends(self.reader))
        site.typed += [answer for prompt, answer in answers if "value" in prompt]
        answer = site.run(block, answers)
        if "./paif init" in block.text:
            _fill_in(site, _ends(self.reader))
        return answer

    def catch_up(self, last: Block | None = None) -> None:
        """Run what stands before ``last`` and was not run yet, which is nothing unless tests are chosen; else all."""
        for block in _BLOCKS if last is None else _BLOCKS[: _BLOCKS.index(last)]:
            if block not in self.done and not block.not_run:
                self.run(block)


@pytest.fixture(scope="module")
def reading(reader: Reader, request: pytest.FixtureRequest) -> Reading:
    return Reading(reader, lambda: cast(Reader, request.getfixturevalue("site")))


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    found = _clone(tmp_path_factory.mktemp("reader"))
    yield found
    found.run(Block("teardown", 0, "sh", "./paif lab down"))


@pytest.fixture(scope="module")
def site(reader: Reader, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """Somebody at a site; in the home there are the files that vCenter's administrator and NVIDIA's portal gave."""
    assert reader.run(Block("site", 0, "sh", "./paif lab up")).returncode == 0
    found = _clone(tmp_path_factory.mktemp("site"))
    (found.home / "supervisor.kubeconfig").write_text(_ends(reader)["supervisor"]["kubeconfig"])
    parts = [{"alg": "RS256", "typ": "JWT"}, {"iat": 1700000000, "exp": 4000000000}]
    token = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    (found.home / "client_configuration_token.tok").write_text(f"{token}.{'c2lnbmF0dXJl' * 8}\n")
    return found


def _ends(reader: Reader) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads((reader.root / ".paif" / "lab" / "endpoints.json").read_text())
    return found


def _fill_in(site: Reader, ends: dict[str, dict[str, str]]) -> None:
    """What the first step asks for: this site's values instead of the examples."""
    authority = "".join(f"\n      {line}" for line in ends["vcenter"]["ca"].strip().splitlines())
    for file, values in {
        "stacks/Pulumi.site1.yaml": {
            r"server: vcenter\.example\.com": f"server: {ends['vcenter']['server']}",
            r"username: svc-paif@vsphere\.local": f"username: {ends['vcenter']['username']}",
            r"computeCluster: gpu-cluster": "computeCluster: pai-gpu",
            r'caBundle: "".*': f"caBundle: |{authority}",
            r"name: supervisor\b": f"name: {ends['supervisor']['name']}",
            r"domain: example\.com": "domain: lab.test",
            r'dlvmImage: ""': "dlvmImage: dlvm-9.0.1-simulated",
        },
        "policies/config/paif/site1.yaml": {
            r"# hostDriver": "hostDriver",
        },
        # What the lab's file makes up counts for a site that owns it.
        "policies/config/licenses.yaml": {
            r"madeUpFor: lab\n": "",
            r"  shares: .*\n": "",
        },
    }.items():
        text = (site.root / file).read_text()
        for example, value in values.items():
            text, count = re.subn(example, value, text)
            assert count == 1, f"{file} has no {example}"
        (site.root / file).write_text(text)


def _answers(block: Block, ends: dict[str, dict[str, str]]) -> list[tuple[str, str]]:
    """What a block of the site asks for, and what is typed then."""
    vcenter = ends["vcenter"]["password"]
    secrets = {"vcenterPassword": vcenter, "workstationPassword": "first Pa55", "ngcApiKey": "nvapi-example"}
    found = []
    for line in block.text.splitlines():
        key = line.rpartition("paif:")[2]
        if "--secret" in line and "<" not in line:
            found.append((r"\?2004h\s*value: ", secrets[key]))
        elif line.startswith("./paif up "):
            found.append((r"Do this to site1\? \[y/N\]: ", "y"))
        elif line.startswith("./paif destroy "):
            found.append(("perform this destroy", "yes"))
        elif line.startswith("pulumi stack rm "):
            found.append(("by typing `[^`]*site1[^`]*`:", "site1"))
    return found


def test_a_fresh_clone_has_the_stacks_of_its_environments_and_says_what_starts_the_lab(reader: Reader) -> None:
    """As README says it: `eval "$(./paif env)"`, then plain pulumi. No lab is started, no stack file is changed."""
    names = ["dev", "prod", "qa", "staging"]
    listed = reader.run(Block("fresh", 0, "sh", 'eval "$(./paif env)"\npulumi stack ls --json'))
    assert re.findall(r'"name": "(\w+)"', listed.stdout) == names, listed.stdout
    asked = reader.run(Block("fresh", 0, "sh", "pulumi preview -s qa"))
    assert asked.returncode
    assert "The lab is not running: start it with ./paif lab up" in asked.stdout, asked.stdout
    assert not (reader.root / ".paif" / "lab" / "control.json").exists()
    assert reader.changed() == ""


def test_a_wrong_command_is_found(reader: Reader) -> None:
    assert reader.run(Block("wrong", 0, "sh", "./paif chekc\n./paif check")).returncode == 2
    assert reader.run(Block("wrong", 0, "sh", "pulumi stack output -s dev nothing | cat")).returncode


@pytest.mark.parametrize("block", _BLOCKS, ids=str)
def test_a_block_of_commands_runs_as_printed(block: Block, request: pytest.FixtureRequest) -> None:
    if block.not_run:
        pytest.skip(f"{block}: {block.not_run}")
    reading: Reading = request.getfixturevalue("reading")
    reading.catch_up(block)
    answer = reading.run(block)
    assert answer.returncode == 0, f"{block}: ended with {answer.returncode}\n{answer.stdout[-4000:]}"
    assert "Traceback" not in answer.stdout


def test_the_site_needed_nothing_of_the_lab_and_is_left_as_it_was(site: Reader, reading: Reading) -> None:
    reading.catch_up()
    assert not (site.root / ".paif" / "lab").exists()
    assert not (site.root / ".paif" / "pulumi").exists()
    assert (site.root / "stacks" / "Pulumi.site1.yaml").exists()
    assert list((site.home / "paif-state").rglob("site1.json")) == []


def test_the_commands_leave_the_checkout_as_it_was(reader: Reader, reading: Reading) -> None:
    reading.catch_up()
    assert reader.changed() == ""
