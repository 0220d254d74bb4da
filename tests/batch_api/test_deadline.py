"""An attempt has one deadline for everything, including the time before there is a connection."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from listener import Listener

from target_batch.batch_api.deadline import Deadlines
from target_batch.batch_api.endpoints import Project
from target_batch.batch_api.transport import Call, Transport, TransportError
from target_batch.common.clock import Clock, Stop
from target_batch.common.redaction import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

CALL = Call("POST", "/2.11/profiles/update", Project(Secret("key"), "project", "2.11"), b"[]")


def drip_endlessly(server: socket.socket) -> None:
    """Answer one call endlessly, one byte at a time."""
    with suppress(OSError):
        connection, _ = server.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 1000000\r\n\r\n")
            while True:
                connection.sendall(b" ")
                time.sleep(0.02)


@pytest.fixture
def full_port() -> Iterator[int]:
    """A port that never accepts a connection, because its queue is full."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=0)) as server:
        port = server.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.setblocking(False)  # noqa: FBT003 - the socket's own signature
            client.connect_ex(("127.0.0.1", port))
        yield port
        for client in waiting:
            client.close()


def test_a_second_address_does_not_get_a_second_deadline(
    monkeypatch: pytest.MonkeyPatch, full_port: int
) -> None:
    """The first address hangs until the deadline, and the second one would answer endlessly."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        threading.Thread(target=drip_endlessly, args=(server,), daemon=True).start()
        dripping_port = server.getsockname()[1]
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        addresses: list[Any] = [(*kind, ("127.0.0.1", port)) for port in (full_port, dripping_port)]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)
        transport = Transport("http://batch.test:80", 0.5, "test", Clock())
        ended: list[str] = []

        def send() -> None:
            with pytest.raises(TransportError) as raised:
                transport.send(CALL)
            ended.append(raised.value.what)

        attempt = threading.Thread(target=send, daemon=True)
        attempt.start()
        attempt.join(4)
    assert ended == ["no connection in time"]


def test_a_call_reports_when_its_last_byte_was_sent() -> None:
    """Batch's rate limit counts from that moment."""
    moments: list[float] = []
    with Listener() as server:
        transport = Transport(f"http://127.0.0.1:{server.port}", 5, "test", Clock())
        with pytest.raises(TransportError):
            transport.send(replace(CALL, sent=lambda: moments.append(time.monotonic())))
        assert len(server.heard) == 1
    assert len(moments) == 1


def answer_calls(server: socket.socket, calls: int) -> None:
    """Answer a number of calls on one connection."""
    connection, _ = server.accept()
    with connection, suppress(OSError):
        for _ in range(calls):
            request = b""
            while not request.endswith(b"[]"):
                request += connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}")


def test_attempts_share_one_watchdog_and_keep_their_connection() -> None:
    """Attempts do not start threads, and the deadline of a finished one does not cut a later one."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        threading.Thread(target=answer_calls, args=(server, 30), daemon=True).start()
        transport = Transport(f"http://127.0.0.1:{server.getsockname()[1]}", 0.5, "test", Clock())
        before = threading.active_count()
        end = time.monotonic() + 1.2
        for number in range(30):
            assert transport.send(CALL).status == 202
            assert threading.active_count() <= before + 1
            time.sleep(max(0.0, (end - time.monotonic()) / (30 - number)))


def test_a_finished_attempt_does_not_cut_its_connection_later() -> None:
    """The watchdog cuts under the lock that ends an attempt, so it cannot cut a finished one."""
    deadlines = Deadlines(0.05)
    with deadlines.attempt() as attempt:
        ours, theirs = socket.socketpair()
        attempt.handle = ours
    time.sleep(0.3)
    assert not attempt.expired
    theirs.setblocking(False)  # noqa: FBT003 - the socket's own signature
    with pytest.raises(BlockingIOError):
        theirs.recv(1)
    attempt.release()
    theirs.close()


def test_a_tls_handshake_that_never_ends_is_cut() -> None:
    """During the handshake the connection's socket has no file descriptor."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.sendall(b"\x16\x03\x03\x40\x00")  # the head of a long handshake record
                while True:
                    connection.sendall(b"\x00")
                    time.sleep(0.05)

        threading.Thread(target=drip, daemon=True).start()
        transport = Transport(f"https://127.0.0.1:{server.getsockname()[1]}", 0.4, "test", Clock())
        begun = time.monotonic()
        with pytest.raises(TransportError):
            transport.send(CALL)
    assert time.monotonic() - begun < 5


def test_an_attempt_can_end_before_its_timeout() -> None:
    """While Batch fails, an attempt ends by the deadline of the run."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        transport = Transport(f"http://127.0.0.1:{server.getsockname()[1]}", 60, "test", Clock())
        with pytest.raises(TransportError, match="no answer in time"):
            transport.send(replace(CALL, until=time.monotonic() + 0.2))


def test_hurry_shortens_an_attempt_in_progress() -> None:
    deadlines = Deadlines(60)
    with deadlines.attempt() as attempt:
        begun = time.monotonic()
        deadlines.hurry(0.1)
        while not attempt.expired:
            assert time.monotonic() - begun < 5
            time.sleep(0.01)
    assert deadlines.seconds == 0.1


def test_a_stop_ends_a_pause_at_once() -> None:
    stop = Stop(Clock())
    threading.Timer(0.1, stop.request, (1,)).start()
    begun = time.monotonic()
    stop.pause(30)
    assert time.monotonic() - begun < 2
