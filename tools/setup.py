"""Set-up: the Python environment and the tools, once for a user, linked into each clone."""

from __future__ import annotations

import concurrent.futures
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
import venv
from pathlib import Path

from tools.obtain import Obtained, ObtainError, Say, cached_tool, obtain
from tools.spec import ROOT, Tool, cache_directory, load

REQUIREMENTS = ROOT / "requirements" / "all.txt"
_HEARTBEAT_SECONDS = 30
_PARALLEL = 2  # a Go build links on one core for minutes: a second one fills the other


def state_directory() -> Path:
    """The state directory of this clone: ``$PAIF_STATE``, else ``.paif``."""
    return Path(os.environ.get("PAIF_STATE") or ROOT / ".paif").resolve()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - rich is not installed yet


def _venv_key() -> str:
    # The base, not the prefix: in a shell that `./paif env` set up, Python is already that of an environment.
    version = ".".join(str(part) for part in sys.version_info[:3])
    return hashlib.sha256(f"{version} {sys.base_prefix}".encode() + REQUIREMENTS.read_bytes()).hexdigest()[:16]


def venv_folder() -> Path:
    """The Python environment of these requirements in the user's cache; clones share it."""
    return cache_directory() / "venv" / _venv_key()


def venv_ready() -> bool:
    link = ROOT / ".venv"
    return (venv_folder() / "complete").exists() and link.exists() and link.resolve() == venv_folder().resolve()


def _pip(folder: Path, arguments: list[str]) -> None:
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    answer = subprocess.run([*pip, *arguments], capture_output=True, text=True, check=False)
    if answer.returncode:
        raise ObtainError(
            f"the Python packages could not be installed:\n{answer.stderr.strip()[-2000:]}\n"
            "What mends it: a reachable package index (pip's own settings are used), or a folder of wheels named in "
            "PIP_FIND_LINKS."
        )


def _symlink(link: Path, target: Path) -> None:
    """Point ``link`` at ``target`` in one step, also while another set-up does the same."""
    new = link.with_name(f".{link.name}.{os.getpid()}.{threading.get_ident()}")
    new.symlink_to(target)
    new.replace(link)


def prepare_venv(say: Say = _say) -> None:
    """Make the Python environment with the pinned, hashed requirements, and link ``.venv`` to it.

    Raises ``ObtainError``.
    """
    folder = venv_folder()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            started = time.monotonic()
            say("Python packages: installing the pinned requirements")
            shutil.rmtree(folder, ignore_errors=True)
            try:
                venv.create(folder, with_pip=True, symlinks=True)
            except (subprocess.CalledProcessError, OSError) as error:
                raise ObtainError(
                    f"a virtual environment cannot be made ({error}). "
                    "What mends it: install Python's venv package (Debian: python3-venv)."
                ) from None
            _pip(folder, ["--require-hashes", "-r", str(REQUIREMENTS)])
            (folder / "complete").touch()
            say(f"Python packages: done in {time.monotonic() - started:.0f} s")
    link = ROOT / ".venv"
    if link.is_symlink() or not link.exists():
        _symlink(link, folder)
    elif link.resolve() != folder.resolve():
        raise ObtainError(f"{link} is a folder that set-up did not make. What mends it: move it away and run again.")


def managed_tools() -> list[Tool]:
    """The tools to have, in the order to get them; what is optional comes only where it costs no build."""
    return [tool for tool in load().values() if tool.name != "go" and not tool.on_demand]


def tools_ready() -> bool:
    """Whether every tool that must be there is there and linked."""
    links = state_directory() / "bin"
    for tool in managed_tools():
        if tool.optional:
            continue
        found = cached_tool(tool)
        if found is None:
            return False
        if tool.plugin:
            continue
        if tool.beside:
            folder = _engine_folder(tool)
            if folder is None or not all((folder / name).exists() for name in tool.binaries):
                return False
            continue
        for name in tool.binaries or [tool.folder or tool.name]:
            link = links / name
            target = Path(found.folder) / name if tool.binaries else Path(found.folder)
            if not link.is_symlink() or link.readlink() != target:
                return False
    return True


def _link(tool: Tool, found: Obtained) -> None:
    links = state_directory() / "bin"
    links.mkdir(parents=True, exist_ok=True)
    if tool.plugin:
        return  # the engine warns of plugins on PATH
    if tool.beside:
        _copy_to_engine(tool, found)
        return
    for name in tool.binaries or [tool.folder or tool.name]:
        target = Path(found.folder) / name if tool.binaries else Path(found.folder)
        _symlink(links / name, target)


def _engine_folder(tool: Tool) -> Path | None:
    """The folder of the engine that ``tool`` belongs to; the engine looks for its language hosts there first."""
    engine = cached_tool(load()[tool.beside or ""])
    return Path(engine.folder) if engine else None


def _copy_to_engine(tool: Tool, found: Obtained) -> None:
    folder = _engine_folder(tool)
    if folder is None or folder == Path(found.folder):
        return
    for name in tool.binaries:
        new = folder / f".{name}.{os.getpid()}"
        shutil.copy2(Path(found.folder) / name, new)
        new.replace(folder / name)


def prepare_tools(say: Say = _say) -> list[Obtained]:
    """Get and link every tool, two at a time; what another set-up finished is not done again.

    Raises ``ObtainError`` for the first tool that must be there and cannot be had.
    """
    tools = managed_tools()
    state_directory().mkdir(mode=0o700, parents=True, exist_ok=True)
    done: dict[str, Obtained] = {}
    total = len(tools)

    def prepare_one(number: int, tool: Tool) -> Obtained | None:
        label = f"[{number}/{total}] {tool.what} {'' if tool.version == 'source' else tool.version}".rstrip()
        was_cached = cached_tool(tool) is not None
        if not was_cached:
            say(f"{label}: looking for it")
        finished = threading.Event()

        def heartbeat() -> None:
            seconds = 0
            while not finished.wait(_HEARTBEAT_SECONDS):
                seconds += _HEARTBEAT_SECONDS
                say(f"{label}: still at it after {seconds} s (builds from source take minutes, once)")

        watcher = threading.Thread(target=heartbeat, daemon=True)
        watcher.start()
        try:
            obtained = obtain(tool, lambda line: say(f"{label}: {line}"), beside=done.get(tool.beside or ""))
        except ObtainError:
            if tool.optional:
                say(f"{label}: not at hand; {tool.optional}")
                return None
            raise
        finally:
            finished.set()
        if not was_cached:
            say(f"{label}: {obtained.how}, {obtained.seconds:.0f} s")
        done[tool.name] = obtained
        _link(tool, obtained)
        return obtained

    def wait_for(futures: list[concurrent.futures.Future[Obtained | None]]) -> None:
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise

    # The engine first: whether the language host comes with it is known only then.
    first, rest = tools[0], tools[1:]
    language = [tool for tool in rest if tool.beside]
    others = [tool for tool in rest if not tool.beside]
    with concurrent.futures.ThreadPoolExecutor(_PARALLEL) as pool:
        futures = [pool.submit(prepare_one, 1, first)]
        futures += [pool.submit(prepare_one, number, tool) for number, tool in enumerate(others, 2)]
        wait_for([futures[0]])
        futures += [pool.submit(prepare_one, len(others) + 1 + number, tool) for number, tool in enumerate(language, 1)]
        wait_for(futures)
    return list(done.values())


def prepare(say: Say = _say) -> None:
    """All of set-up; nothing is said when nothing is to do. Raises ``ObtainError``."""
    if not venv_ready():
        prepare_venv(say)
    if not tools_ready():
        prepare_tools(say)
