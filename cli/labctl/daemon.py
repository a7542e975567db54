"""Starting, stopping and looking at the local lab."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

import paif_catalog as catalog
from cli.output.console import Failed, say
from lab.state import ROOT, lab_directory, platform_file, read_json, write_json
from lab.supervision.control import OTHER_OWNER, Control, LabDownError
from lab.supervision.part import PartStatus

_UP_SECONDS = 180
_DOWN_SECONDS = 40


def running() -> Control | None:
    """The lab's control API, or ``None`` when the daemon does not run."""
    try:
        control = Control.connect(lab_directory())
        control.health()
    except (LabDownError, OSError):
        return None
    return control


def liveness_handle() -> int:
    """Have the lab running; a file descriptor that becomes readable when its daemon ends. Raises ``Failed``."""
    up()
    pid = _daemon_pid()
    try:
        return os.pidfd_open(pid or 0)
    except OSError:
        raise Failed(f"the lab ended as soon as it was up; {log_file()} may tell why") from None


def _daemon_pid() -> int | None:
    """The daemon's process. One that is told to end forgets it: when none runs, this one ended in another way."""
    control = read_json(lab_directory() / "control.json", None)
    return int(control["pid"]) if control else None


def log_file() -> Path:
    """What the daemon says of itself and its parts."""
    return lab_directory() / "daemon.log"


def _daemon_environment() -> dict[str, str]:
    # The daemon outlives the command that starts it: what marks an engine's children must not mark it.
    drop = {"PAIF_RUN", "PULUMI_CONFIG_PASSPHRASE", "PAIF_LAB_CONTROL"}
    return {
        **{name: value for name, value in os.environ.items() if name not in drop and not name.startswith("PULUMI_")},
        "PYTHONPATH": str(ROOT),
    }


def choose_platform(name: str | None = None) -> None:
    """Have the lab play this version of the platform; without a name the one that it plays, or the only one known.

    Raises ``Failed`` for one that is not known, and for another one than a lab that was started already plays.
    """
    plays = read_json(platform_file(), None)
    try:
        wanted = catalog.baseline(name or plays).name
    except catalog.UnknownBaselineError as error:
        raise Failed(f"the platform of the lab: {error}; `./paif lab up --platform NAME` names it") from None
    if plays not in {None, wanted}:
        raise Failed(
            f"the lab plays {plays}; `./paif lab reset` forgets all that is in it, and then it can play {wanted}"
        )
    lab_directory().mkdir(mode=0o700, parents=True, exist_ok=True)
    write_json(platform_file(), wanted)


def _start(platform: str | None) -> subprocess.Popen[bytes]:
    choose_platform(None if platform_file().exists() else platform)
    with log_file().open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "lab"],
            cwd=ROOT,
            env=_daemon_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _pauses() -> Iterator[float]:
    pause = 0.05
    deadline = time.monotonic() + _UP_SECONDS
    while time.monotonic() < deadline:
        yield pause
        pause = min(pause * 1.5, 0.5)


def up(platform: str | None = None) -> float:
    """Have the lab running and ready; returns the seconds it took, 0 when it ran already.

    A lab that was never started plays ``platform`` from then on, by default the only one that is known. Raises
    ``Failed`` with what does not come up and the end of its log.
    """
    started = time.monotonic()
    process: subprocess.Popen[bytes] | None = None
    phase, announced = "", False
    for pause in _pauses():
        control = running()
        if control is None:
            if process is None:
                if not announced:
                    stale_pid = _daemon_pid()
                    why = f": its daemon, process {stale_pid}, is gone" if stale_pid else ""
                    say(f"starting the lab (simulated vCenter, real Kubernetes API servers){why}")
                    announced = True
                process = _start(platform)
            elif process.poll() == OTHER_OWNER:
                # Another command was quicker, or an earlier daemon is still ending its parts.
                process = None
            elif process.poll() is not None:
                raise Failed(f"the lab's daemon ended at once:\n{_tail(log_file())}")
        else:
            health = control.health()
            if health["ready"]:
                seconds = time.monotonic() - started
                if announced:
                    say(f"the lab is ready after {seconds:.1f} s")
                return seconds if announced else 0.0
            if health["problem"]:
                control.stop()
                raise Failed(f"the lab did not come up: {health['problem']}")
            if health["phase"] != phase:
                phase = health["phase"]
                say(f"lab: {phase}")
        time.sleep(pause)
    raise Failed(f"the lab was not ready within {_UP_SECONDS} s; `./paif lab status` shows its parts")


def down() -> bool:
    """Stop the lab; its state stays. Returns whether it ran. Raises ``Failed`` when it does not end."""
    control = running()
    data = read_json(lab_directory() / "control.json", None)
    if control is None:
        return False
    control.stop()
    try:
        psutil.Process(int(data["pid"])).wait(_DOWN_SECONDS)
    except psutil.NoSuchProcess:
        pass
    except psutil.TimeoutExpired:
        raise Failed(f"the lab's daemon (process {data['pid']}) did not end within {_DOWN_SECONDS} s") from None
    return True


def reset() -> None:
    """Stop the lab and forget everything in it, ports and authorities included."""
    down()
    shutil.rmtree(lab_directory(), ignore_errors=True)


def parts() -> dict[str, PartStatus]:
    """Every part of the running lab. Raises ``Failed`` when it is down."""
    control = running()
    if control is None:
        stale_pid = _daemon_pid()
        why = f": its daemon, process {stale_pid}, ended without being told to" if stale_pid else ""
        raise Failed(f"the lab is down{why}; `./paif lab up` starts it, with all that was in it")
    return control.parts(memory=True)


def _tail(path: Path, lines: int = 20) -> str:
    try:
        return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return "(no log)"


def endpoints() -> dict[str, dict[str, str]]:
    """What the lab offers, as the program reads it. Raises ``Failed`` when it never ran."""
    found: dict[str, dict[str, str]] | None = read_json(lab_directory() / "endpoints.json", None)
    if found is None:
        raise Failed("the lab has never been up here; `./paif lab up` starts it")
    return found


def faults() -> dict[str, dict[str, object]]:
    return dict(read_json(lab_directory() / "faults.json", {}))


def set_fault(name: str, parameters: dict[str, str]) -> dict[str, str | int | float]:
    """Switch fault ``name`` on; returns its parameters, with defaults. Raises ``ValueError`` for what is unknown."""
    from lab.faults import check_fault  # noqa: PLC0415 - only here

    checked = check_fault(name, parameters)
    _write_faults({**faults(), name: dict(checked)})
    return checked


def end_faults(name: str | None) -> list[str]:
    """Switch fault ``name`` off, or all; returns those that were on. Raises ``ValueError`` for what is unknown."""
    from lab.faults import check_name  # noqa: PLC0415 - only here

    if name is not None:
        check_name(name)
    current = faults()
    ended = [each for each in current if name in {None, each}]
    _write_faults({each: current[each] for each in current if each not in ended})
    return ended


def _write_faults(active: dict[str, dict[str, object]]) -> None:
    from lab.state import write_json  # noqa: PLC0415 - only here

    write_json(lab_directory() / "faults.json", active)


def as_json(status: dict[str, PartStatus]) -> object:
    return json.loads(json.dumps({name: part.model_dump() for name, part in status.items()}))
