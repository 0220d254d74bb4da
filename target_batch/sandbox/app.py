"""The ASGI application: the Batch API, the inspection API and the page."""

from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.routing import Mount

from target_batch.sandbox.batch import LocalBatch
from target_batch.sandbox.faults.stage import Send
from target_batch.sandbox.gateway import Gateway
from target_batch.sandbox.inspection.routes import make_routes
from target_batch.sandbox.null import NullBatch
from target_batch.sandbox.receiving import Receive
from target_batch.sandbox.storage import PREFIX, Storage
from target_batch.web import Guard, page_routes

STATIC: Final = Path(__file__).parent / "static"
"""Directory of the page's files."""
_PAGE: Final = frozenset({"/", "/favicon.ico"})


class Sandbox:
    """The complete ASGI application.

    Args:
        batch: The local Batch to serve.
    """

    def __init__(self, batch: LocalBatch) -> None:
        self.gateway = Gateway(batch)
        self._batch = NullBatch(batch) if batch.options.null else self.gateway
        self._storage = Storage(batch)
        self._inspection = Guard(_make_inspection(batch))

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Dispatch one request by its path; no path of Batch's API starts like the other ones."""
        path = scope["path"]
        if path in _PAGE or path.startswith(("/_/", "/static/")):
            await self._inspection(scope, receive, send)
        elif path.startswith(PREFIX):
            await self._storage(scope, receive, send)
        else:
            await self._batch(scope, receive, send)


def _make_inspection(batch: LocalBatch) -> Starlette:
    return Starlette(routes=[Mount("/_", routes=make_routes(batch)), *page_routes(STATIC)])
