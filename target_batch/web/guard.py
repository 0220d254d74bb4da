"""Keeping the pages of other sites away from a page of this machine."""

from typing import Final
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from target_batch.web.answering import fail

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_NAVIGATION: Final = b"navigate"


class Guard:
    """ASGI application that lets in only what this machine asks under its own name.

    A page elsewhere could otherwise send requests to the loopback address from the user's browser: by a
    name that resolves to it, by a form, or as a script or picture of its own. A link that leads here is
    followed.

    Args:
        app: What is guarded.
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
