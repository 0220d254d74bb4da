"""Serving the application on the loopback address until a signal says stop."""

import asyncio
import logging
import os
import socket
from pathlib import Path
from types import FrameType
from typing import Final

import click
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from target_batch.sandbox.app import Sandbox
from target_batch.sandbox.batch import LocalBatch
from target_batch.sandbox.faults.stage import Wire

HOST: Final = "127.0.0.1"
"""The only address the local Batch listens on."""
_BACKLOG: Final = 256
_SECONDS_TO_STOP: Final = 3


class Connection(H11Protocol):
    """A connection that lets scripted faults reach its transport."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Put the transport into the state that each request's scope carries."""
        super().connection_made(transport)
        # asyncio does this only for sockets that name their protocol; without it each answer waits
        # 40 ms for an acknowledgement
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.wire = Wire(transport, asyncio.Event())
        self.app_state = {**self.app_state, "wire": self.wire}

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end of the connection."""
        super().connection_lost(exc)
        self.wire.left.set()


class Server(uvicorn.Server):
    """A server that ends quietly, with exit code 0, on the first signal.

    Args:
        config: What and how to serve.
        sandbox: The application.
        port_file: Where to write the port once the server listens.
    """

    def __init__(self, config: uvicorn.Config, sandbox: Sandbox, port_file: Path | None) -> None:
        super().__init__(config)
        self._sandbox = sandbox
        self._port_file = port_file

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, then say where."""
        await super().startup(sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        if self._port_file:
            write_port(self._port_file, port)
        click.echo(f"The local Batch listens at http://{HOST}:{port} (page: same address)")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End pauses and broken connections, let the other requests finish."""
        self._sandbox.gateway.stop()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's form
        """Stop on a signal; a second one stops harder."""
        self.force_exit = self.should_exit
        self.should_exit = True


def serve(batch: LocalBatch, port: int, port_file: Path | None = None) -> None:
    """Serve until a signal.

    Args:
        batch: What to serve.
        port: TCP port, 0 for any that is free.
        port_file: Where to write the port once the server listens.

    Raises:
        OSError: When the port is taken.
    """
    sandbox = Sandbox(batch)
    config = uvicorn.Config(
        sandbox,
        http=Connection,
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_SECONDS_TO_STOP,
        timeout_keep_alive=75,
    )
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    with socket.create_server((HOST, port), backlog=_BACKLOG) as listener:
        Server(config, sandbox, port_file).run([listener])


def write_port(path: Path, port: int) -> None:
    """Write a port to a file at once, so that a reader never sees half of it."""
    scratch = path.with_name(f"{path.name}.{os.getpid()}")
    scratch.write_text(f"{port}\n", encoding="ascii")
    scratch.replace(path)
