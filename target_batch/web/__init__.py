"""What the two local pages share: the guard before them, their responses, routes and server.

The local Batch (`target_batch.sandbox`) and `target-batch runs --web` each serve their own page on the
loopback address. Both use this package, which imports nothing else from target-batch. The shared files of
the pages are in `static`.
"""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import click
import msgspec
import uvicorn
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

if TYPE_CHECKING:
    from types import FrameType

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

LARGEST_PAGE: Final = 10_000
"""Largest ``limit`` of a list."""
ALL: Final = 2**62
"""Upper bound of a number that has none."""
_LONGEST_NUMBER: Final = 18


def show(content: Any, status: int = 200) -> Response:
    """Return a response with `content` as JSON."""
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    return Response(msgspec.json.encode(content), status, headers, "application/json")


def fail(status: int, message: str) -> Response:
    """Return an error response."""
    return show({"error": message}, status)


def amount(request: Request, name: str, default: int, most: int = LARGEST_PAGE) -> int:
    """Read a whole number from the query; missing or invalid ones become the default."""
    number = number_in(request.query_params.get(name, ""))
    return default if number is None else min(number, most)


def number_in(text: str) -> int | None:
    """Parse a whole number of at most 18 digits; return None for anything else."""
    is_number = text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER
    return int(text) if is_number else None


def position(request: Request) -> int:
    """Read ``from`` from the query; it has no upper bound."""
    return amount(request, "from", 0, ALL)


def flag(request: Request, name: str) -> bool:
    """Return whether a parameter of the query is ``1``."""
    return request.query_params.get(name) == "1"


_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class Guard:
    """ASGI middleware that only accepts requests made to this machine under its own name.

    Otherwise a page of another site could send requests to the loopback address from the user's browser:
    through a name that resolves to it, with a form, or by embedding it as a script or an image. Following
    a link to this page is allowed.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it with 403."""
        if _is_let_in(dict(scope["headers"]), scope["method"]):
            await self._app(scope, receive, send)
        else:
            await fail(403, "only this machine may look in here")(scope, receive, send)


def _is_let_in(headers: dict[bytes, bytes], method: str) -> bool:
    host = headers.get(b"host", b"")
    try:
        is_loopback = urlsplit(f"//{host.decode('latin-1')}").hostname in _LOOPBACK
    except ValueError:
        is_loopback = False
    if not is_loopback or headers.get(b"origin", b"http://" + host) != b"http://" + host:
        return False
    if headers.get(b"sec-fetch-site", b"none") in {b"none", b"same-origin"}:
        return True
    return method == "GET" and headers.get(b"sec-fetch-mode") == b"navigate"


_SHARED: Final = Path(__file__).parent / "static"
_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
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
        Mount("/static/shared", StaticFiles(directory=_SHARED)),
        Mount("/static", StaticFiles(directory=folder)),
    ]


HOST: Final = "127.0.0.1"
"""The only address to listen on."""


class LocalServer(uvicorn.Server):
    """A server that stops quietly, with exit code 0, on the first signal.

    Once it listens, it prints `greeting`, with the address for ``{url}``, and writes the port to `port_file`.
    `options` are further ones of uvicorn.
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
            timeout_graceful_shutdown=3,
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
        if path := self._port_file:
            scratch = path.with_name(f"{path.name}.{os.getpid()}")
            scratch.write_text(f"{port}\n", encoding="ascii")
            scratch.replace(path)  # so that a reader never sees part of it
        click.echo(self._greeting.format(url=f"http://{HOST}:{port}"))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Stop on a signal; a second one does not wait for open requests."""
        self.force_exit = self.should_exit
        self.should_exit = True

    def serve_on(self, port: int) -> None:
        """Serve on a TCP port, 0 for any free one, until a signal arrives.

        Raises:
            OSError: When the port is taken.
        """
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        with socket.create_server((HOST, port), backlog=256) as listener:
            self.run([listener])
