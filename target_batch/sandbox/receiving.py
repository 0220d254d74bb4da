"""Reading requests: their time of arrival and their bodies."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any, Final

Receive = Callable[[], Awaitable[Any]]
"""ASGI's ``receive``."""
_TCP_INFO: Final = getattr(socket, "TCP_INFO", None)
_LAST_DATA_RECEIVED: Final = struct.Struct("52xI")
"""Milliseconds since the last data arrived, in Linux's ``tcp_info``."""


def waited(transport: asyncio.Transport) -> float:
    """Return the number of seconds that a connection's data has waited to be read.

    The documented rates count arrivals, but a process that is busy with a large call reads the next ones
    late. Linux records when they arrived; on other systems this returns 0.
    """
    connection = transport.get_extra_info("socket")
    if _TCP_INFO is None or connection is None:
        return 0.0
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _LAST_DATA_RECEIVED.size)
    except OSError:
        return 0.0
    return float(_LAST_DATA_RECEIVED.unpack(info)[0]) / 1000


async def read_body(receive: Receive) -> bytes | None:
    """Read a complete body, or return None if the client disconnects first."""
    chunks = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)


async def count_body(receive: Receive) -> int:
    """Read a complete body without keeping it; return its length in bytes."""
    total = 0
    while True:
        message = await receive()
        total += len(message.get("body", b""))
        if not message.get("more_body"):
            return total
