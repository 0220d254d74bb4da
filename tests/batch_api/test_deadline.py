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

from target_batch.batch_api.auth import ProjectAuth
from target_batch.batch_api.deadline import Deadlines
from target_batch.batch_api.transport import Call, Transport, TransportError
from target_batch.common.clock import Clock, Stop
from target_batch.common.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CALL = Call("POST", "/2.11/profiles/update", ProjectAuth(Secret("key"), "project"), b"[]")


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
    assert ended in (["no connection in time"], ["no answer in time"])


def test_a_call_says_when_its_bytes_begin_to_leave() -> None:
    """Again after the connection was made: the limit of Batch counts from then."""
    moments: list[float] = []
    with Listener() as server:
        transport = Transport(f"http://127.0.0.1:{server.port}", 5, "test", Clock())
        with pytest.raises(TransportError):
            transport.send(replace(CALL, leaving=lambda: moments.append(time.monotonic())))
        assert len(server.heard) == 1
    assert len(moments) == 2


def within_a_moment(action: Callable[[], None]) -> bool:
    """Tell whether an action ends."""
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    thread.join(2)
    return not thread.is_alive()


def test_a_signal_handler_may_interrupt_the_thread_that_holds_the_lock() -> None:
    """It runs on the main thread, wherever that stands: in the middle of an attempt, or about to wait."""
    deadlines, stop = Deadlines(60), Stop(Clock())

    def interrupted() -> None:
        with deadlines._lock:  # noqa: SLF001 - the instant cannot be met from outside
            deadlines.hurry(1)
        with stop._event._cond:  # noqa: SLF001 - the same
            stop.request(1)

    assert within_a_moment(interrupted)
    assert stop.requested
    assert deadlines.seconds == 1


def test_a_stop_ends_a_pause_at_once() -> None:
    stop = Stop(Clock())
    threading.Timer(0.1, stop.request, (1,)).start()
    begun = time.monotonic()
    stop.pause(30)
    assert time.monotonic() - begun < 2
