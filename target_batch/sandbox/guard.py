"""Keeping web pages of other origins away from the inspection API and the page."""

from typing import Any
from urllib.parse import urlsplit

from target_batch.sandbox.faults.stage import Send
from target_batch.sandbox.inspection.answering import fail
from target_batch.sandbox.receiving import Receive

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Guard:
    """ASGI application that lets in only what this machine asks under its own name.

    A page elsewhere could otherwise send requests to the loopback address from the user's browser,
    by a name that resolves to it or by a form.

    Args:
        app: What is guarded.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it with 403."""
        headers = dict(scope["headers"])
        names = [b"//" + headers.get(b"host", b"")]
        if b"origin" in headers:
            names.append(headers[b"origin"])
        if all(_is_loopback(name.decode("latin-1")) for name in names):
            await self._app(scope, receive, send)
        else:
            await fail(403, "only this machine may look in here")(scope, receive, send)


def _is_loopback(url: str) -> bool:
    try:
        return urlsplit(url).hostname in _LOOPBACK
    except ValueError:
        return False
