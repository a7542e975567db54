"""The lab's daemon with small real processes: restarts, ports, endings."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from lab.state import ROOT
from lab.supervision.control import Control, LabDownError
from lab.supervision.part import Part, PartFailedError, Ready

_SERVER = """
import http.server, sys
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
_DAEMON = """
import asyncio
from lab import __main__ as lab
async def nothing(_): return None
lab.bring_up = nothing
raise SystemExit(lab.main())
"""

Start = Callable[..., tuple["subprocess.Popen[bytes]", Control]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a daemon without the lab's own parts; every one started is ended at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def one(**extra: str) -> tuple[subprocess.Popen[bytes], Control]:
        environment = {**os.environ, "PAIF_STATE": str(tmp_path / ".paif"), "PYTHONPATH": str(ROOT), **extra}
        process = subprocess.Popen([sys.executable, "-c", _DAEMON], env=environment, stderr=subprocess.DEVNULL)
        started.append(process)
        control_file = tmp_path / ".paif" / "lab" / "control.json"
        _until(lambda: control_file.exists() and json.loads(control_file.read_text())["pid"] == process.pid)
        return process, Control.connect(tmp_path / ".paif" / "lab")

    yield one
    for process in started:
        process.terminate()
        process.wait(20)


def _until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Poll ``condition``; the wait is bounded and its length proves nothing."""
    event = threading.Event()
    for _ in range(int(seconds / 0.05)):
        if condition():
            return
        event.wait(0.05)
    pytest.fail("it did not happen")


def _part(control: Control, name: str) -> Part:
    port = control.port(name)
    return Part(name=name, argv=[sys.executable, "-c", _SERVER, str(port)], ready=Ready(tcp=port))


def test_a_part_that_is_killed_is_started_again_on_its_port(start: Start) -> None:
    _, control = start()
    control.ensure(_part(control, "web"))
    first = control.parts()["web"].pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    _until(lambda: control.parts()["web"].state == "running" and control.parts()["web"].pid not in (None, first))
    assert control.parts()["web"].restarts == 1
    assert control.parts()["web"].ended == "killed by signal SIGKILL"


def test_a_part_that_never_comes_up_is_reported_with_the_end_of_its_log(start: Start) -> None:
    _, control = start()
    part = Part(
        name="broken",
        argv=[sys.executable, "-c", "import sys; sys.exit('no disk left')"],
        ready=Ready(tcp=control.port("broken"), seconds=1),
    )
    with pytest.raises(PartFailedError, match="no disk left"):
        control.ensure(part)
    found = control.parts()["broken"]
    assert (found.state, found.problem, found.ended) == ("failed", "exit status 1", "exit status 1")


def test_parts_end_when_the_daemon_is_killed(start: Start) -> None:
    process, control = start()
    control.ensure(_part(control, "web"))
    part = psutil.Process(control.parts()["web"].pid)
    process.kill()
    psutil.wait_procs([part], timeout=20)
    assert not part.is_running()


def test_ports_and_parts_come_back_with_the_next_daemon(start: Start) -> None:
    process, control = start()
    control.ensure(_part(control, "web"))
    port = control.port("web")
    process.kill()
    process.wait()
    _, again = start()
    assert again.port("web") == port


def test_the_daemon_ends_when_its_folder_is_removed(start: Start) -> None:
    process, control = start()
    (control.directory / "control.json").unlink()
    assert process.wait(20) == 0


def test_the_lab_of_a_test_ends_with_the_process_that_asked_for_it_however_that_ends(
    start: Start, tmp_path: Path
) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as owner:
        process, control = start(PAIF_LAB_OWNER=str(owner.pid))
        control.ensure(_part(control, "web"))
        part = psutil.Process(control.parts()["web"].pid)
        owner.kill()
    assert process.wait(20) == 0
    assert not part.is_running()
    # A command that is still under way would bring the lab back, for nobody.
    environment = {**os.environ, "PAIF_STATE": str(tmp_path / ".paif"), "PAIF_LAB_OWNER": str(owner.pid)}
    again = [sys.executable, "-c", _DAEMON]
    assert (
        subprocess.run(again, cwd=ROOT, env=environment, capture_output=True, check=False, timeout=20).returncode == 0
    )


def test_a_second_daemon_for_the_same_lab_is_refused(start: Start, tmp_path: Path) -> None:
    start()
    environment = {**os.environ, "PAIF_STATE": str(tmp_path / ".paif"), "PYTHONPATH": str(ROOT)}
    answer = subprocess.run([sys.executable, "-c", _DAEMON], env=environment, capture_output=True, check=False)
    assert answer.returncode == 2
    assert b"another daemon owns" in answer.stderr


def test_a_removed_part_is_gone_with_its_process(start: Start) -> None:
    _, control = start()
    control.ensure(_part(control, "web"))
    pid = control.parts()["web"].pid
    assert pid is not None
    control.remove("web")
    assert "web" not in control.parts()
    assert not psutil.pid_exists(pid)


def test_a_caller_without_the_token_is_refused(start: Start) -> None:
    _, control = start()
    data = json.loads((control.directory / "control.json").read_text())
    stranger = Control(control.directory, data["url"], "wrong")
    with pytest.raises(LabDownError, match="token"):
        stranger.parts()


def test_a_lab_that_never_ran_says_how_to_start_it(tmp_path: Path) -> None:
    with pytest.raises(LabDownError, match="lab up"):
        Control.connect(tmp_path)


def test_a_free_port_is_really_free(start: Start) -> None:
    _, control = start()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", control.port("anything")))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has something to give up")
def test_an_unprivileged_part_is_not_root(start: Start, tmp_path: Path) -> None:
    _, control = start()
    port = control.port("who")
    script = f"import os; open({str(tmp_path / 'uid')!r},'w').write(str(os.geteuid()))\n" + _SERVER
    control.ensure(
        Part(name="who", argv=[sys.executable, "-c", script, str(port)], ready=Ready(tcp=port), unprivileged=True)
    )
    assert (tmp_path / "uid").read_text() != "0"


def test_a_daemon_whose_port_was_taken_meanwhile_finds_another(start: Start) -> None:
    process, control = start()
    taken = control.port("control")
    process.kill()
    process.wait()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", taken))
        other.listen()
        _, again = start()
        assert again.port("control") != taken
        assert again.health()["phase"]


@pytest.mark.parametrize("answer", ["a page", "wrong token"])
def test_what_answers_in_place_of_a_daemon_that_is_gone_is_not_taken_for_it(
    start: Start, tmp_path: Path, answer: str
) -> None:
    process, control = start()
    file = control.directory / "control.json"
    known = json.loads(file.read_text())
    if answer == "a page":
        process.kill()
        process.wait()
        port = known["url"].rsplit(":", 1)[-1]
        page = subprocess.Popen([sys.executable, "-c", _SERVER, port], cwd=tmp_path, stderr=subprocess.DEVNULL)
        try:
            _until(lambda: _accepts(int(port)))
            with pytest.raises(LabDownError, match="lab up"):
                Control.connect(control.directory).health()
        finally:
            page.kill()
            page.wait()
    else:
        file.write_text(json.dumps(known | {"token": "of an earlier one"}))
        with pytest.raises(LabDownError, match="lab up"):
            Control.connect(control.directory).health()


def _accepts(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
