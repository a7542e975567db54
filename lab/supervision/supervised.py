"""One part of the lab under supervision: its process is started, watched, and started again when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import ssl
import time
from pathlib import Path

import aiohttp
import psutil

from lab.process import spawn
from lab.supervision.part import Part, PartFailedError, PartStatus, Ready

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
