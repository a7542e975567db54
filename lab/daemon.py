"""The owner of every process of the lab.

It starts the parts in order, restarts what dies, hands out ports that stay the same, and answers ``lab.control``.
When it ends, the kernel ends its parts. It ends by itself when its state directory disappears, and with the process
that ``PAIF_LAB_OWNER`` names: the lab of a test or a benchmark is of no use to anybody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import json
import logging
import os
import secrets
import signal
import socket
import ssl
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from aiohttp import web

from lab import boot
from lab.control import OTHER_OWNER, Part, PartFailedError, PartStatus, Ready
from lab.process import spawn
from lab.state import bin_directory, lab_directory, read_json, state_directory, write_json

_log = logging.getLogger("lab.daemon")
_BACKOFF_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
_STOP_SECONDS = 8.0
_LOG_BYTES = 4 << 20
_FAILED_AFTER = 4


def _tail(path: Path, lines: int = 15) -> str:
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - 16384))
            text = stream.read().decode(errors="replace")
    except FileNotFoundError:
        return "(no log)"
    return "\n".join(text.splitlines()[-lines:])


async def _answers(ready: Ready) -> bool:
    if ready.url is not None:
        context: ssl.SSLContext | bool = True
        if ready.ca is not None:
            context = ssl.create_default_context(cafile=str(ready.ca))
        timeout = aiohttp.ClientTimeout(total=2)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
                session.get(ready.url, ssl=context) as answer,
            ):
                return answer.status < 500
        except (aiohttp.ClientError, TimeoutError):
            return False
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", ready.tcp), 2)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


class Supervised:
    """One part: its process, kept alive until ``stop``."""

    def __init__(self, part: Part, environment: dict[str, str], logs: Path) -> None:
        self.part = part
        self._environment = environment
        self.log = logs / f"{part.name}.log"
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._state_changed = asyncio.Event()
        self.state = "starting"
        self.restarts = 0
        self.problem = ""
        self.ended = ""
        self._failures = 0

    def start(self) -> None:
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep(), name=self.part.name)

    def _enter(self, state: str, problem: str = "") -> None:
        self.state, self.problem = state, problem
        self._state_changed.set()
        self._state_changed = asyncio.Event()

    async def wait_ready(self) -> None:
        """Returns when the part runs. Raises ``PartFailedError`` when it failed."""
        deadline = time.monotonic() + (self.part.ready.seconds if self.part.ready else 10) + 5
        while self.state == "starting":
            changed = self._state_changed
            try:
                await asyncio.wait_for(changed.wait(), max(0.01, deadline - time.monotonic()))
            except TimeoutError:
                break
        if self.state != "running":
            raise PartFailedError(
                f"part {self.part.name} did not become ready: {self.problem or 'no answer in time'}\n"
                f"the end of its log {self.log.name}:\n{_tail(self.log)}"
            )

    async def _keep(self) -> None:
        while True:
            started = time.monotonic()
            problem = await self._run_once()
            if time.monotonic() - started > 30:
                self._failures = 0
            self._failures += 1
            self.restarts += 1
            self.ended = problem
            self._enter("failed" if self._failures >= _FAILED_AFTER else "starting", problem)
            _log.warning("part %s: %s; starting it again", self.part.name, problem)
            await asyncio.sleep(_BACKOFF_SECONDS[min(self._failures, len(_BACKOFF_SECONDS)) - 1])

    async def _run_once(self) -> str:
        """Run the process until it ends; the answer says why it ended."""
        part = self.part
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        environment = {**self._environment, **part.env}
        try:
            process = await spawn(
                part.argv, env=environment, cwd=part.cwd, log=self.log, unprivileged=part.unprivileged
            )
        except (OSError, ValueError) as error:
            return f"cannot start {part.argv[0]}: {error}"
        self._process = process
        exited = asyncio.create_task(process.wait())
        try:
            if not await self._becomes_ready(exited):
                if not exited.done():
                    await self._end(process)
                    return f"no answer within {part.ready.seconds if part.ready else 0:.0f} s"
            elif not exited.done():
                self._enter("running")
                self._failures = 0 if part.ready else self._failures
            code = await exited
        except asyncio.CancelledError:
            await self._end(process)
            raise
        finally:
            self._process = None
        return f"exit status {code}" if code >= 0 else f"killed by signal {signal.Signals(-code).name}"

    async def _becomes_ready(self, exited: asyncio.Task[int]) -> bool:
        ready = self.part.ready
        if ready is None:
            return True
        deadline = time.monotonic() + ready.seconds
        pause = 0.02
        while not exited.done() and time.monotonic() < deadline:
            if await _answers(ready):
                return True
            await asyncio.wait({exited}, timeout=pause)
            pause = min(pause * 1.5, 0.3)
        return False

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is not None:
            return
        # Every part is the leader of its own session: its group holds its workers too.
        for kind, seconds in ((signal.SIGTERM, _STOP_SECONDS), (signal.SIGKILL, 5.0)):
            with contextlib.suppress(ProcessLookupError):
                # PostgreSQL waits for its clients on SIGTERM and does not on SIGINT.
                fast = signal.SIGINT if "postgres" in Path(self.part.argv[0]).name else kind
                os.killpg(process.pid, fast if kind == signal.SIGTERM else kind)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), seconds)
                return

    async def stop(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None

    def status(self, *, memory: bool) -> PartStatus:
        process = self._process
        return PartStatus(
            state=self.state,  # type: ignore[arg-type]  # one of its three literals by construction
            pid=process.pid if process else None,
            restarts=self.restarts,
            rss_bytes=_memory(process.pid) if process and memory else 0,
            problem=self.problem if self.state != "running" else "",
            ended=self.ended,
        )


def _memory(pid: int) -> int:
    """Bytes that a process and all below it hold, shared pages counted once. Dear: the kernel walks all their pages."""
    total = 0
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(pid)
        for each in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += each.memory_full_info().pss
    return total


class Daemon:
    """Ports, parts and the control server of one lab."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._ports: dict[str, int] = read_json(directory / "ports.json", {})
        self._remembered: dict[str, dict[str, Any]] = read_json(directory / "parts.json", {})
        self._parts: dict[str, Supervised] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._logs = directory / "log"
        self._logs.mkdir(parents=True, exist_ok=True)
        self._stop = asyncio.Event()
        self._ready = False
        self._problem = ""
        self._phase = "starting"
        self._token = secrets.token_urlsafe(24)
        self.environment = {
            **os.environ,
            "PAIF_STATE": str(state_directory()),
            "PAIF_BIN": str(bin_directory()),
            "PAIF_LAB_CONTROL": str(directory / "control.json"),
            "PAIF_LAB_FAULTS": str(directory / "faults.json"),
            "PAIF_LAB_LATENCY": os.environ.get("PAIF_LAB_LATENCY", "fast"),
            "PYTHONPATH": str(Path(__file__).resolve().parent.parent),
            "PYTHONUNBUFFERED": "1",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }

    def port(self, name: str) -> int:
        """The persistent port of ``name``; a free one is found at the first call."""
        if name not in self._ports:
            taken = set(self._ports.values())
            while True:
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", 0))
                    number = int(probe.getsockname()[1])
                if number not in taken:
                    break
            self._ports[name] = number
            write_json(self.directory / "ports.json", self._ports)
        return self._ports[name]

    def release_port(self, name: str) -> None:
        if self._ports.pop(name, None) is not None:
            write_json(self.directory / "ports.json", self._ports)

    def phase(self, text: str) -> None:
        """Say what is being started; `./paif lab up` shows it."""
        self._phase = text

    async def ensure(self, part: Part, *, remember: bool) -> None:
        """Run ``part`` as defined and wait until it is ready. Raises ``PartFailedError``."""
        async with self._locks.setdefault(part.name, asyncio.Lock()):
            known = self._parts.get(part.name)
            if known is not None and known.part != part:
                await known.stop()
                known = None
            if known is None:
                known = Supervised(part, self.environment, self._logs)
                self._parts[part.name] = known
            if remember:
                definition = json.loads(part.model_dump_json())
                if self._remembered.get(part.name) != definition:
                    self._remembered[part.name] = definition
                    write_json(self.directory / "parts.json", self._remembered)
            known.start()
        await known.wait_ready()

    async def remove(self, name: str) -> None:
        async with self._locks.setdefault(name, asyncio.Lock()):
            if self._remembered.pop(name, None) is not None:
                write_json(self.directory / "parts.json", self._remembered)
            part = self._parts.pop(name, None)
            if part is not None:
                await part.stop()
                part.log.unlink(missing_ok=True)

    async def bring_back(self) -> None:
        """Start every remembered part again; those of a cluster after its API server, since they end without one."""
        servers: dict[str, asyncio.Task[None]] = {}

        async def one(definition: dict[str, Any], server: asyncio.Task[None] | None) -> None:
            if server is not None:
                await server
            try:
                await self.ensure(Part(**definition), remember=True)
            except PartFailedError as error:
                _log.error("%s", error)

        last = "apiserver"
        definitions = list(self._remembered.values())
        for definition in definitions:
            if definition["name"].endswith(f"-{last}"):
                servers[definition["name"].removesuffix(last)] = asyncio.create_task(one(definition, None))
        others = [
            # By the longest name: the cluster `a-` has no part of `a-b-`.
            one(
                each, servers.get(max((name for name in servers if each["name"].startswith(name)), key=len, default=""))
            )
            for each in definitions
            if not each["name"].endswith(f"-{last}")
        ]
        await asyncio.gather(*servers.values(), *others)

    def _routes(self) -> web.Application:
        def guarded(
            handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
        ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
            async def check(request: web.Request) -> web.StreamResponse:
                if not secrets.compare_digest(request.headers.get("Authorization", ""), f"Bearer {self._token}"):
                    return web.json_response({"message": "wrong or missing token"}, status=401)
                try:
                    return await handler(request)
                except PartFailedError as error:
                    return web.json_response({"message": str(error)}, status=409)

            return check

        async def put_part(request: web.Request) -> web.StreamResponse:
            await self.ensure(Part(**await request.json()), remember=True)
            return web.json_response({})

        async def delete_part(request: web.Request) -> web.StreamResponse:
            await self.remove(request.match_info["name"])
            return web.json_response({})

        async def get_parts(request: web.Request) -> web.StreamResponse:
            memory = "memory" in request.query
            parts = {name: part.status(memory=memory) for name, part in sorted(self._parts.items())}
            own = psutil.Process().memory_full_info().pss if memory else 0
            parts["daemon"] = PartStatus(state="running", pid=os.getpid(), rss_bytes=own)
            return web.json_response({name: part.model_dump() for name, part in parts.items()})

        async def post_port(request: web.Request) -> web.StreamResponse:
            return web.json_response({"port": self.port(request.match_info["name"])})

        async def delete_port(request: web.Request) -> web.StreamResponse:
            self.release_port(request.match_info["name"])
            return web.json_response({})

        async def health(_: web.Request) -> web.StreamResponse:
            return web.json_response({"ready": self._ready, "phase": self._phase, "problem": self._problem})

        async def stop(_: web.Request) -> web.StreamResponse:
            self._stop.set()
            return web.json_response({})

        app = web.Application()
        app.add_routes(
            [
                web.put("/parts/{name}", guarded(put_part)),
                web.delete("/parts/{name}", guarded(delete_part)),
                web.get("/parts", guarded(get_parts)),
                web.post("/ports/{name}", guarded(post_port)),
                web.delete("/ports/{name}", guarded(delete_port)),
                web.get("/health", guarded(health)),
                web.post("/stop", guarded(stop)),
            ]
        )
        return app

    async def _watch_folder(self) -> None:
        """End when the folder that this lab belongs to is gone."""
        control = self.directory / "control.json"
        while control.exists():
            await asyncio.sleep(1)
        _log.warning("%s is gone: stopping", control)
        self._stop.set()

    @contextlib.contextmanager
    def _watched_owner(self) -> Iterator[None]:
        """End when the process that this lab belongs to has ended, if it belongs to one."""
        owner = os.environ.get("PAIF_LAB_OWNER", "")
        if not owner:
            yield
            return
        loop = asyncio.get_running_loop()

        handle = -1

        def gone() -> None:
            loop.remove_reader(handle)
            _log.warning("process %s, to which this lab belongs, has ended: stopping", owner)
            self._stop.set()

        try:
            handle = os.pidfd_open(int(owner))
        except ProcessLookupError:
            self._stop.set()
            yield
            return
        loop.add_reader(handle, gone)
        try:
            yield
        finally:
            loop.remove_reader(handle)
            os.close(handle)

    async def _boot(self) -> None:
        try:
            await boot.bring_up(self)
        except PartFailedError as error:
            self._problem = str(error)
            _log.error("%s", error)
        except Exception as error:
            self._problem = f"{type(error).__name__}: {error}"
            _log.exception("the lab did not come up")
        else:
            self._ready = True
            self._phase = "ready"

    async def _listen(self, runner: web.AppRunner) -> int:
        """Serve on the control port; on another one when something took it while no daemon ran, since no one else
        remembers it."""
        while True:
            port = self.port("control")
            try:
                await web.TCPSite(runner, "127.0.0.1", port).start()
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                self.release_port("control")
            else:
                return port

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for kind in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(kind, self._stop.set)
        runner = web.AppRunner(self._routes(), access_log=None)
        await runner.setup()
        port = await self._listen(runner)
        write_json(
            self.directory / "control.json",
            {"url": f"http://127.0.0.1:{port}", "token": self._token, "pid": os.getpid()},
        )
        tasks = [asyncio.create_task(self._boot()), asyncio.create_task(self._watch_folder())]
        with self._watched_owner():
            await self._stop.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # Operators first, so that they do not take the end of the others for a fault.
        for name in sorted(self._parts, key=lambda each: boot.STOP_FIRST.get(each, 1)):
            if boot.STOP_FIRST.get(name, 1) == 0:
                await self._parts.pop(name).stop()
        last = self._parts.pop("etcd", None)
        await asyncio.gather(*(part.stop() for part in self._parts.values()))
        if last is not None:
            await last.stop()
        (self.directory / "control.json").unlink(missing_ok=True)
        await runner.cleanup()


def main() -> int:
    """Run the daemon in the foreground; exit status 2 when another one already owns this lab."""
    directory = lab_directory()
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    lock = (directory / "daemon.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _log.error("another daemon owns %s; `./paif lab status` shows it", directory)
        return OTHER_OWNER
    asyncio.run(Daemon(directory).run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
