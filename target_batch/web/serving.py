"""Routes for the files of a page, and a server on the loopback address that runs until a signal."""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import uvicorn
from starlette.responses import FileResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

if TYPE_CHECKING:
    from types import FrameType

SHARED: Final = Path(__file__).parent / "static"
"""Folder of the files that both pages use."""
_POLICY: Final = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_HEADERS: Final = {
    "content-security-policy": _POLICY,
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


def page_routes(folder: Path) -> list[BaseRoute]:
    """Return the routes of a page whose `index.html` and other files are in a folder."""

    async def page(_request: Any) -> FileResponse:
        return FileResponse(folder / "index.html", headers=_HEADERS)

    return [
        Route("/", page),
        Mount("/static/shared", StaticFiles(directory=SHARED)),
        Mount("/static", StaticFiles(directory=folder)),
    ]


HOST: Final = "127.0.0.1"
"""The only address to listen on."""
_BACKLOG: Final = 256
_SECONDS_TO_STOP: Final = 3


class LocalServer(uvicorn.Server):
    """A server that stops quietly, with exit code 0, on the first signal.

    Args:
        app: The application.
        greeting: Text to print once the server listens; ``{url}`` is replaced by the address.
        port_file: File to which the port is written then.
        options: Further options for uvicorn.
    """

    def __init__(self, app: Any, greeting: str, port_file: Path | None = None, **options: Any) -> None:
        config = uvicorn.Config(
            app,
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_SECONDS_TO_STOP,
            timeout_keep_alive=75,
            **options,
        )
        super().__init__(config)
        self._greeting = greeting
        self._port_file = port_file

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, then print the address."""
        await super().startup(sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        if self._port_file:
            write_port(self._port_file, port)
        click.echo(self._greeting.format(url=f"http://{HOST}:{port}"))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Stop on a signal; a second one does not wait for open requests."""
        self.force_exit = self.should_exit
        self.should_exit = True

    def serve_on(self, port: int) -> None:
        """Serve until a signal arrives.

        Args:
            port: TCP port, 0 for any free one.

        Raises:
            OSError: When the port is taken.
        """
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        with socket.create_server((HOST, port), backlog=_BACKLOG) as listener:
            self.run([listener])


def write_port(path: Path, port: int) -> None:
    """Write a port to a file atomically, so that a reader never sees part of it."""
    scratch = path.with_name(f"{path.name}.{os.getpid()}")
    scratch.write_text(f"{port}\n", encoding="ascii")
    scratch.replace(path)
