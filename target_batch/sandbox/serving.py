"""The HTTP server of the local Batch, on the loopback address."""

import asyncio
import socket
import time
from pathlib import Path
from typing import Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from target_batch.sandbox.app import Sandbox
from target_batch.sandbox.batch import LocalBatch
from target_batch.sandbox.faults.stage import Wire
from target_batch.sandbox.receiving import waited
from target_batch.web import LocalServer

READ_SIZE: Final = 256 * 1024


class Connection(H11Protocol, asyncio.BufferedProtocol):
    """A connection that gives scripted faults access to its transport and records arrival times."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Add the transport to the state in each request's scope."""
        super().connection_made(transport)
        # asyncio does this only for sockets created with an explicit protocol; without it each answer
        # waits 40 ms for an acknowledgement
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(READ_SIZE)
        self.wire = Wire(transport)
        self.app_state = {**self.app_state, "wire": self.wire}

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002 - asyncio's signature
        """Record when a request arrived, before its data is read: reading lets more data arrive."""
        if self.conn.their_state is h11.IDLE:
            self.wire.arrived = time.monotonic() - waited(self.wire.transport)
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Pass on the data read."""
        self.data_received(bytes(self._buffer[:nbytes]))

    def connection_lost(self, exc: Exception | None) -> None:
        """Record the end of the connection."""
        super().connection_lost(exc)
        self.wire.left.set()


class Server(LocalServer):
    """The server of a local Batch.

    Args:
        sandbox: The application.
        port_file: File to write the port to once the server is listening.
    """

    def __init__(self, sandbox: Sandbox, port_file: Path | None) -> None:
        greeting = "The local Batch listens at {url} (page: same address)"
        super().__init__(sandbox, greeting, port_file, http=Connection)
        self._sandbox = sandbox

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End pauses and connections with an active fault, and let all other requests finish."""
        self._sandbox.gateway.stop()
        await super().shutdown(sockets)


def serve(batch: LocalBatch, port: int, port_file: Path | None = None) -> None:
    """Serve until a signal stops the server.

    Args:
        batch: The local Batch to serve.
        port: TCP port; 0 for any free port.
        port_file: File to write the port to once the server is listening.

    Raises:
        OSError: If the port is taken.
    """
    Server(Sandbox(batch), port_file).serve_on(port)
