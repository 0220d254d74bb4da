"""A total deadline for one attempt, also where the time ran out before there was a connection."""

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


def dripping(server: socket.socket) -> None:
    """Answer one call a byte at a time, for ever."""
    with suppress(OSError):
        connection, _ = server.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 1000000\r\n\r\n")
            while True:
                connection.sendall(b" ")
                time.sleep(0.02)


@pytest.fixture
def deaf() -> Iterator[int]:
    """A port where a connection is never made: its queue is full."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=0)) as server:
        port = server.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.setblocking(False)  # noqa: FBT003 - the socket's own signature
            client.connect_ex(("127.0.0.1", port))
        yield port
        for client in waiting:
            client.close()


def test_a_second_address_does_not_get_a_second_deadline(monkeypatch: pytest.MonkeyPatch, deaf: int) -> None:
    """The first address hangs until the time is up, the second one would drip for ever."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        threading.Thread(target=dripping, args=(server,), daemon=True).start()
        drips = server.getsockname()[1]
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        addresses: list[Any] = [(*kind, ("127.0.0.1", port)) for port in (deaf, drips)]
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


def test_a_call_says_when_its_last_byte_has_left() -> None:
    """The limit of Batch counts from then."""
    moments: list[float] = []
    with Listener() as server:
        transport = Transport(f"http://127.0.0.1:{server.port}", 5, "test", Clock())
        with pytest.raises(TransportError):
            transport.send(replace(CALL, sent=lambda: moments.append(time.monotonic())))
        assert len(server.heard) == 1
    assert len(moments) == 1


def answering(server: socket.socket, calls: int) -> None:
    """Answer so many calls on one connection, each with its number."""
    connection, _ = server.accept()
    with connection, suppress(OSError):
        for _ in range(calls):
            request = b""
            while not request.endswith(b"[]"):
                request += connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}")


def test_attempts_share_one_watchdog_and_their_connection_lives_on() -> None:
    """Not one thread per attempt, and a deadline that ended with its attempt cuts nothing later."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        threading.Thread(target=answering, args=(server, 30), daemon=True).start()
        transport = Transport(f"http://127.0.0.1:{server.getsockname()[1]}", 0.5, "test", Clock())
        before = threading.active_count()
        end = time.monotonic() + 1.2
        for number in range(30):
            assert transport.send(CALL).status == 202
            assert threading.active_count() <= before + 1
            time.sleep(max(0.0, (end - time.monotonic()) / (30 - number)))


def test_an_attempt_that_ends_is_never_cut_in_the_next_ones_place() -> None:
    """The watchdog cuts under the lock under which an attempt ends: afterwards it is out of reach."""
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
    """While it goes on the connection shows a socket without a descriptor."""
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


def test_an_attempt_can_end_before_its_time_out() -> None:
    """While Batch fails, an attempt ends when the run has to."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        transport = Transport(f"http://127.0.0.1:{server.getsockname()[1]}", 60, "test", Clock())
        with pytest.raises(TransportError, match="no answer in time"):
            transport.send(replace(CALL, until=time.monotonic() + 0.2))


def test_hurry_shortens_what_is_under_way() -> None:
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
