"""A call counts from when its data came, even if the local Batch was busy and read it later."""

from __future__ import annotations

import asyncio
import socket
import sys
import time

import pytest

from target_batch.sandbox.receiving import waited

WAIT = 0.2
RESOLUTION = 0.02
"""Linux counts in ticks, of 10 ms at most."""


class Transport(asyncio.Transport):
    def __init__(self, connection: socket.socket | None) -> None:
        super().__init__({"socket": connection})


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells when data came")
def test_data_that_waited_is_as_old_as_it_is() -> None:
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


def test_without_a_socket_data_comes_now() -> None:
    assert waited(Transport(None)) == 0.0
