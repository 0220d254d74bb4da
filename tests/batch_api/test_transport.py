"""A failed call reports its problem and whether it may have arrived, which depends on how far it came."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import pytest
from listener import certified, closed_port

from target_batch.batch_api.endpoints import Project
from target_batch.batch_api.transport import Call, Transport, TransportError
from target_batch.common.clock import Clock
from target_batch.common.redaction import Secret

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

CALL = Call("POST", "/2.11/profiles/update", Project(Secret("key"), "project", "2.11"), b"[1]")
BROKEN_RECORD = b"\x17\x03\x03\x00\x20" + bytes(32)
"""A TLS record that cannot be decrypted."""


class Way(NamedTuple):
    """How a call is made and answered, the problem it must report, and whether it may have arrived."""

    problem: str
    arrived: bool
    proxy: bool = False
    tls: bool = False
    tunnel: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n"
    known: bool = True
    answer: bytes = b""
    listens: bool = True


BROKE = "the connection broke"
REFUSED = "the proxy refused"
WAYS = {
    "a closed port": Way("no connection", arrived=False, listens=False),
    "no answer": Way(BROKE, arrived=True),
    "half an answer": Way(BROKE, arrived=True, answer=b"HTTP/1.1 202 Accepted\r\nContent-Length: 9\r\n\r\n{"),
    "not HTTP": Way(BROKE, arrived=True, answer=b"what?\r\n\r\n"),
    "a proxy that is down": Way(REFUSED, arrived=False, proxy=True, listens=False),
    "no answer through a proxy": Way(BROKE, arrived=True, proxy=True),
    "a tunnel proxy that is down": Way(REFUSED, arrived=False, proxy=True, tls=True, listens=False),
    "a refused tunnel": Way(REFUSED, arrived=False, proxy=True, tls=True, tunnel=b"HTTP/1.1 407 No\r\n\r\n"),
    "a tunnel that is cut": Way("no connection", arrived=False, proxy=True, tls=True, tunnel=b""),
    "no answer in a tunnel": Way(BROKE, arrived=True, proxy=True, tls=True),
    "an unknown certificate": Way("TLS could not be verified", arrived=False, tls=True, known=False),
    "no answer over TLS": Way(BROKE, arrived=True, tls=True),
    "a broken record": Way(BROKE, arrived=True, tls=True, answer=BROKEN_RECORD),
    "a broken record in a tunnel": Way(BROKE, arrived=True, tls=True, proxy=True, answer=BROKEN_RECORD),
}


class Server(threading.Thread):
    """Accepts one connection and behaves as its `way` says; `heard` holds the call's body if it arrived."""

    def __init__(self, way: Way, context: ssl.SSLContext) -> None:
        super().__init__(daemon=True)
        self.heard = b""
        self._way = way
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def run(self) -> None:
        """Serve."""
        connection, _ = self._listener.accept()
        with self._listener, connection, suppress(OSError):
            connection.settimeout(10)
            if self._way.tls and self._way.proxy:
                assert connection.recv(65_536).startswith(b"CONNECT")
                connection.sendall(self._way.tunnel)
                if b"200" not in self._way.tunnel:
                    return
            talk = self._context.wrap_socket(connection, server_side=True) if self._way.tls else connection
            while not self.heard.endswith(b"[1]"):
                self.heard += talk.recv(65_536)
            if self._way.answer == BROKEN_RECORD:
                socket.socket.sendall(talk, BROKEN_RECORD)
            elif self._way.answer:
                talk.sendall(self._way.answer)
            talk.close()


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_only_a_call_that_may_have_arrived_is_in_doubt(
    way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that certainly did not arrive can be sent again without a warning."""
    for name in (
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
    ):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    bundle, context = certified(tmp_path)
    server = Server(way, context)
    server.start()
    port = server.port if way.listens else closed_port()
    if way.known:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    if way.proxy:
        monkeypatch.setenv("https_proxy" if way.tls else "http_proxy", f"http://127.0.0.1:{port}")
    host = "localhost" if way.tls else "127.0.0.1"
    transport = Transport(f"{'https' if way.tls else 'http'}://{host}:{port}", 20, "test", Clock())
    with pytest.raises(TransportError) as raised:
        transport.send(CALL)
    if way.listens:
        server.join(20)
    assert (raised.value.what, raised.value.ambiguous) == (way.problem, way.arrived)
    assert server.heard.endswith(b"[1]") == way.arrived
