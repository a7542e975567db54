"""A stand-in for a proxy, for unit tests only: HTTP's CONNECT or SOCKS 5, by the client's first byte."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_SOCKS = 5


class Proxy:
    """Passes bytes on; `asked` holds the addresses that it was asked for, as host:port."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        asked, proxy = self.asked, self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                first = self.rfile.peek(1)[:1]  # type: ignore[attr-defined]  # BufferedReader has it
                address = self._socks() if first == bytes([_SOCKS]) else self._connect()
                asked.append(address)
                with socket.create_connection(proxy.target) as there:
                    back = threading.Thread(target=_pass_on, args=(there, self.connection), daemon=True)
                    back.start()
                    _pass_on(self.connection, there)
                    back.join()

            def _connect(self) -> str:
                address = self.rfile.readline().split()[1].decode()
                while self.rfile.readline().strip():
                    pass
                self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                return address

            def _socks(self) -> str:
                _, methods = self.rfile.read(2)
                self.rfile.read(methods)
                self.wfile.write(bytes([_SOCKS, 0]))
                *_, kind = self.rfile.read(4)
                if kind == 1:
                    host = socket.inet_ntoa(self.rfile.read(4))
                else:
                    host = self.rfile.read(self.rfile.read(1)[0]).decode()
                (port,) = struct.unpack("!H", self.rfile.read(2))
                self.wfile.write(bytes([_SOCKS, 0, 0, 1, 0, 0, 0, 0, 0, 0]))
                return f"{host}:{port}"

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self.target = ("", 0)

    @contextmanager
    def serving(self, target: str) -> Iterator[None]:
        """Leads everybody to `target`, as host:port, whatever they ask for, until the block ends."""
        host, _, port = target.rpartition(":")
        self.target = (host, int(port))
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
