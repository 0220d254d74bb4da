"""A relay to the local Batch that keeps the exact bytes that the client sent."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from typing_extensions import Self

READ_SIZE = 65_536


class Sent(NamedTuple):
    """One request as sent: path and query as on the wire, headers in order."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None


class Relay:
    """Listens on the loopback address and relays to a server; a context manager."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._server = (address.hostname or "", address.port or 80)
        self._heard: list[bytearray] = []
        self._connections: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        for connection in (self._socket, *self._connections):
            connection.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            server = socket.create_connection(self._server)
            self._connections += [client, server]
            heard = bytearray()
            self._heard.append(heard)
            for source, sink, kept in ((client, server, heard), (server, client, bytearray())):
                threading.Thread(target=_pass_on, args=(source, sink, kept), daemon=True).start()

    def requests(self) -> list[Sent]:
        """Return every request, connection by connection."""
        return [request for heard in self._heard for request in _parsed(bytes(heard))]


def _pass_on(source: socket.socket, sink: socket.socket, kept: bytearray) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(READ_SIZE):
            kept += chunk
            sink.sendall(chunk)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _parsed(heard: bytes) -> list[Sent]:
    """Parse the requests of one connection."""
    found = []
    while heard:
        head, _, rest = heard.partition(b"\r\n\r\n")
        start, *lines = head.decode("latin-1").split("\r\n")
        method, url, version = start.split(" ")
        assert version == "HTTP/1.1"
        headers = dict(line.split(": ", 1) for line in lines)
        assert len(headers) == len(lines), "a header was sent twice"
        length = int(headers.get("Content-Length", "0"))
        assert len(rest) >= length, "a body is shorter than its Content-Length"
        found.append(Sent(method, url, headers, rest[:length] if "Content-Length" in headers else None))
        heard = rest[length:]
    return found
