"""The owner of every process of the lab.

It has the parts brought up, restarts what dies, hands out ports that stay the same, and answers ``Control``; what the
lab consists of it does not know. When it ends, the kernel ends its parts. It ends by itself when its state directory
disappears, and with the process that ``PAIF_LAB_OWNER`` names: the lab of a test or a benchmark is of no use to anybody
else.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import os
import secrets
import signal
import socket
from collections.abc import Awaitable, Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import psutil
from aiohttp import web

from lab.state import ROOT, bin_directory, read_json, state_directory, write_json
from lab.supervision.part import Part, PartFailedError, PartStatus
from lab.supervision.supervised import Supervised

_log = logging.getLogger("lab.daemon")


class Daemon:
    """Ports, parts and the control server of one lab.

    ``bring_up`` starts everything and raises ``PartFailedError`` naming the part that does not come up. The parts
    ``ends_first`` are stopped before all others, that of ``ends_last`` after them.
    """

    def __init__(
        self,
        directory: Path,
        bring_up: Callable[[Daemon], Awaitable[None]],
        *,
        ends_first: Collection[str] = (),
        ends_last: str = "",
    ) -> None:
        self.directory = directory
        self._bring_up = bring_up
        self._ends_first, self._ends_last = ends_first, ends_last
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
            "PYTHONPATH": str(ROOT),
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
            await self._bring_up(self)
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
        for name in [name for name in self._parts if name in self._ends_first]:
            await self._parts.pop(name).stop()
        last = self._parts.pop(self._ends_last, None)
        await asyncio.gather(*(part.stop() for part in self._parts.values()))
        if last is not None:
            await last.stop()
        (self.directory / "control.json").unlink(missing_ok=True)
        await runner.cleanup()
