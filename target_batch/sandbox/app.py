"""The ASGI application: Batch itself, the inspection API and the page."""

from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.responses import FileResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from target_batch.sandbox.batch import LocalBatch
from target_batch.sandbox.faults.stage import Send
from target_batch.sandbox.gateway import Gateway
from target_batch.sandbox.guard import Guard
from target_batch.sandbox.inspection.routes import make_routes
from target_batch.sandbox.null import NullBatch
from target_batch.sandbox.receiving import Receive

STATIC: Final = Path(__file__).parent / "static"
"""Folder of the page."""
_PAGE: Final = frozenset({"/", "/favicon.ico"})
_POLICY: Final = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


class Sandbox:
    """The whole application.

    Args:
        batch: What it holds.
    """

    def __init__(self, batch: LocalBatch) -> None:
        self.gateway = Gateway(batch)
        self._batch = NullBatch(batch) if batch.options.null else self.gateway
        self._inspection = Guard(_make_inspection(batch))

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one request; the paths of Batch never begin like those of the inspection."""
        path = scope["path"]
        if path in _PAGE or path.startswith(("/_/", "/static/")):
            await self._inspection(scope, receive, send)
        else:
            await self._batch(scope, receive, send)


def _make_inspection(batch: LocalBatch) -> Starlette:
    async def page(_request: Any) -> FileResponse:
        headers = {"content-security-policy": _POLICY, "cache-control": "no-store"}
        return FileResponse(STATIC / "index.html", headers=headers)

    return Starlette(
        routes=[
            Route("/", page),
            Mount("/_", routes=make_routes(batch)),
            Mount("/static", StaticFiles(directory=STATIC)),
        ]
    )
