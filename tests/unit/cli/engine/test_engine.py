"""How the engine is run: what it goes to may end in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.engine import environ, pulumi_cli, selection
from cli.engine.recovery import cleanup
from cli.engine.stack import Stack
from cli.output.console import Failed

# Python takes a signal also where whoever started the tests ignores it; a shell would not.
_WAITS = f"""#!{Path(sys.executable).resolve()}
import os, pathlib, signal
state = pathlib.Path(os.environ["PAIF_STATE"])
def cancel(*_):
    (state / "canceled").touch()
    os._exit(255)
signal.signal(signal.SIGINT, cancel)
(state / "there").write_text("")
while True:
    signal.pause()
"""


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in of the engine; tests write what it does."""
    monkeypatch.setenv("PAIF_STATE", str(tmp_path))
    monkeypatch.delenv("PAIF_BIN", raising=False)
    program = tmp_path / "bin" / "pulumi"
    program.parent.mkdir()
    program.touch(mode=0o755)
    return program


@pytest.fixture
def target() -> Iterator[tuple[int, int]]:
    """A descriptor that becomes readable when the other one is closed, as one of a process that ends."""
    ends = os.pipe()
    yield ends
    for each in ends:
        try:
            os.close(each)
        except OSError:
            continue


def _once_there(pulumi: Path, act: Callable[[], None]) -> None:
    """Let the stand-in wait for its end, and ``act`` as soon as it does."""
    pulumi.write_text(_WAITS)
    there = pulumi.parent.parent / "there"
    os.mkfifo(there)

    def wait() -> None:
        # Opened by both ends only together.
        there.read_text()
        act()

    threading.Thread(target=wait, daemon=True).start()


def test_a_run_whose_target_ends_is_canceled_in_the_engines_own_way(pulumi: Path, target: tuple[int, int]) -> None:
    _once_there(pulumi, lambda: os.close(target[1]))
    with pytest.raises(pulumi_cli.TargetLost):
        pulumi_cli.run(Stack("dev", lab=False), "up", target=target[0])
    assert (pulumi.parent.parent / "canceled").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_ended_from_outside_is_canceled_in_the_engines_own_way(
    pulumi: Path, number: signal.Signals
) -> None:
    before = signal.signal(number, signal.SIG_DFL)
    try:
        _once_there(pulumi, lambda: os.kill(os.getpid(), number))
        assert pulumi_cli.run(Stack("dev", lab=False), "up") == 255
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)
    assert (pulumi.parent.parent / "canceled").exists()


def test_a_failure_of_a_run_whose_target_has_ended_is_the_targets(pulumi: Path, target: tuple[int, int]) -> None:
    pulumi.write_text("#!/bin/sh\nexit 1\n")
    os.close(target[1])
    with pytest.raises(pulumi_cli.TargetLost):
        pulumi_cli.run(Stack("dev", lab=False), "up", target=target[0])


@pytest.mark.parametrize("status", [0, 1])
def test_a_run_whose_target_lives_ends_with_its_own_status(pulumi: Path, target: tuple[int, int], status: int) -> None:
    pulumi.write_text(f"#!/bin/sh\nexit {status}\n")
    assert pulumi_cli.run(Stack("dev", lab=False), "up", target=target[0]) == status


_STAYS = "import sys\nprint('there', flush=True)\nsys.stdin.read()\n"


@pytest.mark.parametrize(
    ("name", "parent", "left"),
    [
        ("pulumi-resource-test", "sh", True),
        ("pulumi-resource-test", "pulumi", False),
        ("watch-pulumi", "sh", False),
    ],
)
def test_a_survivor_is_a_plugin_without_an_engine_above_it(pulumi: Path, name: str, parent: str, left: bool) -> None:
    """As after kill -9: whoever started the plugin is gone, unless it is an engine that still runs."""
    plugin = pulumi.parent / name
    plugin.write_text(f"#!{Path(sys.executable).resolve()}\n{_STAYS}")
    plugin.chmod(0o755)
    # Both ends of its pipes are ours: it ends when the test does.
    script = '"$0" <&3 & exit 0' if parent == "sh" else '"$0" <&3 & wait'
    shell = pulumi.parent / parent
    shell.unlink(missing_ok=True)
    shell.symlink_to("/bin/sh")
    given, keep = os.pipe()
    try:
        started = subprocess.Popen(
            [str(shell), "-c", f"exec 3<&0; {script}", str(plugin)],
            stdin=given,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, environ.MARK: environ.mark()},
        )
        assert started.stdout is not None
        assert started.stdout.readline() == "there\n"
        if parent == "sh":
            started.wait()
        found = [" ".join(each.cmdline()) for each in cleanup.orphaned_plugins()]
        assert any(str(plugin) in each for each in found) is left
    finally:
        os.close(given)
        os.close(keep)
        started.wait()
        started.stdout.close()


@pytest.fixture
def shell_of_the_lab(pulumi: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A shell after ``eval "$(./paif env)"``; returns what only the lab may have."""
    values = {
        "PULUMI_BACKEND_URL": f"file://{pulumi.parent.parent}/pulumi?metadata=skip",
        "PULUMI_CONFIG_PASSPHRASE": environ.LAB_PASSPHRASE,
        "SSL_CERT_FILE": str(environ.trust_bundle_path()),
    }
    assert values.items() <= environ.environment(lab=True).items()
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return values


def test_nothing_real_is_kept_in_the_labs_backend_or_guarded_by_its_passphrase(
    shell_of_the_lab: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not shell_of_the_lab.keys() & environ.full_environment(lab=False).keys()
    assert {f"unset {name}" for name in shell_of_the_lab} <= set(environ.shell_lines(lab=False))
    monkeypatch.setattr(selection, "pulumi_home", lambda: Path("/nowhere"))
    with pytest.raises(Failed, match="no Pulumi backend is chosen"):
        selection.select(Stack("site1", lab=False))


def test_a_backend_that_the_user_has_chosen_stays(
    shell_of_the_lab: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://states")
    assert environ.full_environment(lab=False)["PULUMI_BACKEND_URL"] == "s3://states"


def test_the_trust_of_the_lab_keeps_the_systems_authorities_in_a_shell_that_has_it(
    pulumi: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    before = Path(environ.environment(lab=True)["SSL_CERT_FILE"]).read_text()
    monkeypatch.setenv("SSL_CERT_FILE", str(environ.trust_bundle_path()))
    assert Path(environ.environment(lab=True)["SSL_CERT_FILE"]).read_text() == before
