"""TLS in front of a simulated PostgreSQL server: the server's build has none, and DSM's databases take nothing else.

``python -m lab.simulated.dsm.tls_front PORT CERT KEY SOCKET`` listens on 127.0.0.1, speaks PostgreSQL's own negotiation
(``SSLRequest``, then TLS), and passes the rest on to the server's Unix socket. A client without TLS is refused in the
words of PostgreSQL. It imports little on purpose: one runs beside every database.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
import sys
from pathlib import Path

_SSL_REQUEST = 80877103
_GSS_REQUEST = 80877104
_CANCEL_REQUEST = 80877102
_LONGEST_STARTUP = 10_000
_CHUNK = 1 << 16
_SERVER_SECONDS = 10.0


def refusal(message: str, code: str) -> bytes:
    """PostgreSQL's ErrorResponse: a fatal error with its SQLSTATE."""
    fields = (("S", "FATAL"), ("V", "FATAL"), ("C", code), ("M", message))
    body = b"".join(key.encode() + text.encode() + b"\0" for key, text in fields) + b"\0"
    return b"E" + struct.pack("!i", len(body) + 4) + body


class Front:
    """Negotiates with each client, then copies bytes both ways."""

    def __init__(self, context: ssl.SSLContext, socket: str) -> None:
        self._context = context
        self._socket = socket

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, until either side ends."""
        with contextlib.suppress(OSError, EOFError, ssl.SSLError, asyncio.IncompleteReadError):
            await self._negotiate(reader, writer)
        writer.close()

    async def _negotiate(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        secure = False
        while True:
            head = await reader.readexactly(8)
            length, code = struct.unpack("!ii", head)
            if code == _GSS_REQUEST and not secure:
                writer.write(b"N")
                continue
            if code == _SSL_REQUEST and not secure:
                writer.write(b"S")
                await writer.drain()
                await writer.start_tls(self._context)
                secure = True
                continue
            break
        if not 8 <= length <= _LONGEST_STARTUP:
            return
        if not secure and code != _CANCEL_REQUEST:
            writer.write(refusal("no pg_hba.conf entry for host 127.0.0.1, no encryption", "28000"))
            await writer.drain()
            return
        try:
            from_server, to_server = await self._server()
        except OSError:
            writer.write(refusal("the database system is starting up", "57P03"))
            await writer.drain()
            return
        to_server.write(head)
        copies = [
            asyncio.create_task(_copy(reader, to_server)),
            asyncio.create_task(_copy(from_server, writer)),
        ]
        await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
        for copy in copies:
            copy.cancel()
        await asyncio.gather(*copies, return_exceptions=True)
        to_server.close()

    async def _server(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The server's socket; a server that is being restarted is waited for. Raises ``OSError``."""
        deadline = asyncio.get_running_loop().time() + _SERVER_SECONDS
        while True:
            try:
                return await asyncio.open_unix_connection(self._socket, limit=_CHUNK)
            except OSError:
                if asyncio.get_running_loop().time() > deadline:
                    raise
            await asyncio.sleep(0.05)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()


async def run(port: int, cert: Path, key: Path, socket: str) -> None:
    """Serve for ever."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert, key)
    server = await asyncio.start_server(Front(context, socket).serve, "127.0.0.1", port, limit=_CHUNK)
    await server.serve_forever()


if __name__ == "__main__":
    _, _port, _cert, _key, _socket = sys.argv
    asyncio.run(run(int(_port), Path(_cert), Path(_key), _socket))
