"""Reading request bodies."""

from collections.abc import Awaitable, Callable
from typing import Any

Receive = Callable[[], Awaitable[Any]]
"""ASGI's ``receive``."""


async def read_body(receive: Receive) -> bytes | None:
    """Read a body to its end; None when the other side goes before."""
    chunks = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)


async def count_body(receive: Receive) -> int:
    """Read a body to its end and keep nothing of it; return its length in bytes."""
    total = 0
    while True:
        message = await receive()
        total += len(message.get("body", b""))
        if not message.get("more_body"):
            return total
