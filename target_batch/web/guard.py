"""Protecting local pages from other sites; reading query parameters, writing JSON responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import msgspec
from starlette.responses import Response

if TYPE_CHECKING:
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


def whole(request: Request, name: str, default: int, most: int = LARGEST_PAGE) -> int:
    """Read a whole number from the query; missing or invalid ones become the default."""
    number = number_in(request.query_params.get(name, ""))
    return default if number is None else min(number, most)


def number_in(text: str) -> int | None:
    """Parse a whole number of at most 18 digits; return None for anything else."""
    is_number = text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER
    return int(text) if is_number else None


def position(request: Request) -> int:
    """Read ``from`` from the query; it has no upper bound."""
    return whole(request, "from", 0, ALL)


def flag(request: Request, name: str) -> bool:
    """Return whether a parameter of the query is ``1``."""
    return request.query_params.get(name) == "1"


_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_NAVIGATION: Final = b"navigate"


class Guard:
    """ASGI middleware that only accepts requests made to this machine under its own name.

    Otherwise a page of another site could send requests to the loopback address from the user's browser:
    through a name that resolves to it, with a form, or by embedding it as a script or an image. Following
    a link to this page is allowed.

    Args:
        app: The application to protect.
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
    if (
        not _is_loopback(host.decode("latin-1"))
        or headers.get(b"origin", b"http://" + host) != b"http://" + host
    ):
        return False
    if headers.get(b"sec-fetch-site", b"none") in {b"none", b"same-origin"}:
        return True
    return method == "GET" and headers.get(b"sec-fetch-mode") == _NAVIGATION


def _is_loopback(host: str) -> bool:
    try:
        return urlsplit(f"//{host}").hostname in _LOOPBACK
    except ValueError:
        return False
