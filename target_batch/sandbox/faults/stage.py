"""The context in which a fault acts: one request, its connection and its normal answer."""

import asyncio
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from target_batch.sandbox.answers import Answer
from target_batch.sandbox.exchange import Exchange

Send = Callable[[Any], Awaitable[None]]
"""ASGI's ``send``."""
ANSWER_KEPT: Final = 4 * 1024 * 1024
"""Maximum bytes of an answer kept for inspection."""
_LINGER_ZERO: Final = struct.pack("ii", 1, 0)
_NO_BODY: Final = frozenset({204, 304})


@dataclass
class Wire:
    """The raw connection below HTTP.

    Attributes:
        transport: Transport that bytes are written to.
        left: Set when the server has noticed the end of the connection.
        arrived: Time at which the first bytes of the latest request arrived, on the system's monotonic
            clock.
    """

    transport: asyncio.Transport
    left: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: float = field(default_factory=time.monotonic)


class Stage:
    """One request that is being answered.

    Args:
        exchange: The request.
        send: ASGI's ``send``.
        wire: The raw connection.
        normally: Function that applies the request and returns Batch's own answer.
        pause: Function that waits for a number of seconds, or less if the server stops.
    """

    def __init__(
        self,
        exchange: Exchange,
        send: Send,
        wire: Wire,
        normally: Callable[[Exchange], Answer],
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        self.exchange = exchange
        self.transport = wire.transport
        self.pause = pause
        self.status = 0
        self.sent = bytearray()
        self.sent_bytes = 0
        self._left = wire.left
        self._send = send
        self._normally = normally

    @cached_property
    def normal(self) -> Answer:
        """Batch's own answer; the request is applied on first access, and only once."""
        return self._normally(self.exchange)

    def has_left(self) -> bool:
        """Return whether the connection is closing, from either side."""
        return self.transport.is_closing()

    async def answer(self, answer: Answer) -> None:
        """Send a complete answer."""
        body = b"" if answer.status in _NO_BODY else answer.body
        length = (b"content-length", str(len(body)).encode())
        await self.begin(answer.status, [*answer.headers, length])
        await self.body(body, more=False)

    async def begin(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Send the status line and headers."""
        self.status = status
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def body(self, chunk: bytes, *, more: bool = True) -> None:
        """Send part of the body."""
        self._keep(chunk)
        await self._send({"type": "http.response.body", "body": chunk, "more_body": more})

    async def write(self, status: int, data: bytes) -> None:
        """Write raw bytes to the connection, bypassing HTTP."""
        self.status = status
        self._keep(data)
        self.transport.write(data)

    def _keep(self, data: bytes) -> None:
        """Keep the data sent, up to `ANSWER_KEPT` bytes, because an answer may be endless."""
        self.sent_bytes += len(data)
        if room := ANSWER_KEPT - len(self.sent):
            self.sent += data[:room]

    async def close(self) -> None:
        """Close the connection once all written data is sent."""
        self.transport.close()
        await self.gone()

    async def reset(self) -> None:
        """Reset the connection with RST."""
        connection = self.transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self.transport.abort()
        await self.gone()

    async def gone(self) -> None:
        """Wait until the server notices that the connection is closed, so that it sends no answer."""
        await self._left.wait()
