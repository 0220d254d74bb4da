"""A call counts from the arrival of its data, even if the local Batch was busy and read it later."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time
from typing import Any

import pytest
import uvicorn

from target_batch.sandbox.receiving import read_body, waited
from target_batch.sandbox.serving import Connection

WAIT = 0.2
RESOLUTION = 0.02
"""Linux counts in ticks, of 10 ms at most."""


class Transport(asyncio.Transport):
    def __init__(self, connection: socket.socket | None) -> None:
        super().__init__({"socket": connection})


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports when data arrived")
def test_the_time_that_data_waited_is_measured() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sender = socket.create_connection(listener.getsockname())
        receiver, _ = listener.accept()
        with sender, receiver:
            before = time.monotonic()
            sender.sendall(b"POST")
            sent = time.monotonic()
            time.sleep(WAIT)
            asked = time.monotonic()
            found = waited(Transport(receiver))
            assert asked - sent - RESOLUTION <= found <= time.monotonic() - before + RESOLUTION


def test_without_a_socket_data_counts_as_arriving_now() -> None:
    assert waited(Transport(None)) == 0.0


class Busy:
    """An application that is busy for a while at its first call, and records when calls arrived."""

    def __init__(self) -> None:
        self.at_work = threading.Event()
        self.arrivals: list[float] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.arrivals.append(scope["state"]["wire"].arrived)
        await read_body(receive)
        if not self.at_work.is_set():
            self.at_work.set()
            time.sleep(2 * WAIT)  # noqa: ASYNC251 - nothing else may run meanwhile
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})


def call(address: tuple[str, int], size: int) -> float:
    """Make a call with a body of this size; return the latest time at which it left."""
    with socket.create_connection(address) as connection:
        head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode()
        connection.sendall(head)
        left = time.monotonic()
        connection.sendall(bytes(size))
        assert connection.recv(1024).startswith(b"HTTP/1.1 204")
    return left


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports when data arrived")
def test_a_large_call_to_a_busy_server_counts_from_its_first_bytes() -> None:
    """Reading them makes room for more bytes, whose later arrival must not count."""
    app = Busy()
    server = uvicorn.Server(
        uvicorn.Config(app, http=Connection, loop="asyncio", lifespan="off", log_config=None)
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        serving = threading.Thread(target=server.run, args=([listener],))
        serving.start()
        try:
            first = threading.Thread(target=call, args=(address, 1))
            first.start()
            assert app.at_work.wait(30)
            left = call(address, 2_000_000)
            first.join()
        finally:
            server.should_exit = True
            serving.join()
    assert len(app.arrivals) == 2
    assert app.arrivals[1] <= left + WAIT
