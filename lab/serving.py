"""Serving on 127.0.0.1, with TLS where a platform's server has it."""

from __future__ import annotations

import asyncio
import signal
import ssl
from pathlib import Path

from aiohttp import web


def server_context(cert: Path, key: Path) -> ssl.SSLContext:
    """TLS for a server with this certificate and key (PEM)."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    return context


async def serve(*sites: tuple[web.Application, int, ssl.SSLContext | None]) -> None:
    """Serve applications on ports of 127.0.0.1 until told to stop (SIGTERM or SIGINT)."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    runners = []
    for app, port, context in sites:
        runner = web.AppRunner(app, access_log=None)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context, reuse_address=True).start()
    await stopping.wait()
    for runner in runners:
        await runner.cleanup()
